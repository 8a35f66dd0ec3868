"""The command line: answers, messages, exit codes."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import write_image
from pack_files import python2_pack
from PIL import Image

from facelib.config import ROOT
from facelib.startup import TRACE
from facelib.use import commands, export, verify
from facelib.use.commands import main
from facelib.use.verify import load_verifier


@pytest.fixture
def run(trained_project, capfd):
    """Function from arguments to exit code, standard output and standard error, for the profile smoke."""

    def command(name, *arguments):
        code = main([name, "--profile", "smoke", *map(str, arguments)])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return command


def test_both_answers_are_answers(run, faces):
    code, out, err = run("verify", faces / "0/0.png", faces / "0/2.png")
    assert code == 0 and out.startswith("the same person: score 0.") and "at or above the threshold" in out
    code, out, err = run("verify", faces / "0/0.png", faces / "1/0.png")
    verdict = load_verifier("smoke").verify(faces / "0/0.png", faces / "1/0.png")
    assert code == 0 and not verdict.same and err == ""
    assert out.startswith(
        f"different people: score {verdict.score:.4f}, below the threshold {verdict.threshold:.4f}\n"
        f"The threshold was chosen for the best accuracy on {verdict.basis.pairs} pairs of 9 people who were held\n"
        f"out from training (photographs); of 324 pairs of two of them it accepts {verdict.validation_far:.2%}.\n"
    )
    assert f"model {verdict.model} (network and texture, normalised), profile smoke" in out


def test_the_answer_for_programs_holds_all_of_it(run, faces):
    code, out, _ = run("verify", faces / "0/0.png", faces / "1/0.png", "--far", "0.1", "--json")
    verdict = load_verifier("smoke", traced=False).verify(faces / "0/0.png", faces / "1/0.png", far=0.1)
    assert code == 0 and json.loads(out) == {**verdict._asdict(), "basis": verdict.basis._asdict()}


def test_a_rate_that_is_not_supported_is_one_message(run, faces):
    code, out, err = run("verify", faces / "0/0.png", faces / "1/0.png", "--far", "0.01")
    assert (code, out) == (1, "") and err.startswith("error: no threshold for a false accept rate of 0.01: 324 ")


def test_crop_and_whole_reach_the_decoder(run, faces, tmp_path):
    write_image(tmp_path / "a.png", size=(300, 300))
    code, _, err = run("verify", tmp_path / "a.png", tmp_path / "a.png")
    assert code == 1 and "a.png: 300x300 pixels; where is the face?" in err
    for options, crop in ((["--whole"], "whole"), (["--crop", "10,20,200"], (10, 20, 200))):
        code, out, _ = run("verify", tmp_path / "a.png", tmp_path / "a.png", *options, "--json")
        verifier = load_verifier("smoke", traced=False)
        expected = verifier.verify(tmp_path / "a.png", tmp_path / "a.png", crop=crop)
        assert code == 0 and json.loads(out)["score"] == expected.score


def spoil(kind, path):
    image = Image.new("RGB", (112, 112), (90, 60, 30))
    if kind == "not an image":
        path.write_text("To whom it may concern")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        write_image(path)
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "1x1":
        Image.new("RGB", (1, 1)).save(path)
    elif kind == "huge":
        Image.new("1", (20_000, 20_000)).save(path, format="PNG")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "oblong":
        image.resize((640, 480)).save(path)
    elif kind == "blank":
        image.save(path)
    elif kind == "ICO":
        image.save(path, format="ICO")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("not an image", "cannot identify image file: it is no JPEG or PNG"),
        ("empty", "cannot identify image file: it is no JPEG or PNG"),
        ("truncated", "damaged, or of a rare kind (Corrupt JPEG data: premature end of data segment)"),
        ("1x1", "1x1 pixels are too few for a face: at least 56x56, better 112x112"),
        ("huge", "its pixels are too many: at most 50,000,000 in all"),
        ("missing", "No such file or directory"),
        ("folder", "is a folder, not an image"),
        ("pipe", "is a pipe or a device, not an image"),
        ("oblong", "640x480 pixels; where is the face?"),
        ("ICO", "cannot identify image file: it is no JPEG or PNG (nor WEBP, AVIF, TIFF, BMP, GIF)"),
        ("blank", "is blank: all of its pixels, or those of the crop, are alike"),
    ],
)
def test_a_bad_file_is_one_message_that_names_it(run, faces, tmp_path, kind, reason):
    path = spoil(kind, tmp_path / "bad.jpg")
    code, out, err = run("verify", faces / "0/0.png", path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {path}: {reason}") and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["guess"],
        ["verify", "a.jpg"],
        ["verify", "a.jpg", ""],
        ["embed", "", "--output", "x.npz"],
        ["embed", "folder", "--output", ""],
        ["evaluate", "--pairs", "", "--images", "folder"],
        ["export", "--output", ""],
        ["verify", "a.jpg", "b.jpg", "--profile", ""],
        ["verify", "a.jpg", "b.jpg", "--far", "2"],
        ["verify", "a.jpg", "b.jpg", "--far", "few"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,2"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,2,0"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,-2,3"],
        ["verify", "a.jpg", "b.jpg", "--whole", "--crop", "1,2,100"],
        ["verify", "a.jpg", "b.jpg", "--profile", "lapdog"],
        ["verify", "a.jpg", "b.jpg", "--show", "a.jpg"],
        ["verify", "a.jpg", "b.jpg", "--show", ""],
        ["embed", "folder"],
        ["evaluate", "--pairs", "pairs.txt"],
        ["data", "import-folder", "a", "b", "--path-column", "file"],
    ],
)
def test_wrong_usage_is_2_and_loads_nothing(arguments, capsys, monkeypatch):
    monkeypatch.setattr(commands, "load_tensorflow", lambda: pytest.fail("loaded"))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: python -m facelib" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-inf", "1e400", "1e-400", "", " ", "0", "1", "1,5", "5%"])
def test_a_rate_that_is_none_is_named(text, capsys):
    with pytest.raises(SystemExit):
        main(["verify", "a.jpg", "b.jpg", f"--far={text}"])
    assert capsys.readouterr().err.endswith(f"--far: {text!r} is no rate between 0 and 1, such as 0.01\n")


@pytest.mark.parametrize(
    "text", ["abc", "", "1,2", "1,2,3,4", "1,2,0", "nan,1,2", "1.5,2,3", "１,2,3", "1,2," + "9" * 5000]
)
def test_a_crop_that_is_none_is_named(text, capsys):
    with pytest.raises(SystemExit):
        main(["verify", "a.jpg", "b.jpg", f"--crop={text}"])
    assert capsys.readouterr().err.endswith(f"--crop: {text!r} is not left,top,side in pixels, such as 61,64,128\n")


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-OO", "-m", "facelib", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and all(name in done.stdout for name in ("verify", "embed", "evaluate", "export"))
    assert "exit codes: 0 an answer" in done.stdout
    done = subprocess.run([sys.executable, "-m", "facelib", "verify"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2


def test_a_profile_that_was_not_trained_is_one_message(trained_project, capsys):
    assert main(["verify", "--profile", "best", "a.jpg", "b.jpg"]) == 1
    assert "06_training.json is missing: run" in capsys.readouterr().err


def test_embeddings_of_a_folder_are_a_file_without_pickles(run, faces, tmp_path):
    shutil.copytree(faces / "3", tmp_path / "in")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    code, out, err = run("embed", tmp_path / "in", "--output", tmp_path / "out" / "x.npz")
    assert code == 0 and "3 embeddings of 11 numbers, 1 images left out" in out
    assert "left out: broken.png: cannot identify" in err
    with np.load(tmp_path / "out" / "x.npz", allow_pickle=False) as file:
        assert file["paths"].tolist() == ["0.png", "1.png", "2.png"]
        np.testing.assert_array_equal(file["embeddings"], load_verifier("smoke").embed_folder(faces / "3").embeddings)
        assert file["rareness"].shape == (3,) and str(file["model"]) == load_verifier("smoke").trained.fingerprint


def test_an_output_that_cannot_be_written_is_one_message(run, faces, tmp_path):
    (tmp_path / "file").write_text("")
    for name, arguments in (("embed", [faces / "3"]), ("export", [])):
        code, out, err = run(name, *arguments, "--output", tmp_path / "file" / "x")
        assert (code, out) == (1, "")
        assert re.fullmatch(
            f"error: {tmp_path}/file/x.* cannot be written: Not a directory; choose another place\n", err
        )


def test_an_output_that_cannot_be_written_is_said_before_the_work(trained_project, tmp_path, monkeypatch, capsys):
    for module in (verify, export):
        monkeypatch.setattr(module, "load_trained", lambda *arguments, **options: pytest.fail("loaded"))
    (tmp_path / "file").write_text("")
    places = {"embed": (tmp_path, tmp_path / "file" / "x", "/dev/null"), "export": (tmp_path / "file",)}
    for name, outputs in places.items():
        for output in outputs:
            folder = [str(tmp_path)] if name == "embed" else []
            assert main([name, *folder, "--profile", "smoke", "--output", str(output)]) == 1
            assert "cannot be written: " in capsys.readouterr().err


def test_a_folder_that_is_none_is_told_apart(run, faces, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, reason in (
        (faces / "0/0.png", "is a file; expected a folder with images"),
        (tmp_path / "nowhere", "does not exist; expected a folder with images"),
        (tmp_path / "empty", "holds no image (.jpeg, .jpg, .png, .webp, .avif, "),
    ):
        code, out, err = run("embed", folder, "--output", tmp_path / "x.npz")
        assert (code, out) == (1, "") and err.startswith(f"error: {folder} {reason}")
    (tmp_path / "pairs.txt").write_text("1\t0\nanna 1 2\n")
    for images, reason in ((faces / "0/0.png", "is a file"), (tmp_path / "nowhere", "does not exist")):
        code, _, err = run("evaluate", "--pairs", tmp_path / "pairs.txt", "--images", images)
        assert code == 1 and err.startswith(f"error: {images} {reason}; expected the folder with the images of ")
    code, _, err = run("evaluate", "--pairs", tmp_path / "empty", "--images", tmp_path)
    assert code == 1 and err.startswith(f"error: {tmp_path}/empty: cannot be read as a pairs file: is no regular file")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_the_letters_of_a_name_shows_their_numbers(trained_root, faces, tmp_path, encoding):
    folder = tmp_path / "Łukasz \udcff"
    shutil.copytree(faces / "3", folder)
    code = (
        "import sys; from pathlib import Path; from facelib.use import commands\n"
        "commands.load_tensorflow = lambda: None\n"
        "commands.run_embed = lambda arguments: print(arguments.folder.name)\n"
        "sys.exit(commands.main(['embed', sys.argv[1], '--output', 'x.npz']))"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"\\u0141ukasz \\udcff\n"), done.stderr


def test_evaluate_shows_every_threshold(run, tmp_path):
    for person, name in enumerate(("anna", "bert")):
        for number in (1, 2):
            write_image(tmp_path / "images" / name / f"{name}_{number:04d}.jpg", 2 * person + number)
    (tmp_path / "pairs.txt").write_text("1\t0\nanna 1 2\nbert 1 2\nanna 1 bert 1\nanna 2 bert 2\n")
    options = ("--pairs", tmp_path / "pairs.txt", "--images", tmp_path / "images")
    code, out, err = run("evaluate", *options)
    assert err.splitlines()[-1] == "warning: 4 images are too few to tell whether they are cropped alike"
    assert code == 0 and out.startswith("4 pairs (2 of one person) of 4 images of 2 people; 0 pairs left out\nROC AUC")
    assert "\naccuracy  " in out and "\nfalse accept rate 0.1  " in out and "(has seen the answers)" in out
    code, out, _ = run("evaluate", *options, "--json")
    assert code == 0 and json.loads(out)["pairs"] == 4
    code, _, err = run("evaluate", "--pairs", tmp_path / "none.txt", "--images", tmp_path)
    assert code == 1 and err.startswith(f"error: {tmp_path}/none.txt: cannot be read")


def test_evaluate_reads_a_pack(run, tmp_path):
    for number in range(4):
        write_image(tmp_path / f"{number}.jpg", number)
    contents = [(tmp_path / f"{number}.jpg").read_bytes() for number in (0, 1, 2, 3, 0, 2, 0, 1)]
    (tmp_path / "lfw.bin").write_bytes(python2_pack(contents, [1, 1, 0, 0]))
    code, out, err = run("evaluate", "--pack", tmp_path / "lfw.bin")
    assert code == 0 and out.startswith("3 pairs (2 of one person) of 4 images of 2 people; 0 pairs left out\nROC AUC")
    assert "left out: pair 4: has the images of pair 1\n" in err
    code, out, err = run("evaluate", "--pack", tmp_path / "0.jpg")
    assert (code, out) == (1, "") and err.startswith(f"error: {tmp_path}/0.jpg: is no pickle")


@pytest.mark.parametrize("given", [(), ("--pairs", "a"), ("--pack", "a", "--images", "b"), ("--images", "b")])
def test_evaluate_asks_for_pairs_and_images_or_a_pack(given, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", *given])
    assert "--pack" in capsys.readouterr().err


def test_what_nobody_expected_is_one_line_with_its_kind(monkeypatch, capsys):
    def surprised():
        raise KeyError("a\n b")

    monkeypatch.delenv(TRACE, raising=False)
    monkeypatch.setattr(commands, "load_tensorflow", surprised)
    assert main(["verify", "a.jpg", "b.jpg"]) == 1
    message = rf"error: KeyError: 'a\\n b' \(facelib/use/commands.py:\d+, {TRACE}=1 shows the whole trace\)\n"
    assert re.fullmatch(message, capsys.readouterr().err)


def test_an_interruption_is_no_stack_trace(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_tensorflow", interrupted)
    assert main(["verify", "a.jpg", "b.jpg"]) == 130
