"""`python -m facelib data COMMAND`: bring what people have into the project's layout, and audit it.

Nothing here needs a trained model; the audit uses one where there is one.
"""

import argparse
import os
import re
import sys
from pathlib import Path

from facelib.config import PROFILES
from facelib.folders import printable

FACE_HELP = "which of several faces: largest (default), left, or a number from the left"


def parse_path(text: str) -> Path:
    """A path from the command line, which must not be empty; ``~`` is the home, where a shell has left it."""
    if not text:  # as an unset variable of a shell gives it; a path would take it for the folder one is in
        raise argparse.ArgumentTypeError("an empty path; name a file or a folder")
    return Path(os.path.expanduser(text))


def parse_face(text: str):
    """Which of several faces is taken, see `photographs.FaceCutter`."""
    if text not in ("largest", "left") and not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither largest, left nor a number from 1 to 9999")
    return int(text) if text.isdecimal() else text


def add_data_commands(commands, epilog: str) -> None:
    """Add ``data`` and its commands to those of `commands.build_parser`."""
    text = "Bring records, packs and folders of faces into the project's layout, and audit them."
    data = commands.add_parser("data", help=text, description=text, epilog=epilog)
    kinds = data.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name, run, text):
        added = kinds.add_parser(name, help=text, description=text, epilog=epilog)
        added.set_defaults(run=run, tensorflow=False)
        return added

    records = command("import-records", run_import_records, "Training faces out of train.rec, as InsightFace has them.")
    records.add_argument("folder", type=parse_path, help="holds train.rec, train.idx and property")
    records.add_argument("output", type=parse_path, metavar="OUT", help="a new folder, such as data/casia-webface")
    pack = command("import-pack", run_import_pack, "Test images and pairs out of a pack such as lfw.bin.")
    pack.add_argument("file", type=parse_path, metavar="FILE", help="a pickle of InsightFace; nothing in it is run")
    pack.add_argument("output", type=parse_path, metavar="OUT", help="a new folder, for the images and their list")
    lfw = command("fetch-lfw", run_fetch_lfw, "Labeled Faces in the Wild: the test images and the pairs of View 2.")
    lfw.add_argument("output", type=parse_path, metavar="OUT", help="such as data, or the folder with your faces")
    lfw.add_argument("--archive", type=parse_path, metavar="FILE", help="lfw*.tgz, or the folder it was unpacked to")
    lfw.add_argument("--pairs", type=parse_path, metavar="FILE", help="pairs.txt, or another list of its pairs")
    folder = command("import-folder", run_import_folder, "Training faces out of a folder of any names and depth.")
    folder.add_argument("folder", type=parse_path, help="an identity is the folder that holds an image")
    folder.add_argument("output", type=parse_path, metavar="OUT", help="a new folder, such as data/casia-webface")
    folder.add_argument("--csv", type=parse_path, metavar="FILE", help="or a line for each image says its identity")
    folder.add_argument("--path-column", metavar="NAME", help="default: path, file, filename, image and the like")
    folder.add_argument("--identity-column", metavar="NAME", help="default: identity, person, name, label and the like")
    align = command("align", run_align, "Find the faces in a folder of photographs, and align them to 112x112 pixels.")
    align.add_argument("folder", type=parse_path, help="photographs, in folders of any depth")
    align.add_argument("output", type=parse_path, metavar="OUT", help="a new folder, with the same folders in it")
    place = "eyes and mouth lie as in the faces that this profile was trained on; default: as in InsightFace's"
    align.add_argument("--profile", choices=sorted(PROFILES), help=place)
    align.add_argument("--face", type=parse_face, default="largest", help=FACE_HELP)
    align.set_defaults(tensorflow=True)
    audit = command("audit", run_audit, "Look for copies, wrong labels, and test people in training.")
    audit.set_defaults(tensorflow=True)
    audit.add_argument("--profile", default="laptop", choices=sorted(PROFILES), help="whose network takes part")
    audit.add_argument("--data", default="", metavar="FOLDER", help="as DATA of make all")
    audit.add_argument("--names", type=parse_path, metavar="FILE", help="lines `id name` of the training identities")
    audit.add_argument("--exclude", type=parse_path, metavar="FILE", help="exclusion list; look at the others only")


def run_import_records(arguments) -> None:
    from facelib.gather.import_records import import_records

    report(arguments.output, import_records(arguments.folder, arguments.output))


def run_import_pack(arguments) -> None:
    from facelib.gather.import_pack import import_pack

    taken, pack = import_pack(arguments.file, arguments.output)
    report(arguments.output, taken._replace(problems=taken.problems + pack.left_out))


def run_fetch_lfw(arguments) -> None:
    """Fetch Labeled Faces in the Wild, and say what is there now."""
    from facelib.gather.lfw import fetch_lfw

    found = fetch_lfw(arguments.output, arguments.archive, arguments.pairs)
    pairs = f"{found.pairs:,} pairs" + (f" in {found.folds} folds" if found.folds else "")
    print(f"{printable(arguments.output)}: {found.images:,} images of {found.people:,} people; {pairs}")
    print("Notebook 01 finds the square to cut out of these images, as for test images of any size.")


def run_import_folder(arguments) -> None:
    from facelib.gather.import_folder import Table, import_folder

    columns = arguments.path_column, arguments.identity_column
    table = Table(arguments.csv, *columns) if arguments.csv else None
    report(arguments.output, import_folder(arguments.folder, arguments.output, table))


def run_align(arguments) -> None:
    from facelib.gather.align import align_folder
    from facelib.gather.landmarks import INSIGHTFACE, keep_landmarks
    from facelib.use.load import read_training

    landmarks = INSIGHTFACE
    if arguments.profile:
        config, results = read_training(arguments.profile)
        landmarks = keep_landmarks(config, results["data"], results["provenance"]["data_digest"])
    report(arguments.output, align_folder(arguments.folder, arguments.output, landmarks, arguments.face))


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
