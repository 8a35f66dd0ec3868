"""Thresholds carried over to an unlabelled cohort: quantile matching and s-norm, against slow twins."""

import numpy as np
import pytest
import reference
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.measure.all_vs_all import build_score
from facelib.measure.carried_thresholds import (
    LEAST,
    MOST,
    Chosen,
    CohortError,
    Moments,
    Scored,
    carry_over,
    choose,
    draw_cohort,
    match_quantile,
    measure_carried,
    measure_cohort,
    normalise,
    pairs_of,
)
from facelib.measure.intervals import accuracy_interval, compare_accuracy
from facelib.measure.metrics import accuracy, best_threshold
from facelib.measure.operating_points import FALSE_ACCEPTS
from facelib.measure.scored_pairs import ScoredPairs

# few levels, so that scores are often equal
SCORES = st.lists(st.integers(0, 12), min_size=FALSE_ACCEPTS, max_size=90).map(lambda levels: np.array(levels) / 12)


@given(SCORES, st.floats(0, 1))
def test_the_quantile_is_that_of_the_twin(scores, rate):
    found, expected = match_quantile(rate, scores), reference.matched_quantile(rate, scores, FALSE_ACCEPTS)
    assert (found is None) == (expected is None)
    assert found is None or np.array_equal(scores >= found, scores >= expected)


@given(SCORES, st.floats(0.4, 1))
def test_no_more_than_the_rate_is_accepted_and_with_the_next_score_it_would_be(scores, rate):
    found = match_quantile(rate, scores)
    if found is not None:
        assert (scores >= found).mean() <= rate + 1e-6
        below = scores[scores < found]
        assert not len(below) or (scores >= below.max()).mean() > rate


@given(SCORES, st.integers(0, 12))
def test_to_the_same_scores_it_is_carried_over_unchanged(scores, level):
    accepted = scores >= level / 12
    found = match_quantile(accepted.sum() / len(scores), scores)
    assert found is None or np.array_equal(scores >= found, accepted)


@given(SCORES, st.floats(0.4, 1))
def test_it_moves_with_the_scores(scores, rate):
    moved, found = np.exp(3 * scores) - 2, match_quantile(rate, scores)
    also = match_quantile(rate, moved)
    assert (found is None) == (also is None)
    assert found is None or np.array_equal(scores >= found, moved >= also)


@given(st.floats(0, 0.5), st.floats(0.05, 0.3))
def test_where_some_pairs_show_one_person_too_few_are_accepted(share, rate):
    strangers = np.linspace(0, 0.6, 4000)
    one = np.linspace(0.55, 1, round(4000 * share / (1 - share)))  # the share `share` of all, with a higher TAR
    cohort = np.concatenate([strangers, one])
    threshold = match_quantile(rate, cohort)
    tar = (one >= threshold).mean() if len(one) else 0.0
    m = len(one) / len(cohort)
    expected = (rate - m * tar) / (1 - m)
    assert (strangers >= threshold).mean() == pytest.approx(expected, abs=2e-3) and expected <= rate + 1e-9


def test_a_rate_with_fewer_than_30_pairs_has_no_threshold():
    scores = np.linspace(0, 1, 1000)
    assert match_quantile(0.0299, scores) is None and (scores >= match_quantile(0.03, scores)).sum() == 30
    thresholds = dict(
        accuracy=dict(far=None, threshold=0.7, false_accepts=50), mismatched_pairs=500,
        by_rate=[dict(far=rate, threshold=0.9 - rate, false_accepts=round(500 * rate)) for rate in (0.05, 0.01)],
    )  # fmt: skip
    rows = carry_over(thresholds, scores)
    assert [(row["far"], row["threshold"]) for row in rows] == [(None, 0.7), (0.05, 0.9 - 0.05), (0.01, 0.9 - 0.01)]
    assert [row["carried"] and round((scores >= row["carried"]).sum()) for row in rows] == [100, 50, None]


def test_a_pair_of_the_cohort_counts_once():
    scores = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(pairs_of(scores), [1, 2, 3, 6, 7, 11])


def test_a_cohort_is_all_or_as_many_as_can_be_scored_and_not_too_few():
    np.testing.assert_array_equal(draw_cohort(LEAST, 3), np.arange(LEAST))
    some = draw_cohort(MOST + 500, 3)
    assert len(some) == MOST == len(set(some.tolist())) and (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, draw_cohort(MOST + 500, 3))
    assert (some != draw_cohort(MOST + 500, 4)).any()
    with pytest.raises(CohortError, match="29 faces are too few to carry a threshold over: at least 30, of as many"):
        draw_cohort(LEAST - 1, 3)


def some_pairs(change=lambda scores: scores, every=1, images=60, count=80, people=20):
    """Pairs of faces, and every second or third of these faces as a cohort; their scores changed."""
    generator = np.random.default_rng(0)
    labels = np.arange(images) % people
    embeddings = unit(generator.normal(size=(people, 8))[labels] + 0.8 * generator.normal(size=(images, 8)))
    first = generator.integers(0, images, count)
    second = np.where(np.arange(count) % 2, (first + people) % images, (first + 1) % images)
    scores = change(build_score(embeddings)(np.arange(images), np.arange(images)).astype(np.float64))
    pairs = ScoredPairs(scores[first, second], np.stack([labels[first], labels[second]], axis=1))
    cohort = np.arange(0, images, every)
    return Scored(pairs, first, second, scores[:, cohort], cohort)


def test_a_normalised_score_is_that_of_the_twin():
    scored = some_pairs(every=2)
    for pair, (a, b) in enumerate(zip(scored.first, scored.second, strict=True)):
        others = ([scored.with_cohort[face, place] for place in range(30) if 2 * place != face] for face in (a, b))
        expected = reference.s_norm(scored.pairs.scores[pair], *others)
        assert scored.normalised.scores[pair] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(scored.of_cohort, pairs_of(some_pairs().with_cohort[::2, ::2]))


def test_a_face_does_not_count_itself():
    scores = np.array([[1.0, 0.2, 0.4], [0.2, 1.0, 0.6]])
    found = measure_cohort(scores, np.eye(2, 3, dtype=bool))
    np.testing.assert_allclose(found, Moments([0.3, 0.4], [0.1, 0.2]))


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_normalised_scores_do_not_depend_on_the_scale_of_scores(scale, offset):
    moved = some_pairs(lambda scores: scale * scores + offset).normalised.scores
    np.testing.assert_allclose(moved, some_pairs().normalised.scores, atol=1e-6)


def test_the_normalised_score_is_that_of_both_faces():
    first, second = Moments(np.array([0.5]), np.array([0.1])), Moments(np.array([0.6]), np.array([0.2]))
    assert normalise(np.array([0.8]), first, second) == pytest.approx((3 + 1) / 2)
    assert normalise(np.array([0.8]), second, first) == pytest.approx(2)


def test_what_is_carried_over_is_measured_at_each_threshold():
    scored, chosen = some_pairs(), Chosen(0.9, 0.1, 1.0)
    pairs, found = scored.pairs, measure_carried(scored, chosen)
    assert (found.best_threshold, found.best_accuracy) == best_threshold(pairs.scores, pairs.matched)
    assert found.accuracy == accuracy_interval(pairs, 0.9)
    assert found.matched_threshold == match_quantile(0.1, scored.of_cohort)
    before = accuracy(pairs.scores, pairs.matched, 0.9)
    values = {name: before + gain.value for name, gain in found.gains.items()}
    assert values["best"] == pytest.approx(found.best_accuracy) and values["best"] >= values["quantile"]
    assert values["quantile"] == pytest.approx(accuracy(pairs.scores, pairs.matched, found.matched_threshold))
    assert values["normalised"] == pytest.approx(accuracy(scored.normalised.scores, pairs.matched, 1.0))
    assert found.gains["quantile"] == compare_accuracy(pairs, pairs, (found.matched_threshold, 0.9))
    with pytest.raises(CohortError, match="1,770 pairs of a cohort are too few for a rate of 0.01"):
        measure_carried(scored, chosen._replace(rate=0.01))


def test_where_all_scores_move_alike_both_ways_decide_as_on_validation_pairs():
    scored = some_pairs()
    threshold, _ = best_threshold(scored.pairs.scores, scored.pairs.matched)
    accepted = int((scored.of_cohort >= threshold).sum())
    thresholds = {"accuracy": {"threshold": threshold, "false_accepts": accepted}, "mismatched_pairs": 1770}
    chosen = choose(scored, thresholds)
    assert chosen[:2] == (threshold, accepted / 1770)
    assert chosen.normalised == best_threshold(scored.normalised.scores, scored.pairs.matched)[0]
    before = measure_carried(scored, chosen)
    moved = measure_carried(some_pairs(lambda scores: 0.5 * scores + 0.45), chosen)
    assert before.gains["quantile"].value == 0 and moved.gains["quantile"].value > 0.1
    assert moved.best_accuracy == before.best_accuracy
    for way in ("quantile", "normalised"):
        accuracies = [found.accuracy.value + found.gains[way].value for found in (before, moved)]
        assert accuracies[0] == pytest.approx(accuracies[1])
