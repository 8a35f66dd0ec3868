"""The lines of a list of pairs, in the forms that people have, and which two images each of them names.

- LFW's own (Huang et al. 2007, technical report 07-49, and README of the data set): a header; ``name i j`` (matched) or
  ``name1 i name2 j`` (mismatched), between tabs, or between blanks.
- Kaggle's tables of LFW (data set ``jessicali9530/lfw-dataset``): ``name,i,j,`` or ``name1,i,name2,j``.
- ``path path label``, between tabs, commas or blanks.
"""

import csv
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from facelib.folders import SUFFIXES, is_visible
from facelib.progress import track

LARGEST = 100_000_000  # bytes of a pairs file; LFW's has 160,000
MOST_LINES = 2_000_000  # each takes some 500 bytes of memory
LONGEST_LINE = 10_000  # letters; two paths have 8,192 at most
LABELS = (("0", "1"), ("-1", "1"), ("false", "true"), ("different", "same"))  # of mismatched and of matched pairs
COLUMNS = ("name,imagenum1,imagenum2", "name,imagenum1,name,imagenum2", "name1,imagenum1,name2,imagenum2")
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+")
WORD = re.compile(r"[A-Za-z]\w*")
# Each form, as messages name it
LFW, KAGGLE, PATHS, ONE_IMAGE = "LFW's format", "Kaggle's table", "'path path label'", "one image a line"


class PairsError(ValueError):
    """A pairs file that cannot be used; the message names the file, and the line or the images that are missing."""


class Numbered(NamedTuple):
    """Image `number` of the person `name`; as str, its usual path."""

    name: str
    number: int

    def __str__(self):
        return f"{self.name}/{self.name}_{self.number:04d}.jpg"


class Line(NamedTuple):
    """The two images that a line names, and whether it says that they show the same person."""

    number: int  # in the file, from 1
    first: Numbered | str  # or a path below the images' folder, with forward slashes
    second: Numbered | str
    matched: bool
    label: str = ""  # in lower case, where the line has one


class Listed(NamedTuple):
    """What a list says."""

    lines: list[Line]
    folds: int = 0  # 0 where the list names none
    of_a_kind: int = 0  # matched pairs in each fold, and mismatched ones


def read_list(pairs_file: Path) -> Listed:
    """Read the lines of `pairs_file`; the second of them decides which form it has.

    Raises:
        PairsError: no text file, one that is too large, no pairs, or a line that is none of the list's form.
    """
    lines = _read_text(pairs_file).split("\n")
    texts = [(number, text) for number, text in enumerate(lines, 1) if text.strip()]
    form = _form(texts[1 if len(texts) > 1 else 0][1][:LONGEST_LINE]) if texts else LFW
    folds = (0, 0)
    if form == LFW:
        folds = _folds(pairs_file, lines[0])
        texts = [(number, text) for number, text in texts if number > 1]
    elif _is_header(pairs_file, form, texts[0]):
        del texts[0]
    if not texts:
        raise PairsError(f"{pairs_file}: holds no pairs after its header line")
    shown = track(texts, "reading pairs", "lines", delay=2)
    found = [_read_line(pairs_file, form, *numbered) for numbered in shown]
    _check_labels(pairs_file, found)
    return Listed(found, *folds)


def _read_text(pairs_file):
    try:
        if not pairs_file.is_file():  # a pipe would be waited for, a device read without end
            reason = "is no regular file" if pairs_file.exists() else "there is no such file"
            raise PairsError(f"{pairs_file}: cannot be read as a pairs file: {reason}")
        with open(pairs_file, "rb") as file:
            start = file.read(2)
        if start[:1] == b"\x80":  # begins a pickle of protocol 2 or later
            raise PairsError(f"{pairs_file}: looks like a pack of images and pairs; evaluate --pack reads packs")
        if (size := pairs_file.stat().st_size) > LARGEST:
            raise PairsError(f"{pairs_file}: {size:,} bytes are too many for a pairs file: at most {LARGEST:,}")
        text = pairs_file.read_text(encoding="utf-8-sig", errors="surrogateescape")  # names of files are bytes
    except OSError as error:
        raise PairsError(f"{pairs_file}: cannot be read as a pairs file: {error}") from None
    if "\0" in text and re.search("[\udc80-\udcff]", text):
        form = "UTF-16: save it as UTF-8" if start in (b"\xff\xfe", b"\xfe\xff") else "no text, such as UTF-8"
        raise PairsError(f"{pairs_file}: cannot be read as a pairs file: it is {form}")
    if text.count("\n") > MOST_LINES:
        raise PairsError(f"{pairs_file}: {text.count(chr(10)):,} lines are too many pairs: at most {MOST_LINES:,}")
    return text


def _form(text):
    # the form that a line looks like, well-formed or not
    splits = [_fields(text, separator) for separator in "\t, "]
    if any(sum(map(_is_image, fields)) > 1 for fields in splits):
        return PATHS
    if any(len(fields) == 2 and _is_image(fields[0]) for fields in splits):
        return ONE_IMAGE
    return KAGGLE if "\t" not in text and text.count(",") > 1 else LFW


def _read_line(pairs_file, form, number, text):
    try:
        if len(text) > LONGEST_LINE:
            raise ValueError(f"{len(text):,} letters are too many for a pair: at most {LONGEST_LINE:,}")
        line = Line(number, *READERS[form](text))
        if _same(str(line.first), str(line.second)):
            raise ValueError(f"{line.first} with itself; a pair needs two images")
    except ValueError as error:
        looks = _form(text[:LONGEST_LINE])
        other = f"; the line looks like {looks}, and the list like {form}" if looks != form else ""
        raise PairsError(f"{pairs_file}, line {number}: {error}{other}") from None
    return line


def read_lfw(text: str) -> tuple:
    """The images and whether they are matched, of ``name i j`` or ``name1 i name2 j``.

    Fields are separated by tabs where there are any, so that names can have blanks; else by blanks.

    Raises:
        ValueError: neither of the two.
    """
    return _by_numbers(_fields(text, "\t" if "\t" in text else " "), "'name i j' or 'name1 i name2 j'")


def read_kaggle(text: str) -> tuple:
    """As `read_lfw`, of ``name,i,j``, with or without a comma behind it, or ``name1,i,name2,j``."""
    fields = _fields(text, ",")
    return _by_numbers(fields[:3] if fields[3:] == [""] else fields, "'name,i,j,' or 'name1,i,name2,j'")


def read_paths(text: str) -> tuple:
    """Two paths, whether they are matched, and the label that says so, of ``path path label``; see `LABELS`.

    Raises:
        ValueError: other fields, a path that leads out of the folder, or another label.
    """
    splits = [_fields(text, separator) for separator in "\t, "]
    splits = [fields for fields in splits if len(fields) > 1] or splits
    fields = next((fields for fields in splits if [*map(_is_image, fields)] == [True, True, False]), splits[0])
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} fields; expected 'path path label'")
    first, second, label = fields
    for path in (first, second):
        if not _is_image(path):
            raise ValueError(f"{_quote(path)} is no path of an image; expected 'path path label', the label last")
        parts = path.split("/")
        if not all(NAME.fullmatch(part) and is_visible(part) for part in parts):
            raise ValueError(f"{_quote(path)} is no path below the images' folder, such as 'name/image.jpg'")
    label = label.lower()
    if not any(label in pair for pair in LABELS):
        known = ", ".join("/".join(pair) for pair in LABELS)
        raise ValueError(f"{_quote(label)} is no label; expected one of {known} (the second: the same person)")
    return first, second, any(label == matched for _, matched in LABELS), label


def _refuse(text):
    # CALFW and CPLFW are listed so, and so are images with their people, which are no pairs
    raise ValueError("names one image; a pair is one line: 'path path label'")


READERS = {LFW: read_lfw, KAGGLE: read_kaggle, PATHS: read_paths, ONE_IMAGE: _refuse}


def _fields(text, separator):
    if separator == ",":
        try:
            fields = next(csv.reader([text], strict=True, skipinitialspace=True), [])
        except csv.Error:  # such as a quotation mark that is not closed
            fields = text.split(",")
        return [field.strip() for field in fields]
    return [field.strip() for field in text.split(None if separator == " " else separator) if field.strip()]


def _by_numbers(fields, expected):
    if len(fields) == 3:
        (name, i, j), other = fields, fields[0]
    elif len(fields) == 4:
        name, i, other, j = fields
    else:
        raise ValueError(f"{len(fields)} fields; expected {expected}")
    for number in (i, j):
        if not _is_number(number):
            raise ValueError(f"{_quote(number)} is no image number")
    for person in (name, other):
        if not NAME.fullmatch(person) or not is_visible(person):
            raise ValueError(f"{_quote(person)} is no name of a person's folder")
    if len(fields) == 4 and _same(name, other):
        raise ValueError(f"{_quote(name)} twice; a pair of one person is written 'name i j'")
    return Numbered(name, int(i)), Numbered(other, int(j)), len(fields) == 3


def _folds(pairs_file, header):
    # number of folds and of pairs of a kind in each; 0 and 0 where there are no folds
    fields = header.split()
    tabs = _fields(header, "\t")
    if any(len(found) in (3, 4) and found[-1].isdecimal() for found in (fields, tabs)):
        raise PairsError(f"{pairs_file}, line 1: is a pair; expected a header, one or two numbers")
    numbers = [int(field) if _is_number(field) else 0 for field in fields]
    return tuple(numbers) if len(numbers) == 2 and all(numbers) else (0, 0)


def _is_header(pairs_file, form, numbered):
    # whether the first line of Kaggle's table, or of paths, names the columns
    number, text = numbered
    fields = _fields(text, ",")
    if form == KAGGLE and any(field.lower().startswith("imagenum") for field in fields):
        if ",".join(fields).lower().rstrip(",") not in COLUMNS:
            raise PairsError(f"{pairs_file}, line {number}: columns {_quote(text)}; expected '{COLUMNS[0]},'")
        return True
    splits = (_fields(text, separator) for separator in "\t, ")
    return form == PATHS and any(len(found) == 3 and all(map(WORD.fullmatch, found)) for found in splits)


def _check_labels(pairs_file, lines):
    # one way to say it in the whole list: 0 and -1 side by side could mean two things
    used = {}
    for line in lines:
        used.setdefault(line.label, line)
        if line.label and not any(used.keys() <= set(pair) for pair in LABELS):
            others = " and ".join(map(repr, [label for label in used if label != line.label]))
            raise PairsError(f"{pairs_file}, line {line.number}: label {line.label!r} in a list that has {others} too")


def _is_image(field):
    return field.lower().endswith(SUFFIXES)


def _is_number(field):
    return field.isascii() and field.isdecimal() and len(field) < 10


def _same(first, second):
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def _quote(text):
    return repr(text if len(text) < 100 else f"{text[:90]}...")
