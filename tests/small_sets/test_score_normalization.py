"""The cohort: whom it holds, how rare a face is among it, against a slow twin."""

import numpy as np
import pytest
from conftest import on_circle, unit
from reference import rareness as slow_rareness

from facelib.checkpoint import CheckpointError, save_checkpoint
from facelib.learn.embedding import pair_scores
from facelib.small_sets.score_normalization import BLOCK, Cohort, choose_cohort, restore_cohort, save_cohort


def random_units(count, size=16, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, size)))


@pytest.mark.parametrize("neighbours", [1, 3, 20, 50])
def test_rareness_is_that_of_the_twin(neighbours):
    embeddings, strangers = random_units(30), random_units(50, seed=1)
    found = Cohort(strangers, neighbours, 0.75).rareness(embeddings)
    np.testing.assert_allclose(found, slow_rareness(embeddings, strangers, neighbours), atol=1e-6)
    assert found.dtype == np.float64


def test_rareness_is_1_opposite_of_all_and_0_among_copies():
    strangers = on_circle([0, 0, 0])
    np.testing.assert_allclose(Cohort(strangers, 2, 1.0).rareness(on_circle([180, 90, 0])), [1, 0.5, 0], atol=1e-6)


def test_only_the_nearest_count():
    # at 0 degrees: neighbours at 60 and 90 have scaled similarities of 0.75 and 0.5, that at 180 has 0
    cohort = Cohort(on_circle([180, 60, 90]), 2, 1.0)
    np.testing.assert_allclose(cohort.rareness(on_circle([0])), [1 - (0.75 + 0.5) / 2], atol=1e-6)


def test_a_cohort_smaller_than_its_neighbours_is_taken_whole():
    embeddings, strangers = random_units(4), random_units(3, seed=1)
    expected = slow_rareness(embeddings, strangers, 3)
    np.testing.assert_allclose(Cohort(strangers, 20, 0.75).rareness(embeddings), expected, atol=1e-6)


def test_blocks_do_not_show():
    embeddings, cohort = random_units(2 * BLOCK + 5, 8), Cohort(random_units(40, 8, 1), 5, 0.75)
    rows = [0, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 4]
    np.testing.assert_allclose(cohort.rareness(embeddings)[rows], cohort.rareness(embeddings[rows]), atol=1e-7)
    assert cohort.rareness(embeddings[:0]).shape == (0,)


def test_one_image_of_every_training_identity_and_nobody_else():
    labels = np.array([3, -1, 0, 0, 1, -1, 3, 3, 0])
    drawn = {tuple(choose_cohort(labels, seed)) for seed in range(40)}
    assert all(sorted(labels[list(rows)]) == [0, 1, 3] and list(rows) == sorted(rows) for rows in drawn)
    assert len(drawn) == 9  # 3 images of 0, 1 of 1 and 3 of 3: every choice turns up
    np.testing.assert_array_equal(choose_cohort(labels, 7), choose_cohort(labels, 7))


def test_with_a_cohort_the_score_is_the_weighted_mean_with_both_rarenesses():
    rng = np.random.default_rng(5)
    embeddings, strangers = (unit(rng.normal(size=(n, 8))) for n in (12, 30))
    first, second = rng.integers(0, 12, (2, 50))
    similarities, rare = pair_scores(embeddings, first, second), slow_rareness(embeddings, strangers, 4)
    for weight in (0.0, 0.75, 2.0):
        expected = (similarities + weight * rare[first] + weight * rare[second]) / (1 + 2 * weight)
        found = Cohort(strangers, 4, weight).pair_scores(embeddings, first, second)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.dtype == np.float64 and ((found >= 0) & (found <= 1)).all()


def test_of_two_equal_similarities_that_of_rarer_faces_scores_higher():
    # 0 and 40 degrees lie among the strangers, 180 and 220 far from them
    embeddings = np.array([[np.cos(a), np.sin(a)] for a in np.deg2rad([0, 40, 180, 220])], np.float32)
    cohort = Cohort(np.array([[np.cos(a), np.sin(a)] for a in np.deg2rad([10, 20, 30])], np.float32), 2, 0.75)
    common, rare = cohort.pair_scores(embeddings, np.array([0, 2]), np.array([1, 3]))
    assert rare > common + 0.3


def test_a_cohort_comes_back_from_its_file(tmp_path):
    embeddings = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    path = save_cohort(Cohort(embeddings, 20, 0.75), tmp_path)
    assert path.parent == tmp_path and path != save_cohort(Cohort(embeddings + 1, 20, 0.75), tmp_path)
    found = restore_cohort(path, 6, 4, 0.25)
    np.testing.assert_array_equal(found.embeddings, embeddings)
    assert (found.neighbours, found.weight) == (4, 0.25)


def test_a_cohort_of_another_model_is_refused(tmp_path):
    path = save_cohort(Cohort(np.zeros((7, 6), np.float32), 20, 0.75), tmp_path)
    with pytest.raises(CheckpointError, match=rf"{path} does not fit: .*float32 \(7, 6\), expected float32 \(c, 5\)"):
        restore_cohort(path, 5, 4, 0.25)
    save_checkpoint(path, {"texture": [np.zeros((7, 6), np.float32)]}, {})
    with pytest.raises(CheckpointError, match="does not fit"):
        restore_cohort(path, 6, 4, 0.25)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        restore_cohort(tmp_path / "none.npz", 6, 4, 0.25)
