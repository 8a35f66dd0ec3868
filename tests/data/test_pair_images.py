"""Pairs with their images: rows that show what the list says, unreadable images left out with their pairs."""

import numpy as np
import pytest
from conftest import write_image

from facelib.config import PAIRS_FILE, TEST_FOLDER, Config
from facelib.data.images import UnreadableImageError
from facelib.data.pair_images import SizesError, load_pairs, load_test_pairs, measure_frame
from facelib.data.pair_list import Pair, PairsError

LINES = ("2", "Ann 1 2", "Ann 1 Bob 3", "Bob 3 4", "Bob 4 Cy 1", "Cy 1 2")
PEOPLE = (("Ann", 1), ("Ann", 2), ("Bob", 3), ("Bob", 4), ("Cy", 1), ("Cy", 2))
FILES = tuple(f"{name}/{name}_{number:04d}.jpg" for name, number in PEOPLE)


@pytest.fixture
def folder(tmp_path):
    """A pair list and six images, each of another grey."""
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
    assert found.first.tolist() == [0, 0, 2, 3, 4] and found.second.tolist() == [1, 2, 3, 4, 5]
    assert found.matched.tolist() == [True, False, True, False, True]
    assert found.images.pixels.shape == (6, 112, 112, 3)


def test_pairs_of_an_unreadable_image_are_left_out(folder):
    (folder / "images" / FILES[1]).write_bytes(b"no image")
    found = load(folder)
    assert found.readable == (FILES[0], *FILES[2:]) and len(found.listed) == 5
    assert [pair.second for pair in found.pairs] == [*FILES[2:]]
    assert found.first.tolist() == [0, 1, 2, 3] and found.second.tolist() == [1, 2, 3, 4]
    assert [path for path, _ in found.images.problems] == [FILES[1]]
    np.testing.assert_array_equal(found.matched, [False, True, False, True])


def test_without_a_readable_pair_the_first_problem_is_named(folder):
    with pytest.raises(
        UnreadableImageError, match=r"images: no pair has two images.*Ann_0001.jpg: .*do not hold the crop"
    ):
        load(folder, crop=(200, 200, 128))


def test_a_missing_image_is_an_error_of_the_list(folder):
    (folder / "images" / FILES[4]).unlink()
    with pytest.raises(PairsError, match=r"Cy_0001.jpg missing"):
        load(folder)


# a list that cannot be evaluated


@pytest.mark.parametrize(
    ("spoiled", "counts"),
    [
        ((FILES[1], FILES[3], FILES[5]), "0 matched and 1 mismatched"),
        ((FILES[0], FILES[4]), "1 matched and 0 mismatch"),
    ],
)
def test_one_kind_of_pair_among_those_that_can_be_read_is_refused(folder, spoiled, counts):
    for name in spoiled:
        (folder / "images" / name).write_bytes(b"no image")
    with pytest.raises(
        PairsError, match=rf"pairs.txt: only one kind of pair: {counts}.*4 pairs of the list have an im"
    ):
        load(folder)


@pytest.mark.parametrize("lines", [("2", "Ann 1 2", "Bob 3 4"), ("2", "Ann 1 Bob 3")])
def test_a_list_of_one_kind_is_refused(folder, lines):
    (folder / "pairs.txt").write_text("\n".join(lines))
    with pytest.raises(PairsError, match="pairs.txt: only one kind of pair: .* 0 pairs of the list have an image that"):
        load(folder)


@pytest.mark.parametrize("spoiled", [FILES[1:2], FILES[2:3], FILES[:3], FILES[3:]])
def test_a_fold_left_with_one_kind_or_none_is_refused(folder, spoiled):
    """Without any pair the last fold would not be missed, and View 2 would have one fold less."""
    (folder / "pairs.txt").write_text("2 1\nAnn 1 2\nAnn 1 Bob 3\nCy 1 2\nBob 4 Cy 1\n")
    assert len({pair.fold for pair in load(folder).pairs}) == 2
    for name in spoiled:
        (folder / "images" / name).write_bytes(b"no image")
    place = 1 if FILES[1] in spoiled or FILES[2] in spoiled else 2
    with pytest.raises(
        PairsError, match=f"pairs.txt: only one kind of pair in fold {place} of 2: [01] matched and [01] "
    ):
        load(folder)


def test_frames_of_several_sizes_are_refused_with_all_of_them(folder):
    write_image(folder / "images" / FILES[1], 1, (500, 500))
    write_image(folder / "images" / FILES[4], 1, (250, 200))
    expected = (
        rf"one size, .*; found 250x250: 4, such as .*{FILES[0]}; 500x500: 1, such as .*{FILES[1]}; "
        rf"250x200: 1, such as .*{FILES[4]}: bring them to one size"
    )
    with pytest.raises(SizesError, match=expected):
        load(folder)
    assert len(load(folder, crop=None).pairs) == 5  # whole images are faces, in whatever resolution


def test_frames_of_another_size_than_the_crop_was_found_in_are_refused(folder):
    assert (
        len(load_pairs(folder / "pairs.txt", folder / "images", folder / "cache", (61, 64, 128), (250, 250)).pairs) == 5
    )
    with pytest.raises(SizesError, match="images of 500x500 pixels, .*; found 250x250: 6, such as"):
        load_pairs(folder / "pairs.txt", folder / "images", folder / "cache", (61, 64, 128), (500, 500))


def test_the_frame_is_that_of_the_images_that_can_be_read(folder):
    (folder / "images" / FILES[0]).write_bytes(b"no image")
    assert measure_frame(folder / "images", FILES) == (250, 250)
    assert measure_frame(folder / "images", FILES[:1]) is None
    for number in range(12):
        write_image(folder / "images" / f"{number}.png", number, (100 + number, 90))
    with pytest.raises(SizesError, match=r"100x90: 1, such as .*108x90: 1, such as .*/8.png; and 3 more sizes: bring"):
        measure_frame(folder / "images", [f"{number}.png" for number in range(12)])


@pytest.mark.parametrize(
    ("copy", "message"),
    [
        ((FILES[0], FILES[1]), "Ann_0001.jpg and Ann/Ann_0002.jpg have the same content: remove"),  # a matched pair
        ((FILES[0], FILES[2]), "Ann_0001.jpg and Bob/Bob_0003.jpg have the same content: remove"),  # a mismatched one
        ((FILES[0], FILES[5]), "Cy_0002.jpg have the same contents as .*a pair counts once"),
    ],
)
def test_copies_of_an_image_under_other_names_are_no_pair_and_make_no_new_one(folder, copy, message):
    if copy[1] == FILES[5]:
        (folder / "pairs.txt").write_text("\n".join([*LINES, "Ann 2 Cy 2"]))
    source, target = (folder / "images" / name for name in copy)
    target.unlink()
    target.symlink_to(source)
    with pytest.raises(PairsError, match=message):
        load(folder)


def test_people_and_folds_of_the_pairs_and_people_of_the_images_that_can_be_read(folder):
    (folder / "pairs.txt").write_text("2 1\nAnn 1 2\nAnn 1 Bob 3\nCy 1 2\nBob 4 Cy 1\n")
    (folder / "images" / FILES[2]).write_bytes(b"no image")
    with pytest.raises(PairsError, match="only one kind of pair in fold 1"):
        load(folder)
    write_image(folder / "images" / FILES[2], 2, (250, 250))
    found = load(folder)
    assert found.people.tolist() == [["Ann", "Ann"], ["Ann", "Bob"], ["Cy", "Cy"], ["Bob", "Cy"]]
    assert found.folds.tolist() == [0, 0, 1, 1] and found.image_people.tolist() == [name for name, _ in PEOPLE]
    (folder / "pairs.txt").write_text("\n".join(LINES))
    (folder / "images" / FILES[1]).write_bytes(b"no image")
    found = load(folder)
    assert found.people.tolist() == [["Ann", "Bob"], ["Bob", "Bob"], ["Bob", "Cy"], ["Cy", "Cy"]]
    assert found.folds.tolist() == [0] * 4 and found.image_people.tolist() == ["Ann", "Bob", "Bob", "Cy", "Cy"]


def test_people_of_paths_are_those_that_the_labels_make(folder):
    """The folder is the same for all: by it every pair would be matched."""
    for name in FILES:
        (folder / "images" / name).rename(folder / "images" / name.split("/")[1])
    one, two, three, four, five, six = (name.split("/")[1] for name in FILES)
    (folder / "pairs.txt").write_text(f"{one} {two} 1\n{one} {three} 0\n{four} {three} 1\n{five} {six} 0\n")
    found = load(folder)
    assert found.matched.tolist() == [True, False, True, False]
    assert (found.people[:, 0] == found.people[:, 1]).tolist() == [True, False, True, False]
    assert len({*found.names.values()}) == 4 and found.people[0, 0] == found.people[1, 0] == found.image_people[0]


def test_the_test_pairs_are_those_of_the_configured_faces(folder, project):
    faces = folder / "faces"
    faces.mkdir()
    (folder / "pairs.txt").rename(faces / PAIRS_FILE)
    (folder / "images").rename(faces / TEST_FOLDER)
    config = Config(profile="smoke", data=str(faces))
    found = load_test_pairs(config, (61, 64, 128), (250, 250))
    assert found.readable == FILES and list((config.interim / "cache").glob("*.npy"))
    with pytest.raises(SizesError, match="expected images of 240x250"):
        load_test_pairs(config, (61, 64, 128), (240, 250))
