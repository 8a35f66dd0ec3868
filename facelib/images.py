"""One decoder and one crop for training, test and use; a decoded cache.

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
