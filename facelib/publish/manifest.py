"""What each step of a run made, and of what: by its record, damage is found before anything is handed in.

A step is named by its target below ``reports/<profile>``. Its record, ``data/interim/<profile>/made/<step>.json``,
holds the SHA-256 of the files that it made and of those that it was made of, by their paths below the project.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from facelib.config import ROOT
from facelib.files import write_atomically

STAMP = "stamp.json"  # names the place of the data: its digest is another one on every machine


class Record(NamedTuple):
    """What one step did: path -> SHA-256, None where there was no such file."""

    made: dict[str, str | None]
    of: dict[str, str | None]


def record_path(target: Path) -> Path:
    """Where the record of the step of `target` lies."""
    profile, *step = Path(os.path.abspath(target)).relative_to(ROOT / "reports").parts
    return ROOT / "data" / "interim" / profile / "made" / f"{'/'.join(step)}.json"


def write_record(target: Path, made, sources) -> None:
    """Record that the step of `target` made it, and the files `made`, of the files `sources`.

    Where all are what they were before, the target gets the time of the newest of its sources: then make does not make
    again what was made of it.
    """
    record = Record(_digests({target, *made}), _digests(sources))
    before = read_record(target)
    write_atomically(record_path(target), json.dumps(record._asdict(), indent=1) + "\n")
    if before and before.made == record.made:
        newest = max(os.stat(source).st_mtime_ns for source in sources)
        os.utime(target, ns=(newest, newest))


def read_record(target: Path) -> Record | None:
    """The record of the step of `target`; None where there is none, or a damaged one."""
    return _read(record_path(target))


def _read(path):
    try:
        record = Record(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return record if all(isinstance(part, dict) and part for part in record) else None


def find_changes(digests: dict[str, str | None]) -> dict[str, str]:
    """Those of the files in `digests` (path -> SHA-256) that are not as it says: path -> ``missing`` or ``damaged``."""
    now = {path: digest_file(ROOT / path) for path in digests}
    return {path: "damaged" if now[path] else "missing" for path in digests if now[path] != digests[path]}


def digest_file(path: Path) -> str | None:
    """The SHA-256 of a file; None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def is_known(stamp: Path) -> bool:
    """Whether everything that steps made with the stamp was made with this very one, and there is any."""
    name, folder = _name(stamp), Path(stamp).parent / "made"
    records = [_read(path) for path in folder.rglob("*.json")]
    found = {record.of.get(name) for record in records if record} - {None}
    return found == {digest_file(stamp)}


def is_stamp(path: str) -> bool:
    """Whether `path` is that of a stamp, see `stamp`."""
    return Path(path).name == STAMP


def describe(targets: list[Path]) -> str:
    """The manifest of a run: what the steps of `targets` made, and of what; the same bytes on every machine."""
    steps = {}
    for target in targets:
        record = read_record(target)
        of = {path: found for path, found in record.of.items() if not is_stamp(path)}
        steps[_name(target)] = {"made": record.made, "of": of}
    return json.dumps(steps, indent=1) + "\n"


def _name(path):
    return Path(os.path.relpath(path, ROOT)).as_posix()


def _digests(paths):
    return {name: digest_file(ROOT / name) for name in sorted({_name(path) for path in paths})}
