"""Thresholds for a false accept rate, on scores that can be counted by hand."""

import numpy as np
import pytest
from conftest import unit

from facelib import calibration
from facelib.calibration import UnsupportedRateError, calibrate, find_threshold, mismatched_scores
from facelib.cohort import Cohort, rareness


def faces(images=90, people=15, size=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, people, images)
    return labels, unit(generator.normal(size=(images, size)) + 0.5 * generator.normal(size=(people, size))[labels])


def slow_scores(labels, embeddings, cohort=None):
    """By the definition, pair by pair, in float64."""
    rare = rareness(embeddings, cohort) if cohort else None
    scores = []
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            if labels[i] != labels[j]:
                score = (np.dot(embeddings[i].astype(float), embeddings[j].astype(float)) + 1) / 2
                if cohort:
                    score = (score + cohort.weight * (rare[i] + rare[j])) / (1 + 2 * cohort.weight)
                scores.append(score)
    return np.array(scores)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("weight", [None, 0.75])
def test_scores_are_those_of_every_pair_of_two_people_each_once(monkeypatch, block, weight):
    monkeypatch.setattr(calibration, "BLOCK", block)
    labels, embeddings = faces()
    cohort = weight and Cohort(faces(20, seed=1)[1], 5, weight)
    found = np.concatenate([*mismatched_scores(labels, embeddings, cohort)])
    np.testing.assert_allclose(np.sort(found), np.sort(slow_scores(labels, embeddings, cohort)), atol=1e-12)


@pytest.mark.parametrize("block", [5, 1000])
def test_at_its_threshold_a_rate_is_kept_and_no_lower_threshold_keeps_it(monkeypatch, block):
    monkeypatch.setattr(calibration, "BLOCK", block)
    labels, embeddings = faces()
    scores = slow_scores(labels, embeddings)
    rates = (0.2, 0.1, 0.05, 0.0123)
    table = calibrate(labels, embeddings, None, np.array([0.2, 0.9, 1.0]), 0.6, rates)
    assert [row["far"] for row in table["thresholds"]] == list(rates)
    for row in table["thresholds"]:
        accepted = scores >= row["threshold"]
        assert accepted.sum() == row["false_accepts"] == int(row["far"] * len(scores))
        refused = scores[~accepted].max()
        assert (scores >= refused).mean() > row["far"] and refused < row["threshold"] < scores[accepted].min()
        assert row["threshold"] == pytest.approx((refused + scores[accepted].min()) / 2, abs=1e-12)
        assert row["true_accept_rate"] == np.mean(np.array([0.2, 0.9, 1.0]) >= row["threshold"])
    assert table["mismatched_pairs"] == len(scores) and table["images"] == 90 and table["people"] == 15
    assert table["accuracy_threshold"]["false_accepts"] == (scores >= 0.6).sum()
    assert table["accuracy_threshold"]["true_accept_rate"] == 2 / 3


def test_scores_that_tie_across_the_border_are_all_refused():
    """Twelve people look the same: all scores between them are 1, and a threshold must not accept them."""
    labels = np.arange(40)
    embeddings = unit(np.concatenate([np.ones((12, 2)), faces(28, size=2)[1]]))
    (row,) = calibrate(labels, embeddings, None, [0.5], 0.5, (0.05,))["thresholds"]
    assert row["false_accepts"] == 0 and row["threshold"] > 1 - 1e-6
    embeddings[:12] = embeddings[0]
    (row,) = calibrate(labels, embeddings, None, [0.5], 0.5, (0.2,))["thresholds"]
    assert 66 <= row["false_accepts"] <= 0.2 * 780


def test_a_rate_needs_thirty_false_accepts():
    """25 people, an image each: 300 pairs, of which 30 are a tenth."""
    embeddings = faces(25)[1]
    table = calibrate(np.arange(25), embeddings, None, [0.5], 0.5)
    assert [row["far"] for row in table["thresholds"]] == [0.1] and table["smallest_far"] == 0.1
    assert find_threshold(table, 0.1) is table["thresholds"][0]
    with pytest.raises(UnsupportedRateError, match=r"of 0.01: 300 validation pairs .* support 0.1 as the smallest"):
        find_threshold(table, 0.01)
    with pytest.raises(UnsupportedRateError, match=r"of 0.3: there are thresholds for 0.1$"):
        find_threshold(table, 0.3)
    few = calibrate(np.arange(7), embeddings[:7], None, [0.5], 0.5)
    assert few["thresholds"] == [] and few["smallest_far"] is None and few["mismatched_pairs"] == 21
    with pytest.raises(UnsupportedRateError, match="support no rate at all .* only the accuracy threshold"):
        find_threshold(few, 0.1)


def test_one_person_alone_gives_no_pairs():
    table = calibrate(np.zeros(5, int), faces(5)[1], None, [0.5], 0.5)
    assert table["mismatched_pairs"] == 0 and table["thresholds"] == []
