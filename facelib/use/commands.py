"""`python -m facelib`: use the model that `make all` trained.

Exit codes: 0 an answer, whether same person or not; 1 something cannot be used, and the message says what to do;
2 the command line was wrong.
"""

import argparse
import io
import json
import math
import re
import sys
import warnings

from facelib.config import PROFILES
from facelib.folders import describe_unread, printable
from facelib.startup import load_tensorflow, run_command
from facelib.use.data_commands import FACE_HELP, add_data_commands, list_problems, parse_face, parse_path


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate between 0 and 1, such as 0.01")
    return rate


def _crop(text: str) -> tuple:
    if not re.fullmatch(r"(\s*[0-9]{1,9}\s*,){2}\s*[0-9]{1,9}\s*", text) or int(text.split(",")[2]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not left,top,side in pixels, such as 61,64,128")
    return tuple(map(int, text.split(",")))


def _faces(text: str):
    first, comma, second = text.partition(",")
    return (parse_face(first), parse_face(second)) if comma else parse_face(text)


def _picture(text: str):
    if not text.lower().endswith(".png"):  # so that no photograph is replaced by a slip
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a picture that is written, such as verdict.png")
    return parse_path(text)


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser("python -m facelib", description="Use the model that `make all` trained.")
    parser.epilog = "exit codes: 0 an answer, also `different people`; 1 something cannot be used; 2 wrong usage"
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name, run, text, crops=True):
        added = commands.add_parser(name, help=text, description=text, epilog=parser.epilog)
        added.set_defaults(run=run, tensorflow=True)
        added.add_argument("--profile", default="laptop", choices=sorted(PROFILES), help="of make all; default: laptop")
        if crops:
            where = added.add_mutually_exclusive_group()
            where.add_argument("--crop", type=_crop, metavar="L,T,S", help="left,top,side of the face in pixels")
            for option, text in (
                ("whole", "the whole image is a cropped face"),
                ("detect", "find the face: the default, but for images of 112x112 and of the size of the test frames"),
            ):
                where.add_argument(f"--{option}", action="store_const", dest="crop", const=option, help=text)
        return added

    def add_cohort(added):
        text = "photographs like these, of many people: thresholds are carried over to them"
        added.add_argument("--cohort", type=parse_path, metavar="FOLDER", help=text)

    verify = command("verify", run_verify, "Do two images show the same person?")
    verify.add_argument(
        "images", nargs=2, type=parse_path, metavar="IMAGE", help="a photograph, or a face of 112x112 pixels"
    )
    verify.add_argument("--face", type=_faces, help=f"{FACE_HELP}; left,2: another one in the second image")
    verify.add_argument("--far", type=_rate, help="the threshold for this false accept rate, not the most accurate one")
    add_cohort(verify)
    verify.add_argument("--json", action="store_true", help="the answer and what it stands on, for programs")
    verify.add_argument("--show", type=_picture, metavar="OUT.png", help="draw photographs, faces, score and threshold")
    embed = command("embed", run_embed, "Embeddings of all images in and below a folder, as a NumPy file.")
    embed.add_argument("folder", type=parse_path)
    embed.add_argument("--face", type=parse_face, help=FACE_HELP)
    embed.add_argument("--output", type=parse_path, required=True, metavar="FILE.npz")
    evaluate = command("evaluate", run_evaluate, "Figures on a list of pairs, or on a pack.")
    given = evaluate.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--pairs", type=parse_path, metavar="FILE", help="LFW's, Kaggle's, or lines of: path path label; see --images"
    )
    given.add_argument("--pack", type=parse_path, metavar="FILE", help="pairs and images in one file, such as lfw.bin")
    evaluate.add_argument("--images", type=parse_path, metavar="FOLDER")
    evaluate.add_argument("--face", type=parse_face, help=FACE_HELP)
    add_cohort(evaluate)
    evaluate.add_argument("--json", action="store_true", help="the figures, for programs")
    export = command("export", run_export, "Write the model to files that run without this project.", crops=False)
    export.add_argument("--output", type=parse_path, metavar="FOLDER", help="default: reports/<profile>/export")
    export.add_argument("--onnx", action="store_true", help="model.onnx as well")
    train = command("train", run_train, "Train the run that notebook 06 then finds: on one host, or on several.", False)
    train.add_argument("--data", default="", metavar="FOLDER", help="as DATA of make all")
    train.add_argument("--set", default="", metavar="SETTINGS", help="as SET of make all, such as 'epochs=2 gamma=32'")
    add_data_commands(commands, parser.epilog)
    return parser


def run_verify(arguments) -> None:
    from facelib.files import UnwritableError, check_writable, write_atomically
    from facelib.use.verify import load_verifier

    if arguments.show:
        check_writable(arguments.show)
        if arguments.show.exists() and any(
            image.exists() and image.samefile(arguments.show) for image in arguments.images
        ):
            raise UnwritableError(f"{arguments.show} is one of the two images: name another file")
    verifier = load_verifier(arguments.profile, traced=bool(arguments.cohort))
    verifier.threshold(arguments.far)  # whether there is one is known at once
    seen = verifier.look_at(arguments.images, arguments.crop, arguments.face or "largest")
    verdict = verifier.decide(*seen, arguments.far)
    if arguments.cohort:
        from facelib.use.carry import carry_to, decide_again

        carried = carry_to(verifier, arguments.cohort, arguments.crop)
        list_problems(carried.problems)
        verdict = decide_again(verdict, carried)
    if arguments.show:
        from facelib.show.verdict import draw_verdict

        write_atomically(arguments.show, draw_verdict(arguments.images, seen, verdict))
    if arguments.json:
        return print(json.dumps({**verdict._asdict(), "basis": verdict.basis._asdict()}, indent=2))
    basis = verdict.basis
    what = "the same person" if verdict.same else "different people"
    side = "at or above" if verdict.same else "below"
    aim = f"a false accept rate of {verdict.far}" if verdict.far else "the best accuracy"
    print(f"{what}: score {verdict.score:.4f}, {side} the threshold {verdict.threshold:.4f}")
    print(f"The threshold was chosen for {aim} on {basis.pairs:,} pairs of {basis.identities:,} people who were held")
    print(f"out from training ({describe(basis.data)}); of {basis.mismatched_pairs:,} pairs of two of them it accepts "
          f"{verdict.validation_far:.2%}.")  # fmt: skip
    if verdict.cohort:
        print(f"It was carried over to {verdict.cohort:,} photographs in {printable(arguments.cohort)}: "
              "of their pairs it accepts as many.")  # fmt: skip
    print(f"model {verdict.model} ({verdict.parts}), profile {arguments.profile}")


def run_embed(arguments) -> None:
    import numpy as np

    from facelib.files import check_writable, write_atomically
    from facelib.use.verify import load_verifier

    check_writable(arguments.output)
    verifier = load_verifier(arguments.profile)
    found = verifier.embed_folder(arguments.folder, arguments.crop, arguments.face or "largest")
    content = io.BytesIO()
    names = {"paths": np.array(found.paths), "model": np.array(verifier.trained.fingerprint)}
    np.savez(content, embeddings=found.embeddings, rareness=found.rareness, **names)
    write_atomically(arguments.output, content.getvalue())
    list_problems(found.problems)
    for line in describe_unread(found.unread):
        print(f"left out: {line}", file=sys.stderr)
    if found.several:
        print(f"note: {len(found.several):,} images show several faces, such as {printable(found.several[0])}; of each "
              f"one is taken: --face {arguments.face or 'largest'}", file=sys.stderr)  # fmt: skip
    print(f"{printable(arguments.output)}: {len(found.paths):,} embeddings of {found.embeddings.shape[1]} numbers, "
          f"{len(found.problems):,} images left out; model {verifier.trained.fingerprint}")  # fmt: skip


def run_evaluate(arguments) -> None:
    from facelib.data.packs import read_pack
    from facelib.measure.intervals import Interval
    from facelib.measure.lfw_protocol import as_text
    from facelib.use.evaluate import evaluate
    from facelib.use.verify import load_verifier

    pack = read_pack(arguments.pack) if arguments.pack else None
    verifier = load_verifier(arguments.profile)
    given = arguments.pack or arguments.pairs, pack or arguments.images
    found = evaluate(verifier, *given, arguments.crop, arguments.face or "largest", arguments.cohort)
    list_problems(pack.left_out if pack else ())
    list_problems([*found["unreadable"], *(found["cohort"] or {}).get("unreadable", ())])
    if found["several_faces"]:
        print("note: {several_faces:,} images show several faces; of each one is taken: --face {0}".format(
            arguments.face or "largest", **found), file=sys.stderr)  # fmt: skip
    for warning in found["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json:
        return print(json.dumps(found, indent=2))
    print("{pairs:,} pairs ({matched_pairs:,} of one person) of {images:,} images of {people:,} people; "
          "{pairs_left_out:,} pairs left out".format(**found))  # fmt: skip
    area = as_text(Interval(**found["summary"]["roc_auc"]))
    print("ROC AUC {0} (95 %), average precision {average_precision:.4f}, "
          "equal error rate {equal_error_rate:.4f}".format(area, **found))  # fmt: skip
    if folds := found["summary"]["cross_validation"]:
        print("cross-validated over {0} folds: accuracy {accuracy:.4f}, standard error {standard_error:.4f}".format(
            len(folds["accuracies"]), **folds))  # fmt: skip
    print("threshold chosen for      threshold  accuracy  (standard error)  false accepts  true accepts")
    _print_thresholds(found["thresholds"])
    if cohort := found["cohort"]:
        left_out = len(found["thresholds"]) - len(cohort["thresholds"])
        few = f" (too few for {left_out} of the thresholds)" if left_out else ""
        print(
            f"carried over to {cohort['images']:,} photographs in {printable(arguments.cohort)}, without labels{few}:"
        )
        _print_thresholds(cohort["thresholds"])
    best = "best on these very pairs  {best_threshold:9.4f}  {best_accuracy:8.4f}  (has seen the answers)"
    print(best.format(**found))
    data = describe(verifier.threshold()[1].data)
    print(f"Thresholds were chosen on {data}; model {found['model']} ({found['parts']})")


def _print_thresholds(rows) -> None:
    for row in rows:
        aim = "accuracy" if row["far"] is None else f"false accept rate {row['far']}"
        print("{:25} {threshold:9.4f}  {accuracy:8.4f}  {standard_error:16.4f}  {false_accept_rate:13.2%}  "
              "{true_accept_rate:12.2%}".format(aim, **row))  # fmt: skip


def run_export(arguments) -> None:
    from facelib.use.export import export_model

    for line in export_model(arguments.profile, arguments.output, arguments.onnx):
        print(line, flush=True)


def run_train(arguments) -> None:
    from facelib.config import load_config
    from facelib.learn.alarms import TrainingError
    from facelib.learn.hosts import join_hosts

    config = load_config(arguments.profile, arguments.data, arguments.set)
    join_hosts()
    from facelib.use.train import train_run

    try:
        train_run(config)
    except TrainingError as error:
        raise ValueError(error) from None


def describe(data: str) -> str:
    """Which faces a figure is about, in words."""
    return "drawn faces, which say nothing about people" if data == "drawn" else "photographs"


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code; a mistake is one message, never a stack trace."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if "pack" in arguments and bool(arguments.pairs) != bool(arguments.images):
        parser.error("--pairs FILE needs --images FOLDER; --pack FILE goes without")
    if "csv" in arguments and not arguments.csv and (arguments.path_column or arguments.identity_column):
        parser.error("--path-column and --identity-column name columns of the file that --csv names")
    if getattr(arguments, "face", None) and getattr(arguments, "crop", None) not in (None, "detect"):
        parser.error("--face says which of the faces that are found; it does not go with --crop or --whole")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on broken files, which are refused with a reason

    def run():
        if arguments.tensorflow:
            load_tensorflow()
        arguments.run(arguments)

    return run_command(run, (ValueError, OSError, ImportError))
