"""Copies are found by their pixels, and photographs of one person are told from copies."""

import numpy as np
import pytest
from drawn_copies import COPIES, copy, draw

from facelib.gather.near_duplicates import (
    ALIKE,
    SAME,
    NearDuplicates,
    find_near_duplicates,
    find_repeats,
    measure_likeness,
    sort_copies,
)


@pytest.fixture(scope="module")
def faces():
    return draw(people=30, images=2)[0]


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_one_photograph(faces, kind):
    copies = np.stack([copy(face, **COPIES[kind]) for face in faces])
    assert measure_likeness(faces, copies).min() >= SAME
    assert measure_likeness(copies, faces).min() >= SAME


def test_two_pictures_of_one_person_and_two_people_are_not(faces):
    assert measure_likeness(faces[::2], faces[1::2]).max() < SAME
    assert measure_likeness(faces[:-2], faces[2:]).max() < ALIKE
    assert measure_likeness(faces, faces) == pytest.approx(np.ones(len(faces)), abs=1e-5)
    grey = np.full((1, 112, 112, 3), 90, np.uint8)
    assert measure_likeness(grey, faces[:1]).tolist() == [0]


def test_planted_copies_are_found_and_nothing_else(faces):
    kinds = [*COPIES.values()] * 3
    copies = np.stack([copy(faces[4 * place], **kind) for place, kind in enumerate(kinds)])
    found = find_near_duplicates(np.concatenate([faces, copies]))
    certain = found.pairs[found.likeness >= SAME]
    assert {tuple(pair) for pair in certain.tolist()} == {(4 * place, len(faces) + place) for place in range(12)}
    assert (np.diff(found.likeness) <= 0).all() and (found.likeness >= ALIKE).all()


def test_further_pairs_are_compared_too(faces):
    mirrored = np.concatenate([faces[:3], copy(faces[0], shift=(5, 5))[None], faces[:1, :, ::-1]])
    found = find_near_duplicates(mirrored, np.array([[3, 0], [4, 0]]))
    assert found.pairs.tolist() == [[0, 3]]


def test_copies_by_whom_they_show():
    pairs = np.array([[0, 1], [1, 2], [2, 4], [4, 5], [0, 2]])
    found = NearDuplicates(pairs, np.float32([0.99, 0.95, 0.9, 0.89, 0.7]))
    copies = sort_copies(np.array([0, 0, 1, 1]), found)
    assert [part.tolist() for part in copies] == [[[2, 4]], [[1, 2]], [[0, 1]]]


def test_of_connected_copies_the_first_of_the_identity_stays():
    pairs = np.array([[4, 6], [2, 4], [0, 1], [6, 7], [3, 5]])
    likeness = np.float32([0.99, 0.95, 0.9, 0.9, 0.7])
    labels = np.array([0, 1, 2, 2, 2, 2, 2, 3])
    found = find_repeats(labels, NearDuplicates(pairs, likeness))
    assert found == {4: (2, pytest.approx(0.95)), 6: (2, pytest.approx(0.99))}
