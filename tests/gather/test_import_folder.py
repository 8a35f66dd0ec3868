"""Folders of any names and depth become folders of identities with safe names."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.data.identities import read_identities
from facelib.folders import is_visible, printable
from facelib.gather.import_folder import Table, import_folder, name_folders
from facelib.gather.intake import IntakeError


def write(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())


def origins(folder):
    """What each file in the imported folder was, by the manifest, whose digests are checked elsewhere."""
    return {row[0]: row[3] for row in json.loads((folder / "manifest.json").read_text())["entries"]}


def test_an_identity_is_the_folder_that_holds_an_image(tmp_path, capsys):
    given = ("a/b/Zoe/1.JPG", "a/b/Zoe/2.png", "c/Ann/x y.jpeg", "c/Ann/deeper/1.jpg", "loose.jpg", "c/readme.txt")
    write(tmp_path / "faces", *given, ".hidden/1.jpg")
    taken = import_folder(tmp_path / "faces", tmp_path / "out")
    assert taken.files == 5 and taken.problems == ()
    assert origins(tmp_path / "out") == {
        "Zoe/000001.jpg": "a/b/Zoe/1.JPG", "Zoe/000002.png": "a/b/Zoe/2.png", "Ann/000001.jpeg": "c/Ann/x y.jpeg",
        "deeper/000001.jpg": "c/Ann/deeper/1.jpg", "faces/000001.jpg": "loose.jpg",
    }  # fmt: skip
    for path, origin in origins(tmp_path / "out").items():
        assert (tmp_path / "out" / path).read_text() == origin
    assert read_identities(tmp_path / "out").faces.names == ("Ann", "Zoe", "deeper", "faces")
    assert "not read: .txt (1, such as c/readme.txt)" in capsys.readouterr().err


def test_folders_of_one_name_are_two_identities(tmp_path):
    write(tmp_path / "faces", "train/Zoe/1.jpg", "test/Zoe/1.jpg", "test/zoe/1.jpg", "test/Ann/1.jpg")
    import_folder(tmp_path / "faces", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {name: folder["source"] for name, folder in manifest["folders"].items()} == {
        "Ann": "test/Ann", "test__Zoe": "test/Zoe", "train__Zoe": "train/Zoe", "test__zoe__2": "test/zoe"
    }  # fmt: skip


def test_a_csv_says_who_is_on_an_image(tmp_path):
    write(tmp_path / "faces", "1.jpg", "2.jpg", "sub/3.jpg", "unlisted.jpg")
    (tmp_path / "list.csv").write_text("file,who\nsub/3.jpg,A/B: c?\n1.jpg,Zoe\n2.jpg,A/B: c?\n")
    taken = import_folder(tmp_path / "faces", tmp_path / "out", Table(tmp_path / "list.csv", None, "who"))
    assert taken.files == 3
    assert origins(tmp_path / "out") == {
        "Zoe/000001.jpg": "1.jpg", "B_ c_/000001.jpg": "2.jpg", "B_ c_/000002.jpg": "sub/3.jpg"
    }  # fmt: skip
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["folders"]["B_ c_"] == {"source": "A/B: c?", "files": 2}
    assert manifest["source"]["files"][0]["name"] == "list.csv"


def test_what_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    write(tmp_path / "faces", "Zoe/1.jpg", "Zoe/2.jpg")
    (tmp_path / "faces/Zoe/3.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "faces/Zoe/4.jpg")
    taken = import_folder(tmp_path / "faces", tmp_path / "out")
    assert taken.files == 2
    assert taken.problems == (
        ("Zoe/3.jpg", "is a link that leads nowhere"), ("Zoe/4.jpg", "is a pipe or a device, not an image")
    )  # fmt: skip


def test_another_content_of_the_folder_is_another_import(tmp_path, monkeypatch, capsys):
    write(tmp_path / "faces", "Zoe/1.jpg", "Zoe/2.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            import_folder(tmp_path / "faces", tmp_path / "out")
    write(tmp_path / "faces", "Zoe/3.jpg")
    assert import_folder(tmp_path / "faces", tmp_path / "out").files == 3
    assert "an unfinished import of something else: it is removed" in capsys.readouterr().err


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    write(tmp_path / "faces", "notes.txt")
    with pytest.raises(IntakeError, match=r"faces holds no image \(.*\); not read: .txt \(1, such as notes.txt\)"):
        import_folder(tmp_path / "faces", tmp_path / "out")
    with pytest.raises(IntakeError, match="nowhere does not exist; expected a folder with images"):
        import_folder(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(IntakeError, match="notes.txt is no folder; expected a folder with images"):
        import_folder(tmp_path / "faces" / "notes.txt", tmp_path / "out")
    write(tmp_path / "faces", "1.jpg")
    (tmp_path / "link").symlink_to("faces")
    for target in (tmp_path / "faces", tmp_path / "faces" / "out", tmp_path / "link" / "out"):
        with pytest.raises(IntakeError, match="lies in the folder of the photographs: choose another place"):
            import_folder(tmp_path / "faces", target)


ODD = ["a/Zoe", "b/Zoe", "zoe", "Ä", "A\u0308", ".", "x" * 300]


@given(st.lists(st.text(max_size=80) | st.sampled_from(ODD), unique=True))
def test_names_of_folders_are_safe_and_no_two_alike(identities):
    names = name_folders(identities)
    assert [*names] == identities
    assert len({name.casefold() for name in names.values()}) == len(names)
    for name in names.values():
        assert is_visible(name) and "/" not in name and name == printable(name) and 0 < len(name.encode()) <= 255
