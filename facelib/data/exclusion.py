"""The exclusion list: a CSV file of training images that are left out; `data audit` writes it, and people edit it."""

import csv
import io
import os
from pathlib import Path

import numpy as np

from facelib.files import read_limited
from facelib.folders import printable

COLUMNS = ("path", "reason", "score", "other path")
HEADING = ",".join(COLUMNS)
BYTES_LIMIT = 2**27  # of the file; a longer one is refused before it is read


class ExclusionError(ValueError):
    """An exclusion list that cannot be used; the message names file and line and says what to do."""


def read_exclusion(file: Path, folder: Path, paths) -> np.ndarray:
    """Which of the images `paths` of `folder` the list in `file` names, (n,) bool.

    The list is a CSV file (RFC 4180) in UTF-8. Its first line names the columns: ``path`` and any of the others in
    `COLUMNS`. Only ``path`` is read: the place of an image below `folder`, with forward slashes.

    Args:
        paths: sequence of n str, see `identities.Faces`.

    Raises:
        ExclusionError: no such file, one that is too large or no CSV file of these columns, a path that is not in
            `paths`, or one that comes twice.
    """
    rows = {path: row for row, path in enumerate(paths)}
    excluded, lines = np.zeros(len(rows), bool), {}
    for line, path in _read_paths(Path(file)):
        if path in lines:
            raise _fault(file, line, f"{path} is in line {lines[path]} already: remove one of the two")
        if os.path.isabs(path) or ".." in path.split("/"):
            raise _fault(
                file, line, f"{path} leads out of {folder}: write the path below that folder, such as 12/3.jpeg"
            )
        if path not in rows:
            raise _fault(file, line, f"{path} is no image in {folder}: correct the path, or remove the line")
        lines[path] = line
        excluded[rows[path]] = True
    return excluded


def _read_paths(file):
    # line and path of each row
    try:
        content = read_limited(file, BYTES_LIMIT, "an exclusion list")
    except OSError as error:
        raise ExclusionError(f"{printable(file)}: {error.strerror}; exclude names an exclusion list") from None
    except ValueError as error:
        raise ExclusionError(f"{printable(file)}: {error}") from None
    content = content.decode("utf-8-sig", "surrogateescape")  # as names of files are decoded
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        heading = [name.strip() for name in next(reader, [])]
        if "path" not in heading or len(set(heading)) < len(heading) or set(heading) - {*COLUMNS}:
            found = f"found {','.join(heading)[:200]!r}" if heading else "the file is empty"
            raise _fault(file, 1, f"expected the columns {HEADING}, separated by commas; {found}")
        for row in reader:
            if not row:
                continue
            if len(row) > len(heading):
                raise _fault(file, reader.line_num, f"{len(row)} fields for {len(heading)} columns: quote the commas")
            path = dict(zip(heading, row, strict=False)).get("path", "")
            if not path:
                raise _fault(file, reader.line_num, "no path: write one, or remove the line")
            yield reader.line_num, path
    except csv.Error as error:
        raise _fault(file, reader.line_num, f"this is no CSV ({error})") from None


def _fault(file, line, text):
    return ExclusionError(printable(f"{file}, line {line}: {text}"))
