"""Image files, up to their upright pixels. What is no image, too large or damaged is refused with a reason.

JPEG files are decoded by simplejpeg: its pixels are those of Pillow, other threads run meanwhile, and it names damage.
"""

import io
import os
import re
import stat
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

GREY = (128, 128, 128)  # fills what is transparent, and what augmentation uncovers or covers
PIXELS_LIMIT = 50_000_000  # an image that claims more is refused before it is decoded
BYTES_LIMIT = 4 * PIXELS_LIMIT  # of a file: the largest image with four uncompressed bytes a pixel; never read further

# how to turn an image upright, by its EXIF orientation; none for 1
TURNS = dict(zip(range(2, 9), (
    Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE,
    Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90,
), strict=True))  # fmt: skip
SIDEWAYS = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
# what Pillow raises on a broken file
PILLOW_ERRORS = (
    OSError, EOFError, ValueError, TypeError, LookupError, SyntaxError, struct.error, AssertionError, AttributeError,
    ArithmeticError, RuntimeError, zlib.error,
)  # fmt: skip

# markers of a JPEG (ITU-T T.81, table B.1)
START, END = b"\xff\xd8", b"\xff\xd9"
MARKER = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")  # 0x01 and the restarts 0xd0 to 0xd7 stand alone inside a scan
FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # frame headers of the cosine transform
SCAN = 0xDA


class UnreadableImageError(ValueError):
    """A file that is no image, or a broken one; the message names it."""


@contextmanager
def open_image(path: Path):
    """The bytes of a file and the image in them, whose pixels are not decoded yet.

    Raises:
        UnreadableImageError: whatever goes wrong while it is open, in the body of the with statement too.
    """
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


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of an opened image, turned as its EXIF data say."""
    return image.size[::-1] if _turn(image) in SIDEWAYS else image.size


def upright(content: bytes, image: Image.Image) -> np.ndarray:
    """Pixels (height, width, 3) uint8 RGB of an opened image, turned as its EXIF data say; see `images.decode`."""
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
    # the pixels that Pillow gives, decoded while other threads run, and an error where Pillow reads on with a warning
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
