"""Pickles are read as data: nothing in them is run, and no memory is taken for what they only claim to hold."""

import datetime
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pack_files import python2_pack, python2_text_pack

from facelib.data import pickled
from facelib.data.pickled import Array, PickledError, read_pickle

VALUES = st.recursive(
    st.binary(min_size=1, max_size=300)
    | st.text(max_size=5)
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)


@given(VALUES, st.integers(0, 5))
def test_plain_data_of_every_protocol_come_back(value, protocol):
    assert read_pickle(pickle.dumps(value, protocol)) == value


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.booleans(), max_size=5))
def test_strings_of_python_2_are_bytes(images, answers):
    for write in (python2_pack, python2_text_pack):
        assert read_pickle(write(images, answers)) == (images, answers)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("shape", [(), (5,), (5, 1), (2, 3, 3)])
@pytest.mark.parametrize("order", "CF")
def test_arrays_of_every_protocol_can_be_made(protocol, shape, order):
    array = np.asarray(np.arange(np.prod(shape)).reshape(shape), np.uint8, order=order)
    found = read_pickle(pickle.dumps([array, array[()]], protocol))
    for made in (each.make(("u1",)) for each in found):
        assert np.array_equal(made, array) and made.dtype == np.uint8
    assert found[0].make(("b1",)) is None


def test_an_array_of_python_2_can_be_made():
    """Names of the module as NumPy had them then, strings where Python 3 has bytes."""
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x03abctb."
    )
    assert read_pickle(content).make(("u1",)).tobytes() == b"abc"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "name"),
    [(os.system, "posix.system"), (eval, "(__builtin__|builtins).eval"), (datetime.date(2020, 1, 1), "datetime.date")],
)
def test_a_name_that_is_not_needed_is_named_and_not_run(protocol, value, name):
    with pytest.raises(PickledError, match=f"^asks for {name}, which no list of images needs: it was not run; get the"):
        read_pickle(pickle.dumps([value], protocol))


def test_a_name_that_cannot_be_shown_is_one_line():
    with pytest.raises(PickledError, match=r"^asks for a\\x0ab\.c{96}, which no list"):
        read_pickle(b"\x80\x04\x8c\x03a\nb\x8c\xc8" + b"c" * 200 + b"\x93.")


@pytest.mark.parametrize("value", [{1: 2}, {3}, 0.5, frozenset()])
def test_other_kinds_of_data_are_refused(value):
    with pytest.raises(PickledError, match="is no pickle, or one of other things than lists|asks for "):
        read_pickle(pickle.dumps([value]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"To whom it may concern",
        pickle.dumps([b"cut off" * 100])[:-3],
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"bytes that are not there.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"a bytearray that is not there.",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # C's reader makes room for 2 billion objects
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"].",
        b"\x80\x02]}b.",  # attributes of a list
        b"L" + b"9" * 5000 + b"L\n.",
        b"\x80\x02c_codecs\nencode\nX\x02\0\0\0abX\x05\0\0\0utf16\x86R.",
        b"\x80\x02cnumpy\nndarray\n)R.",
    ],
)
def test_what_is_damaged_or_claims_too_much_is_refused_without_taking_memory(content):
    tracemalloc.start()
    try:
        read_pickle(content)
    except PickledError as error:
        assert "\n" not in str(error)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 2**21


def test_text_is_encoded_no_more_often_than_there_is_room_for():
    call = b"c_codecs\nencode\nh\x00h\x01\x86R"
    content = b"\x80\x02X\xe8\x03\0\0" + b"a" * 1000 + b"q\x000X\x06\0\0\0latin1q\x010("
    assert read_pickle(content + call + b"t.") == (b"a" * 1000,)
    with pytest.raises(PickledError, match="encodes text in a way that is not known"):
        read_pickle(content + call * 30 + b"t.")


def test_the_number_of_instructions_is_bounded(monkeypatch):
    monkeypatch.setattr(pickled._Instructions, "left", 1000)
    assert len(read_pickle(b"(" + b"]" * 990 + b"t.")) == 990
    with pytest.raises(PickledError, match="has more than .* instructions: too many"):
        read_pickle(b"(" + b"]" * 1000 + b"t.")


@pytest.mark.parametrize("shape", [(10**12,), (3, 10**6), (-3,), (True, 3), (1, 1, 1, 3), [3], None, ("3",)])
def test_an_array_whose_parts_do_not_fit_is_not_made(shape):
    assert Array(b"abc", pickled.Kind("u1"), (3,)).make(("u1",)).tobytes() == b"abc"
    assert Array(b"abc", pickled.Kind("u1"), shape).make(("u1",)) is None
    assert Array("abc", pickled.Kind("u1"), (3,)).make(("u1",)) is None
    assert Array(b"abc", "u1", (3,)).make(("u1",)) is None


SAMPLES = [
    pickle.dumps(([b"ab", np.zeros((2, 3, 3), np.uint8)], [True, np.bool_(False)]), protocol) for protocol in range(6)
]


@given(
    st.sampled_from(SAMPLES) | st.binary(max_size=60),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), max_size=5),
)
def test_whatever_is_in_a_pickle_is_read_or_refused(content, changes):
    for place, value in changes:
        content = content[:place] + value + content[place + len(value) :]
    try:
        read_pickle(content)
    except PickledError:
        pass
