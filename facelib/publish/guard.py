"""Begin a run: wait for one that is at work on the same profile, sweep what killed ones left, and have make again what
is damaged or missing. Then this process becomes the make that runs the steps, and holds the lock until it ends.

    python -m facelib.publish.guard PROFILE PURPOSE TARGET... -- make ...
"""

import os
import sys
from pathlib import Path

from facelib.config import ROOT, load_config
from facelib.files import sweep
from facelib.locks import LOCK, keep
from facelib.progress import say
from facelib.publish import run
from facelib.publish.manifest import find_changes, is_stamp, read_record


def mend(targets: list[Path], folders: tuple[Path, ...]) -> None:
    """Remove what is damaged, and the targets of the steps that made it, and say so in a line each.

    A file that several steps name is that of the first of `targets`. Where a target is missing, make sees it.

    Args:
        folders: nothing is removed outside of them.
    """
    known = set()
    for target in targets:
        record = read_record(target)
        if not target.exists():
            continue
        if record is None:
            _remove(target, folders, "without a record of how it was made")
            continue
        changes = {path: fault for path, fault in find_changes(record.made).items() if path not in known}
        known |= record.made.keys()
        changed = [path for path in find_changes(record.of) if _is_unseen(path, target, known)]
        for path, fault in changes.items():
            _remove(ROOT / path, folders, fault)
        for path in changed:
            say(f"{target} was made of another {path}: it is made again")
        if changes or changed:
            target.unlink(missing_ok=True)


def _is_unseen(path, target, known):
    # whether a source has changed without a newer time, by which make would see it
    source = ROOT / path
    made = path in known or is_stamp(path)
    return not made and source.exists() and source.stat().st_mtime_ns <= target.stat().st_mtime_ns


def _remove(path, folders, fault):
    path = Path(os.path.abspath(path))
    say(f"{path} is {fault}: it is made again")
    if any(path.is_relative_to(folder) for folder in folders):
        path.unlink(missing_ok=True)


def main() -> None:
    place = sys.argv.index("--")
    profile, purpose, *targets = sys.argv[1:place]
    command = sys.argv[place + 1 :]
    flags = os.environ.get("MAKEFLAGS", "").split(" ")[0]
    if not ("=" not in flags and set(flags) & set("nqt")):  # make only says what it would do
        config = load_config(profile, "drawn")
        folders = (config.interim, config.reports)
        keep(config.interim / LOCK, purpose)
        for folder in (config.interim.parent, config.reports.parent):
            sweep(folder)
        mend([Path(target) for target in targets], folders)
    os.execvp(command[0], command)


if __name__ == "__main__":
    run(main)
