"""Hashes that small changes leave nearly as they are, and a search that finds what comparing all pairs finds."""

import numpy as np
import pytest
from drawn_copies import COPIES, copy, draw
from hypothesis import given
from hypothesis import strategies as st

from facelib.gather import perceptual_hash
from facelib.gather.perceptual_hash import NEAR, SHIFTS, find_medians, find_near, hash_images


@pytest.fixture(scope="module")
def faces():
    return draw(people=40, images=2)[0]


def differences(one, other):
    """Bits in which a hash differs from the nearest form of another: (n,)."""
    return np.bitwise_count(one[:, :1] ^ other).min(axis=1)


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_near_and_another_face_is_far(faces, kind):
    medians = find_medians(faces)
    hashes = hash_images(faces, medians)
    copies = hash_images(np.stack([copy(face, **COPIES[kind]) for face in faces]), medians)
    near = np.minimum(differences(hashes, copies), differences(copies, hashes)) <= NEAR
    assert near.mean() >= 0.95  # where levels are cut off at white, more bits turn
    assert (np.bitwise_count(hashes[:-1, 0] ^ hashes[1:, 0]) > NEAR).all()
    assert 24 < np.bitwise_count(hashes[::2, 0] ^ np.roll(hashes[::2, 0], 1)).mean() < 40  # half of 64


def test_the_hash_is_the_sign_of_cosine_frequencies_beside_the_medians(faces):
    """From the definition of the transform, in float64, on the cells in the middle."""
    medians = find_medians(faces)
    grey = faces[3].astype(np.float64).sum(axis=2)
    for column, (down, right) in enumerate(SHIFTS):
        part = grey[4 + down : 108 + down, 4 + right : 108 + right]
        cells = [[part[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].sum() for j in range(26)] for i in range(26)]
        wave = np.cos(np.pi * np.outer(np.arange(26), np.arange(26) + 0.5) / 26)
        frequencies = wave @ np.array(cells) @ wave.T
        order = sorted((i + j, i, j) for i in range(26) for j in range(26))[1:65]
        expected = np.array([frequencies[i, j] for _, i, j in order])
        expected = expected / np.linalg.norm(expected) > medians
        found = np.unpackbits(hash_images(faces[3:4], medians)[0, column : column + 1].view(np.uint8)).astype(bool)
        assert (found != expected).sum() <= 1  # a value next to the median can be rounded to its other side


def test_brightness_and_contrast_are_no_part_of_it(faces):
    medians = find_medians(faces)
    darker = (faces // 2 + 40).astype(np.uint8)
    assert np.bitwise_count(hash_images(faces, medians) ^ hash_images(darker, medians)).max() <= 4


def near_by_definition(hashes):
    """Pairs of rows of which one, as it is, is near any form of the other."""
    pairs = ((i, j) for j in range(len(hashes)) for i in range(j))
    return {
        (i, j)
        for i, j in pairs
        if min(differences(hashes[[i]], hashes[[j]])[0], differences(hashes[[j]], hashes[[i]])[0]) <= NEAR
    }


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(1, 3))
def test_what_differs_in_up_to_seven_bits_is_found_and_nothing_that_differs_in_more_than_eight(seed, count, forms):
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**64, (count, forms), np.uint64)
    for row in range(1, count):  # some are an earlier one with up to ten bits turned
        if generator.random() < 0.6:
            bits = generator.permutation(64)[: generator.integers(0, 11)]
            turned = hashes[generator.integers(row), 0] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
            hashes[row, generator.integers(forms)] = turned
    found = {tuple(pair) for pair in find_near(hashes).tolist()}
    expected = near_by_definition(hashes)
    assert found <= expected
    nearest = {(i, j): min(differences(hashes[[i]], hashes[[j]])[0], differences(hashes[[j]], hashes[[i]])[0])
               for i, j in expected}  # fmt: skip
    assert {pair for pair in expected if nearest[pair] < NEAR} <= found


def test_very_many_copies_of_one_image_stay_connected_and_bounded(monkeypatch):
    monkeypatch.setattr(perceptual_hash, "REACH", 4)
    monkeypatch.setattr(perceptual_hash, "PAIRS_LIMIT", 10_000)
    pairs = find_near(np.full((1000, 1), 77, np.uint64))
    assert 999 <= len(pairs) <= 5000 and (pairs[:, 0] < pairs[:, 1]).all()
    reached = {0}
    for one, other in pairs.tolist():
        reached |= {other} if one in reached else set()
    assert len(reached) == 1000


@pytest.mark.parametrize("count", [0, 1])
def test_of_less_than_two_images_there_is_no_pair(count):
    assert find_near(np.zeros((count, 5), np.uint64)).shape == (0, 2)
