"""Thresholds for a false accept rate, on scores that can be counted by hand."""

import numpy as np
import pytest
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.measure import all_vs_all, metrics, operating_points
from facelib.measure.all_vs_all import build_score
from facelib.measure.operating_points import choose_thresholds
from facelib.small_sets.score_normalization import Cohort
from facelib.use.load import UnsupportedRateError, find_threshold


def faces(images=90, people=15, size=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, people, images)
    return labels, unit(generator.normal(size=(images, size)) + 0.5 * generator.normal(size=(people, size))[labels])


def slow_scores(labels, embeddings, cohort=None):
    """Scores of the mismatched and of the matched pairs by the definition, pair by pair, in float64."""
    rare = cohort.rareness(embeddings) if cohort else None
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
    table = choose_thresholds(cohort.build_score(embeddings) if cohort else build_score(embeddings), labels, 0.6, rates)
    assert [row["far"] for row in table["by_rate"]] == list(rates)
    for row in table["by_rate"]:
        accepted = mismatched >= row["threshold"]
        assert accepted.sum() == row["false_accepts"] <= row["far"] * len(mismatched)
        allowed = [t for t in np.concatenate([mismatched, matched]) if (mismatched >= t).mean() <= row["far"]]
        assert row["true_accept_rate"] == (matched >= min(allowed)).mean() == (matched >= row["threshold"]).mean()
    assert table["mismatched_pairs"] == len(mismatched) and table["images"] == 90 and table["people"] == 15
    assert table["accuracy"]["false_accepts"] == (mismatched >= 0.6).sum()
    assert table["accuracy"]["true_accept_rate"] == (matched >= 0.6).mean()


@given(st.integers(0, 9), st.sampled_from([1, 50, 2**22]), st.sampled_from([0.25, 0.5, 0.75]))
def test_counts_are_those_of_the_pairs_one_by_one(seed, block, threshold):
    """Scores that are whole levels, so that the twin can sort them: the same points of the ROC curve come out."""
    generator = np.random.default_rng(seed)
    labels = np.append(generator.integers(0, 4, 20), [0, 0, 1])
    table = (generator.integers(0, 40, (23, 23)) / 40 * operating_points.LEVELS).round() / operating_points.LEVELS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(all_vs_all, "BLOCK", block)
        counted, accepted = operating_points.count_all_pairs(
            lambda rows, others: table[rows][:, others], labels, threshold
        )
    first, second = np.triu_indices(23, 1)
    scores, matched = table[first, second], labels[first] == labels[second]
    expected = metrics.counts(scores, matched)
    np.testing.assert_array_equal(counted.true_accepts, expected.true_accepts)
    np.testing.assert_array_equal(counted.false_accepts, expected.false_accepts)
    for each, true, false in zip(*counted, strict=True):
        assert (np.sum(scores[matched] >= each), np.sum(scores[~matched] >= each)) == (true, false)
    assert accepted == (np.sum(scores[matched] >= threshold), np.sum(scores[~matched] >= threshold))


def test_scores_within_one_level_are_accepted_together_and_counted_exactly():
    scores = np.array([0.5, 0.5 + 0.3 / operating_points.LEVELS, 0.5 + 1.5 / operating_points.LEVELS], np.float32)
    table = np.zeros((3, 3))
    table[0, 1], table[0, 2], table[1, 2] = scores  # matched, mismatched, mismatched
    counted, accepted = operating_points.count_all_pairs(
        lambda rows, others: table[rows][:, others], [0, 0, 1], scores[1]
    )
    assert counted.true_accepts.tolist() == [1, 0, 0] and counted.false_accepts.tolist() == [2, 1, 0]
    assert counted.thresholds[1] == 0.5 + 1 / operating_points.LEVELS and accepted == (0, 2)


@pytest.mark.parametrize("score", [-0.01, 1.01])
def test_scores_outside_of_their_range_are_refused(score):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        operating_points.count_all_pairs(lambda rows, others: np.full((len(rows), len(others)), score), [0, 0, 1], 0.5)


def test_scores_that_tie_across_the_border_are_all_refused():
    """Thirteen people look the same: all 90 scores between them are 1, and a threshold of 5 % must not accept them."""
    labels = np.append(np.arange(40), 39)
    embeddings = unit(np.concatenate([np.ones((12, 2)), faces(29, size=2)[1]]))
    embeddings[:12], embeddings[-2:] = embeddings[0], embeddings[0]  # and so do both images of the last person
    few, many = choose_thresholds(build_score(embeddings), labels, 0.5, (0.05, 0.2))["by_rate"][::-1]
    assert few["false_accepts"] == 0 and few["threshold"] > 1 - 1e-6
    assert many["true_accept_rate"] == 1 and many["false_accepts"] == 66 + 2 * 12


def test_a_rate_needs_thirty_false_accepts():
    """25 people, an image each, and a second one of the last: 324 pairs of two people, of which 32.4 are a tenth."""
    embeddings, labels = faces(26)[1], np.append(np.arange(25), 24)
    table = choose_thresholds(build_score(embeddings), labels, 0.5)
    assert [row["far"] for row in table["by_rate"]] == [0.1] and table["smallest_far"] == 30 / 324
    assert find_threshold(table, 0.1) is table["by_rate"][0]
    with pytest.raises(UnsupportedRateError, match=r"of 0.01: 324 validation pairs .* support 0.093 as the smallest"):
        find_threshold(table, 0.01)
    with pytest.raises(UnsupportedRateError, match=r"of 0.3: there are thresholds for 0.1$"):
        find_threshold(table, 0.3)
    few = choose_thresholds(build_score(embeddings[-7:]), labels[-7:], 0.5)
    assert few["by_rate"] == [] and few["smallest_far"] is None and few["mismatched_pairs"] == 20
    with pytest.raises(UnsupportedRateError, match="support no rate at all .* only the accuracy threshold"):
        find_threshold(few, 0.1)


def test_one_person_alone_gives_no_pairs():
    with pytest.raises(ValueError, match="5 images of 1 people"):
        choose_thresholds(build_score(faces(5)[1]), np.zeros(5, int), 0.5)
