"""People in training and test by name: from the names of folders, or from a list that says whom a folder shows."""

import re
import unicodedata
from pathlib import Path

from facelib.files import read_limited
from facelib.folders import printable

BYTES_LIMIT = 2**26  # of a list of names


class NamesError(ValueError):
    """A list of names that cannot be used; the message names file and line and says what to do."""


def read_names(file: Path) -> dict[str, str]:
    """The name of each identity in a list of lines ``id name``, such as CASIA-WebFace has it, in UTF-8.

    Ids of digits lose their leading zeros.

    Raises:
        NamesError: no such file, one that is too large, a line without a name, an id that comes twice.
    """
    try:
        content = read_limited(file, BYTES_LIMIT, "a list of names").decode("utf-8-sig", "replace")
    except OSError as error:
        raise NamesError(f"{printable(file)}: {error.strerror}; --names names a file of lines `id name`") from None
    except ValueError as error:
        raise NamesError(f"{printable(file)}: {error}") from None
    names: dict[str, str] = {}
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        identity, _, name = line.strip().partition(" ") if " " in line.strip() else line.strip().partition("\t")
        identity = _plain_id(identity)
        if not name.strip() or identity in names:
            fault = f"id {identity} comes twice" if name.strip() else "expected `id name`, parted by a blank or a tab"
            raise NamesError(printable(f"{file}, line {number}: {fault}: correct the line"))
        names[identity] = name.strip()
    return names


def find_shared(folders, people, names: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Pairs of a folder and a test person with the same name, in the order of the folders.

    Names are equal but for case, for what parts their words, and for how accents are encoded (NFC or NFD).

    Args:
        folders: names of identity folders. people: names of test people. names: see `read_names`.
    """
    known = {_plain_name(person): person for person in people}
    shared = []
    for folder in folders:
        for name in (folder, (names or {}).get(_plain_id(folder), "")):
            if person := known.get(_plain_name(name)):
                shared.append((folder, person))
                break
    return shared


def _plain_id(text):
    return (text.lstrip("0") or "0") if text.isascii() and text.isdecimal() else text


def _plain_name(name):
    return re.sub(r"[\s_.-]+", " ", unicodedata.normalize("NFC", name).casefold()).strip()
