"""Records and their index, against a writer that knows nothing of the reader."""

import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_files import MAGIC, pack, record, write_record_file

from facelib.data import recordio
from facelib.data.recordio import RecordsError, read_heads, read_index, read_record


def read_all(folder):
    keys, offsets = read_index(folder / "train.idx", folder / "train.rec")
    labels, empty = read_heads(folder / "train.rec", keys, offsets)
    found = [read_record(folder / "train.rec", *row) for row in zip(keys.tolist(), offsets.tolist(), strict=True)]
    return keys, labels, empty, found


# with the magic number at the beginning, at the end, twice in a row, across a multiple of four, in labels
PIECES = st.lists(st.sampled_from([MAGIC, b"", b"\xff\xd8", b"abcd", b"\0\0\0"]) | st.binary(max_size=9), max_size=6)
LABELS = st.integers(0, 2**24) | st.lists(st.integers(0, 2**24), min_size=1, max_size=5)


@given(st.dictionaries(st.integers(0, 10**8 - 1), st.tuples(LABELS, PIECES.map(b"".join)), min_size=1, max_size=6))
def test_records_come_back_byte_for_byte(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("records")
    write_record_file(folder, {key: pack(label, content, key) for key, (label, content) in written.items()})
    keys, labels, empty, found = read_all(folder)
    assert keys.tolist() == sorted(written)
    for key, label, nothing, (of_record, content) in zip(keys.tolist(), labels, empty, found, strict=True):
        expected = written[key][0] if isinstance(written[key][0], list) else [written[key][0]]
        assert of_record.tolist() == expected and label == expected[0]
        assert content == written[key][1] and nothing == (content == b"")


def test_a_header_that_is_split_itself_is_read(tmp_path):
    data = pack(7, b"an image", key=int.from_bytes(MAGIC, "little"))  # the id is the magic number
    assert record(data).count(MAGIC) == 2
    write_record_file(tmp_path, {5: data})
    _, labels, _, [(_, content)] = read_all(tmp_path)
    assert labels == [7] and content == b"an image"


def test_many_parts_are_one_record(tmp_path):
    content = MAGIC * 3 + b"abc" + MAGIC + b"de"
    write_record_file(tmp_path, {1: pack(3, content), 2: pack(4, b"next")})
    assert [found[1] for found in read_all(tmp_path)[3]] == [content, b"next"]


def test_blocks_of_heads_and_of_the_index_make_no_difference(tmp_path, monkeypatch):
    write_record_file(tmp_path, {key: pack(key % 3, b"x" * key) for key in range(1, 50)})
    whole = read_all(tmp_path)
    monkeypatch.setattr(recordio, "HEADS", 7)
    monkeypatch.setattr(recordio, "BLOCK", 11)
    parts = read_all(tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(whole[:3], parts[:3], strict=True))


def test_the_last_line_may_lack_its_end_and_lines_those_of_windows(tmp_path):
    write_record_file(tmp_path, {3: pack(0, b"a"), 12: pack(1, b"b")})
    expected = read_index(tmp_path / "train.idx", tmp_path / "train.rec")
    text = (tmp_path / "train.idx").read_text()
    for changed in (text.rstrip("\n"), text.replace("\n", "\r\n")):
        (tmp_path / "train.idx").write_bytes(changed.encode())
        found = read_index(tmp_path / "train.idx", tmp_path / "train.rec")
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "train.idx: is empty"),
        (b"1\t0\n2 40\n", "train.idx, line 2: expected a key, a tab and an offset"),
        (b"1\t0\n\n3\t0\n", "train.idx, line 2: expected a key"),
        (b"1\t-4\n", "train.idx, line 1: expected a key"),
        (b"\xff\xfe1\t0\n", "train.idx, line 1: expected a key"),
        (b"1\t0\n1\t0\n", "train.idx: record 1 is there twice"),
        (b"100000000\t0\n", "train.idx: record 100000000 has no number below 100,000,000"),
        (b"1\t0\n2\t30\n", "train.idx: record 2 lies past the end of train.rec, byte 36: one of the two files"),
        (b"1\t0\n2\t999999999999999999\n", "train.idx: record 2 lies past the end of train.rec"),
        (b"9" * 3000, "train.idx, line 1: expected a key"),
    ],
)
def test_an_index_that_cannot_be_used_is_one_line(tmp_path, text, message, monkeypatch):
    monkeypatch.setattr(recordio, "BLOCK", 1000)
    write_record_file(tmp_path, {1: pack(0, b"abc")})
    (tmp_path / "train.idx").write_bytes(text)
    with pytest.raises(RecordsError, match=re.escape(message)) as error:
        read_index(tmp_path / "train.idx", tmp_path / "train.rec")
    assert "\n" not in str(error.value)


def test_too_many_records_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(recordio, "RECORDS_LIMIT", 2)
    write_record_file(tmp_path, {key: pack(0, b"abc") for key in range(3)})
    with pytest.raises(RecordsError, match="more than 2 records are too many"):
        read_index(tmp_path / "train.idx", tmp_path / "train.rec")


def changed(data, place, value):
    return data[:place] + value + data[place + len(value) :]


WHOLE = record(pack([5, 1], b"an image"))
PARTS = record(pack(5, b"before" + MAGIC[:2] + MAGIC + b"after"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(WHOLE, 0, b"\0"), "record 3 does not begin as a record does"),
        (WHOLE[:-1], "record 3 is truncated"),
        (WHOLE[:20], "record 3 is truncated"),
        (changed(WHOLE, 4, struct.pack("<I", 2**29 - 1)), "record 3 is truncated"),
        (changed(WHOLE, 4, struct.pack("<I", 2 << 29 | 40)), "record 3 begins in the middle of another"),
        (changed(WHOLE, 4, struct.pack("<I", 31)), "record 3 is shorter than its header says"),
        (changed(WHOLE, 8, struct.pack("<I", 2**32 - 1)), "record 3 is shorter than its header says"),
        (PARTS[: PARTS.index(b"after") - 8], "record 3 is damaged"),
        (PARTS[: PARTS.index(b"after") + 2], "record 3 is truncated"),
        (changed(PARTS, PARTS.index(b"after") - 4, struct.pack("<I", 5)), "record 3 is damaged"),
        (changed(PARTS, PARTS.index(b"after") - 8, b"\0"), "record 3 is damaged"),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(tmp_path, content, message):
    (tmp_path / "train.rec").write_bytes(content)
    with pytest.raises(RecordsError, match=f"train.rec, {message}"):
        read_heads(tmp_path / "train.rec", np.array([3]), np.array([0]))


def test_parts_without_an_end_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(recordio, "BYTES_LIMIT", 100)
    (tmp_path / "train.rec").write_bytes(PARTS[: PARTS.index(b"after") - 8] + (MAGIC + struct.pack("<I", 2 << 29)) * 20)
    with pytest.raises(RecordsError, match="record 3 has more bytes than an image may have, 100"):
        read_record(tmp_path / "train.rec", 3, 0)


@given(st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8)), max_size=4), st.integers(0, 200))
def test_whatever_is_in_the_files_is_read_or_refused(tmp_path_factory, changes, end):
    folder = tmp_path_factory.mktemp("records")
    write_record_file(folder, {0: pack([2, 3], b""), 1: pack(0, b"x" + MAGIC * 9), 2: pack([1, 2], b"")})
    for name in ("train.rec", "train.idx"):
        content = (folder / name).read_bytes()
        for place, value in changes:
            content = changed(content, place, value)
        (folder / name).write_bytes(content[: end or None])
    try:
        read_all(folder)
    except RecordsError:
        pass
