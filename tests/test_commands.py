"""The command line: answers, messages, exit codes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from facelib import commands
from facelib.commands import main
from facelib.config import ROOT
from facelib.verifier import load_verifier


@pytest.fixture
def run(trained_project, capfd):
    """Function from arguments to exit code, standard output and standard error, for the profile smoke."""

    def command(name, *arguments):
        code = main([name, "--profile", "smoke", *map(str, arguments)])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return command


@pytest.fixture
def faces(trained_project):
    return trained_project / "faces" / "casia-webface"


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
    assert f"model {verdict.model}, profile smoke" in out


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
    elif kind == "GIF":
        image.save(path, format="GIF")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("not an image", "cannot identify image file: it is no JPEG or PNG"),
        ("empty", "cannot identify image file: it is no JPEG or PNG"),
        ("truncated", "image file is truncated"),
        ("1x1", "1x1 pixels are too few for a face: at least 56x56, better 112x112"),
        ("huge", "its pixels are too many: at most 50,000,000 in all"),
        ("missing", "No such file or directory"),
        ("folder", "is a folder, not an image"),
        ("pipe", "is a pipe or a device, not an image"),
        ("oblong", "640x480 pixels; where is the face?"),
        ("GIF", "cannot identify image file: it is no JPEG or PNG"),
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
        ["verify", "a.jpg", "b.jpg", "--far", "2"],
        ["verify", "a.jpg", "b.jpg", "--far", "few"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,2"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,2,0"],
        ["verify", "a.jpg", "b.jpg", "--crop", "1,-2,3"],
        ["verify", "a.jpg", "b.jpg", "--whole", "--crop", "1,2,100"],
        ["verify", "a.jpg", "b.jpg", "--profile", "lapdog"],
        ["embed", "folder"],
        ["evaluate", "--pairs", "pairs.txt"],
    ],
)
def test_wrong_usage_is_2_and_loads_nothing(arguments, capsys, monkeypatch):
    monkeypatch.setattr(commands, "load_tensorflow", lambda: pytest.fail("loaded"))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: python -m facelib" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "facelib", "--help"], cwd=ROOT, capture_output=True, text=True)
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
    code, _, err = run("embed", faces / "3", "--output", tmp_path / "file" / "x.npz")
    assert code == 1 and "error: " in err and str(tmp_path / "file") in err


def test_evaluate_shows_every_threshold(run, tmp_path):
    for person, name in enumerate(("anna", "bert")):
        for number in (1, 2):
            write_image(tmp_path / "images" / name / f"{name}_{number:04d}.jpg", person)
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


def test_an_interruption_is_no_stack_trace(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "load_tensorflow", interrupted)
    assert main(["verify", "a.jpg", "b.jpg"]) == 130
