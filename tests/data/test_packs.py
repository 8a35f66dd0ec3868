"""Packs of pairs: images, answers, who is who, folds; and what is wrong with some."""

import os
import pickle
import re
import struct

import numpy as np
import pytest
from conftest import write_image
from hypothesis import given
from hypothesis import strategies as st
from pack_files import python2_pack, python2_text_pack

from facelib.data import packs
from facelib.data.images import decode
from facelib.data.packs import PackError, read_pack


@pytest.fixture
def read(tmp_path):
    """Function from the content of a file to the pack that is read from it."""

    def read(content):
        (tmp_path / "lfw.bin").write_bytes(content)
        return read_pack(tmp_path / "lfw.bin")

    return read


def names(pack):
    """Of each pair: its images, as their content is, and whether they match."""
    return [(pack.images[pair.first], pack.images[pair.second], pair.matched) for pair in pack.pairs]


def arrays(images):
    return [np.frombuffer(image, np.uint8) for image in images]


def columns(images):
    """As OpenCV encodes images."""
    return [array[:, None].copy() for array in arrays(images)]


FORMS = [
    python2_pack,
    python2_text_pack,
    lambda images, answers: pickle.dumps([tuple(images), np.array(answers, bool)]),
    lambda images, answers: pickle.dumps((columns(images), [np.bool_(answer) for answer in answers])),
    lambda images, answers: pickle.dumps((images, [int(answer) for answer in answers])),
    *(
        lambda images, answers, form=form, protocol=protocol: pickle.dumps((form(images), answers), protocol)
        for form in (list, arrays, columns)
        for protocol in range(6)
    ),
]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=400), st.booleans()), min_size=1, max_size=5), st.data())
def test_images_come_back_byte_for_byte(tmp_path_factory, pairs, data):
    images = [bytes([number, side]) + content for number, (content, _) in enumerate(pairs) for side in (0, 1)]
    answers = [answer for _, answer in pairs]
    path = tmp_path_factory.mktemp("pack") / "lfw.bin"
    path.write_bytes(data.draw(st.sampled_from(FORMS))(images, answers))
    assert names(read_pack(path)) == [*zip(images[::2], images[1::2], answers, strict=True)]


def test_an_image_is_decoded_from_its_bytes(tmp_path, read):
    pixels = write_image(tmp_path / "a.png", 1)
    write_image(tmp_path / "b.jpeg", 2)
    pack = read(pickle.dumps(([pixels, (tmp_path / "b.jpeg").read_bytes()], [True])))
    assert np.array_equal(decode(pack / pack.pairs[0].first), pixels)
    assert np.array_equal(decode(pack / pack.pairs[0].second), decode(tmp_path / "b.jpeg"))
    assert str(pack / pack.pairs[0].first) == f"{tmp_path}/lfw.bin, person_000001/person_000001_0001.jpg"


def test_images_with_one_content_are_one_and_matched_pairs_make_a_person(read):
    pack = read(python2_pack([b"a", b"b", b"c", b"b", b"c", b"d", b"e", b"a"], [True, True, False, False]))
    people = {content: path.partition("/")[0][-1] for path, content in pack.images.items()}
    assert people == {b"a": "1", b"b": "1", b"c": "1", b"d": "2", b"e": "3"}
    assert sorted(pack.images)[:2] == ["person_000001/person_000001_0001.jpg", "person_000001/person_000001_0002.jpg"]


def test_pairs_that_count_for_nothing_are_left_out_with_their_reasons(read):
    images = [b"a", b"b", b"b", b"a", b"c", b"c", b"a", b"d", b"b", b"d", b"e", b"a"]
    pack = read(python2_pack(images, [True, True, True, True, False, False]))
    assert names(pack) == [(b"a", b"b", True), (b"a", b"d", True), (b"e", b"a", False)] and pack.folds == 0
    assert pack.left_out == (
        ("pair 2", "has the images of pair 1"),
        ("pair 3", "is of one image with itself"),
        ("pair 5", "is called two people, and matched pairs make them one"),
    )


@pytest.mark.parametrize(
    ("answers", "folds"),
    [
        ([1, 1, 0, 0] * 3, 3), ([1, 0] * 4, 4), ([1, 1, 0, 0], 0), ([0, 0, 1, 1] * 3, 0), ([1, 1, 0] * 2, 0),
        ([1, 1, 0, 0, 1, 0], 0), ([1], 0), ([0], 0), ([1, 1, 0, 0] * 2 + [1, 1], 0),
    ],
)  # fmt: skip
def test_folds_are_told_by_the_order_of_the_answers(read, answers, folds):
    pack = read(python2_pack([bytes([i]) for i in range(2 * len(answers))], answers))
    assert pack.folds == folds
    expected = [row // (len(answers) // folds) if folds else 0 for row in range(len(answers))]
    assert [pair.fold for pair in pack.pairs] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python2_pack([b"a", b"b"], [True, False]), "2 images for 2 pairs, which need 4: it is damaged, or no list"),
        (python2_pack([], []), "holds 0 pairs; expected at least one, and at most 100,000"),
        (python2_pack([b"a", b""], [True]), "image 2: expected the bytes of an image, or an array of them or of its"),
        (python2_pack([b"a", b"a"], [True]), "none of its 1 pairs can be used: pair 1: is of one image with itself"),
        (pickle.dumps(([b"a", "b"], [True])), "image 2: expected the bytes"),
        (pickle.dumps(([b"a", np.zeros((2, 2), np.uint8)], [True])), "image 2: expected the bytes"),
        (pickle.dumps(([b"a", np.zeros(9, np.float32)], [True])), "image 2: expected the bytes"),
        (pickle.dumps(([b"a", np.zeros(0, np.uint8)], [True])), "image 2: expected the bytes"),
        (pickle.dumps(([b"a", b"b"], [2])), "pair 1: expected true or false"),
        (pickle.dumps(([b"a", b"b"], [b"yes"])), "pair 1: expected true or false"),
        (pickle.dumps([b"a", b"b"]), "is no pack: expected a list of images and a list of answers"),
        (pickle.dumps(([b"a", b"b"], [True], [0])), "is no pack: expected a list of images and a list of answers"),
        (pickle.dumps([os.system]), "asks for posix.system, which no list of images needs: it was not run"),
        (b"PK\x03\x04 a zip", "is no pickle, or one of other things"),
    ],
)
def test_what_is_no_pack_is_one_line_that_names_the_file(tmp_path, read, content, message):
    with pytest.raises(PackError, match=f"^{tmp_path}/lfw.bin: {re.escape(message)}") as error:
        read(content)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(PackError, match="nowhere.bin: No such file or directory"):
        read_pack(tmp_path / "nowhere.bin")
    with pytest.raises(PackError, match=f"{tmp_path}: is a folder, not a pack"):
        read_pack(tmp_path)


def test_counts_and_sizes_are_bounded(read, monkeypatch):
    content = python2_pack([bytes([i]) * 10 for i in range(8)], [True] * 4)
    for name, limit, message in (
        ("PACK_LIMIT", 50, "bytes are too many for a pack: at most 50"),
        ("PAIRS_LIMIT", 3, "holds 4 pairs; expected at least one, and at most 3"),
        ("BYTES_LIMIT", 9, "image 1: expected the bytes of an image"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(packs, name, limit)
            with pytest.raises(PackError, match=message):
                read(content)


def test_content_that_many_arrays_share_counts_for_each_and_one_array_once(read, monkeypatch):
    one = np.zeros(1000, np.uint8)
    other = b"x" * 500
    monkeypatch.setattr(packs, "PACK_LIMIT", 2500)
    assert names(read(pickle.dumps(([one, other, one, other], [True, False])))) == [(one.tobytes(), other, True)]
    content, kind = b"B" + struct.pack("<I", 1000) + bytes(1000) + b"q\x00", b"cnumpy\ndtype\nU\x02u1\x85R"
    array = b"cnumpy.core.numeric\n_frombuffer\n(h\x00" + kind + b"M\xe8\x03\x85U\x01CtR"
    sharing = b"\x80\x04" + content + b"0](" + 4 * array + b"e](\x88\x89e\x86."
    assert len(sharing) < 2500
    with pytest.raises(PackError, match="image 3: all up to here have more than 2,500 bytes: too many"):
        read(sharing)


@given(st.lists(st.tuples(st.integers(0, 120), st.binary(min_size=1, max_size=4)), max_size=5))
def test_whatever_is_in_a_pack_is_read_or_refused(tmp_path_factory, changes):
    content = pickle.dumps(([b"ab", np.zeros((1, 2, 3), np.uint8), b"ab", b"cd"], [True, np.bool_(False)]), 2)
    for place, value in changes:
        content = content[:place] + value + content[place + len(value) :]
    path = tmp_path_factory.mktemp("pack") / "lfw.bin"
    path.write_bytes(content)
    try:
        read_pack(path)
    except PackError:
        pass
