"""A folder of photographs becomes a folder of aligned faces."""

import json
import os

import numpy as np
import pytest
from marked_faces import MarkedFaces, draw_photograph, mark
from PIL import Image

from facelib.data.images import decode
from facelib.gather import detector, intake
from facelib.gather.align import align_folder, name_faces
from facelib.gather.detector import DetectorMissingError
from facelib.gather.intake import IntakeError
from facelib.gather.photographs import FaceCutter

WANTED = mark(55.5, 60, 0.5)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Photographs of one face or two in folders, and files without a face."""
    monkeypatch.setattr(detector, "load_detector", MarkedFaces)
    monkeypatch.setattr("facelib.gather.align.load_detector", MarkedFaces)
    folder = tmp_path / "photographs"
    for path, faces in (
        ("anna/1.png", [(200, 150, 1)]),
        ("anna/far/2.bmp", [(150, 150, 0.8)]),
        ("bert/1.webp", [(100, 150, 0.7), (280, 150, 1)]),
        ("bert/2.png", []),
        ("bert/small.png", [(100, 150, 0.2)]),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        options = {"lossless": True} if path.endswith("webp") else {}
        Image.fromarray(draw_photograph(400, 300, *faces)).save(folder / path, **options)
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "anna" / "gone.jpg").symlink_to("nowhere")
    return folder


def test_faces_keep_their_folders_and_what_is_left_out_is_named(photographs, tmp_path, capsys):
    taken = align_folder(photographs, tmp_path / "out", WANTED)
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert found == ["anna/1.png", "anna/far/2.png", "bert/1.png"] and taken.files == 3
    for path, source in zip(found, ("anna/1.png", "anna/far/2.bmp", "bert/1.webp"), strict=True):
        face = decode(tmp_path / "out" / path)
        np.testing.assert_array_equal(face, decode(photographs / source, FaceCutter(WANTED)))
    assert [path for path, _ in taken.problems] == ["anna/gone.jpg", "bert/2.png", "bert/small.png", "broken.jpg"]
    reasons = [reason for _, reason in taken.problems]
    assert reasons[0] == "is a link that leads nowhere" and reasons[1].startswith("no face is found")
    assert reasons[2].startswith("the face is too small: 4") and reasons[3].startswith("cannot identify image file")
    assert "note: 1 photographs show several faces; of each one is taken: largest\n" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["source"]["settings"] == {"landmarks": WANTED.tolist(), "face": "largest"}


def test_what_was_stopped_is_resumed(photographs, tmp_path, monkeypatch):
    align_folder(photographs, tmp_path / "at once", WANTED)
    searched = MarkedFaces()
    monkeypatch.setattr(detector, "load_detector", lambda: searched)

    def stop(*_):
        if len(searched.searched) == 2:
            raise KeyboardInterrupt
        return name(*_)

    name = intake._name
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_name", stop)
        with pytest.raises(KeyboardInterrupt):
            align_folder(photographs, tmp_path / "out", WANTED)
    assert not (tmp_path / "out").exists()
    align_folder(photographs, tmp_path / "out", WANTED)
    assert len(searched.searched) < 2 * 5
    for path in (tmp_path / "at once").rglob("*"):
        other = tmp_path / "out" / path.relative_to(tmp_path / "at once")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_a_folder_that_cannot_be_used_is_told_with_a_reason(photographs, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    for folder, output, reason in (
        (tmp_path / "nowhere", tmp_path / "out", "nowhere is no folder"),
        (photographs / "broken.jpg", tmp_path / "out", "broken.jpg is no folder"),
        (tmp_path / "empty", tmp_path / "out", "empty holds no image"),
        (photographs, photographs / "out", "out lies in the folder of the photographs: choose another place"),
        (photographs, tmp_path / "empty" / ".." / "photographs", "lies in the folder of the photographs"),
        (photographs / "bert", photographs, "photographs exists already"),
    ):
        with pytest.raises(IntakeError, match=reason):
            align_folder(folder, output, WANTED)

    def missing():
        raise DetectorMissingError("not installed")

    monkeypatch.setattr("facelib.gather.align.load_detector", missing)
    with pytest.raises(DetectorMissingError):
        align_folder(photographs, tmp_path / "out", WANTED)
    assert sorted(os.listdir(tmp_path)) == ["empty", "photographs"]


def test_names_that_would_be_one_stay_two():
    paths = ("a/b.jpg", "a/b.heic", "a/c.JPG", "b.png")
    assert name_faces(paths) == {
        "a/b.jpg": "a/b.jpg.png", "a/b.heic": "a/b.heic.png", "a/c.JPG": "a/c.png", "b.png": "b.png",
    }  # fmt: skip
