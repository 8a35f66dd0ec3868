"""The stamp by which make sees the configuration: rewritten only when profile, DATA, SET or the files in DATA change.

Imports nothing outside the standard library and `facelib.config`, so that a second `make all` takes no time.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER, load_config
from facelib.publishing import run


def list_files(folder: Path) -> list[tuple[str, int, int]]:
    """(path below `folder`, bytes, modification time in ns) of every file of the data set, sorted by path."""
    rows = []
    pending = [folder / TRAINING_FOLDER, folder / TEST_FOLDER]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    rows.append(_row(folder, entry.path, entry.stat()))
    rows.append(_row(folder, folder / PAIRS_FILE, (folder / PAIRS_FILE).stat()))
    return sorted(rows)


def _row(folder: Path, path, status: os.stat_result) -> tuple[str, int, int]:
    return os.path.relpath(path, folder), status.st_size, status.st_mtime_ns


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
    content = json.dumps({"profile": profile, "data": config.data, "set": overrides.split(), "listing": listing}) + "\n"
    changed = not target.exists() or target.read_text() != content
    if changed:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    faces = "drawn faces" if config.drawn else f"{len(files):,} files in {config.faces}"
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
