"""One decoder and one crop for training, test and use; a decoded cache; augmentation.

Everything here is uint8; batches are float32 in [0, 255], and only the model rescales.
"""

import hashlib
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facelib.progress import track
from facelib.results import digest, write_atomically

SIZE = 112  # pixels, height and width of every image that a network sees
GREY = (128, 128, 128)  # fills what augmentation uncovers or covers
PIXELS_LIMIT = 50_000_000  # an image that claims more is refused before it is decoded


class UnreadableImageError(ValueError):
    """A file that is no image, or a broken one; the message names it."""


class Images(NamedTuple):
    """Decoded images in the order of the paths that were asked for, without the unreadable ones."""

    pixels: np.ndarray  # (readable images, 112, 112, 3) uint8, memory-mapped
    readable: np.ndarray  # (n,) bool, which of the paths they are
    problems: tuple[tuple[str, str], ...]  # path and reason of each unreadable image
    digest: str  # of the decoded content, the same on every machine


def decode(path: Path, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """One image as (112, 112, 3) uint8 RGB.

    Args:
        path: a JPEG or PNG file; grey and palette images become RGB.
        crop: left, top and side in pixels of the square to cut out first, as in Pillow; None takes the whole image.

    Raises:
        UnreadableImageError: missing, not a JPEG or PNG image, truncated, too large, or smaller than the crop.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS_LIMIT:
                raise ValueError(f"{image.width}x{image.height} pixels are too many")
            box = None
            if crop is not None:
                left, top, side = crop
                box = (left, top, left + side, top + side)
                if box[2] > image.width or box[3] > image.height:
                    raise ValueError(f"{image.width}x{image.height} pixels do not hold the crop {box}")
            if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
                image = image.point(lambda value: value * (1 / 257)).convert("L")
            rgb = image.convert("RGB")
            if box is not None or rgb.size != (SIZE, SIZE):
                rgb = rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
            return np.asarray(rgb)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(f"{path}: {error}") from None


DECODER = digest(inspect.getsource(decode), version("pillow"))  # pixels of another decoder are not taken from a cache


def load_images(folder: Path, paths, cache_folder: Path, crop=None) -> Images:
    """Decode ``folder/path`` for every path, or take the pixels from the cache that an earlier call left.

    The cache is found by the paths, sizes and times of the files, by the crop and by the code that decodes. It is
    written whole or not at all.

    Args:
        folder: holds the images. paths: sequence of n relative paths.
        cache_folder: gets ``<key>.npy`` (n * 37,632 bytes) and ``<key>.json``.
        crop: see `decode`.
    """
    folder = Path(folder)
    stamps = [_stamp(folder / path) for path in paths]
    key = digest(SIZE, crop, DECODER, list(zip(paths, stamps, strict=True)))
    array, record = cache_folder / f"{key}.npy", cache_folder / f"{key}.json"
    if not record.exists():
        _decode_all(folder, paths, crop, array, record)
    found = json.loads(record.read_text())
    readable = np.ones(len(paths), bool)
    readable[[row for row, _, _ in found["problems"]]] = False
    problems = tuple((path, reason) for _, path, reason in found["problems"])
    return Images(np.load(array, mmap_mode="r")[: readable.sum()], readable, problems, found["digest"])


def _stamp(path):
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _decode_all(folder, paths, crop, array, record):
    array.parent.mkdir(parents=True, exist_ok=True)
    unfinished = array.with_suffix(".unfinished.npy")
    pixels = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(paths), SIZE, SIZE, 3))
    content, problems = hashlib.sha256(), []

    def attempt(path):
        try:
            return decode(folder / path, crop)
        except UnreadableImageError as error:
            return str(error).removeprefix(f"{folder / path}: ").replace(f"{folder}/", "")

    with ThreadPoolExecutor() as pool:
        decoded = pool.map(attempt, paths, chunksize=64)
        for row, (path, image) in enumerate(track(zip(paths, decoded, strict=True), "decoding", "images", len(paths))):
            content.update(path.encode())
            if isinstance(image, str):
                problems.append((row, path, image))
            else:
                pixels[row - len(problems)] = image
                content.update(image.tobytes())
    pixels.flush()
    unfinished.replace(array)
    write_atomically(record, json.dumps({"digest": content.hexdigest()[:16], "problems": problems}, indent=1))


def augment(images: np.ndarray, seed: int, step: int, strength: float) -> np.ndarray:
    """Training variations: those of `warp`, then light, contrast, colour, grey, a covered patch.

    Every number comes from `seed` and `step`, so that a resumed run sees what an uninterrupted one would.

    Args:
        images: (N, 112, 112, 3) uint8. strength: 1 is meant for training; near 0 only the mirror image is left.

    Returns:
        (N, 112, 112, 3) uint8.
    """
    result = warp(images, seed, step, strength)
    generator = np.random.default_rng((seed, 6, step))
    colours = _draw_colours(generator, len(images), strength)
    patches = _draw_patches(generator, len(images), strength)
    for row, image in enumerate(result):
        result[row] = Image.fromarray(image).convert("RGB", colours[row])
        top, left, bottom, right = patches[row]
        result[row, top:bottom, left:right] = GREY
    return result


def warp(images: np.ndarray, seed: int, step: int, strength: float) -> np.ndarray:
    """Mirror image, shift, zoom and rotation; arguments and result as of `augment`."""
    geometry = _draw_geometry(np.random.default_rng((seed, 7, step)), len(images), strength)
    result = np.empty_like(images)
    for row, image in enumerate(images):
        result[row] = Image.fromarray(image).transform(
            (SIZE, SIZE), Image.Transform.AFFINE, geometry[row], Image.Resampling.BILINEAR, fillcolor=GREY
        )
    return result


def _draw_geometry(generator, count, strength):
    # (count, 6): from output to input pixels. Zoom to +-8 %, aspect +-3 %, rotation +-8 degrees, shift +-6 %.
    zoom, aspect, turn = generator.uniform(-1, 1, (3, count)) * strength * [[0.08], [0.03], [np.radians(8)]]
    mirrored = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    shifts = generator.uniform(-1, 1, (2, count)) * strength * 0.06 * SIZE
    across, down = 1 + zoom + aspect, 1 + zoom - aspect
    a, b = mirrored * across * np.cos(turn), -down * np.sin(turn)
    d, e = mirrored * across * np.sin(turn), down * np.cos(turn)
    centre = SIZE / 2
    c, f = centre + shifts[0] - (a + b) * centre, centre + shifts[1] - (d + e) * centre
    return np.stack([a, b, c, d, e, f], axis=1).tolist()


def _draw_colours(generator, count, strength):
    # (count, 12): three rows of a colour matrix, each with its offset. Gain +-25 % about mid-grey, offset +-25,
    # channels +-6 %; 15 % of the images become grey.
    gains = 1 + 0.25 * strength * generator.uniform(-1, 1, (count, 1))
    channels = gains * (1 + 0.06 * strength * generator.uniform(-1, 1, (count, 3)))
    offsets = GREY[0] * (1 - gains) + 25 * strength * generator.uniform(-1, 1, (count, 1))
    grey = generator.random(count) < 0.15 * strength
    matrices = np.where(grey[:, None, None], 1 / 3, np.eye(3)) * channels[:, :, None]
    return (
        np.concatenate([matrices, np.broadcast_to(offsets[:, :, None], (count, 3, 1))], axis=2)
        .reshape(count, 12)
        .tolist()
    )


def _draw_patches(generator, count, strength):
    # (count, 4): top, left, bottom, right of what is covered in half of the images (random erasing, Zhong et al. 2020)
    sides = generator.uniform(0.1, 0.4, (count, 2)) * (generator.random((count, 1)) < 0.5 * strength)
    corners = generator.random((count, 2))
    return (np.concatenate([corners, corners + sides], axis=1) * SIZE).round().astype(int)
