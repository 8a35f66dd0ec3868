"""verification.py against slow twins written from the definitions, in float64, with tied scores."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from facelib import verification

PAIR_FIGURES = (
    verification.roc_auc,
    verification.average_precision,
    verification.roc_curve,
    verification.accuracy_curve,
    verification.best_threshold,
    verification.equal_error_rate,
    lambda scores, matched: verification.accuracy(scores, matched, 0.5),
    lambda scores, matched: verification.accuracy_standard_error(scores, matched, 0.5, [0] * len(scores), scores),
)


def roc_auc(scores, matched):
    """Share of (matched, mismatched) couples in the right order; a tie counts half."""
    wins = [(p > n) + 0.5 * (p == n) for p in scores[matched] for n in scores[~matched]]
    return sum(wins) / len(wins)


def rates(scores, matched):
    """(false accept rate, true accept rate, threshold), for no pair accepted, then for each distinct score, falling."""
    points = [(Fraction(0), Fraction(0), np.inf)]
    for threshold in sorted(set(scores), reverse=True):
        accepted = [bool(same) for score, same in zip(scores, matched, strict=True) if score >= threshold]
        false_accepts = Fraction(accepted.count(False), int((~matched).sum()))
        points.append((false_accepts, Fraction(accepted.count(True), int(matched.sum())), threshold))
    return points


def average_precision(scores, matched):
    """Sum over the falling thresholds of (recall - recall before) times precision."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        accepted = scores >= threshold
        recall = (accepted & matched).sum() / matched.sum()
        total += (recall - before) * (accepted & matched).sum() / accepted.sum()
        before = recall
    return total


def accuracy(scores, matched, threshold):
    """Share of the pairs for which (score >= threshold) says what `matched` says."""
    return sum((s >= threshold) == m for s, m in zip(scores, matched, strict=True)) / len(scores)


def equal_error_rate(scores, matched):
    """Where the straight lines between neighbouring operating points cross far = 1 - tar, in exact arithmetic."""
    points = rates(scores, matched)
    for (far0, tar0, _), (far1, tar1, _) in zip(points, points[1:], strict=False):
        start, end = far0 + tar0 - 1, far1 + tar1 - 1
        if start <= 0 <= end:
            return float(far0 + (far1 - far0) * (-start / (end - start)))
    raise AssertionError("the curve goes from (0, 0) to (1, 1), so it crosses")


def standard_error(scores, matched, threshold, first, second):
    """Square root of the sum of e_k e_l over all k, l that have a person in common, over n^2 (not below 0)."""
    right = [float((s >= threshold) == m) for s, m in zip(scores, matched, strict=True)]
    e = [value - sum(right) / len(right) for value in right]
    people = [{a, b} for a, b in zip(first, second, strict=True)]
    n = len(right)
    total = sum(e[k] * e[j] for k in range(n) for j in range(n) if people[k] & people[j])
    return np.sqrt(max(total, 0.0)) / n


def steps(count):
    """0, 1 / count, ..., 1: many ties."""
    return st.integers(0, count).map(lambda step: step / count)


@st.composite
def scored_pairs(draw, values=None):
    """Scores from `values`, with many ties where it is not given, and labels of both kinds."""
    values = steps(8) if values is None else values
    rows = draw(st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=30))
    scores, matched = np.array([score for score, _ in rows]), np.array([same for _, same in rows])
    assume(matched.any() and not matched.all())
    return scores, matched


@st.composite
def scored_dyads(draw):
    """Scores and labels with the people behind them: few people, so that pairs share one or both, on either side."""
    person = st.integers(0, draw(st.integers(1, 6)))
    same = draw(st.lists(st.tuples(person).map(lambda single: single * 2), min_size=1, max_size=10))
    other = draw(st.lists(st.tuples(person, person).filter(lambda dyad: dyad[0] != dyad[1]), min_size=1, max_size=15))
    dyads = draw(st.permutations(same + other))
    scores = draw(st.lists(steps(4), min_size=len(dyads), max_size=len(dyads)))
    first, second = np.array(dyads).T
    return np.array(scores), first == second, first, second


@given(scored_pairs())
def test_roc_auc_and_average_precision_equal_their_twins(pairs):
    assert verification.roc_auc(*pairs) == pytest.approx(roc_auc(*pairs), abs=1e-12)
    assert verification.average_precision(*pairs) == pytest.approx(average_precision(*pairs), abs=1e-12)


@given(scored_pairs())
def test_roc_curve_has_a_point_for_each_distinct_score(pairs):
    expected = np.array([[float(value) for value in point] for point in rates(*pairs)]).T
    np.testing.assert_allclose(np.stack(verification.roc_curve(*pairs)), expected, atol=1e-12)


@given(scored_pairs(), st.integers(-1, 17).map(lambda step: step / 16))
def test_accuracy_equals_its_twin_and_accepts_at_the_threshold(pairs, threshold):
    assert verification.accuracy(*pairs, threshold) == accuracy(*pairs, threshold)


@given(scored_pairs())
@example((np.array([1e12, 1e12 + 1]), np.array([False, True])))  # 1e-6 is less than half a unit in the last place
def test_accuracy_curve_says_what_accuracy_says_at_each_of_its_thresholds(pairs):
    scores, _ = pairs
    thresholds, accuracies = verification.accuracy_curve(*pairs)
    distinct = np.unique(scores)
    assert len(thresholds) == len(accuracies) == len(distinct) + 1
    assert (thresholds[:-1] < distinct).all() and (thresholds[1:] > distinct).all()  # one on each side of each score
    np.testing.assert_allclose(accuracies, [accuracy(*pairs, threshold) for threshold in thresholds], atol=1e-12)


NEIGHBOURS = np.array([0.5, np.nextafter(0.5, 1), np.nextafter(np.nextafter(0.5, 1), 1)])


@given(scored_pairs(st.floats(-1, 1) | st.sampled_from(NEIGHBOURS)) | scored_pairs(st.floats(-1e12, 1e12)))
@example((NEIGHBOURS[:2], np.array([False, True])))  # no float lies between these two, nor between the next two
@example((NEIGHBOURS[1:], np.array([False, True])))
@example((np.array([1e12, 1e12 - 1]), np.array([False, True])))
def test_best_threshold_reaches_its_accuracy_and_none_is_better(pairs):
    scores, _ = pairs
    threshold, best = verification.best_threshold(*pairs)
    assert accuracy(*pairs, threshold) == pytest.approx(best, abs=1e-12)
    assert best == pytest.approx(max(accuracy(*pairs, t) for t in [*scores, np.inf]), abs=1e-12)


def test_best_threshold_is_the_lowest_among_equals():
    scores, matched = np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True])
    # 3 of 4 are right between 0.1 and 0.2 and between 0.3 and 0.4
    assert verification.best_threshold(scores, matched) == (pytest.approx(0.15), 0.75)


@given(scored_pairs())
def test_equal_error_rate_equals_its_twin(pairs):
    assert verification.equal_error_rate(*pairs) == pytest.approx(equal_error_rate(*pairs), abs=1e-12)


@pytest.mark.parametrize(
    ("matched_scores", "mismatched_scores", "expected"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.0),  # a threshold between them makes no error
        ([0.1, 0.2], [0.8, 0.9], 1.0),  # all the wrong way round
        ([0.4, 0.8], [0.2, 0.6], 0.5),  # at 0.6 one of two mismatched is accepted, one of two matched refused
        ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5),  # one score: halfway between accepting all and none
        ([0.3, 0.7, 0.8, 0.9], [0.1, 0.2, 0.4, 0.6], 0.25),
        ([0.9], [0.1, 0.2, 0.95], 1 / 3),  # far is 1/3 while the only matched pair goes from refused to accepted
    ],
)
def test_equal_error_rate_on_cases_worked_out_by_hand(matched_scores, mismatched_scores, expected):
    scores = matched_scores + mismatched_scores
    matched = [True] * len(matched_scores) + [False] * len(mismatched_scores)
    assert verification.equal_error_rate(scores, matched) == pytest.approx(expected)


@given(scored_pairs(), st.randoms(use_true_random=False))
def test_figures_depend_on_the_order_of_the_scores_alone(pairs, random):
    scores, matched = pairs
    rows = random.sample(range(len(scores)), len(scores))
    for figure in (verification.roc_auc, verification.average_precision, verification.equal_error_rate):
        value = figure(scores, matched)
        assert 0 <= value <= 1
        assert figure(scores[rows], matched[rows]) == pytest.approx(value, abs=1e-12)
        assert figure(np.exp(3 * scores) - 5, matched) == pytest.approx(value, abs=1e-12)
    for figure in (verification.roc_auc, verification.equal_error_rate):  # the two kinds of pair trade places
        assert figure(-scores, ~matched) == pytest.approx(figure(scores, matched), abs=1e-12)


def test_all_scores_equal():
    scores, matched = [0.5] * 4, [True, True, True, False]
    assert verification.roc_auc(scores, matched) == 0.5
    assert verification.average_precision(scores, matched) == 0.75
    threshold, best = verification.best_threshold(scores, matched)
    assert threshold < 0.5 and best == 0.75  # accept everything


@given(scored_dyads(), steps(8))
def test_standard_error_equals_the_sum_over_all_pairs_of_pairs(dyads, threshold):
    scores, matched, first, second = dyads
    found = verification.accuracy_standard_error(scores, matched, threshold, first, second)
    # squared: near 0 a square root makes rounding large
    assert found**2 == pytest.approx(standard_error(scores, matched, threshold, first, second) ** 2, abs=1e-12)


@given(scored_dyads(), st.randoms(use_true_random=False))
def test_standard_error_depends_on_neither_order_nor_sides_nor_names(dyads, random):
    scores, matched, first, second = dyads
    expected = verification.accuracy_standard_error(scores, matched, 0.5, first, second) ** 2
    rows = random.sample(range(len(scores)), len(scores))
    swap = np.array([random.random() < 0.5 for _ in scores])
    left, right = np.where(swap, second, first), np.where(swap, first, second)
    names = np.array([f"Person_{'abcdefg'[6 - i]}" for i in range(7)])
    sides = names[left[rows]], names[right[rows]]
    found = verification.accuracy_standard_error(scores[rows], matched[rows], 0.5, *sides)
    assert found**2 == pytest.approx(expected, abs=1e-12)


def test_standard_error_without_shared_people_is_that_of_independent_pairs():
    matched = np.arange(10) < 5
    scores = np.where(np.arange(10) % 5 < 4, matched, ~matched)  # 8 of 10 right at 0.5
    first, second = np.arange(10), np.where(matched, np.arange(10), np.arange(10) + 10)
    found = verification.accuracy_standard_error(scores, matched, 0.5, first, second)
    assert found == pytest.approx(np.sqrt(0.8 * 0.2 / 10))


def test_standard_error_grows_where_one_person_decides_many_pairs():
    # anna's four pairs are wrong, the other four are right: what is drawn is people, not pairs
    first = np.array(["anna"] * 4 + ["bert", "carl", "dora", "emil"])
    second = np.array(["anna", "fay", "gil", "hal", "bert", "ida", "jon", "kim"])
    matched = first == second
    scores = np.where(first == "anna", ~matched, matched)
    found = verification.accuracy_standard_error(scores, matched, 0.5, first, second)
    assert found == pytest.approx(np.sqrt((16 * 0.25 + 4 * 0.25) / 64))
    assert found > np.sqrt(0.5 * 0.5 / 8)


@pytest.mark.parametrize("figure", PAIR_FIGURES)
def test_every_figure_refuses_what_it_cannot_measure(figure):
    with pytest.raises(ValueError, match="only one kind of pair"):
        figure([0.1, 0.9], [True, True])
    with pytest.raises(ValueError, match="only one kind of pair"):
        figure([0.1, 0.9], [False, False])
    with pytest.raises(ValueError, match="only one kind of pair"):
        figure([], [])
    with pytest.raises(ValueError, match="score 1 is nan"):
        figure([0.1, np.nan, 0.9], [True, False, True])
    with pytest.raises(ValueError, match="score 2 is inf"):
        figure([0.1, 0.2, np.inf], [True, False, True])
    with pytest.raises(ValueError, match=r"\(3,\) scores for \(2,\) labels"):
        figure([0.1, 0.2, 0.3], [True, False])
    with pytest.raises(ValueError, match="scores for"):
        figure([[0.1, 0.2]], [[True, False]])


@pytest.mark.parametrize("sides", [(["a", "b"], ["a", "c", "d"]), (["a"], ["a", "c", "d"])])
def test_standard_error_refuses_people_that_are_not_one_on_each_side(sides):
    with pytest.raises(ValueError, match="one of each for every pair"):
        verification.accuracy_standard_error([0.1, 0.9], [True, False], 0.5, *sides)
