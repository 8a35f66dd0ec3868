"""Pairs with their images: rows that show what the list says, unreadable images left out with their pairs."""

import numpy as np
import pytest
from conftest import write_image

from facelib.images import UnreadableImageError
from facelib.lfw import Pair, PairsError
from facelib.pairs import load_pairs

LINES = ("2\t1", "Ann 1 2", "Ann 1 Bob 3", "Bob 3 4", "Bob 4 Cy 1")
FILES = ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0003.jpg", "Bob/Bob_0004.jpg", "Cy/Cy_0001.jpg")


@pytest.fixture
def folder(tmp_path):
    """A pair list and five images, each of another grey."""
    (tmp_path / "pairs.txt").write_text("\n".join(LINES))
    for number, name in enumerate(FILES):
        write_image(tmp_path / "images" / name, number, (250, 250))
    return tmp_path


def load(folder, crop=(61, 64, 128)):
    return load_pairs(folder / "pairs.txt", folder / "images", folder / "cache", crop)


def test_each_image_once_and_rows_for_each_pair(folder):
    found = load(folder)
    assert found.paths == found.readable == FILES
    assert found.pairs == found.listed and found.listed[1] == Pair(FILES[0], FILES[2], False, 0)
    assert found.first.tolist() == [0, 0, 2, 3] and found.second.tolist() == [1, 2, 3, 4]
    assert found.matched.tolist() == [True, False, True, False]
    assert found.images.pixels.shape == (5, 112, 112, 3)


def test_pairs_of_an_unreadable_image_are_left_out(folder):
    (folder / "images" / FILES[1]).write_bytes(b"no image")
    found = load(folder)
    assert found.readable == (FILES[0], *FILES[2:]) and len(found.listed) == 4
    assert [pair.second for pair in found.pairs] == [FILES[2], FILES[3], FILES[4]]
    assert found.first.tolist() == [0, 1, 2] and found.second.tolist() == [1, 2, 3]
    assert [path for path, _ in found.images.problems] == [FILES[1]]
    np.testing.assert_array_equal(found.matched, [False, True, False])


def test_without_a_readable_pair_the_first_problem_is_named(folder):
    with pytest.raises(
        UnreadableImageError, match=r"images: no pair has two images.*Ann_0001.jpg: .*do not hold the crop"
    ):
        load(folder, crop=(200, 200, 128))


def test_a_missing_image_is_an_error_of_the_list(folder):
    (folder / "images" / FILES[4]).unlink()
    with pytest.raises(PairsError, match=r"Cy_0001.jpg missing"):
        load(folder)
