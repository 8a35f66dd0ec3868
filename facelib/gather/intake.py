"""Write what is imported into a new folder: whole or not at all, resumed where it was stopped, with a manifest.

Files are collected in a hidden folder beside the target, which becomes the target at the end. A journal in it says what
is whole: a line of JSON for each entry of the source, in order, see `Row`. So the same command resumes a run that was
killed, or that found the disk full.
"""

import hashlib
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from facelib.data.image_files import UnreadableImageError
from facelib.files import REMEDIES, UnwritableError, writing
from facelib.folders import MANIFEST, SUFFIXES, Listing, explain, is_visible, list_images, printable
from facelib.locks import hold
from facelib.progress import say, track

JOURNAL, PART = ".journal", ".part"
FORMAT = "facelib import 1"
NAME_LIMIT = 255  # bytes of a file's name, as file systems have it
BLOCK = 2**22  # bytes of a source that are digested at once


class IntakeError(ValueError):
    """An import that cannot be made; the message names the folder or the source and says what to do."""


class Source(NamedTuple):
    """What is imported."""

    kind: str  # such as "records"
    path: Path  # a folder or a file
    files: tuple[Path, ...] = ()  # those that are read; their digests go into the manifest
    settings: dict = {}  # JSON-able: what else decides which entries come out


class Entry(NamedTuple):
    """A file to write."""

    path: str  # below the target, with forward slashes
    read: Callable[[], bytes]  # its content; raises UnreadableImageError where it is to be left out
    origin: str = ""  # what it is called in the source


class Row(NamedTuple):
    """What the journal says of an entry."""

    path: str
    size: int | None  # bytes; None: it is left out
    digest: str  # SHA-256 of the content; why it is left out
    origin: str


class Taken(NamedTuple):
    """What an import has written."""

    files: int
    size: int  # bytes
    problems: tuple[tuple[str, str], ...]  # origin, or path, and reason of what was left out


def take_in(target: Path, source: Source, entries: Iterable[Entry], total: int, identities=None) -> Taken:
    """Write `entries` into the new folder `target`, with the manifest; all of it or nothing.

    Args:
        entries: of the same source and settings always the same, in the same order. total: their number.
        identities: dict from a folder of an identity in `target` to what the source calls it, where that differs.

    Raises:
        IntakeError: `target` exists and is not empty; an entry has a path that cannot be used, or that an earlier one
            has; no entry can be read; the source changes meanwhile.
        UnwritableError: the disk is full; what is whole is kept, and the same call resumes.
    """
    target = Path(os.path.realpath(target))  # an empty folder elsewhere, that a link leads to, is filled there
    _check_free(target)
    lock = target.with_name(f".{target.name}.lock")
    with hold(lock, f"imports into {target}"):
        staging = target.with_name(f".{target.name}.import")
        try:
            _check_free(target)  # another one may have been at it
            return _collect(staging, target, source, entries, total, identities or {})
        except OSError as error:
            if error.errno not in REMEDIES:
                raise
            raise UnwritableError(
                f"{target} cannot be written: {error.strerror}; {REMEDIES[error.errno]}, and run the same command "
                f"again: what is whole is kept in {staging}"
            ) from None
        finally:
            lock.unlink(missing_ok=True)


def check_outside(target: Path, folder: Path) -> None:
    """Refuse a `target` in the `folder` that is looked through for images: the next import would take its images too.

    Raises:
        IntakeError: it lies there.
    """
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder)):
        raise IntakeError(printable(f"{target} lies in the folder of the photographs: choose another place"))


def list_source(folder: Path) -> Listing:
    """The image files in and below `folder`, of which there is one at least.

    Raises:
        IntakeError: there is none.
    """
    listing = list_images(folder)
    if not listing.images:
        raise IntakeError(f"{printable(folder)} holds no image ({', '.join(SUFFIXES)}){explain(listing)}")
    return listing


def _check_free(target):
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        raise IntakeError(f"{printable(target)} exists already: name a new folder, or remove it")


def _collect(staging, target, source, entries, total, identities):
    stamp = _stamp(source)
    _prepare(staging, {"format": FORMAT, "kind": source.kind, "source": stamp, "settings": source.settings})
    earlier, files, size, problems = _rows(staging / JOURNAL), 0, 0, []
    with open(staging / JOURNAL, "ab") as journal:
        for entry in track(entries, "importing", "files", total):
            row = next(earlier, None)
            row = _keep(staging, source, entry, row) if row else _add(staging, source, entry, journal)
            if row.size is None:
                problems.append((row.origin or row.path, row.digest))
            else:
                files, size = files + 1, size + row.size
    if next(earlier, None) or _stamp(source) != stamp:
        raise _changed(staging, source)
    if not files:
        reason = f": {problems[0][0]}: {problems[0][1]}" if problems else ""
        shutil.rmtree(staging)
        raise IntakeError(printable(f"{source.path}: nothing in it can be imported{reason}"))
    _write_manifest(staging, source, identities)
    os.sync()  # after a loss of power too, a folder of that name is whole
    os.rename(staging, target)
    (target / JOURNAL).unlink()
    return Taken(files, size, tuple(problems))


def _stamp(source):
    # tells another version of the source without reading it
    status = [path.stat() for path in source.files]
    return [os.path.abspath(source.path), [[each.st_size, each.st_mtime_ns] for each in status]]


def _changed(staging, source):
    return IntakeError(f"{source.path} has changed meanwhile: remove {staging}, and run the same command again")


def _prepare(staging, header):
    # a folder with a journal of whole lines, the first of which is `header`
    path, line = staging / JOURNAL, json.dumps(header).encode() + b"\n"
    try:
        with open(path, "rb") as journal:
            same = journal.read(len(line)) == line
    except FileNotFoundError:
        same = False
    if not same:
        if staging.exists():
            say(f"{staging} holds an unfinished import of something else: it is removed")
            shutil.rmtree(staging)
        staging.mkdir(parents=True)
        path.write_bytes(line)
        return
    with open(path, "rb+") as journal:
        journal.seek(max(0, path.stat().st_size - 2**16))  # no line is as long
        start, last = journal.tell(), journal.read()
        journal.truncate(start + last.rindex(b"\n") + 1)
    say(f"resuming the import that {staging} holds")


def _rows(path):
    with open(path, "rb") as journal:
        for line in itertools.islice(journal, 1, None):
            try:
                yield Row(*json.loads(line))
            except (ValueError, TypeError):  # as a loss of power leaves it
                raise IntakeError(f"{path} is damaged: remove {path.parent}, and run the same command again") from None


def _keep(staging, source, entry, row):
    # what an earlier run has written, where it is whole
    if (row.path, row.origin) != (entry.path, entry.origin):
        raise _changed(staging, source)
    if row.size is None:
        return row
    place = staging / row.path
    try:
        whole = place.stat().st_size == row.size and _sha256(place.read_bytes()) == row.digest
    except FileNotFoundError:
        whole = False
    if not whole:
        content = _read(source, entry)
        if _sha256(content) != row.digest:
            raise _changed(staging, source)
        (staging / PART).write_bytes(content)
        _name(staging, place)
    return row


def _add(staging, source, entry, journal):
    check_path(source, entry.path)
    place = staging / entry.path
    if os.path.lexists(place):
        remedy = f"rename one in the source; after a loss of power, remove {staging} and run the same command again"
        raise IntakeError(printable(f"{source.path}: two files would be {entry.path}: {remedy}"))
    try:
        content = _read(source, entry)
        row = Row(entry.path, len(content), _sha256(content), entry.origin)
    except UnreadableImageError as error:
        content, row = None, Row(entry.path, None, str(error)[:1000], entry.origin)
    if content is not None:
        (staging / PART).write_bytes(content)
    journal.write(json.dumps(row).encode() + b"\n")  # before the file has its name: so no file is unknown
    journal.flush()
    if content is not None:
        _name(staging, place)
    return row


def _read(source, entry):
    try:
        return entry.read()
    except OSError as error:  # of the source: that of the target is told apart
        raise IntakeError(
            printable(f"{source.path}: {entry.origin or entry.path}: {error.strerror or error}")
        ) from None


def _name(staging, place):
    place.parent.mkdir(parents=True, exist_ok=True)
    os.rename(staging / PART, place)


def check_path(source: Source, path: str) -> None:
    """Refuse a path that leads out of the target, or that is not read or not written there.

    Raises:
        IntakeError: the path is absolute, empty, too long, hidden, or leads upwards.
    """
    parts = path.split("/")
    good = all(is_visible(part) and 0 < len(os.fsencode(part)) <= NAME_LIMIT for part in parts)
    if not good or "\0" in path or len(path) > 1000 or path == MANIFEST:
        raise IntakeError(printable(f"{source.path}: {path!r} is no place for a file in the new folder"))


def _write_manifest(staging, source, identities):
    # written row by row: there can be millions
    images = Counter(row.path.rpartition("/")[0] for row in _rows(staging / JOURNAL) if row.size is not None)
    images.pop("", None)
    whole, files, size = hashlib.sha256(), 0, 0
    with writing(staging / MANIFEST) as file:
        described = {"kind": source.kind, "name": source.path.name, "settings": source.settings}
        described["files"] = [_describe(path) for path in source.files]
        folders = {name: {"source": identities.get(name, name), "files": count} for name, count in images.items()}
        head = {"format": FORMAT, "source": described, "folders": folders}
        file.write(json.dumps(head, indent=1)[:-2].encode() + b',\n "entries": [')
        for number, row in enumerate(_rows(staging / JOURNAL)):
            file.write((b"," if number else b"") + b"\n  " + json.dumps(row).encode())
            if row.size is not None:
                whole.update(json.dumps([row.path, row.digest]).encode())
                files, size = files + 1, size + row.size
        tail = {"files": files, "bytes": size, "digest": whole.hexdigest()}
        file.write(b"\n ],\n" + json.dumps(tail, indent=1)[2:].encode() + b"\n")


def _describe(path):
    content, size = hashlib.sha256(), path.stat().st_size
    with open(path, "rb") as file:
        blocks = iter(lambda: file.read(BLOCK), b"")
        for block in track(blocks, f"digest of {printable(path.name)}"[:40], "blocks of 4 MiB", -(-size // BLOCK), 1):
            content.update(block)
    return {"name": path.name, "bytes": size, "sha256": content.hexdigest()}


def _sha256(content):
    return hashlib.sha256(content).hexdigest()
