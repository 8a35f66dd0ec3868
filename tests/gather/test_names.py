"""People by name: lists of names, and which folders share one with the test."""

import unicodedata

import pytest

from facelib.gather import names
from facelib.gather.names import NamesError, find_shared, read_names


def test_a_list_of_names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeff0000045 Robert Downey Jr\r\n\nA7\tJosé_Ünal\n".encode())
    assert read_names(file) == {"45": "Robert Downey Jr", "A7": "José_Ünal"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 Ann\n2\n", "line 2: expected `id name`, parted by a blank or a tab: correct the line"),
        ("1 Ann\n001 Bob\n", "line 2: id 1 comes twice: correct the line"),
    ],
)
def test_a_list_that_cannot_be_used_is_named(tmp_path, content, message):
    (tmp_path / "names.txt").write_text(content)
    with pytest.raises(NamesError, match=f"names.txt, {message}$"):
        read_names(tmp_path / "names.txt")


def test_a_list_that_is_missing_or_too_large_is_named(tmp_path, monkeypatch):
    with pytest.raises(NamesError, match="No such file or directory; --names names a file"):
        read_names(tmp_path / "names.txt")
    for place in ("/dev/null", tmp_path):  # a device can be without end
        with pytest.raises(NamesError, match=": is a (pipe or a device|folder), not a list of names$"):
            read_names(place)
    monkeypatch.setattr(names, "BYTES_LIMIT", 3)
    (tmp_path / "names.txt").write_text("1 Ann\n")
    with pytest.raises(NamesError, match="6 bytes are too many"):
        read_names(tmp_path / "names.txt")


def test_shared_people_by_folder_or_by_list():
    people = ["Ann_Lee", "José_Ünal", "Bob_O'Neil"]
    folders = ["7", "008", "ann lee", unicodedata.normalize("NFD", "josé-ünal"), "Ann_Leeds"]
    assert find_shared(folders, people) == [("ann lee", "Ann_Lee"), (folders[3], "José_Ünal")]
    assert find_shared(folders[:2], people, {"7": "Someone", "8": "bob o'neil"}) == [("008", "Bob_O'Neil")]
