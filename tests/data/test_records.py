"""A folder of records as InsightFace gives them out: which of them are images, and of whom."""

import os

import numpy as np
import pytest
from conftest import write_image
from record_files import pack, write_record_file, write_records

from facelib.data import records
from facelib.data.identities import read_identities
from facelib.data.images import decode
from facelib.data.recordio import RecordsError
from facelib.data.records import Records, open_images

PEOPLE = [[f"image {label} {number}".encode() for number in range(1 + label % 3)] for label in range(12)]


def test_a_folder_without_records_stands_for_itself(tmp_path):
    assert open_images(tmp_path) == tmp_path


@pytest.mark.parametrize("several", [False, True])
def test_images_are_sorted_by_identity_and_named_by_their_keys(tmp_path, several):
    found = open_images(write_records(tmp_path, PEOPLE, several))
    assert found.names == tuple(map(str, range(12)))  # as numbers: 2 before 10
    assert np.bincount(found.labels).tolist() == [len(images) for images in PEOPLE]
    assert found.labels.dtype == np.int32
    expected = [(str(label), content) for label, images in enumerate(PEOPLE) for content in images]
    assert [(path.partition("/")[0], (found / path).read_bytes()) for path in found.paths] == expected
    assert found.paths[:3] == ("0/00000001.jpeg", "1/00000002.jpeg", "1/00000003.jpeg")
    faces, unread, problems = read_identities(tmp_path)
    assert (faces.paths, faces.names, unread, problems) == (found.paths, found.names, (), ())


def test_without_a_header_record_all_records_are_images(tmp_path):
    """As MXNet's own im2rec writes them: keys from 0, in any order."""
    keyed = {2: pack(5, b"c"), 0: pack(9, b"a"), 1: pack(5, b"b")}
    found = open_images(write_record_file(tmp_path, keyed))
    assert found.paths == ("5/00000001.jpeg", "5/00000002.jpeg", "9/00000000.jpeg")
    assert found.names == ("5", "9") and found.labels.tolist() == [0, 0, 1]


def test_the_decoder_reads_a_record_as_it_reads_a_file(tmp_path):
    write_image(tmp_path / "a.jpeg", 1)
    found = open_images(write_records(tmp_path / "records", [[(tmp_path / "a.jpeg").read_bytes()]]))
    assert np.array_equal(decode(found / found.paths[0]), decode(tmp_path / "a.jpeg"))
    assert str(found / found.paths[0]) == f"{tmp_path}/records/train.rec, record 1"


def test_the_index_is_read_once_for_each_version(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(records, "read_heads", lambda *given: read.append(1) or records_read_heads(*given))
    write_records(tmp_path, PEOPLE)
    first = open_images(tmp_path)
    assert open_images(tmp_path) is first and len(read) == 1
    write_records(tmp_path, [*PEOPLE, [b"one more"]])
    assert len(open_images(tmp_path).names) == 13 and len(read) == 2


records_read_heads = records.read_heads


@pytest.mark.parametrize(
    ("keyed", "message"),
    [
        ({1: pack(0.5, b"x")}, "record 1: the label 0.5 is no whole number below 16,777,216"),
        ({1: pack(-1, b"x")}, "record 1: the label -1 is no"),
        ({1: pack(float("nan"), b"x")}, "record 1: the label nan is no"),
        ({1: pack(float("inf"), b"x")}, "record 1: the label inf is no"),
        ({1: pack(0, b"x"), 2: pack([1e30], b"x")}, "record 2: the label 1e\\+30 is no"),
        ({0: pack([2], b""), 1: pack(0, b"x")}, "record 0: expected two whole numbers"),
        ({0: pack([2.5, 3], b""), 1: pack(0, b"x")}, "record 0: expected two whole numbers"),
        ({0: pack([3, 2], b""), 1: pack(0, b"x")}, "record 0: expected two whole numbers"),
        ({0: pack([float("nan"), 2], b""), 1: pack(0, b"x")}, "record 0: expected two whole numbers"),
        ({0: pack([3, 3], b""), 1: pack(0, b"x")}, "record 0: names 2 images and 0 identities.*index has 1 and 0"),
        ({0: pack([2, 4], b""), 1: pack(0, b"x"), 2: pack([1, 2], b"")}, "record 0: names 1 .* 2 identities"),
        ({0: pack([2, 3], b""), 1: pack(0, b"x"), 2: pack([1, 9], b"")}, "record 2: ends at 8, and there are 1 images"),
        ({0: pack([1, 1], b"")}, "train.rec: holds no image"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, keyed, message):
    write_record_file(tmp_path, keyed)
    with pytest.raises(RecordsError, match=message) as error:
        open_images(tmp_path)
    assert "\n" not in str(error.value)


def test_a_label_that_is_no_class_is_named(tmp_path):
    write_records(tmp_path, PEOPLE, classes=11)
    with pytest.raises(RecordsError, match="record 22: the label 11 is no whole number below 11"):
        open_images(tmp_path)


@pytest.mark.parametrize("text", ["", "3", "3,112", "x,112,112", "0,112,112", "99999999,112,112", 2000 * "1"])
def test_properties_that_make_no_sense_are_refused(tmp_path, text):
    write_records(tmp_path, PEOPLE)
    (tmp_path / "property").write_text(text)
    with pytest.raises(RecordsError, match="property: (expected classes,height,width, such|2,000 bytes are too many)"):
        open_images(tmp_path)


def test_the_properties_may_be_missing_and_the_index_not(tmp_path):
    write_records(tmp_path, PEOPLE)
    (tmp_path / "property").unlink()
    assert isinstance(open_images(tmp_path), Records)
    (tmp_path / "train.idx").unlink()
    with pytest.raises(RecordsError, match="train.idx: No such file or directory; it says where the records of train"):
        open_images(tmp_path)


@pytest.mark.parametrize("name", ["train.idx", "property"])
def test_a_pipe_or_a_folder_in_place_of_a_file_is_not_waited_for(tmp_path, name):
    for make in (os.mkfifo, os.mkdir):
        write_records(tmp_path / make.__name__, PEOPLE)
        (tmp_path / make.__name__ / name).unlink()
        make(tmp_path / make.__name__ / name)
        with pytest.raises(RecordsError, match=f"{name}: is no regular file; copy it from its source again"):
            open_images(tmp_path / make.__name__)


def test_ranges_that_disagree_with_labels_are_said(tmp_path, capsys):
    keyed = {0: pack([3, 4], b""), 1: pack(0, b"x"), 2: pack(1, b"y"), 3: pack([1, 3], b"")}
    assert open_images(write_record_file(tmp_path, keyed)).names == ("0", "1")
    assert "1 identity records span several labels; the labels of the images count" in capsys.readouterr().err
