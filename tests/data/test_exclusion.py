"""The exclusion list: what it leaves out, and what is wrong with one that cannot be used."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.data import exclusion
from facelib.data.exclusion import HEADING, ExclusionError, read_exclusion

PATHS = ("1/a.jpeg", "1/b, c.jpeg", "2/a.jpeg", "ä/a.jpeg", "3/\udce9.png")


@pytest.fixture
def read(tmp_path):
    """Function from the content of a list to the rows that it leaves out."""

    def excluded(content):
        file = tmp_path / "exclude.csv"
        file.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return np.flatnonzero(read_exclusion(file, tmp_path / "faces", PATHS)).tolist()

    return excluded


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (f"{HEADING}\n", []),
        (f"{HEADING}\n2/a.jpeg,wrong label,0.9,\n1/a.jpeg,,,\n", [0, 2]),
        ("path\r\n2/a.jpeg\r\n\r\n1/a.jpeg", [0, 2]),  # as Windows ends lines; without the last end
        ("\ufeffpath\n1/a.jpeg\n", [0]),  # as spreadsheets begin a file
        ('reason , path\nwhy,"1/b, c.jpeg"\n', [1]),
        ("path,reason\n1/a.jpeg\n", [0]),
        ("path\nä/a.jpeg\n3/\udce9.png\n", [3, 4]),
    ],
)
def test_what_a_list_leaves_out(read, content, rows):
    assert read(content) == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1: expected the columns path,reason,score,other path, separated by commas; the file is empty"),
        ("path;reason\n", r"line 1: expected the columns .*; found 'path;reason'$"),
        ("1/a.jpeg,why\n", r"line 1: expected the columns .*; found '1/a.jpeg,why'$"),
        ("path,path\n", r"line 1: expected the columns"),
        ("path,reazon\n", r"line 1: expected the columns"),
        (
            "path\n1/a.jpeg\n9/a.jpeg\n",
            r"line 3: 9/a.jpeg is no image in .*/faces: correct the path, or remove the line$",
        ),
        ("path\n1/a.jpeg\n1/a.jpeg\n", r"line 3: 1/a.jpeg is in line 2 already: remove one of the two$"),
        ("path\n../1/a.jpeg\n", r"line 2: ../1/a.jpeg leads out of .*/faces: write the path below that folder"),
        ("path\n/faces/1/a.jpeg\n", r"line 2: /faces/1/a.jpeg leads out of "),
        ("path\n1/b, c.jpeg\n", r"line 2: 2 fields for 1 columns: quote the commas$"),
        ("reason,path\nwhy\n", r"line 2: no path: write one, or remove the line$"),
        ('path\n"1/a.jpeg\n', r"line 2: this is no CSV \(unexpected end of data\)$"),
        ("path\n1/a\rb.jpeg\x1b[2J\n", r"line \d: 1/a"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line_that_names_file_and_line(read, content, message):
    with pytest.raises(ExclusionError, match=message) as error:
        read(content)
    assert "exclude.csv, line " in str(error.value) and str(error.value).isprintable()


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path, monkeypatch):
    with pytest.raises(
        ExclusionError, match="nowhere.csv: No such file or directory; exclude names an exclusion list$"
    ):
        read_exclusion(tmp_path / "nowhere.csv", tmp_path, PATHS)
    for place in ("/dev/null", tmp_path):  # a device can be without end
        with pytest.raises(ExclusionError, match=": is a (pipe or a device|folder), not an exclusion list$"):
            read_exclusion(place, tmp_path, PATHS)
    monkeypatch.setattr(exclusion, "BYTES_LIMIT", 3)
    (tmp_path / "list.csv").write_text("path\n")
    with pytest.raises(ExclusionError, match="list.csv: 5 bytes are too many for an exclusion list: at most 3$"):
        read_exclusion(tmp_path / "list.csv", tmp_path, PATHS)


@given(st.sets(st.sampled_from(range(len(PATHS)))), st.text(max_size=20))
def test_what_is_written_as_csv_is_read_back(tmp_path_factory, rows, reason):
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    reason = reason.encode("utf-8", "ignore").decode().replace("\0", "")
    writer.writerows([exclusion.COLUMNS, *([PATHS[row], reason, 0.5, ""] for row in sorted(rows))])
    file = tmp_path_factory.mktemp("csv") / "exclude.csv"
    file.write_bytes(content.getvalue().encode("utf-8", "surrogateescape"))
    assert set(np.flatnonzero(read_exclusion(file, "faces", PATHS))) == rows


@given(st.binary(max_size=80) | st.text(alphabet='path,reason\n"\r12/a.jpeg;\0', max_size=80).map(str.encode))
def test_any_bytes_are_a_list_or_the_documented_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("csv") / "exclude.csv"
    file.write_bytes(content)
    try:
        assert read_exclusion(file, "faces", PATHS).shape == (len(PATHS),)
    except ExclusionError as error:
        assert len(str(error).splitlines()) == 1
