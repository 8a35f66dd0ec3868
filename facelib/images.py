"""One decoder and one crop for training, test and use; a decoded cache.

Everything here is uint8; batches are float32 in [0, 255], and only the model rescales.
"""

import hashlib
import inspect
import io
import json
import math
import os
import re
import stat
import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

from facelib.progress import track
from facelib.results import digest, write_atomically

SIZE = 112  # pixels, height and width of every decoded image
GREY = (128, 128, 128)  # fills what is transparent, and what augmentation uncovers or covers
SMALLEST = SIZE // 2  # pixels of a side; less would be blown up more than twice, into a face without detail
PIXELS_LIMIT = 50_000_000  # an image that claims more is refused before it is decoded
BYTES_LIMIT = 4 * PIXELS_LIMIT  # of a file: the largest image with four uncompressed bytes a pixel; never read further
BLOCK = 32  # images that a thread decodes at once
THREADS = os.cpu_count() or 1  # more of them only wait for each other
AHEAD = 4 * THREADS  # blocks that are decoded before they are written, at most: 1.2 MB each
NAME = 16  # bytes of a BLAKE2b digest: no two of a million images share one by chance

# how to turn an image upright, by its EXIF orientation; none for 1
TURNS = dict(zip(range(2, 9), (
    Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE,
    Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90,
), strict=True))  # fmt: skip
SIDEWAYS = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
PILLOW_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, struct.error)  # on a broken file

# JPEG (ITU-T T.81, table B.1)
START, END = b"\xff\xd8", b"\xff\xd9"
MARKER = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")  # 0x01 and the restarts 0xd0 to 0xd7 stand alone inside a scan
FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # frame headers of the cosine transform
SCAN = 0xDA


class UnreadableImageError(ValueError):
    """A file that is no image, or a broken one; the message names it."""


class Images(NamedTuple):
    """Decoded images in the order of the paths that were asked for, without the unreadable ones."""

    pixels: np.ndarray  # (readable images, 112, 112, 3) uint8, memory-mapped
    readable: np.ndarray  # (n,) bool, which of the paths they are
    problems: tuple[tuple[str, str], ...]  # path and reason of each unreadable image
    digest: str  # of the decoded content, the same on every machine
    contents: np.ndarray  # (readable images, 16) uint8, BLAKE2b of the decoded pixels of each
    files: np.ndarray  # (readable images, 16) uint8, BLAKE2b of the bytes of each file


def decode(path: Path, crop: tuple[int, int, int] | None = None) -> np.ndarray:
    """One image as (112, 112, 3) uint8 RGB.

    Every kind of JPEG or PNG is read: grey, palette and CMYK images become RGB, 16 bits become 8, what is transparent
    shows `GREY`, an image that its EXIF data call turned is turned upright, of an animation the first frame is taken.

    Args:
        path: a JPEG or PNG file.
        crop: left, top and side in pixels of the square to cut out of the upright image; None takes the whole image.

    Raises:
        UnreadableImageError: missing, no regular file, of too many bytes or pixels, not a JPEG or PNG image, damaged or
            truncated, smaller than the crop, or with a side (of the crop, where there is one) below `SMALLEST` pixels.
    """
    return _decode(path, crop)[0]


def decode_whole(path: Path) -> np.ndarray:
    """One image, upright and in its own size, as (height, width, 3) uint8 RGB; as `decode`, it raises."""
    with _open(path) as (content, image):
        return _upright(content, image)


def measure(path: Path) -> tuple[int, int]:
    """Width and height in pixels of an image, upright; as `decode`, it raises UnreadableImageError."""
    with _open(path) as (_, image):
        return _upright_size(image)


def _decode(path, crop):
    # what `decode` returns, and the bytes of the file
    with _open(path) as (content, image):
        width, height = _upright_size(image)
        left, top, right, bottom = (0, 0, width, height) if crop is None else (*crop[:2], *np.add(crop[:2], crop[2]))
        if left < 0 or top < 0 or right > width or bottom > height:
            raise ValueError(f"{width}x{height} pixels do not hold the crop {tuple(crop)} (left, top, side)")
        if min(right - left, bottom - top) < SMALLEST:
            raise ValueError(
                f"{right - left}x{bottom - top} pixels are too few for a face: at least {SMALLEST}x{SMALLEST}, "
                f"better {SIZE}x{SIZE}"
            )
        pixels = _upright(content, image)
        if crop is not None or (width, height) != (SIZE, SIZE):
            box = (left, top, right, bottom)
            scaled = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
            pixels = np.asarray(scaled)
        return pixels, content


@contextmanager
def _open(path):
    # the bytes of a file and the image in them, whose pixels are not decoded yet; whatever goes wrong while it is open
    # becomes an UnreadableImageError
    try:
        content = _read(path)
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > PIXELS_LIMIT:
                raise ValueError(f"{image.width}x{image.height} pixels are too many: at most {PIXELS_LIMIT:,} in all")
            if image.format == "PNG":
                _check_sums(content)
            yield content, image
    except UnidentifiedImageError:
        reason = "cannot identify image file: it is no JPEG or PNG, or damaged; save it again as one of them"
        raise UnreadableImageError(f"{path}: {reason}") from None
    except Image.DecompressionBombError:  # Pillow has a limit of its own
        raise UnreadableImageError(f"{path}: its pixels are too many: at most {PIXELS_LIMIT:,} in all") from None
    except PILLOW_ERRORS as error:
        plain = error.strerror if isinstance(error, OSError) else isinstance(error, ValueError) and str(error)
        raise UnreadableImageError(f"{path}: {plain or _damaged(str(error) or type(error).__name__)}") from None


def _damaged(reason):
    advice = "copy it from its source again, or open it and save it as a new file"
    return ValueError(f"damaged, or of a rare kind ({reason}): {advice}")


def _read(path):
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device read without end
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "pipe or a device"
        raise ValueError(f"is a {kind}, not an image")
    if status.st_size > BYTES_LIMIT:
        raise ValueError(f"{status.st_size:,} bytes are too many for an image: at most {BYTES_LIMIT:,}")
    with open(path, "rb") as file:
        return file.read(status.st_size)


def _check_sums(content):
    # a PNG's chunks of pixels, whose sums Pillow passes over; it compares those of the other chunks
    place, kind = 8, b""
    while kind != b"IDAT" or content[place + 4 : place + 8] == kind:
        try:
            length, kind = struct.unpack_from(">I4s", content, place)
            (expected,) = struct.unpack_from(">I", content, place + 8 + length)
        except struct.error:
            raise _damaged("truncated") from None
        if kind == b"IDAT" and zlib.crc32(content[place + 4 : place + 8 + length]) != expected:
            raise _damaged("the checksum of its pixels is wrong")
        place += 12 + length


def _turn(image):
    if image.format == "PNG":
        image.load()  # EXIF data can follow the pixels
    _check_exif(image.info.get("exif", b""))
    return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))


def _check_exif(data):
    # whether the first directory is whole (TIFF 6.0, section 2): of a damaged one Pillow takes what it finds
    data = re.sub(rb"^(Exif\0\0){1,2}", b"", data)
    if not data:
        return
    try:
        order = {b"II": "<", b"MM": ">"}[re.match(rb"(II|MM)(\*\0|\0\*)", data)[1]]
        (start,) = struct.unpack_from(f"{order}L", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, start)
        struct.unpack_from(f"{12 * entries}x", data, start + 2)
    except (TypeError, struct.error):
        raise ValueError("its EXIF data are damaged, so that its upper side is not known: save it again") from None


def _upright_size(image):
    return image.size[::-1] if _turn(image) in SIDEWAYS else image.size


def _upright(content, image):
    # (height, width, 3) uint8
    pixels = np.asarray(_to_rgb(image)) if image.format == "PNG" else _decode_jpeg(content, image)
    turn = _turn(image)
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


def _to_rgb(image):
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
        image = image.point(lambda value: value * (1 / 257)).convert("L")
        image.info.pop("transparency", None)  # a value of 16 bits, which one of 8 cannot equal
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*GREY, 255)), image.convert("RGBA"))
    return image.convert("RGB")


def _decode_jpeg(content, image):
    # the pixels that Pillow gives, while other threads run, and an error where the decoder only warns of damage
    if not content.endswith(END):
        content += END  # what lacks only that is complete, and what lacks more is still found to be truncated
    inks = image.mode == "CMYK"
    shape = (image.height, image.width, 4 if inks else 3)  # nothing larger is decoded, whatever a second header claims
    try:
        pixels = simplejpeg.decode_jpeg(content, "CMYK" if inks else "RGB", buffer=np.empty(shape, np.uint8))
    except ValueError as error:
        raise _damaged(error) from None
    if pixels.shape != shape:
        raise _damaged("two sizes")
    if _lacks_scans(content):
        raise _damaged("scans are missing")
    if inks:  # stored inverted, as Adobe does it
        return np.asarray(Image.frombytes("CMYK", image.size, ~pixels).convert("RGB"))
    return pixels


def _lacks_scans(content):
    # whether a sound JPEG ends before all bits of all coefficients have come (T.81, B.2.2, B.2.3 and G.1.1.1)
    lacking, place = {}, 0  # by component, a bit for each of its 64 coefficients
    while found := MARKER.search(content, place):
        kind, place = found[1][0], found.end()
        if kind == END[1]:
            break
        if kind == START[1]:
            continue
        segment = content[place + 2 : place + int.from_bytes(content[place : place + 2])]
        place += 2 + len(segment)
        if kind in FRAMES:
            lacking = dict.fromkeys(segment[6::3], 2**64 - 1)
        elif kind == SCAN:
            first, last, precision = segment[-3:]
            if precision & 15 == 0:  # the lowest bits
                for component in segment[1:-3:2]:
                    lacking[component] &= ~(2 ** (last + 1) - 2**first)
            if not any(lacking.values()):
                break
    return any(lacking.values())


_parts = [inspect.getsource(part) for part in (
    _decode, _open, _damaged, _read, _check_sums, _turn, _check_exif, _upright_size, _upright, _to_rgb, _decode_jpeg,
    _lacks_scans,
)]  # fmt: skip
_limits = (SMALLEST, GREY, PIXELS_LIMIT, BYTES_LIMIT, TURNS)
# pixels of another decoder are not taken from a cache
DECODER = digest(_parts, _limits, version("pillow"), version("simplejpeg"))


def load_images(folder: Path, paths, cache_folder: Path, crop=None) -> Images:
    """Decode ``folder/path`` for every path, or take the pixels from the cache that an earlier call left.

    The cache is found by the paths, sizes and times of the files, by the crop and by the code that decodes. It is
    written whole or not at all. Memory does not grow with the pixels: some blocks of `BLOCK` images are held at once.

    Args:
        folder: holds the images. paths: sequence of n relative paths.
        cache_folder: gets ``<key>.npy`` (n * 37,632 bytes), ``<key>.digests.npy`` (n * 32 bytes) and ``<key>.json``.
        crop: see `decode`.
    """
    stamps = [_stamp(os.path.join(folder, path)) for path in paths]
    key = digest(SIZE, crop, DECODER, list(zip(paths, stamps, strict=True)))
    array, digests, record = (cache_folder / f"{key}{end}" for end in (".npy", ".digests.npy", ".json"))
    if not (array.exists() and digests.exists() and record.exists()):
        _decode_all(folder, paths, crop, (array, digests, record))
    found = json.loads(record.read_text())
    readable = np.ones(len(paths), bool)
    readable[[row for row, _, _ in found["problems"]]] = False
    problems = tuple((path, reason) for _, path, reason in found["problems"])
    pixels = np.load(array, mmap_mode="r")[: readable.sum()]
    contents, files = np.load(digests)
    return Images(pixels, readable, problems, found["digest"], contents, files)


def _stamp(path):
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # no file; no name of a file
        return None
    return status.st_size, status.st_mtime_ns


def _decode_all(folder, paths, crop, cache):
    array, digests, record = cache
    array.parent.mkdir(parents=True, exist_ok=True)
    unfinished = array.with_suffix(".unfinished.npy")
    content, contents, files, problems = hashlib.sha256(), bytearray(), bytearray(), []
    blocks = (paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK))
    decoded = _map_ahead(lambda block: [_attempt(Path(folder, path), crop) for path in block], blocks)
    images = (image for block in decoded for image in block)
    with open(unfinished, "wb") as file:  # not mapped: a full disk is an error here, and a crash there
        shape = (len(paths), SIZE, SIZE, 3)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        size = file.tell() + math.prod(shape)
        for row, (path, image) in enumerate(track(zip(paths, images, strict=True), "decoding", "images", len(paths))):
            content.update(os.fsencode(path))
            if isinstance(image, str):
                problems.append((row, path, image))
            else:
                pixels, of_pixels, of_file = image
                content.update(pixels)
                file.write(pixels)
                contents += of_pixels
                files += of_file
        file.truncate(size)  # the rows of unreadable images are the last ones
    unfinished.replace(array)
    named = io.BytesIO()
    np.save(named, np.frombuffer(contents + files, np.uint8).reshape(2, -1, NAME))
    write_atomically(digests, named.getvalue())
    write_atomically(record, json.dumps({"digest": content.hexdigest()[:16], "problems": problems}, indent=1))


def _attempt(path, crop):
    # pixels, their digest and that of the file; or the reason why not
    try:
        pixels, content = _decode(path, crop)
    except UnreadableImageError as error:
        return str(error).removeprefix(f"{path}: ")
    return (pixels, *(hashlib.blake2b(part, digest_size=NAME).digest() for part in (pixels, content)))


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
