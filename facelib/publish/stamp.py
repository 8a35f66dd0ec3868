"""The stamp by which make sees the configuration: rewritten only when profile, DATA, SET or the files in DATA change.

Imports little beside the standard library, so that a second `make all` takes no time.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

from facelib.config import PAIRS_FILE, RECORD_FILES, TEST_FOLDER, TRAINING_FOLDER, load_config
from facelib.files import write_atomically
from facelib.folders import printable, walk
from facelib.publish import run
from facelib.publish.manifest import is_known


def list_files(folder: Path) -> list[tuple]:
    """Path below `folder`, bytes, modification time in ns and problem of every file of the data set, sorted."""
    below = [
        (f"{name}/{path}", *rest)
        for name in (TRAINING_FOLDER, TEST_FOLDER)
        if (folder / name).exists()
        for path, *rest in walk(folder / name)
    ]
    for name in (PAIRS_FILE, *RECORD_FILES):
        if (folder / name).exists():
            status = (folder / name).stat()
            below.append((name, status.st_size, status.st_mtime_ns, ""))
    return sorted(below)


def write_stamp(target: Path, profile: str, data: str, overrides: str) -> tuple[bool, str]:
    """Bring the stamp at `target` up to date.

    Returns:
        whether the stamp was rewritten, and one line that says what is run on.

    Raises:
        ConfigError: an unknown profile or key, a data folder that is missing or incomplete.
    """
    config = load_config(profile, data, overrides)
    files = [] if config.drawn else list_files(config.faces)
    listing = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    excluded = hashlib.sha256(Path(config.exclude).read_bytes()).hexdigest() if config.exclude else ""
    settings = {"profile": profile, "data": config.data, "set": overrides.split(), "exclude": excluded}
    content = json.dumps({**settings, "threads": os.environ["FACELIB_THREADS"], "listing": listing}) + "\n"
    changed = not target.exists() or target.read_bytes() != content.encode()
    if changed:
        write_atomically(target, content)
        if is_known(target):  # it was lost or damaged: nothing has to be made again
            os.utime(target, ns=(0, 0))
    faces = "drawn faces" if config.drawn else f"{len(files):,} files in {printable(config.faces)}"
    return changed, ", ".join(filter(None, [f"profile {profile}", faces, " ".join(overrides.split())]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--data", default="")
    parser.add_argument("--set", default="", dest="overrides")
    arguments = parser.parse_args()
    print(write_stamp(arguments.target, arguments.profile, arguments.data, arguments.overrides)[1], flush=True)


if __name__ == "__main__":
    run(main)
