"""Decode and crop images, the same for training, test and use; keep them in a decoded cache.

Everything here is uint8; batches are float32 in [0, 255], and only the model rescales.
"""

import hashlib
import inspect
import json
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facelib.data.image_files import Stored, UnreadableImageError, open_image
from facelib.data.pixels import SIZE, SUM, checksum, keep_pixels, write_pixels
from facelib.progress import track
from facelib.provenance import digest

SMALLEST = SIZE // 2  # pixels of a side; less would be blown up more than twice, into a face without detail
BLANK = 2  # levels of 255 between the darkest and the lightest pixel of a channel; below there is nothing to see
BLOCK = 32  # images that a thread decodes at once
THREADS = os.cpu_count() or 1  # more of them only wait for the interpreter
AHEAD = 4 * THREADS  # blocks that are decoded before they are written, at most: 1.2 MB each


class Images(NamedTuple):
    """Decoded images in the order of the paths that were asked for, without the unreadable ones."""

    pixels: np.ndarray  # (readable images, 112, 112, 3) uint8, memory-mapped
    readable: np.ndarray  # (n,) bool, which of the paths they are
    problems: tuple[tuple[str, str], ...]  # path and reason of each unreadable image
    digest: str  # of the decoded content, the same on every machine
    contents: np.ndarray  # (readable images, 16) uint8, SHA-256 of the decoded pixels of each
    files: np.ndarray  # (readable images, 16) uint8, SHA-256 of the bytes of each file


def decode(path: Path | Stored, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """One image as (112, 112, 3) uint8 RGB.

    Every kind of JPEG or PNG is read: grey, palette and CMYK images become RGB, 16 bits become 8, what is transparent
    shows mid-grey, an image that its EXIF data call turned is turned upright, of an animation the first frame is taken.

    Args:
        path: a JPEG or PNG file, or an image that is stored elsewhere.
        crop: left, top and side in pixels of the square to cut out of the upright image; None takes the whole image.

    Raises:
        UnreadableImageError: missing, no regular file, of too many bytes or pixels, not a JPEG or PNG image, damaged or
            truncated, smaller than the crop, with a side (of the crop, where there is one) below `SMALLEST` pixels, or
            blank: nothing in it (in the crop, where there is one) differs by `BLANK` levels.
    """
    return _decode(path, crop)[0]


def decode_whole(path: Path | Stored) -> np.ndarray:
    """One image, upright and in its own size, as (height, width, 3) uint8 RGB; as `decode`, it raises."""
    with open_image(path) as image:
        return image.pixels()


def measure(path: Path | Stored) -> tuple[int, int]:
    """Width and height in pixels of an image, upright; as `decode`, it raises UnreadableImageError."""
    with open_image(path) as image:
        return image.size


def _decode(path, crop):
    # what `decode` returns, and the bytes of the file
    with open_image(path) as image:
        width, height = image.size
        left, top, side = (0, 0, None) if crop is None else crop
        right, bottom = (width, height) if side is None else (left + side, top + side)
        if left < 0 or top < 0 or right > width or bottom > height:
            raise ValueError(f"{width}x{height} pixels do not hold the crop {tuple(crop)} (left, top, side)")
        if min(right - left, bottom - top) < SMALLEST:
            raise ValueError(
                f"{right - left}x{bottom - top} pixels are too few for a face: at least {SMALLEST}x{SMALLEST}, "
                f"better {SIZE}x{SIZE}"
            )
        pixels = image.pixels()
        if crop is not None or (width, height) != (SIZE, SIZE):
            box = (left, top, right, bottom)
            scaled = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
            pixels = np.asarray(scaled)
        if is_blank(pixels):
            raise ValueError("is blank: all of its pixels, or those of the crop, are alike: there is no face in it")
        return pixels, image.content


def is_blank(pixels: np.ndarray) -> bool:
    """Whether no channel of an image (height, width, 3) uint8 differs by `BLANK` levels."""
    green = pixels[::16, ::16, 1].tobytes()  # a few values tell nearly always that there is something to see
    return max(green) - min(green) < BLANK and np.ptp(pixels, axis=(0, 1)).max() < BLANK


# pixels of another decoder are not taken from a cache
_sources = [inspect.getsource(part) for part in (inspect.getmodule(open_image), _decode, is_blank)]
DECODER = digest(_sources, SMALLEST, BLANK, version("pillow"), version("simplejpeg"))


def load_images(folder, paths, cache_folder: Path, crop=None) -> Images:
    """Decode ``folder / path`` for every path, or take the pixels from the cache that an earlier call left.

    The cache is found by the paths, sizes and times of the files, by the crop and by the code that decodes; every image
    is compared with its checksum, and a damaged cache made again. Memory does not grow with the pixels: some blocks of
    `BLOCK` images are held at once.

    Args:
        folder: a path, or something else whose ``folder / path`` is `Stored`. paths: sequence of n relative paths.
        cache_folder: gets ``<key>.npy``, of n * 37,684 bytes at most, see `pixels`.
        crop: see `decode`.

    Raises:
        UnwritableError: the disk is full.
    """
    stamps = [_stamp(folder / path) for path in paths]
    key = digest(SIZE, crop, DECODER, list(zip(paths, stamps, strict=True)))
    pixels, known = keep_pixels(cache_folder / f"{key}.npy", lambda cache: _decode_all(folder, paths, crop, cache))
    found = json.loads(known["record"].tobytes())
    readable = np.ones(len(paths), bool)
    readable[[row for row, _, _ in found["problems"]]] = False
    problems = tuple((path, reason) for _, path, reason in found["problems"])
    return Images(pixels, readable, problems, found["digest"], known["sums"], known["files"])


def _stamp(path):
    if isinstance(path, Stored):
        return path.stamp
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # no file; no name of a file
        return None
    return status.st_size, status.st_mtime_ns


def _decode_all(folder, paths, crop, cache):
    content, files, problems = hashlib.sha256(), bytearray(), []

    def images():
        blocks = (paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK))
        decoded = _map_ahead(lambda block: [_attempt(folder / path, crop) for path in block], blocks)
        found = (image for block in decoded for image in block)
        for row, (path, image) in enumerate(track(zip(paths, found, strict=True), "decoding", "images", len(paths))):
            content.update(os.fsencode(path))
            if isinstance(image, str):
                problems.append((row, path, image))
                continue
            pixels, of_pixels, of_file = image
            content.update(pixels)
            files.extend(of_file)
            yield pixels, of_pixels

    def known():
        record = json.dumps({"digest": content.hexdigest()[:16], "problems": problems}).encode()
        named = np.frombuffer(files, np.uint8).reshape(-1, SUM)
        return {"files": named, "record": np.frombuffer(record, np.uint8)}

    write_pixels(cache, len(paths), images(), known)


def _attempt(path, crop):
    # pixels, their digest and that of the file; or the reason why not
    try:
        pixels, content = _decode(path, crop)
    except UnreadableImageError as error:
        return str(error).removeprefix(f"{path}: ")
    return pixels, checksum(pixels), checksum(content)


def _map_ahead(function, items):
    # as `map`, in threads that are ahead of whoever takes the results by a fixed number of items
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
