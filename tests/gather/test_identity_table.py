"""CSV lists of images and identities: the columns, the lines, and what is wrong with some."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.gather import identity_table
from facelib.gather.identity_table import read_identity_table
from facelib.gather.intake import IntakeError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "faces" / "b").mkdir(parents=True)
    for name in ("a.jpg", "b/a, too.PNG", "b/é.jpeg"):
        (tmp_path / "faces" / name).write_bytes(b"x")
    return tmp_path / "faces"


@pytest.fixture
def read(tmp_path, folder):
    """Function from the text of a CSV, and names of columns, to what is read from it."""

    def read(text, *columns):
        (tmp_path / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_identity_table(folder, tmp_path / "list.csv", *columns)

    return read


EXPECTED = [("a.jpg", "Zoe"), ("b/a, too.PNG", "Ann Bo"), ("b/é.jpeg", "Zoe")]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('path,identity\na.jpg,Zoe\n"b/a, too.PNG",Ann Bo\nb/é.jpeg,Zoe\n', ()),
        ('Label;FileName\nZoe;a.jpg\nAnn Bo;"b/a, too.PNG"\nZoe;b/é.jpeg', ()),
        ("name\timage\tage\r\nZoe\t./a.jpg\t3\r\nAnn Bo\tb\\a, too.PNG\t\r\n\r\nZoe\tb/é.jpeg\t5\r\n", ()),
        ('\ufefffile, who ,name\na.jpg,Zoe,1\n"b/a, too.PNG",Ann Bo,2\nb/é.jpeg,Zoe,3\n', (None, "who")),
        ('path,FILE,name\n1,a.jpg,Zoe\n2,"b/a, too.PNG",Ann Bo\n3,b/é.jpeg,Zoe\n', ("file",)),
    ],
)
def test_columns_are_found_by_usual_names_or_those_that_are_given(read, text, columns):
    assert read(text, *columns) == EXPECTED


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", (), "no column with one of the names path, file, "),
        ("\npath,name\na.jpg,Zoe\n", (), "img, image_id; its first line is empty"),
        ("a,b\n", (), "no column with one of the names path, file, filename"),
        ("path,b\n", (), "it has 'path', 'b': name one of them with --identity-column"),
        ("path,name\n", ("where",), "no column 'where'; it has 'path', 'name': name one of them with --path-column"),
        ("path,name,name\n", (), "two columns 'name'; it has"),
        ("path,name\n", (), "lists no image after its first line"),
        ("path,name\na.jpg\n", (), "line 2: 1 fields; expected 2, as the first line has"),
        ("path,name\na.jpg,Zoe\na.jpg,Ann\n", (), "line 3: a.jpg is in line 2 already: remove one of the two"),
        ("path,name\na.jpg,\n", (), "line 2: names no identity"),
        ("path,name\n../faces/a.jpg,Zoe\n", (), "line 2: '../faces/a.jpg' is no path below"),
        ("path,name\n/etc/a.jpg,Zoe\n", (), "line 2: '/etc/a.jpg' is no path below"),
        ("path,name\nb/../a.jpg,Zoe\n", (), "line 2: 'b/../a.jpg' is no path below"),
        ("path,name\n.a.jpg,Zoe\n", (), "line 2: '.a.jpg' is no path below"),
        ("path,name\na\0.jpg,Zoe\n", (), "line 2: "),
        ("path,name\na.txt,Zoe\n", (), "line 2: a.txt is no image (.jpeg, "),
        ("path,name\n\nno.jpg,Zoe\n", (), "line 3: there is no image "),
        (f"path,name\n{'a' * 5000}.jpg,Zoe\n", (), "line 2: there is no image "),
        ('path,name\n"a.jpg,Zoe\n', (), "is no CSV: unexpected end of data"),
        ("path,name\n" + 'a,"' + 200_000 * "b" + '"\n', (), "is no CSV: field larger than field limit"),
        ("path,name\n" + 100_000 * ",", (), "fields; expected 2, as the first line has"),
        (b"\xff\xfep\0a\0t\0h\0", (), "no column with one of the names path"),
        (b"\xff\xfep\0a\0t\0h\0", (), "it is no UTF-8, but UTF-16 or no text: save it as UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line_that_names_the_file(tmp_path, read, text, columns, message):
    with pytest.raises(IntakeError, match=re.escape(message)) as error:
        read(text, *columns)
    assert str(error.value).startswith(f"{tmp_path}/list.csv") and "\n" not in str(error.value)


def test_an_accent_is_the_same_in_either_form_of_unicode(folder, read):
    assert read("path,name\nb/e\u0301.jpeg,Zoe\n") == [("b/é.jpeg", "Zoe")]
    with pytest.raises(IntakeError, match="line 3: b/é.jpeg is in line 2 already"):
        read("path,name\nb/é.jpeg,Zoe\nb/e\u0301.jpeg,Zoe\n")
    (folder / "x\u00e9.jpg").write_bytes(b"x")
    (folder / "xe\u0301.jpg").write_bytes(b"y")
    assert read("path,name\nxe\u0301.jpg,Zoe\nx\u00e9.jpg,Bo\n") == [("xe\u0301.jpg", "Zoe"), ("x\u00e9.jpg", "Bo")]


def test_a_link_out_of_the_folder_is_refused(tmp_path, folder, read):
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(IntakeError, match="line 2: out.jpg is a link that leads out of"):
        read("path,name\nout.jpg,Zoe\n")


def test_a_file_that_is_none_or_too_large_is_refused(tmp_path, folder, read, monkeypatch):
    for place in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(IntakeError, match=f"{place}: is no file; expected a CSV"):
            read_identity_table(folder, place)
    monkeypatch.setattr(identity_table, "TABLE_LIMIT", 10)
    with pytest.raises(IntakeError, match="list.csv: is larger than 10 bytes; expected a CSV"):
        read("path,name\na.jpg,Zoe\n")


def test_the_number_of_lines_is_bounded(read, monkeypatch):
    monkeypatch.setattr(identity_table, "ROWS_LIMIT", 1)
    with pytest.raises(IntakeError, match="line 3: more than 1 lines are too many"):
        read("path,name\na.jpg,Zoe\nb/é.jpeg,Zoe\n")


PIECES = ['"', ",", "\n", "\r", ";", "\t", "path", "name", "a.jpg", "../", "\0", "é", " "]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_whatever_is_in_a_list_is_read_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("table")
    (folder / "a.jpg").write_bytes(b"x")
    (folder / "list.csv").write_bytes(text.encode())
    try:
        read_identity_table(folder, folder / "list.csv")
    except IntakeError:
        pass
