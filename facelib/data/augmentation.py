"""Training variations of images: pose, light, colour, resolution, a covered patch. All of it uint8.

Every number comes from a seed and a step, so that a resumed run sees what an uninterrupted one would. The strength 1 is
one at which a face looks natural; each amount is proportional to the strength, each probability as well.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from facelib.data.image_files import GREY
from facelib.data.images import SIZE

MESH = 4  # cells across and down, in which an image is warped
THREADS = min(os.cpu_count() or 1, 8)  # a fifth of the time belongs to the interpreter, which serves one at a time
BLOCK = 16  # images that a thread varies at once


def augment(
    images: np.ndarray,
    seed: int,
    step: int,
    strength: float,
    warp_share: float = 1.0,
    size: int = SIZE,
    part: tuple[int, int] = (0, 1),
) -> np.ndarray:
    """Training variations: those of `warp`, then contrast, colour, grey, resolution, light, a covered patch.

    Args:
        images: (N, 112, 112, 3) uint8. strength: near 0 only the mirror image is left. warp_share: of the strength,
            for those of `warp`. size: pixels a side of the result, see `warp`. part: number, from 0, and count of the
            equal parts of a batch, where `images` are one: it is varied as in the whole batch.

    Returns:
        (N, size, size, 3) uint8.
    """
    result = warp(images, seed, step, strength * warp_share, size, part)
    generator = np.random.default_rng((seed, 6, step))
    count, own = _places(images, part)
    colours = _draw_colours(generator, count, strength)[own]
    patches = _draw_patches(generator, count, strength, size)[own]
    widths = _draw_widths(generator, count, strength)[own]
    slopes = _draw_slopes(generator, count, strength)[own]
    ramp = np.linspace(-1, 1, size, dtype=np.float32)  # from one edge of an image to the opposite one
    across, down = np.repeat(ramp, 3), ramp[:, None]  # each place three times, for its three colours

    def vary(row):
        image = result[row]
        picture = cv2.transform(image, colours[row])
        if widths[row] < size:
            picture = cv2.resize(picture, (widths[row], widths[row]), interpolation=cv2.INTER_AREA)
            picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
        light = 1 + slopes[row, 0] * across + slopes[row, 1] * down  # shape (size, 3 size)
        cv2.multiply(picture.reshape(size, -1), light, dst=image.reshape(size, -1), dtype=cv2.CV_8U)
        top, left, bottom, right = patches[row]
        image[top:bottom, left:right] = GREY

    _in_threads(vary, len(images))
    return result


def warp(
    images: np.ndarray, seed: int, step: int, strength: float, size: int = SIZE, part: tuple[int, int] = (0, 1)
) -> np.ndarray:
    """Mirror image, shift, zoom, rotation, a turned head, small distortions; arguments and result as of `augment`.

    A `size` below 112 also reduces the images, by the interpolation that moves them: where nothing moves, to 56 pixels
    by taking the means of 2x2.
    """
    count, own = _places(images, part)
    corners = _draw_mesh(np.random.default_rng((seed, 7, step)), count, strength)[own]
    middles = (np.arange(size) + 0.5) * MESH / size  # of the pixels, in cells
    weights = np.maximum(0, 1 - np.abs(middles[:, None] - np.arange(MESH + 1)))  # of the corners, linearly
    weights = weights.astype(np.float32)  # shape (size, MESH + 1)
    result = np.empty((len(images), size, size, 3), np.uint8)

    def move(row):
        columns, rows = weights @ corners[row] @ weights.T - 0.5  # counted from the middle of the first pixel
        cv2.remap(images[row], columns, rows, cv2.INTER_LINEAR, result[row], cv2.BORDER_CONSTANT, GREY)

    _in_threads(move, len(images))
    return result


def _places(images, part):
    # how many images the whole batch has, and which of them these are
    number, parts = part
    return parts * len(images), slice(number * len(images), (number + 1) * len(images))


def _in_threads(function, count):
    # calls it with every row below `count`; OpenCV lets go of the interpreter while it computes
    def call(start):
        for row in range(start, min(start + BLOCK, count)):
            function(row)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(call, range(0, count, BLOCK)):  # raises what a call raised
            pass


def _draw_mesh(generator, count, strength):
    # (count, 2, MESH + 1, MESH + 1) float32: where in the input, in pixels from its left and upper edge, the corners of
    # the cells lie. Zoom to +-8 %, aspect +-3 %, rotation +-8 degrees, shift +-6 %.
    zoom, aspect, turn = generator.uniform(-1, 1, (3, count)) * strength * [[0.08], [0.03], [np.radians(8)]]
    mirrored = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    shifts = generator.uniform(-1, 1, (2, count)) * strength * 0.12
    # A head that turns or nods is stretched on one side: to first order x + b (x^2 - 1/2), as a cylinder's surface.
    bends = generator.uniform(-1, 1, (2, count)) * strength * [[0.15], [0.08]]
    jitter = generator.normal(size=(2, count, MESH + 1, MESH + 1)) * strength * 0.016
    down, across = np.mgrid[-1 : 1 : (MESH + 1) * 1j, -1 : 1 : (MESH + 1) * 1j]
    x, y = (
        place + bend[:, None, None] * (place**2 - 0.5) + noise
        for place, bend, noise in zip((across, down), bends, jitter, strict=True)
    )
    a, b = mirrored * (1 + zoom + aspect) * np.cos(turn), -(1 + zoom - aspect) * np.sin(turn)
    d, e = mirrored * (1 + zoom + aspect) * np.sin(turn), (1 + zoom - aspect) * np.cos(turn)
    a, b, c, d, e, f = (value[:, None, None] for value in (a, b, shifts[0], d, e, shifts[1]))
    corners = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1) * SIZE / 2 + SIZE / 2
    return corners.astype(np.float32)


def _draw_colours(generator, count, strength):
    # (count, 3, 4): colour matrices, each row with its offset. Gain +-25 % about mid-grey, offset +-25,
    # channels +-6 %; 15 % of the images become grey.
    gains = 1 + 0.25 * strength * generator.uniform(-1, 1, (count, 1))
    channels = gains * (1 + 0.06 * strength * generator.uniform(-1, 1, (count, 3)))
    offsets = GREY[0] * (1 - gains) + 25 * strength * generator.uniform(-1, 1, (count, 1))
    grey = generator.random(count) < 0.15 * strength
    matrices = np.where(grey[:, None, None], 1 / 3, np.eye(3)) * channels[:, :, None]
    return np.concatenate([matrices, np.broadcast_to(offsets[:, :, None], (count, 3, 1))], axis=2)


def _draw_patches(generator, count, strength, size):
    # (count, 4): top, left, bottom, right of what is covered in half of the images (random erasing, Zhong et al. 2020)
    sides = generator.uniform(0.1, 0.4, (count, 2)) * (generator.random((count, 1)) < 0.5 * strength)
    corners = generator.random((count, 2))
    return (np.concatenate([corners, corners + sides], axis=1) * size).round().astype(int)


def _draw_widths(generator, count, strength):
    # (count,): the width in pixels to which 15 % of the images are reduced for a moment; those that are smaller already
    # stay as they are
    widths = generator.integers(28, 91, count)
    return np.where(generator.random(count) < 0.15 * strength, widths, SIZE).tolist()


def _draw_slopes(generator, count, strength):
    # (count, 2) float32: how light rises to the right and downwards; up to 23 % more at one edge and less at the other
    amounts, angles = generator.uniform(0, 0.23 * strength, count), generator.uniform(0, 2 * np.pi, count)
    return (amounts * [np.cos(angles), np.sin(angles)]).T.astype(np.float32)
