"""The faces in a folder with ``train.rec``, ``train.idx`` and ``property``, as InsightFace gives them out.

``property`` is "classes,height,width". Record 0 holds no image but two labels a and b: images are the records 1 to
a - 1, and each of the records a to b - 1 has as labels the first of the images of an identity and the last + 1. Without
such a record 0 all records are images. The label of an image is its identity.
"""

import functools
import re
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.config import RECORD_FILES
from facelib.data.image_files import Stored
from facelib.data.recordio import KEYS_LIMIT, REMEDY, RecordsError, name_record, read_heads, read_index, read_record
from facelib.files import read_limited
from facelib.folders import printable
from facelib.progress import say

LABELS_LIMIT = 2**24  # float32 has every whole number up to there
PROPERTY = re.compile(rb"\s*(\d{1,8})\s*,\s*\d{1,5}\s*,\s*\d{1,5}\s*")


class Records(NamedTuple):
    """The images of a record file, sorted by label, then by key; ``records / path`` is the image at a path."""

    file: Path
    stamp: tuple  # size and time of the file
    keys: np.ndarray  # (records,) int64, rising: of all records, images or not
    offsets: np.ndarray  # (records,) int64, in bytes
    paths: tuple[str, ...]  # (n,) of images: <label>/<key>.jpeg, in whichever format the image is
    labels: np.ndarray  # (n,) int32, dense: 0 to the number of identities - 1
    names: tuple[str, ...]  # of each dense label, that in the file

    def __truediv__(self, path: str) -> Stored:
        key = int(path[-len("00000000.jpeg") : -len(".jpeg")])
        offset = int(self.offsets[np.searchsorted(self.keys, key)])
        read = functools.partial(read_record, self.file, key, offset)
        return Stored(name_record(self.file, key), (*self.stamp, offset), lambda: read()[1])


def open_images(folder: Path) -> Path | Records:
    """What holds the images of `folder`, so that ``/ path`` is one of them: its records, or where it has none itself.

    Raises:
        RecordsError: a file is missing, damaged, cut off, or does not fit the others; a label is no number of a class.
    """
    folder = Path(folder)
    if not (folder / RECORD_FILES[0]).is_file():
        return folder
    stamps = []
    for name in RECORD_FILES:
        try:
            status = (folder / name).stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                raise RecordsError(f"{printable(folder / name)}: is no regular file; copy it from its source again")
            stamps.append((status.st_size, status.st_mtime_ns))
        except OSError as error:
            if name != RECORD_FILES[2]:
                reason = f"{printable(folder / name)}: {error.strerror}"
                raise RecordsError(f"{reason}; it says where the records of {RECORD_FILES[0]} begin") from None
    return _open(folder, tuple(stamps))


@functools.lru_cache(maxsize=1)  # of one version: the heads of a million records take seconds
def _open(folder, stamps):
    # the records in `folder`, of which the heads are read and checked
    file, index, properties = (folder / name for name in RECORD_FILES)
    classes = _read_classes(properties) if len(stamps) == len(RECORD_FILES) else LABELS_LIMIT
    keys, offsets = read_index(index, file)
    labels, empty = read_heads(file, keys, offsets)
    images = np.ones(len(keys), bool)
    if keys[0] == 0 and empty[0]:
        images = _find_images(file, keys, offsets, labels)
    image_keys, labels = keys[images], labels[images]
    wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))  # NaN as well
    if wrong.any():
        name = name_record(file, image_keys[wrong][0])
        raise RecordsError(f"{name}: the label {labels[wrong][0]:g} is no whole number below {classes:,}")
    if not len(labels):
        raise RecordsError(f"{printable(file)}: holds no image")
    order = np.lexsort((image_keys, labels))
    numbers, dense = np.unique(labels[order].astype(np.int64), return_inverse=True)
    names = tuple(map(str, numbers.tolist()))
    rows = zip(dense.tolist(), image_keys[order].tolist(), strict=True)
    paths = tuple(f"{names[label]}/{key:08d}.jpeg" for label, key in rows)
    return Records(file, stamps[0], keys, offsets, paths, dense.astype(np.int32), names)


def _read_classes(properties):
    try:
        found = PROPERTY.fullmatch(read_limited(properties, 1000, "a property file"))
    except (ValueError, OSError) as error:
        raise RecordsError(f"{printable(properties)}: {error}") from None
    if not found or not 0 < int(found[1]) <= LABELS_LIMIT:
        raise RecordsError(f"{printable(properties)}: expected classes,height,width, such as 10572,112,112")
    return int(found[1])


def _find_images(file, keys, offsets, labels):
    # which records (n,) are images, as record 0 says; it and those that it names must be there
    start, end = _read_range(file, 0, offsets[0])
    images, identities = (keys >= 1) & (keys < start), (keys >= start) & (keys < end)
    if images.sum() != start - 1 or identities.sum() != end - start:
        raise RecordsError(
            f"{name_record(file, 0)}: names {start - 1:,} images and {end - start:,} identities after them, of which "
            f"the index has {images.sum():,} and {identities.sum():,}: {REMEDY}"
        )
    mixed = 0
    for key, offset in zip(keys[identities].tolist(), offsets[identities].tolist(), strict=True):
        first, last = _read_range(file, key, offset)
        if last > start:
            raise RecordsError(f"{name_record(file, key)}: ends at {last - 1:,}, and there are {start - 1:,} images")
        mixed += np.ptp(labels[first:last]) != 0 if last > first else 0  # of images, row and key are the same
    if mixed:
        say(f"{printable(file)}: {mixed:,} identity records span several labels; the labels of the images count")
    return images


def _read_range(file, key, offset):
    labels, _ = read_record(file, key, int(offset))
    if len(labels) < 2 or not (1 <= labels[0] <= labels[1] < KEYS_LIMIT) or (labels[:2] % 1).any():
        raise RecordsError(f"{name_record(file, key)}: expected two whole numbers, a first record and a last + 1")
    return int(labels[0]), int(labels[1])
