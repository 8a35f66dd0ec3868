"""`python -m facelib data COMMAND`: bring what people have into the project's layout. Needs no trained model."""

import argparse
import sys
from pathlib import Path

from facelib.folders import printable


def parse_path(text: str) -> Path:
    """A path from the command line, which must not be empty."""
    if not text:  # as an unset variable of a shell gives it; a path would take it for the folder one is in
        raise argparse.ArgumentTypeError("an empty path; name a file or a folder")
    return Path(text)


def add_data_commands(commands, epilog: str) -> None:
    """Add ``data`` and its commands to those of `commands.build_parser`."""
    text = "Bring records, packs and folders of faces into the project's layout."
    data = commands.add_parser("data", help=text, description=text, epilog=epilog)
    kinds = data.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name, run, text):
        added = kinds.add_parser(name, help=text, description=text, epilog=epilog)
        added.set_defaults(run=run, tensorflow=False)
        return added

    records = command("import-records", run_import_records, "Training faces out of train.rec, as InsightFace has them.")
    records.add_argument("folder", type=parse_path, help="holds train.rec, train.idx and property")
    records.add_argument("output", type=parse_path, metavar="OUT", help="a new folder, such as data/casia-webface")


def run_import_records(arguments) -> None:
    from facelib.gather.import_records import import_records

    report(arguments.output, import_records(arguments.folder, arguments.output))


def list_problems(problems, most: int = 20) -> None:
    """Name what was left out, and why, on standard error; problems are pairs of a path and a reason."""
    for path, reason in problems[:most]:
        print(f"left out: {printable(path)}: {printable(reason)}", file=sys.stderr)
    if len(problems) > most:
        print(f"left out: {len(problems) - most:,} more", file=sys.stderr)


def report(output: Path, taken) -> None:
    """Print what `intake.take_in` has written to `output`, and what it left out."""
    list_problems(taken.problems)
    print(f"{printable(output)}: {taken.files:,} files, {taken.size:,} bytes; {len(taken.problems):,} left out")
