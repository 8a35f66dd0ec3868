"""Keep the pixels of many images in one file with a checksum for each image; a damaged file is made again.

The file is a NumPy array (``.npy``) of shape (n, 112, 112, 3) uint8, which `numpy.load` can map as well. Behind the
pixels follow an ``.npz`` with the checksums and whatever belongs to them, and a seal of all but the pixels.
"""

import hashlib
import io
import json
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from facelib.files import writing
from facelib.progress import say, track

SIZE = 112  # pixels, height and width of every image here
SUM = 16  # bytes of SHA-256 that are kept of an image: no two of a million share them by chance
SEAL = struct.Struct("<32sQ")  # SHA-256 of header and `.npz`, bytes of the `.npz`
BLOCK = 256  # images that are compared at once
DELAY = 1  # seconds before that is shown


class DamagedPixelsError(ValueError):
    """A file of pixels that is not as it was written; the message says what is wrong."""


def checksum(content) -> bytes:
    """The first `SUM` bytes of the SHA-256 of an image's pixels, or of other bytes."""
    return hashlib.sha256(content).digest()[:SUM]


def keep_pixels(path: Path, write, count: int | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pixels in `path` (n, 112, 112, 3) uint8, memory-mapped, and the arrays that belong to them, with ``sums``.

    Every image is read and compared with its checksum. Where there is no file, or a damaged one, it is made.

    Args:
        write: function of a path that makes the file with `write_pixels`. count: n, where it is known.

    Raises:
        UnwritableError: the disk is full.
    """
    try:
        pixels, known = read_pixels(path)
        if count not in (None, len(pixels)):
            raise DamagedPixelsError(f"{len(pixels):,} images for {count:,}")
        return pixels, known
    except FileNotFoundError:
        pass
    except DamagedPixelsError as error:
        say(f"{path} is damaged ({error}): it is made again")
    write(path)
    return read_pixels(path)


def write_pixels(path: Path, most: int, images, known=dict) -> None:
    """Write images to `path`, whole or not at all.

    Args:
        most: images there can be; their space is reserved first. images: iterable of (112, 112, 3) uint8, each with its
            `checksum`. known: function without arguments to a dict of arrays, called after the last image.

    Raises:
        UnwritableError: the disk is full.
    """
    sums = bytearray()
    with writing(path, len(_header(most)) + most * SIZE * SIZE * 3) as file:
        file.write(_header(most))
        for pixels, of_pixels in images:
            file.write(pixels)
            sums += of_pixels
        content = io.BytesIO()
        np.savez(content, sums=np.frombuffer(sums, np.uint8).reshape(-1, SUM), **known())
        file.write(content.getvalue() + _seal(len(sums) // SUM, content.getvalue()))
        end = file.tell()
        file.seek(0)
        file.write(_header(len(sums) // SUM))  # as long as that before: NumPy leaves room for any number of images
        file.seek(end)


def read_pixels(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What `write_pixels` wrote, see `keep_pixels`.

    Raises:
        FileNotFoundError: there is no such file. DamagedPixelsError: it is not as it was written.
    """
    known = _read_known(path)
    count = len(known["sums"])
    shape = (count, SIZE, SIZE, 3)
    pixels = np.memmap(path, np.uint8, "r", len(_header(count)), shape) if count else np.empty(shape, np.uint8)

    def compare(start):
        block = slice(start, start + BLOCK)
        return b"".join(map(checksum, pixels[block])) == known["sums"][block].tobytes()

    starts = range(0, count, BLOCK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start, good in zip(
            starts,
            track(pool.map(compare, starts), "checking", f"blocks of {BLOCK} images", len(starts), DELAY),
            strict=True,
        ):
            if not good:
                raise DamagedPixelsError(f"another checksum of an image from {start:,} on")
    return pixels, known


def read_record(path: Path) -> dict:
    """What `images.load_images` wrote of the images in `path`, without their pixels: digest and problems; else empty.

    Raises:
        FileNotFoundError, DamagedPixelsError: see `read_pixels`.
    """
    known = _read_known(path)
    return json.loads(known["record"].tobytes()) if "record" in known else {}


def _read_known(path):
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < SEAL.size:
            raise DamagedPixelsError("cut off")
        file.seek(size - SEAL.size)
        seal = file.read()
        length = min(SEAL.unpack(seal)[1], size - SEAL.size)
        file.seek(size - SEAL.size - length)
        content = file.read(length)
        count = (size - SEAL.size - length) // (SIZE * SIZE * 3)
        file.seek(0)
        header = file.read(len(_header(count)))
    expected = len(header) + count * SIZE * SIZE * 3 + length + SEAL.size
    if size != expected or header != _header(count) or seal != _seal(count, content):
        raise DamagedPixelsError("cut off, or changed at its beginning or end")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def _header(count):
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (count, SIZE, SIZE, 3)}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()


def _seal(count, content):
    return SEAL.pack(hashlib.sha256(_header(count) + content).digest(), len(content))
