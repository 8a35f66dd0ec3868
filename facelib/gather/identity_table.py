"""Read a CSV that says who is on which image: a line of names of columns, then a line for each image."""

import csv
import os
from collections import Counter
from pathlib import Path

from facelib.data.listed_images import ListedImages
from facelib.folders import SUFFIXES, is_visible, printable
from facelib.gather.intake import IntakeError
from facelib.progress import track

PATHS = "path", "file", "filename", "file_name", "image", "image_path", "img", "image_id"  # usual names of columns
IDENTITIES = "identity", "person", "name", "label", "class", "subject", "id", "identity_id"
SEPARATORS = ",;\t"
TABLE_LIMIT = 2**30  # bytes
LINE_LIMIT = 2**16  # letters; of a longer one the rest counts as the next line, which does not fit
ROWS_LIMIT = 20_000_000
NAMED = 20  # columns that a message lists


def read_identity_table(folder: Path, file: Path, path_column=None, identity_column=None) -> list[tuple[str, str]]:
    """The path below `folder`, with forward slashes, and the identity of each image that `file` lists.

    Args:
        path_column, identity_column: names in the first line; None: the first of `PATHS` and of `IDENTITIES` that is
            there, in any case.

    Raises:
        IntakeError: `file` cannot be read, lacks a column, has a line of another length, lists an image twice, one
            that is missing, or one that does not lie below `folder`; the message names the line.
    """
    file = Path(file)
    try:
        if not file.is_file() or os.path.getsize(file) > TABLE_LIMIT:  # a pipe would be waited for
            reason = f"larger than {TABLE_LIMIT:,} bytes" if file.is_file() else "no file"
            raise IntakeError(f"{printable(file)}: is {reason}; expected a CSV")
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            return _read_rows(folder, file, text, (path_column, identity_column))
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else f"is no CSV: {error}"
        raise IntakeError(f"{printable(file)}: {reason}") from None


def _read_rows(folder, file, text, wanted):
    head = text.readline(LINE_LIMIT)
    separator = max(SEPARATORS, key=head.count)
    columns = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    places = [_choose(file, columns, *each) for each in zip(wanted, (PATHS, IDENTITIES), strict=True)]
    root, found, lines = os.path.join(os.path.realpath(folder), ""), [], {}
    images = ListedImages(folder)
    rows = csv.reader(iter(lambda: text.readline(LINE_LIMIT), ""), delimiter=separator, strict=True)
    for row in track(rows, "reading the list", "lines", delay=1):
        number = rows.line_num + 1
        place = f"{printable(file)}, line {number}"
        if not row:
            continue
        if len(row) != len(columns):
            raise IntakeError(f"{place}: {len(row)} fields; expected {len(columns)}, as the first line has")
        path, identity = (row[column].strip() for column in places)
        path = path.replace("\\", "/").removeprefix("./")
        path = _find(place, root, images, path, identity)
        if (earlier := lines.setdefault(path, number)) != number:
            raise IntakeError(f"{place}: {printable(path)} is in line {earlier} already: remove one of the two")
        if len(found) >= ROWS_LIMIT:
            raise IntakeError(f"{place}: more than {ROWS_LIMIT:,} lines are too many")
        found.append((path, identity))
    if not found:
        raise IntakeError(f"{printable(file)}: lists no image after its first line")
    return found


def _choose(file, columns, wanted, usual):
    lower = [name.lower() for name in columns]
    names = [wanted] if wanted else [name for name in usual if name in lower]
    place = lower.index(names[0].lower()) if names and names[0].lower() in lower else None
    twice = names and Counter(lower)[names[0].lower()] > 1
    if place is None or twice:
        there = ", ".join(map(repr, columns[:NAMED])) + (", ..." if len(columns) > NAMED else "")
        option = "--path-column" if usual is PATHS else "--identity-column"
        missing = f"column {wanted!r}" if wanted else f"column with one of the names {', '.join(usual)}"
        fault = f"two columns {names[0]!r}" if twice else f"no {missing}"
        found = f"it has {there}: name one of them with {option}" if there else "its first line is empty"
        if any("\0" in name for name in columns):
            found = "it is no UTF-8, but UTF-16 or no text: save it as UTF-8"
        raise IntakeError(printable(f"{file}: {fault}; {found}"))
    return place


def _find(place, root, images, path, identity):
    # the path as the disk has it: an accent can be written in two ways; who it is, and whether it lies below the folder
    if not identity:
        raise IntakeError(f"{place}: names no identity")
    if not all(part and is_visible(part) for part in path.split("/")) or "\0" in path:
        raise IntakeError(f"{place}: {printable(repr(path))} is no path below {printable(root)}")
    if not path.lower().endswith(SUFFIXES):
        raise IntakeError(f"{place}: {printable(path)} is no image ({', '.join(SUFFIXES)})")
    try:
        path = path if os.path.isfile(root + path) else images.find(path)
    except ValueError as error:
        raise IntakeError(f"{place}: {printable(error)}") from None
    if not os.path.isfile(root + path):
        raise IntakeError(f"{place}: there is no image {printable(root + path)}")
    if not os.path.realpath(root + path).startswith(root):
        raise IntakeError(f"{place}: {printable(path)} is a link that leads out of {printable(root)}")
    return path
