"""Run a step of make, and record what it made: ``python -m facelib.publish.step TARGET SOURCE... -- MODULE ...``

The step is a module of `publish` with its arguments. It runs in this process; what it notes (see `files.note_made`),
in a notebook too, is what it made beside its target.
"""

import json
import os
import runpy
import sys
from pathlib import Path

from facelib.files import JOURNAL
from facelib.publish import run
from facelib.publish.manifest import record_path, write_record


def run_step(target: Path, sources: list[Path], module: str, arguments: list[str]) -> None:
    """Run ``python -m module arguments`` and write the record of `target`; without one where it fails."""
    journal = record_path(target).with_suffix(".journal")
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text("")
    os.environ[JOURNAL] = str(journal)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    write_record(target, {json.loads(line) for line in journal.read_text().splitlines()}, sources)


def main() -> None:
    place = sys.argv.index("--")
    target, *sources = map(Path, sys.argv[1:place])
    module, *arguments = sys.argv[place + 1 :]
    run_step(target, sources, module, arguments)


if __name__ == "__main__":
    run(main)
