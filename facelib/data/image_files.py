"""Decode image files to upright pixels. Files that are no images, too large or damaged are refused with a reason.

JPEG files are decoded by simplejpeg: its pixels are those of Pillow, other threads run meanwhile, and it names damage.
Pillow decodes the others; HEIC where pillow-heif is installed. What a file is says its content, not its name.
"""

import importlib
import importlib.metadata
import io
import math
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from facelib.data import jpeg
from facelib.files import read_limited

GREY = (128, 128, 128)  # fills what is transparent, and what augmentation uncovers or covers
PIXELS_LIMIT = 50_000_000  # an image that claims more is refused before it is decoded
BYTES_LIMIT = 4 * PIXELS_LIMIT  # of a file: the largest image with four uncompressed bytes a pixel; never read further
PIECES_LIMIT = 2**16  # strips or tiles of a TIFF; Pillow lists them all before it decodes one
PIECES = (273, 279, 324, 325)  # TIFF 6.0: StripOffsets, StripByteCounts, TileOffsets, TileByteCounts
FORMATS = ("PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")  # of Pillow, beside JPEG
# brands of a HEIC (ISO/IEC 23008-12, annex B); mif1 can be an AVIF too, and Pillow is asked first
HEIF = re.compile(rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)

TIFF = re.compile(rb"(II|MM)(\*\0|\0\*)")

# what Pillow raises on a broken file
PILLOW_ERRORS = (
    OSError, EOFError, ValueError, TypeError, LookupError, SyntaxError, struct.error, AssertionError, AttributeError,
    ArithmeticError, RuntimeError, zlib.error,
)  # fmt: skip


try:
    HEIF_VERSION = importlib.metadata.version("pillow-heif")
except importlib.metadata.PackageNotFoundError:
    HEIF_VERSION = None  # and no HEIC is read


class UnreadableImageError(ValueError):
    """A file that is no image, or a broken one; the message names it."""


class Stored(NamedTuple):
    """An image that is no file of its own, such as a record: it stands where else a path stands."""

    name: str
    stamp: tuple  # JSON-able; changes when the image changes, as size and time of a file do
    read_bytes: Callable[[], bytes]  # as a file would be read; raises ValueError or OSError

    def __str__(self):
        return self.name


@contextmanager
def open_image(path: Path | Stored):
    """An image file whose pixels are not decoded yet.

    It has the bytes of the file, `content`; width and height in pixels, `size`; and a method `pixels`, which decodes
    them to (height, width, 3) uint8 RGB: see `images.decode`. Both are those of the image turned upright.

    Raises:
        UnreadableImageError: whatever goes wrong while it is open, in the body of the with statement too.
    """
    try:
        content = path.read_bytes() if isinstance(path, Stored) else read_limited(path, BYTES_LIMIT, "an image")
        yield (_Jpeg if content.startswith(jpeg.START) else _OfPillow)(content)
    except UnidentifiedImageError:
        reason = f"it is no JPEG or PNG (nor {', '.join(FORMATS[1:])}), or damaged; save it again as one of them"
        raise UnreadableImageError(f"{path}: cannot identify image file: {reason}") from None
    except Image.DecompressionBombError:  # Pillow has a limit of its own
        raise UnreadableImageError(f"{path}: its pixels are too many: at most {PIXELS_LIMIT:,} in all") from None
    except PILLOW_ERRORS as error:
        plain = error.strerror if isinstance(error, OSError) else isinstance(error, ValueError) and str(error)
        raise UnreadableImageError(f"{path}: {plain or _damaged(str(error) or type(error).__name__)}") from None


def _damaged(reason):
    advice = "copy it from its source again, or open it and save it as a new file"
    return ValueError(f"damaged, or of a rare kind ({reason}): {advice}")


class _Upright:
    # an image of `stored`, width and height, that is turned as its EXIF data say
    def __init__(self, content, stored):
        self.content, self.stored = content, stored
        if math.prod(stored) > PIXELS_LIMIT:
            raise ValueError("{}x{} pixels are too many: at most {:,} in all".format(*stored, PIXELS_LIMIT))
        self.orientation = self._find_orientation()

    @property
    def size(self):
        return self.stored[::-1] if self.orientation in range(5, 9) else self.stored  # lies on its side

    def pixels(self):
        pixels = self._decode()
        if self.orientation not in range(2, 9):  # such as 1, upright, or none at all
            return pixels
        # not of the file's own image: there `exif_transpose` writes all EXIF data anew, and fails at what it cannot
        image = Image.fromarray(pixels)
        image.getexif()[ExifTags.Base.Orientation] = self.orientation
        return np.asarray(ImageOps.exif_transpose(image))


class _OfPillow(_Upright):
    # of several frames the first, or what the file calls its main one
    def __init__(self, content):
        if content.startswith((b"II+\0", b"MM\0+")):
            raise _damaged("a TIFF of 64-bit places")
        if content.startswith((b"II", b"MM")):
            _check_pieces(content)
        self.image = _open(content)
        super().__init__(content, self.image.size)

    def _find_orientation(self):
        if self.image.format == "PNG":
            _check_sums(self.content)
        self.image.load()  # EXIF data can follow the pixels, and Pillow turns a TIFF as it loads it
        if self.image.size != self.stored:
            raise _damaged("two sizes")
        return _read_orientation(self.image)

    def _decode(self):
        return np.asarray(_to_rgb(self.image))


def _open(content):
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        if not re.match(HEIF, content):
            raise
    if HEIF_VERSION is None:
        raise ValueError("is a HEIC image: pip install pillow-heif, or save it as JPEG")
    importlib.import_module("pillow_heif").register_heif_opener()
    return Image.open(io.BytesIO(content), formats=("HEIF",))


class _Jpeg(_Upright):
    # Pillow, which keeps other threads waiting, is asked for the orientation alone
    def __init__(self, content):
        self.header = jpeg.read_header(content)
        if self.header is None:
            raise UnidentifiedImageError
        super().__init__(content, self.header.size)

    def _find_orientation(self):
        if not self.header.extra:
            return None
        with Image.open(io.BytesIO(self.content), formats=("JPEG",)) as image:
            return _read_orientation(image)

    def _decode(self):
        # the pixels that Pillow gives, and an error where Pillow reads on with a warning
        content = self.content
        if not content.endswith(jpeg.END):
            content += jpeg.END  # what lacks only that is complete, and what lacks more is still found to be truncated
        space = "CMYK" if len(self.header.components) == 4 else "RGB"
        shape = (*self.stored[::-1], len(space))  # nothing larger is decoded, whatever a second header claims
        try:
            pixels = simplejpeg.decode_jpeg(content, space, buffer=np.empty(shape, np.uint8))
        except ValueError as error:
            raise _damaged(error) from None
        if pixels.shape != shape:
            raise _damaged("two sizes")
        if jpeg.lacks_scans(content, self.header):
            raise _damaged("scans are missing")
        if space == "CMYK":  # stored inverted, as Adobe does it
            return np.asarray(Image.frombytes("CMYK", self.stored, ~pixels).convert("RGB"))
        return pixels


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


def _read_orientation(image):
    # the EXIF orientation of an image of Pillow as it is stored: 1 to 8, something else, or None
    _check_exif(image.info.get("exif", b""))
    return image.getexif().get(ExifTags.Base.Orientation)


def _check_exif(data):
    # whether the first directory is whole: of a damaged one Pillow takes what it finds
    data = re.sub(rb"^(Exif\0\0){1,2}", b"", data)
    try:
        if data:
            _read_directory(data)
    except (TypeError, struct.error):
        raise ValueError("its EXIF data are damaged, so that its upper side is not known: save it again") from None


def _check_pieces(content):
    for tag, _, count, _ in _read_directory(content):
        if tag in PIECES and count > PIECES_LIMIT:
            raise ValueError(f"its pixels lie in {count:,} pieces: at most {PIECES_LIMIT:,}; save it again")


def _read_directory(data):
    # the entries of the first directory (TIFF 6.0, section 2): tag, type, count, value or place
    order = {b"II": "<", b"MM": ">"}[re.match(TIFF, data)[1]]
    (start,) = struct.unpack_from(f"{order}L", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    return [*struct.iter_unpack(f"{order}HHLL", struct.unpack_from(f"{12 * entries}s", data, start + 2)[0])]


def _to_rgb(image):
    if image.mode == "F" or image.format == "TIFF" and (image.mode == "I" or _is_negative(image)):
        raise ValueError("of its numbers it is not known which is white: save it with 8 bits a channel")
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
        image.info.pop("transparency", None)  # a value of 16 bits, which one of 8 cannot equal
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*GREY, 255)), image.convert("RGBA"))
    return image.convert("RGB")


def _is_negative(image):
    # a TIFF of 16 bits in which 0 is white, which Pillow takes for black
    return image.mode.startswith("I;16") and image.tag_v2.get(262) == 0
