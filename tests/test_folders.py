"""What counts as a file of people, links, what is named, and names that can be shown everywhere."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.folders import (
    CIRCLE,
    DEEP_LINK,
    MANIFEST,
    File,
    Unread,
    describe_unread,
    explain,
    is_visible,
    list_images,
    printable,
    walk,
)

LATIN = os.fsdecode(b"Jos\xe9")  # no UTF-8
SYSTEMS = [
    "._a.jpeg", ".DS_Store", ".ipynb_checkpoints", ".Spotlight-V100", ".Trashes", ".fseventsd", ".Trash-0", ".nfs01",
    "__MACOSX", "Icon\r", "lost+found", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "Thumbs.db",
    "thumbs.db", "desktop.ini", "Desktop.ini", "@eaDir", "#recycle", "@Recycle", "__pycache__",
]  # fmt: skip


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def paths_of(files):
    return [file.path for file in files]


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_systems_leave_is_neither_a_folder_nor_a_file(tmp_path, name):
    touch(tmp_path, "1/a.jpeg", f"1/{name}", f"{name}x/a.jpeg", f"2/{name}.d/../b.jpeg")
    assert not is_visible(name)
    (tmp_path / name).mkdir()
    touch(tmp_path / name, "a.jpeg", "deeper/a.jpeg")
    others = {"1/a.jpeg", "2/b.jpeg"} | ({f"{name}x/a.jpeg"} if is_visible(f"{name}x") else set())
    assert set(paths_of(walk(tmp_path))) == others


@pytest.mark.parametrize("name", ["DS_Store", "eaDir", "Ann", "trash", "0", "-1", "a.b", "~", "@", "lost found"])
def test_names_of_people_are_visible(name):
    assert is_visible(name)


def test_files_have_size_and_time_and_are_sorted_by_code_points(tmp_path):
    names = ["b", "a-b", "a", "Z", "é", "e\u0301", "中", "٣", "🧑", LATIN]  # é twice: NFC and NFD
    touch(tmp_path, *(f"{name}/x.png" for name in names))
    (tmp_path / "a" / "x.png").write_bytes(b"12345")
    os.utime(tmp_path / "a" / "x.png", ns=(3, 4))
    files = walk(tmp_path)
    assert paths_of(files) == sorted(f"{name}/x.png" for name in names)
    assert files[paths_of(files).index("a/x.png")] == File("a/x.png", 5, 4, "")
    assert [open(tmp_path / path).close() for path in paths_of(files)]  # the names lead back to the files


def test_links_are_followed_for_files_and_folders(tmp_path):
    touch(tmp_path / "elsewhere", "a.jpeg", "deep/b.jpeg")
    (tmp_path / "elsewhere" / "a.jpeg").write_bytes(b"123")
    faces = touch(tmp_path / "faces", "1/own.jpeg")
    (faces / "1" / "linked.jpeg").symlink_to(tmp_path / "elsewhere" / "a.jpeg")
    (faces / "2").symlink_to(tmp_path / "elsewhere")
    (faces / "02").symlink_to(faces / "2")
    files = walk(faces)
    twice = [f"{name}/{path}" for name in ("02", "2") for path in ("a.jpeg", "deep/b.jpeg")]
    assert paths_of(files) == sorted(["1/linked.jpeg", "1/own.jpeg", *twice])
    assert {file.size for file in files if file.path.endswith(("linked.jpeg", "a.jpeg"))} == {3}


@pytest.mark.parametrize(
    "target, reason", [("nowhere", "leads nowhere"), ("../1/file/below", "leads nowhere"), ("link", "in a circle")]
)
@pytest.mark.parametrize("name", ["link", "1/link.jpeg"])
def test_a_link_that_leads_nowhere_is_one_file_with_a_reason(tmp_path, name, target, reason):
    touch(tmp_path, "1/a.jpeg", "1/file")
    (tmp_path / name).symlink_to(target if target != "link" else os.path.basename(name))
    listing = list_images(tmp_path)
    assert listing.images == ("1/a.jpeg",)
    assert [path for path, _ in listing.problems] == [name]
    assert reason in listing.problems[0][1]


def test_circles_of_folders_end(tmp_path):
    touch(tmp_path, "1/a.jpeg", "2/b.jpeg")
    (tmp_path / "1" / "up").symlink_to(tmp_path)
    (tmp_path / "1" / "self").symlink_to(".")
    (tmp_path / "1" / "two").symlink_to(tmp_path / "2")
    (tmp_path / "2" / "one").symlink_to(tmp_path / "1")
    (tmp_path / "3").symlink_to("1")
    assert list_images(tmp_path).images == ("1/a.jpeg", "2/b.jpeg", "3/a.jpeg")
    circles, others = ["1/self", "1/up", "3/self", "3/up"], ["1/two", "2/one", "3/two"]
    assert dict(list_images(tmp_path).problems) == dict.fromkeys(circles, CIRCLE) | dict.fromkeys(others, DEEP_LINK)


def test_folders_that_link_to_each_other_do_not_multiply(tmp_path):
    for name in range(9):
        touch(tmp_path, f"{name}/a.jpeg")
        for other in range(9):
            (tmp_path / str(name) / f"to_{other}").symlink_to(tmp_path / str(other))
    assert len(walk(tmp_path)) == 9 + 81


def test_a_folder_that_may_not_be_read_is_one_problem(tmp_path, monkeypatch):
    """Permissions do not stop root, so the listing itself refuses."""
    touch(tmp_path, "1/a.jpeg", "2/b.jpeg")
    listed = os.scandir

    def scandir(path):
        if os.path.basename(os.path.normpath(path)) == "1":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    images, _, problems = list_images(tmp_path)
    assert (images, problems) == (("2/b.jpeg",), (("1", "Permission denied"),))


def test_the_folder_itself_may_be_missing_or_no_folder(tmp_path):
    touch(tmp_path, "file")
    assert walk(tmp_path / "nowhere") == [File(".", 0, 0, "No such file or directory")]
    assert walk(tmp_path / "file") == [File(".", 0, 0, "Not a directory")]
    assert explain(list_images(tmp_path / "file")) == "; .: Not a directory"


def test_kinds_that_are_not_read_are_counted_with_an_example(tmp_path):
    touch(tmp_path, "1/b.webp", "1/a.WEBP", "2/x.jfif", "2/x.bmp", "2/x", "2/x.", "1/a.JPG", "1/a.Jpeg", "1/a.png")
    touch(tmp_path, "1/a.jpeg.txt", "1/jpeg", "1/.hidden.webp")
    images, unread, _ = list_images(tmp_path)
    assert images == ("1/a.JPG", "1/a.Jpeg", "1/a.png")
    assert unread == (
        (".", 1, "2/x."), (".bmp", 1, "2/x.bmp"), (".jfif", 1, "2/x.jfif"), (".txt", 1, "1/a.jpeg.txt"),
        (".webp", 2, "1/a.WEBP"), ("no suffix", 2, "1/jpeg"),
    )  # fmt: skip
    assert describe_unread(unread)[:2] == [
        "not read: .webp (2, such as 1/a.WEBP)",
        "not read: no suffix (2, such as 1/jpeg)",
    ]


def test_images_in_other_places_than_identities_are_named(tmp_path):
    touch(tmp_path, "1/a.jpeg", "b.jpeg", "1/2/c.jpeg", "1/2/3/d.png", "1/2/e.webp")
    assert list_images(tmp_path).images == ("1/2/3/d.png", "1/2/c.jpeg", "1/a.jpeg", "b.jpeg")
    images, unread, _ = list_images(tmp_path, by_identity=True)
    assert images == ("1/a.jpeg",)
    assert unread == (
        (".webp", 1, "1/2/e.webp"),
        ("image in a folder below an identity's", 2, "1/2/3/d.png"),
        ("image in no identity's folder", 1, "b.jpeg"),
    )


def test_many_kinds_are_summed_up():
    unread = tuple(Unread(f".{number}", 1, f"a.{number}") for number in range(1000)) + (Unread(".webp", 7, "b\n.webp"),)
    lines = describe_unread(unread)
    assert lines[0] == r"not read: .webp (7, such as b\x0a.webp)"
    assert lines[-1] == "not read: 991 other kinds (991)" and len(lines) == 11


@pytest.mark.parametrize(
    "name, shown",
    [
        ("Ann_Lee $5", "Ann_Lee $5"),
        ("中文 عربي 🧑 é e\u0301 👩\u200d💻", "中文 عربي 🧑 é e\u0301 👩\u200d💻"),
        (LATIN, r"Jos\xe9"),
        ("a\nb\r\tc\x1b[31m\x00\x7f\x85", r"a\x0ab\x0d\x09c\x1b[31m\x00\x7f\x85"),
        ("a\u2028b\u202egpj.\u2066", r"a\u2028b\u202egpj.\u2066"),
        ("\ud800\uffff", r"\ud800\uffff"),
    ],
)
def test_names_can_be_shown(name, shown):
    assert printable(name) == shown


@given(st.binary(max_size=30))
def test_every_name_becomes_one_line_of_utf_8(name):
    shown = printable(os.fsdecode(name))
    assert json.loads(json.dumps(shown, ensure_ascii=False).encode().decode()) == shown
    assert len(shown.splitlines()) <= 1 and printable(shown) == shown


def test_the_manifest_of_an_import_is_no_file_of_the_data_set(tmp_path):
    (tmp_path / "a").mkdir()
    for name in (MANIFEST, f"a/{MANIFEST}", "a/1.png"):
        (tmp_path / name).write_text("")
    listing = list_images(tmp_path, by_identity=True)
    assert listing.images == ("a/1.png",) and [row.example for row in listing.unread] == ["a/manifest.json"]
