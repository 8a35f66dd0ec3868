"""`python -m facelib data COMMAND`: bring what people have into the project's layout. Needs no trained model."""

import argparse
import sys
from pathlib import Path

from facelib.config import PROFILES
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

    audit = command("audit", run_audit, "Look for copies, wrong labels, and test people in training.")
    audit.set_defaults(tensorflow=True)
    audit.add_argument("--profile", default="laptop", choices=sorted(PROFILES), help="whose network takes part")
    audit.add_argument("--data", default="", metavar="FOLDER", help="as DATA of make all")
    audit.add_argument("--names", type=parse_path, metavar="FILE", help="lines `id name` of the training identities")
    audit.add_argument("--exclude", type=parse_path, metavar="FILE", help="exclusion list; look at the others only")


def run_audit(arguments) -> None:
    from facelib.use.audit import LIST, PAGE, audit

    done = audit(arguments.profile, arguments.data, arguments.names, arguments.exclude)
    for title, count in done.counts.items():
        print(f"{count:7,}  {title}")
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{printable(done.folder / PAGE)}: to look through")
    print(f"{printable(done.folder / LIST)}: {done.excluded:,} images to exclude")


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
