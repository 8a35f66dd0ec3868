"""Faces that are found, as the network sees them: in one image, two, a folder, a list of pairs."""

import json

import numpy as np
import pytest
from marked_faces import MarkedFaces, draw_photograph, mark
from PIL import Image

import facelib
from facelib.data.images import UnreadableImageError, decode
from facelib.gather import detector
from facelib.gather.photographs import FaceCutter
from facelib.use import commands, look
from facelib.use.commands import main
from facelib.use.evaluate import evaluate
from facelib.use.look import DETECT, WHOLE, CropError, Looker
from facelib.use.verify import load_verifier

WANTED = mark(55.5, 60, 0.5)


@pytest.fixture
def verifier(trained_project, monkeypatch):
    """A verifier that knows where landmarks lie, and finds marked faces."""
    verifier = load_verifier("smoke", traced=False)
    monkeypatch.setattr(detector, "load_detector", MarkedFaces)
    for one in (verifier, load_verifier("smoke")):
        monkeypatch.setattr(one.looker, "_landmarks", WANTED)
    return verifier


@pytest.fixture
def photographs(tmp_path):
    """One face; one face in a frame of the test; two; two equally large ones; none; a small one."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, size, faces in (
        ("one", (400, 300), [(200, 150, 1)]),
        ("frame", (250, 250), [(125, 125, 0.8)]),
        ("two", (400, 300), [(100, 150, 0.7), (280, 150, 1)]),
        ("equal", (400, 300), [(100, 150, 0.95), (280, 150, 1)]),
        ("none", (400, 300), []),
        ("small", (400, 300), [(200, 150, 0.2)]),
        ("face", (112, 112), [(55.5, 60, 0.5)]),
    ):
        Image.fromarray(draw_photograph(*size, *faces)).save(folder / f"{name}.png")
    return folder


def test_the_face_is_looked_for_where_nobody_says_where_it_is(verifier, photographs):
    seen = verifier.looker.look(photographs / "one.png")
    np.testing.assert_array_equal(seen.pixels, decode(photographs / "one.png", FaceCutter(WANTED)))
    assert len(seen.faces) == seen.number == 1 and seen.crop is None
    frame, face = photographs / "frame.png", photographs / "face.png"
    assert verifier.looker.look(frame)[1:] == (verifier.trained.crop, (), 0)
    assert verifier.looker.look(face)[1:] == verifier.looker.look(photographs / "one.png", WHOLE)[1:] == (None, (), 0)
    found = verifier.looker.look(frame, DETECT)
    assert found.faces and not np.array_equal(found.pixels, verifier.read(frame))
    assert verifier.looker.look(face, DETECT).number == 1


def test_which_of_several_is_asked_for(verifier, photographs, capsys):
    two = photographs / "two.png"
    assert [verifier.looker.look(two, face=face).number for face in ("largest", "left", 1, 2)] == [2, 1, 1, 2]
    assert capsys.readouterr().err == ""
    verdict = verifier.verify(two, photographs / "one.png")
    assert capsys.readouterr().err == f"note: {two}: of 2 faces number 2 from the left is taken; --face takes another\n"
    assert verdict == verifier.verify(verifier.read(two, face=2), photographs / "one.png")
    assert verdict.score != verifier.verify(two, photographs / "one.png", face="left").score
    assert verdict == verifier.verify(two, photographs / "one.png", face=(2, "left"))


def test_a_face_that_is_asked_for_where_none_is_looked_for_is_no_silent_matter(verifier, photographs, capsys):
    face = photographs / "face.png"
    verifier.verify(face, photographs / "two.png", face=(2, "left"))
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"note: {face}: is taken as its size says, and no face is looked for: --face needs --detect"
    assert "of 2 faces number 1" in second
    verifier.verify(np.array(Image.open(face)), photographs / "one.png", face=1)
    assert capsys.readouterr().err.startswith("note: pixels: is taken as its size says")


@pytest.mark.parametrize(
    ("name", "face", "reason"),
    [
        ("none", "largest", "no face is found; is one there, upright, lit, and not cut off?"),
        ("equal", "largest", "2 faces are found, and number 1, 2 from the left are about equally large: say which one"),
        ("two", 3, "there is no face number 3: 2 faces are found"),
        ("small", "largest", r"the face is too small: 4\dx4\d pixels; at least 56x56"),
    ],
)
def test_a_photograph_that_cannot_be_used_is_one_line(verifier, photographs, name, face, reason):
    with pytest.raises(UnreadableImageError, match=rf"{name}.png: {reason}"):
        verifier.verify(photographs / "one.png", photographs / f"{name}.png", face=("largest", face))


def test_where_no_face_can_be_looked_for_the_reason_is_said_and_found_once(trained_project, photographs, monkeypatch):
    looker, calls = Looker(load_verifier("smoke").trained), []
    keep = look.keep_landmarks
    monkeypatch.setattr(look, "keep_landmarks", lambda *arguments: calls.append(arguments) or keep(*arguments))
    for crop in (None, DETECT):
        with pytest.raises(CropError, match="one.png: 400x300 pixels; where is the face.*: there are no landmarks in"):
            looker.look(photographs / "one.png", crop)
    assert len(calls) == 1 and calls[0][1:] == ("real", looker._trained.results["provenance"]["data_digest"])


def test_a_folder_is_embedded_with_what_is_found(verifier, photographs):
    found = verifier.embed_folder(photographs)
    assert found.paths == ("face.png", "frame.png", "one.png", "two.png") and found.several == ("two.png",)
    assert [path for path, _ in found.problems] == ["equal.png", "none.png", "small.png"]
    pixels = np.stack([verifier.read(photographs / path) for path in found.paths])
    np.testing.assert_allclose(found.embeddings, verifier.embed(pixels), atol=1e-6)
    assert verifier.embed_folder(photographs, face="left").several == ("equal.png", "two.png")


@pytest.fixture
def pairs(tmp_path):
    """A list of pairs of photographs of three people, of two sizes, and the folder of the photographs."""
    for person, name in enumerate(("anna", "bert", "cara")):
        for number in (1, 2):
            path = tmp_path / "images" / name / f"{name}_{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (300 + 50 * number, 280)
            faces = [(180, 140, 0.8 + 0.1 * person), *([(50, 140, 0.4)] if number == 2 else [])]
            Image.fromarray(draw_photograph(*size, *faces, turn=0.05 * number)).save(path)
            path.rename(path.with_suffix(".jpg"))  # its content says what it is
    (tmp_path / "pairs.txt").write_text("1\t0\nanna 1 2\nbert 1 2\nanna 1 bert 1\nanna 2 bert 2\nanna 2 cara 1\n")
    return tmp_path / "pairs.txt", tmp_path / "images"


def test_pairs_of_photographs_of_any_size_are_evaluated(verifier, pairs):
    found = evaluate(verifier, *pairs)
    assert found["detected"] and found["several_faces"] == 2 and found["crop"] is None and found["pairs"] == 5
    assert found == evaluate(verifier, *pairs, DETECT) and json.loads(json.dumps(found)) == found
    scores = [verifier.verify(pairs[1] / "anna/anna_0001.jpg", pairs[1] / f"{other}.jpg").score
              for other in ("anna/anna_0002", "bert/bert_0001")]  # fmt: skip
    assert 0 <= min(scores) and not evaluate(verifier, *pairs, WHOLE)["detected"]


# commands and Python


def test_faces_are_found_by_the_commands(verifier, photographs, pairs, tmp_path, capsys):
    one, two = photographs / "one.png", photographs / "two.png"
    assert (
        main(["verify", "--profile", "smoke", str(one), str(two), "--show", str(tmp_path / "out.png"), "--json"]) == 0
    )
    out, err = capsys.readouterr()
    assert json.loads(out)["score"] == verifier.verify(one, two).score and "of 2 faces number 2" in err
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (800, 800) and image.info["Description"].startswith(("the same", "different"))
    assert main(["verify", "--profile", "smoke", str(one), str(two), "--face", "largest,1", "--json"]) == 0
    assert json.loads(capsys.readouterr()[0])["score"] == verifier.verify(one, two, face=("largest", 1)).score
    assert main(["verify", "--profile", "smoke", str(one), str(photographs / "none.png")]) == 1
    assert f"\nerror: {photographs}/none.png: no face is found" in capsys.readouterr()[1]
    assert main(["embed", "--profile", "smoke", str(photographs), "--output", str(tmp_path / "x.npz")]) == 0
    out, err = capsys.readouterr()
    assert "4 embeddings" in out and "note: 1 images show several faces, such as two.png; of each one is taken" in err
    assert main(["evaluate", "--profile", "smoke", "--pairs", str(pairs[0]), "--images", str(pairs[1])]) == 0
    assert "note: 2 images show several faces; of each one is taken: --face largest" in capsys.readouterr()[1]


@pytest.mark.parametrize("face", ["0", "", "right", "-1", "1.5", "12345", "１", "left,", "1,2,3"])
def test_a_face_that_is_none_is_named(face, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify", "a.jpg", "b.jpg", f"--face={face}"])
    face = face.partition(",")[2] if "," in face else face
    message = f"{face!r} is neither largest, left nor a number from 1 to 9999\n"
    assert ended.value.code == 2 and capsys.readouterr().err.endswith(message)


@pytest.mark.parametrize(
    "options", [["--whole", "--face", "left"], ["--crop=1,2,90", "--face=2"], ["--whole", "--detect"]]
)
def test_options_that_contradict_each_other_are_wrong_usage(options, capsys, monkeypatch):
    monkeypatch.setattr(commands, "load_tensorflow", lambda: pytest.fail("loaded"))
    with pytest.raises(SystemExit) as ended:
        main(["verify", "a.jpg", "b.jpg", *options])
    assert ended.value.code == 2


def test_a_picture_that_cannot_be_written_is_said_before_the_work(trained_project, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["verify", "--profile", "smoke", "a.jpg", "b.jpg", "--show", str(tmp_path / "file" / "x.png")]
    assert main(arguments) == 1 and "x.png cannot be written: Not a directory" in capsys.readouterr().err
    (tmp_path / "a.PNG").write_bytes(b"a photograph")
    (tmp_path / "b.png").symlink_to("a.PNG")
    arguments = ["verify", "--profile", "smoke", "a.jpg", str(tmp_path / "a.PNG"), "--show", str(tmp_path / "b.png")]
    assert main(arguments) == 1 and "b.png is one of the two images: name another file" in capsys.readouterr().err
    assert (tmp_path / "a.PNG").read_bytes() == b"a photograph"


def test_photographs_are_aligned_by_a_command(verifier, photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("facelib.gather.align.load_detector", MarkedFaces)
    monkeypatch.setattr("facelib.gather.landmarks.keep_landmarks", lambda *_: WANTED)
    command = ["data", "align", str(photographs), str(tmp_path / "out")]
    assert main([*command, "--profile", "smoke", "--face", "left"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}/out: 5 files, ") and "left out: none.png: no face is found" in err
    found = decode(tmp_path / "out" / "equal.png")
    np.testing.assert_array_equal(found, decode(photographs / "equal.png", FaceCutter(WANTED, "left")))
    assert main(command) == 1 and "out exists already" in capsys.readouterr().err


def test_python_has_the_same(verifier, photographs):
    one, two = photographs / "one.png", photographs / "two.png"
    assert facelib.verify(one, two, profile="smoke", face=1).score == pytest.approx(
        verifier.verify(one, two, face=1).score, abs=1e-6
    )
    expected = verifier.embed(np.stack([verifier.read(path) for path in (one, two)]))
    np.testing.assert_allclose(facelib.embed([one, two], profile="smoke"), expected, atol=1e-6)
    assert [len(facelib.find_faces(path)) for path in (one, two)] == [1, 2]
    for images in (str(one), one, []):
        with pytest.raises(ValueError, match="expected a sequence of at least one image, such as"):
            facelib.embed(images, profile="smoke")
    with pytest.raises(ValueError, match=r"face=\(1,\) names 1 faces for 2 images: one for each, or for all"):
        facelib.verify(one, two, profile="smoke", face=(1,))
