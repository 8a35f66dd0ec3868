"""One decoder and one crop for training, test and use; a decoded cache.

Everything here is uint8; batches are float32 in [0, 255], and only the model rescales.
"""

import hashlib
import inspect
import json
import os
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

from facelib.progress import track
from facelib.results import digest, write_atomically

SIZE = 112  # pixels, height and width of every decoded image
GREY = (128, 128, 128)  # fills what is transparent, and what augmentation uncovers or covers
SMALLEST = SIZE // 2  # pixels of a side; less would be blown up more than twice, into a face without detail
BLANK = 2  # levels of 255 between the darkest and the lightest pixel of a channel; below there is nothing to see
PIXELS_LIMIT = 50_000_000  # an image that claims more is refused before it is decoded

# how to turn an image upright, by its EXIF orientation; none for 1
TURNS = dict(zip(range(2, 9), (
    Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE,
    Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90,
), strict=True))  # fmt: skip
SIDEWAYS = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
PILLOW_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, struct.error)  # on a broken file


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

    Every kind of JPEG or PNG is read: grey, palette and CMYK images become RGB, 16 bits become 8, what is transparent
    shows `GREY`, an image that its EXIF data call turned is turned upright, of an animation the first frame is taken.

    Args:
        path: a JPEG or PNG file.
        crop: left, top and side in pixels of the square to cut out of the upright image; None takes the whole image.

    Raises:
        UnreadableImageError: missing, no regular file, not a JPEG or PNG image, truncated, of too many pixels, smaller
            than the crop, with a side (of the crop, where there is one) below `SMALLEST` pixels, or blank: nothing in
            it (in the crop, where there is one) differs by `BLANK` levels.
    """
    with _open(path) as image:
        width, height = _upright_size(image)
        left, top, right, bottom = (0, 0, width, height) if crop is None else (*crop[:2], *np.add(crop[:2], crop[2]))
        if left < 0 or top < 0 or right > width or bottom > height:
            raise ValueError(f"{width}x{height} pixels do not hold the crop {tuple(crop)} (left, top, side)")
        if min(right - left, bottom - top) < SMALLEST:
            raise ValueError(
                f"{right - left}x{bottom - top} pixels are too few for a face: at least {SMALLEST}x{SMALLEST}, "
                f"better {SIZE}x{SIZE}"
            )
        rgb = _to_rgb(image)
        if _turn(image) is not None:
            rgb = rgb.transpose(_turn(image))
        if crop is not None or rgb.size != (SIZE, SIZE):
            rgb = rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
        return _refuse_blank(np.asarray(rgb))


def measure(path: Path) -> tuple[int, int]:
    """Width and height in pixels of an image, upright; as `decode`, it raises UnreadableImageError."""
    with _open(path) as image:
        return _upright_size(image)


@contextmanager
def _open(path):
    # an image whose pixels are not decoded yet; whatever goes wrong while it is open becomes an UnreadableImageError
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # a pipe would be waited for, a device read without end
            raise ValueError(
                "is a folder, not an image" if stat.S_ISDIR(mode) else "is a pipe or a device, not an image"
            )
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS_LIMIT:
                raise ValueError(f"{image.width}x{image.height} pixels are too many: at most {PIXELS_LIMIT:,} in all")
            yield image
    except UnidentifiedImageError:
        reason = "cannot identify image file: it is no JPEG or PNG, or damaged; save it again as one of them"
        raise UnreadableImageError(f"{path}: {reason}") from None
    except Image.DecompressionBombError:  # Pillow has a limit of its own
        raise UnreadableImageError(f"{path}: its pixels are too many: at most {PIXELS_LIMIT:,} in all") from None
    except PILLOW_ERRORS as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise UnreadableImageError(f"{path}: {reason}") from None


def _refuse_blank(pixels):
    if np.ptp(pixels, axis=(0, 1)).max() < BLANK:
        raise ValueError("is blank: all of its pixels, or those of the crop, are alike: there is no face in it")
    return pixels


def _turn(image):
    return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))


def _upright_size(image):
    return image.size[::-1] if _turn(image) in SIDEWAYS else image.size


def _to_rgb(image):
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
        image = image.point(lambda value: value * (1 / 257)).convert("L")
        image.info.pop("transparency", None)  # a value of 16 bits, which one of 8 cannot equal
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*GREY, 255)), image.convert("RGBA"))
    return image.convert("RGB")


_parts = [inspect.getsource(part) for part in (decode, _open, _turn, _upright_size, _to_rgb, _refuse_blank)]
DECODER = digest(
    _parts, SMALLEST, GREY, BLANK, TURNS, version("pillow")
)  # pixels of another decoder are not taken from a cache


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
            return str(error).removeprefix(f"{folder / path}: ")

    with ThreadPoolExecutor() as pool:
        decoded = pool.map(attempt, paths, chunksize=64)
        for row, (path, image) in enumerate(track(zip(paths, decoded, strict=True), "decoding", "images", len(paths))):
            content.update(os.fsencode(path))
            if isinstance(image, str):
                problems.append((row, path, image))
            else:
                pixels[row - len(problems)] = image
                content.update(image.tobytes())
    pixels.flush()
    unfinished.replace(array)
    write_atomically(record, json.dumps({"digest": content.hexdigest()[:16], "problems": problems}, indent=1))
