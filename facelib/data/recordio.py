"""Read records and their index as MXNet writes them: ``.rec`` and ``.idx``.

A record is the word `MAGIC`, a word with a flag in its upper 3 bits and a length in the others, and so many bytes,
filled up to a multiple of 4 (dmlc-core, ``recordio.h``). Data that hold `MAGIC` at a multiple of 4 are written in parts
without it, with the flags 1, 2, ..., 2, 3; all others have the flag 0. Of an image, the data begin with `HEADER`
(mxnet, ``image_recordio.h``): a number of labels, a label, two ids. Where the number is not 0, so many float32 labels
follow, and count instead. The rest is an image as a file holds it. All words are little-endian.

The index is text, a line ``key<tab>offset`` for each record; offsets are bytes from the beginning of the ``.rec``.
"""

import os
import re
import struct
from pathlib import Path

import numpy as np

from facelib.data.image_files import BYTES_LIMIT
from facelib.folders import printable
from facelib.progress import track

MAGIC, WORDS, HEADER = 0xCED7230A, struct.Struct("<II"), struct.Struct("<IfQQ")
WHOLE, FIRST, MIDDLE, LAST = range(4)  # flags
HEAD = np.dtype(  # both words and the header, with what follows: the first label of several
    [("magic", "<u4"), ("word", "<u4"), ("count", "<u4"), ("label", "<f4"), ("ids", "<u8", 2), ("first", "<f4")]
)
LENGTH = 2**29 - 1  # the bits of a length
RECORDS_LIMIT = 2**26
KEYS_LIMIT = 10**8  # so that names of 8 digits have room for all
LINE = re.compile(rb"(\d{1,18})\t(\d{1,18})\r?\n")
LINES = re.compile(rb"(?:%b)*" % LINE.pattern)
BLOCK = 2**20  # bytes of an index that are read at once
HEADS = 2**16  # records whose heads are read at once
REMEDY = "one of the two files is damaged, cut off or of another data set: copy both from their source again"


class RecordsError(ValueError):
    """Record files that cannot be used; the message names the file, and the record or line, and says what to do."""


def name_record(file: Path, key: int) -> str:
    """How messages call a record."""
    return f"{printable(file)}, record {key}"


def read_index(index: Path, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys (n,) int64, rising, and offsets (n,) int64 of the records in `file`.

    Raises:
        RecordsError: the index is empty, a line is no key and offset, a key is too large or there twice, an offset lies
            outside of `file`, or there are more than `RECORDS_LIMIT`. OSError: one of the two cannot be read.
    """
    table = np.concatenate([*_read_lines(index)] or [np.empty((0, 2), np.int64)])
    if not len(table):
        raise RecordsError(f"{printable(index)}: is empty: {REMEDY}")
    keys, offsets = table[np.argsort(table[:, 0], kind="stable")].T.copy()
    size = os.path.getsize(file)
    for wrong, reason in (
        (keys >= KEYS_LIMIT, f"has no number below {KEYS_LIMIT:,}"),
        (np.append(False, keys[1:] == keys[:-1]), "is there twice"),
        (offsets + WORDS.size > size, f"lies past the end of {printable(file.name)}, byte {size:,}: {REMEDY}"),
    ):
        if wrong.any():
            raise RecordsError(f"{printable(index)}: record {keys[wrong][0]} {reason}")
    return keys, offsets


def _read_lines(index):
    # blocks (lines, 2) int64
    number, rest = 0, b""
    with open(index, "rb") as content:
        blocks = -(-os.path.getsize(index) // BLOCK)
        for _ in track(range(blocks), "reading the index", "blocks of 1 MiB", delay=1):
            block = rest + content.read(BLOCK)
            end = block.rfind(b"\n") + 1
            block, rest = block[:end], block[end:]
            _check_lines(index, number, block)
            table = np.array(block.split(), np.int64).reshape(-1, 2)
            number += len(table)
            if number > RECORDS_LIMIT:
                raise RecordsError(f"{printable(index)}: more than {RECORDS_LIMIT:,} records are too many")
            if len(rest) > BLOCK:
                break  # no line is as long
            yield table
    if rest:  # the last line may lack its end
        _check_lines(index, number, rest[:BLOCK] + b"\n")
        yield np.array([rest.split()], np.int64)


def _check_lines(index, number, block):
    if LINES.fullmatch(block):
        return
    wrong = next(row for row, line in enumerate(block.split(b"\n"), 1) if not LINE.fullmatch(line + b"\n"))
    raise RecordsError(f"{printable(index)}, line {number + wrong}: expected a key, a tab and an offset")


def read_heads(file: Path, keys: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first label of each record, (n,) float32, and whether nothing follows its labels, (n,) bool; all are checked.

    Raises:
        RecordsError: a record does not begin with `MAGIC`, is the middle of one, or is truncated.
    """
    labels, empty, size = np.empty(len(keys), np.float32), np.empty(len(keys), bool), os.path.getsize(file)
    for start in track(range(0, len(keys), HEADS), "reading labels", f"blocks of {HEADS:,} records", delay=1):
        rows = slice(start, start + HEADS)
        heads = _read_heads(file, offsets[rows])
        flags, lengths = heads["word"] >> 29, (heads["word"] & LENGTH).astype(np.int64)
        ends = HEADER.size + 4 * heads["count"].astype(np.int64)
        for wrong, reason in (
            (heads["magic"] != MAGIC, f"does not begin as a record does: {REMEDY}"),
            (flags > FIRST, f"begins in the middle of another: {REMEDY}"),
            (offsets[rows] + WORDS.size + lengths > size, f"is truncated: {REMEDY}"),
            ((flags == WHOLE) & (lengths < ends), f"is shorter than its header says: {REMEDY}"),
        ):
            if wrong.any():
                raise RecordsError(f"{name_record(file, keys[rows][wrong][0])} {reason}")
        labels[rows] = np.where(heads["count"] > 0, heads["first"], heads["label"])
        empty[rows] = lengths == ends
        for row in start + np.flatnonzero(flags == FIRST):  # the header may be in several parts itself
            found, image = read_record(file, int(keys[row]), int(offsets[row]))
            labels[row], empty[row] = found[0], not image
    return labels, empty


def _read_heads(file, offsets):
    with open(file, "rb", buffering=0) as content:
        place = content.fileno()
        heads = [os.pread(place, HEAD.itemsize, offset).ljust(HEAD.itemsize, b"\0") for offset in offsets.tolist()]
    return np.frombuffer(b"".join(heads), HEAD)


def read_record(file: Path, key: int, offset: int) -> tuple[np.ndarray, bytes]:
    """The labels (labels,) float32 of the record at `offset`, and its image as a file would hold it.

    Raises:
        RecordsError: the record is damaged or truncated, or larger than any image. OSError: the file cannot be read.
    """
    with open(file, "rb", buffering=0) as content:
        data = _join_parts(content.fileno(), name_record(file, key), offset)
    count, label, _, _ = HEADER.unpack_from(data.ljust(HEADER.size, b"\0"))
    end = HEADER.size + 4 * count
    if len(data) < end:
        raise RecordsError(f"{name_record(file, key)} is shorter than its header says: {REMEDY}")
    labels = np.frombuffer(data, "<f4", count, HEADER.size) if count else np.array([label], np.float32)
    return labels, data[end:]


def _join_parts(place, name, offset):
    parts, size, expected = [], 0, (WHOLE, FIRST)
    while True:
        magic, word = WORDS.unpack(os.pread(place, WORDS.size, offset).ljust(WORDS.size, b"\0"))
        flag, length = word >> 29, word & LENGTH
        if magic != MAGIC or flag not in expected:
            raise RecordsError(f"{name} {'is damaged' if parts else 'does not begin as a record does'}: {REMEDY}")
        size += length + WORDS.size
        if size > BYTES_LIMIT:
            raise RecordsError(f"{name} has more bytes than an image may have, {BYTES_LIMIT:,}")
        parts.append(os.pread(place, length, offset + WORDS.size))
        if len(parts[-1]) < length:
            raise RecordsError(f"{name} is truncated: {REMEDY}")
        if flag in (WHOLE, LAST):
            return MAGIC.to_bytes(4, "little").join(parts)
        offset, expected = offset + WORDS.size + length, (MIDDLE, LAST)  # but of the last, lengths are multiples of 4
