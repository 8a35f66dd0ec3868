"""Import a folder of images of any names and depth: an identity is the folder that holds an image, or as a CSV says.

Images are numbered, and their folders get a safe name; the manifest says what both were called.
"""

import os
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from facelib.data.image_files import BYTES_LIMIT, UnreadableImageError
from facelib.files import read_limited
from facelib.folders import describe_unread, is_visible, printable
from facelib.gather.identity_table import read_identity_table
from facelib.gather.intake import Entry, IntakeError, Source, Taken, check_outside, list_source, take_in
from facelib.progress import say
from facelib.provenance import digest

UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
NAME_LENGTH = 60  # letters of a folder: at most 240 bytes


class Table(NamedTuple):
    """Which columns of a CSV say what; None: those with a usual name."""

    file: Path
    path_column: str | None = None
    identity_column: str | None = None


def import_folder(folder: Path, target: Path, table: Table | None = None) -> Taken:
    """Write the images in and below `folder` to ``target/<identity>/<number>.<suffix>``, byte for byte.

    Without a `table` an identity is a folder that holds images: two folders of one name are two identities.

    Args:
        table: a CSV with the path of each image below `folder`, and its identity; other images are left where they are.

    Raises:
        IntakeError: there is no image, the table cannot be used, or `target` lies in `folder`.
        UnwritableError: see `intake.take_in`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "is no folder" if folder.exists() else "does not exist"
        raise IntakeError(f"{printable(folder)} {found}; expected a folder with images in or below it")
    check_outside(target, folder)
    if table:
        listed, problems = read_identity_table(folder, *table), ()
    else:
        listing = list_source(folder)
        listed = [(path, os.path.dirname(path) or folder.name) for path in listing.images]
        problems = listing.problems
        for line in describe_unread(listing.unread):
            say(line)
    names = name_folders(dict.fromkeys(identity for _, identity in listed))
    settings = {"table": table and Path(table.file).name, "entries": digest(sorted(_stamp(folder, listed)))}
    source = Source("folder", folder, (Path(table.file),) if table else (), settings)
    entries = _entries(folder, sorted(listed), names)
    taken = take_in(target, source, entries, len(listed), {name: identity for identity, name in names.items()})
    return taken._replace(problems=(*problems, *taken.problems))


def _stamp(folder, listed):
    for path, identity in listed:
        status = os.stat(folder / path)
        yield path, identity, status.st_size, status.st_mtime_ns


def _entries(folder, listed, names):
    counts = dict.fromkeys(names, 0)
    for path, identity in listed:
        counts[identity] += 1
        suffix = os.path.splitext(path)[1].lower()
        yield Entry(f"{names[identity]}/{counts[identity]:06d}{suffix}", lambda path=path: _read(folder / path), path)


def _read(path):
    try:
        return read_limited(path, BYTES_LIMIT, "an image")
    except ValueError as error:
        raise UnreadableImageError(str(error)) from None
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from None


def name_folders(identities) -> dict[str, str]:
    """A folder's name for each identity, which are paths or other text: safe everywhere, and no two alike.

    It is the last part of a path where no other identity has that, else all of it; systems that take upper and lower
    case, or two ways to write an accent, for the same find no name twice.
    """
    last = {identity: _clean(identity.rpartition("/")[2]) for identity in identities}
    count = {}
    for name in last.values():
        count[_fold(name)] = count.get(_fold(name), 0) + 1
    names, taken = {}, set()
    for identity, name in last.items():
        wanted = name if count[_fold(name)] == 1 else _clean(identity.replace("/", "__"))
        name, number = wanted, 1
        while _fold(name) in taken:
            number += 1
            name = f"{wanted}__{number}"
        taken.add(_fold(name))
        names[identity] = name
    return names


def _clean(text):
    name = UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip(" .")[:NAME_LENGTH].rstrip(" .")
    return name if name and is_visible(name) else f"identity_{name}"


def _fold(name):
    return unicodedata.normalize("NFC", name.casefold())
