"""Find the crop of the test images: the square of their mean that correlates best with the mean training face.

Only images are averaged and compared: names and pairs are not used.
"""

import functools
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from facelib.config import PAIRS_FILE, TEST_FOLDER, Config
from facelib.data.images import SIZE, SMALLEST, UnreadableImageError, decode_whole
from facelib.data.pair_images import measure_frame
from facelib.data.pair_list import read_pairs

FACES = 4000  # training images in a mean face, at most; a quarter of a second from the decoded cache
FRAMES = 400  # test frames in a mean frame, at most; a second or two, since each is decoded
BLOCK = 256  # images that are summed at once
GAP = 6  # pixels of a 112x112 face: about the height of an eye
SIDES = 20  # so many steps make the shorter side of a frame; the sides that are tried are one step apart
FLAT = 1.0  # levels of 255 between the darkest and the lightest pixel of a mean image; below there is nothing to align


class AlignmentError(ValueError):
    """The crop cannot be found, or does not lie in the frames; the message says why, and what to do."""


class Alignment(NamedTuple):
    """The square of a frame that is most like a face."""

    crop: tuple[int, int, int]  # left, top, side in pixels
    correlation: float  # of what it cuts out with the face
    sides: tuple[tuple[int, float], ...]  # rising; some sides, with the correlation of the best square of that side


class Framing(NamedTuple):
    """The crop of the test frames, and the mean images that it was found by."""

    crop: tuple[int, int, int]  # left, top, side in pixels, from the configuration or found
    found: Alignment
    frame: np.ndarray  # (height, width) float64, the mean of the test frames
    face: np.ndarray  # (112, 112) float64, the mean of the training faces


def find_test_crop(config: Config, training: np.ndarray) -> Framing:
    """The square to cut out of every test frame: ``config.test_crop``, or where that is empty the one that is found.

    Frames of 112x112 pixels are faces already, and taken whole.

    Args:
        training: (n, 112, 112, 3) uint8, decoded training faces; may be memory-mapped.

    Raises:
        PairsError: the list of test pairs cannot be used. SizesError: its images are of several sizes.
        AlignmentError: its images, or the training faces, cannot be used.
    """
    folder = config.faces / TEST_FOLDER
    pairs = read_pairs(config.faces / PAIRS_FILE, folder)
    paths = sorted({path for pair in pairs for path in (pair.first, pair.second)})
    measure_frame(folder, paths)
    frame = mean_frame(folder, paths)
    face = mean_face(training)
    if frame.shape == (SIZE, SIZE):
        whole, fit = (0, 0, SIZE), correlate(edges(frame), edges(face))
        found = Alignment(whole, fit, ((SIZE, fit),))
    else:
        found = align(frame, face)
    left, top, side = crop = config.test_crop or found.crop
    height, width = frame.shape
    if left + side > width or top + side > height:
        raise AlignmentError(
            f"test_crop={crop} does not lie in the frames of {width}x{height} pixels in {folder}: "
            "leave it out, and it is found"
        )
    return Framing(crop, found, frame, face)


def mean_face(pixels: np.ndarray, most: int = FACES) -> np.ndarray:
    """The mean (112, 112) float64 in [0, 255] of at most `most` images, evenly chosen, over their three channels.

    Args:
        pixels: (n, 112, 112, 3) uint8, n at least 1; may be memory-mapped.
    """
    chosen = pixels[:: -(-len(pixels) // most)]
    total = sum(
        chosen[start : start + BLOCK].sum(axis=(0, 3), dtype=np.int64) for start in range(0, len(chosen), BLOCK)
    )
    return total / (3 * len(chosen))


def mean_frame(folder: Path, paths, most: int = FRAMES) -> np.ndarray:
    """The mean (height, width) float64 in [0, 255] of at most `most` images, evenly chosen, over their three channels.

    Those that cannot be read are left out.

    Args:
        paths: sequence of n relative paths of images of one size, n at least 1.

    Raises:
        AlignmentError: none of them can be read.
    """
    total, count, problem = 0, 0, None
    for path in paths[:: -(-len(paths) // most)]:
        try:
            total, count = total + decode_whole(folder / path).sum(axis=2, dtype=np.int64), count + 1
        except UnreadableImageError as error:
            problem = problem or error
    if not count:
        raise AlignmentError(f"no test frame can be read, so that no crop can be found: {problem}")
    return total / (3 * count)


def align(frame: np.ndarray, face: np.ndarray, smallest: int = SMALLEST) -> Alignment:
    """The square of `frame` that is most like `face`: scaled to 112x112, the correlation of their `edges` is highest.

    For each of some sides OpenCV's template matching finds the place, which is then followed uphill pixel by pixel, and
    the best of all sides in the side as well. It is the same on every run; of equal squares the first is taken.

    Args:
        frame: (height, width), a mean of images. face: (112, 112), another one. smallest: side in pixels.

    Raises:
        AlignmentError: the frame is smaller than the smallest square, or one of the two is flat.
    """
    height, width = frame.shape
    if min(frame.shape) < smallest:
        raise AlignmentError(f"frames of {width}x{height} pixels are too small: a crop has at least {smallest} a side")
    if min(np.ptp(frame), np.ptp(face)) < FLAT:
        name = "test frames" if np.ptp(frame) < FLAT else "training faces"
        raise AlignmentError(f"the mean of the {name} is one flat grey, in which no face can be found")

    wanted = edges(face)

    @functools.cache
    def fit(square):
        return correlate(edges(cut(frame, square)), wanted)

    def inside(square):
        left, top, side = square
        return min(left, top) >= 0 and side >= smallest and left + side <= width and top + side <= height

    largest = min(frame.shape)
    step = max(1, largest // SIDES)
    sides = sorted({*range(smallest, largest, step), largest})
    best = [_climb(_match(frame, side, wanted), fit, inside, 2, sides=False) for side in sides]
    found = _climb(max(best, key=fit), fit, inside, step, sides=True)
    fits = {square[2]: fit(square) for square in best} | {found[2]: fit(found)}
    return Alignment(found, fit(found), tuple(sorted(fits.items())))


def _match(frame, side, wanted):
    # The square of this side whose edges are most like those `wanted`. The frame is scaled as the square would be;
    # OpenCV subtracts the mean of the vertical and of the horizontal edges each, `correlate` their common mean.
    height, width = frame.shape
    size = [max(SIZE, round(length * SIZE / side)) for length in (width, height)]
    scaled = Image.fromarray(frame.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    image, template = (np.stack([*pair], axis=2, dtype=np.float32) for pair in (edges(np.asarray(scaled)), wanted))
    _, _, _, place = cv2.minMaxLoc(cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED))
    left, top = (round(start * side / SIZE) for start in place)
    return min(left, width - side), min(top, height - side), side


def _climb(square, fit, inside, step, sides):
    """From `square` to a better neighbour as long as there is one, with steps down to one pixel."""
    while step:
        # two steps in the side, so that the middle of the square can stay where it is
        growth = (0, -step, step, -2 * step, 2 * step) if sides else (0,)
        moves = product((0, -step, step), (0, -step, step), growth)
        neighbours = [tuple(map(sum, zip(square, move, strict=True))) for move in moves]
        best = max(filter(inside, neighbours), key=fit)  # the square itself comes first, and stays where none is better
        square, step = best, step if best != square else step // 2
    return square


def cut(image: np.ndarray, square: tuple[int, int, int]) -> np.ndarray:
    """The `square` (left, top, side) of an image (height, width), scaled to (112, 112) float64 as `decode` does it."""
    left, top, side = square
    picture = Image.fromarray(np.asarray(image, np.float32))
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box), np.float64)


def edges(image: np.ndarray) -> np.ndarray:
    """How much lighter each pixel is than that `GAP` pixels above it, and to its left: (2, height - GAP, width - GAP).

    Shade over a large part of an image, which depends on light and backdrop, leaves little there; eyes, nose and mouth
    leave much.
    """
    here = image[GAP:, GAP:]
    return np.stack([here - image[:-GAP, GAP:], here - image[GAP:, :-GAP]])


def correlate(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of the pixels of two images of the same shape; 0 where one of them is flat."""
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt(np.sum(first**2) * np.sum(second**2))  # sums, no products of matrices: the same with any threads
    return float(np.sum(first * second) / size) if size else 0.0
