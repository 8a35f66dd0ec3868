"""Thresholds for a false accept rate, on scores that can be counted by hand."""

import numpy as np
import pytest
from conftest import unit

from facelib.cohort import Cohort, rareness
from facelib.thresholds import calibrate
from facelib.trained import UnsupportedRateError, find_threshold


def faces(images=90, people=15, size=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, people, images)
    return labels, unit(generator.normal(size=(images, size)) + 0.5 * generator.normal(size=(people, size))[labels])


def slow_scores(labels, embeddings, cohort=None):
    """Scores of the mismatched and of the matched pairs by the definition, pair by pair, in float64."""
    rare = rareness(embeddings, cohort) if cohort else None
    scores = [], []
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            score = (np.dot(embeddings[i].astype(float), embeddings[j].astype(float)) + 1) / 2
            if cohort:
                score = (score + cohort.weight * (rare[i] + rare[j])) / (1 + 2 * cohort.weight)
            scores[int(labels[i] == labels[j])].append(score)
    return map(np.array, scores)


@pytest.mark.parametrize("weight", [None, 0.75])
def test_at_its_threshold_a_rate_is_kept_and_no_lower_threshold_accepts_more(weight):
    labels, embeddings = faces()
    cohort = weight and Cohort(faces(20, seed=1)[1], 5, weight)
    mismatched, matched = slow_scores(labels, embeddings, cohort)
    rates = (0.2, 0.1, 0.05, 0.0123)
    table = calibrate(labels, embeddings, cohort, 0.6, rates)
    assert [row["far"] for row in table["thresholds"]] == list(rates)
    for row in table["thresholds"]:
        accepted = mismatched >= row["threshold"]
        assert accepted.sum() == row["false_accepts"] <= row["far"] * len(mismatched)
        allowed = [t for t in np.concatenate([mismatched, matched]) if (mismatched >= t).mean() <= row["far"]]
        assert row["true_accept_rate"] == (matched >= min(allowed)).mean() == (matched >= row["threshold"]).mean()
    assert table["mismatched_pairs"] == len(mismatched) and table["images"] == 90 and table["people"] == 15
    assert table["accuracy_threshold"]["false_accepts"] == (mismatched >= 0.6).sum()
    assert table["accuracy_threshold"]["true_accept_rate"] == (matched >= 0.6).mean()


def test_scores_that_tie_across_the_border_are_all_refused():
    """Thirteen people look the same: all 90 scores between them are 1, and a threshold of 5 % must not accept them."""
    labels = np.append(np.arange(40), 39)
    embeddings = unit(np.concatenate([np.ones((12, 2)), faces(29, size=2)[1]]))
    embeddings[:12], embeddings[-2:] = embeddings[0], embeddings[0]  # and so do both images of the last person
    few, many = calibrate(labels, embeddings, None, 0.5, (0.05, 0.2))["thresholds"][::-1]
    assert few["false_accepts"] == 0 and few["threshold"] > 1 - 1e-6
    assert many["true_accept_rate"] == 1 and many["false_accepts"] == 66 + 2 * 12


def test_a_rate_needs_thirty_false_accepts():
    """25 people, an image each, and a second one of the last: 324 pairs of two people, of which 32.4 are a tenth."""
    embeddings, labels = faces(26)[1], np.append(np.arange(25), 24)
    table = calibrate(labels, embeddings, None, 0.5)
    assert [row["far"] for row in table["thresholds"]] == [0.1] and table["smallest_far"] == 30 / 324
    assert find_threshold(table, 0.1) is table["thresholds"][0]
    with pytest.raises(UnsupportedRateError, match=r"of 0.01: 324 validation pairs .* support 0.093 as the smallest"):
        find_threshold(table, 0.01)
    with pytest.raises(UnsupportedRateError, match=r"of 0.3: there are thresholds for 0.1$"):
        find_threshold(table, 0.3)
    few = calibrate(labels[-7:], embeddings[-7:], None, 0.5)
    assert few["thresholds"] == [] and few["smallest_far"] is None and few["mismatched_pairs"] == 20
    with pytest.raises(UnsupportedRateError, match="support no rate at all .* only the accuracy threshold"):
        find_threshold(few, 0.1)


def test_one_person_alone_gives_no_pairs():
    with pytest.raises(ValueError, match="5 images of 1 people"):
        calibrate(np.zeros(5, int), faces(5)[1], None, 0.5)
