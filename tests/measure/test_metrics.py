"""metrics.py against slow twins written from the definitions, in float64, with tied scores."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from reference import folds_in_order, peers_accuracies, peers_tar_at_far, tar_at_far
from sklearn.model_selection import KFold

from facelib.config import ROOT
from facelib.measure import metrics

PAIR_FIGURES = (
    metrics.roc_auc,
    metrics.average_precision,
    metrics.roc_curve,
    metrics.accuracy_curve,
    metrics.best_threshold,
    metrics.equal_error_rate,
    lambda scores, matched: metrics.accuracy(scores, matched, 0.5),
    metrics.precision_recall_curve,
    metrics.precision_recall_area,
    metrics.counts,
    lambda scores, matched: metrics.operating_point(metrics.counts(scores, matched), 1),
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


@given(scored_pairs())
def test_roc_auc_and_average_precision_equal_their_twins(pairs):
    assert metrics.roc_auc(*pairs) == pytest.approx(roc_auc(*pairs), abs=1e-12)
    assert metrics.average_precision(*pairs) == pytest.approx(average_precision(*pairs), abs=1e-12)


@given(scored_pairs())
def test_roc_curve_has_a_point_for_each_distinct_score(pairs):
    expected = np.array([[float(value) for value in point] for point in rates(*pairs)]).T
    np.testing.assert_allclose(np.stack(metrics.roc_curve(*pairs)), expected, atol=1e-12)


@given(scored_pairs(), st.integers(-1, 17).map(lambda step: step / 16))
def test_accuracy_equals_its_twin_and_accepts_at_the_threshold(pairs, threshold):
    assert metrics.accuracy(*pairs, threshold) == accuracy(*pairs, threshold)


@given(scored_pairs())
@example((np.array([1e12, 1e12 + 1]), np.array([False, True])))  # 1e-6 is less than half a unit in the last place
def test_accuracy_curve_says_what_accuracy_says_at_each_of_its_thresholds(pairs):
    scores, _ = pairs
    thresholds, accuracies = metrics.accuracy_curve(*pairs)
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
    threshold, best = metrics.best_threshold(*pairs)
    assert accuracy(*pairs, threshold) == pytest.approx(best, abs=1e-12)
    assert best == pytest.approx(max(accuracy(*pairs, t) for t in [*scores, np.inf]), abs=1e-12)


def test_best_threshold_is_the_lowest_among_equals():
    scores, matched = np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True])
    # 3 of 4 are right between 0.1 and 0.2 and between 0.3 and 0.4
    assert metrics.best_threshold(scores, matched) == (pytest.approx(0.15), 0.75)


@given(scored_pairs())
def test_equal_error_rate_equals_its_twin(pairs):
    assert metrics.equal_error_rate(*pairs) == pytest.approx(equal_error_rate(*pairs), abs=1e-12)


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
    assert metrics.equal_error_rate(scores, matched) == pytest.approx(expected)


@given(scored_pairs(), st.randoms(use_true_random=False))
def test_figures_depend_on_the_order_of_the_scores_alone(pairs, random):
    scores, matched = pairs
    rows = random.sample(range(len(scores)), len(scores))
    for figure in (metrics.roc_auc, metrics.average_precision, metrics.equal_error_rate):
        value = figure(scores, matched)
        assert 0 <= value <= 1
        assert figure(scores[rows], matched[rows]) == pytest.approx(value, abs=1e-12)
        assert figure(np.exp(3 * scores) - 5, matched) == pytest.approx(value, abs=1e-12)
    for figure in (metrics.roc_auc, metrics.equal_error_rate):  # the two kinds of pair trade places
        assert figure(-scores, ~matched) == pytest.approx(figure(scores, matched), abs=1e-12)


def test_all_scores_equal():
    scores, matched = [0.5] * 4, [True, True, True, False]
    assert metrics.roc_auc(scores, matched) == 0.5
    assert metrics.average_precision(scores, matched) == 0.75
    threshold, best = metrics.best_threshold(scores, matched)
    assert threshold < 0.5 and best == 0.75  # accept everything


@given(scored_pairs())
def test_precision_and_recall_have_a_point_for_each_distinct_score(pairs):
    scores, matched = pairs
    precision, recall, thresholds = metrics.precision_recall_curve(scores, matched)
    assert list(thresholds) == sorted(set(scores))
    for place, threshold in enumerate(thresholds):
        accepted = scores >= threshold
        assert precision[place] == pytest.approx((accepted & matched).sum() / accepted.sum())
        assert recall[place] == pytest.approx((accepted & matched).sum() / matched.sum())
    assert (precision[-1], recall[-1]) == (1, 0)
    corners = zip(recall[1:], recall, precision[1:], precision, strict=False)
    area = sum((right - left) * (low + high) / 2 for left, right, low, high in corners)
    assert metrics.precision_recall_area(scores, matched) == pytest.approx(area, abs=1e-12)


def test_the_trapezoid_area_is_not_average_precision():
    scores, matched = [0.9, 0.8, 0.7, 0.6], [False, True, False, True]
    # recall 0 .. 0 .. 1/2 .. 1/2 .. 1 at precision 1, 0, 1/2, 1/3, 1/2
    assert metrics.precision_recall_area(scores, matched) == pytest.approx((0 + 1 / 2) / 4 + (1 / 3 + 1 / 2) / 4)
    assert metrics.average_precision(scores, matched) == pytest.approx(1 / 2)


@given(scored_pairs(), st.sampled_from([1, 0.9, 0.7, 0.5, 1 / 3, 0.3, 0.29, 0.2, 0.1, 1 / 7]))
def test_tar_at_far_equals_its_twin(pairs, far):
    scores, matched = pairs
    expected = tar_at_far(scores, matched, far)
    if expected is None:
        with pytest.raises(metrics.TooFewPairsError, match="take all pairs"):
            metrics.operating_point(metrics.counts(scores, matched), far)
        return
    found = metrics.operating_point(metrics.counts(scores, matched), far)
    assert (found.tar, found.far) == pytest.approx(expected, abs=1e-12)
    accepted = scores >= found.threshold
    assert (accepted[matched].mean(), accepted[~matched].mean()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [29, 100, 1000, 3000])
def test_tar_at_far_allows_exactly_the_share(count):
    """0.29 * 100 is 28.999999999999996 in floats, 0.001 * 3000 is 3.0000000000000004."""
    scores = np.concatenate([np.arange(count), np.arange(count) + 0.5])
    matched = np.arange(2 * count) >= count
    for allowed in range(1, count, 28):
        far = allowed / count
        found = metrics.operating_point(metrics.counts(scores, matched), far)
        assert found.far == far and found.tar == (allowed + 1) / count
        assert metrics.operating_point(metrics.counts(scores, matched), np.nextafter(far, 1)).far == far
        if allowed > 1:
            assert (
                metrics.operating_point(metrics.counts(scores, matched), np.nextafter(far, 0)).far
                == (allowed - 1) / count
            )


def test_tar_at_far_says_how_many_pairs_a_small_rate_needs():
    scores, matched = np.arange(1000.0), np.arange(1000) >= 999
    message = "0.001 needs at least 1,000 mismatched pairs, and there are 999"
    with pytest.raises(metrics.TooFewPairsError, match=message):
        metrics.operating_point(metrics.counts(scores, matched), 0.001)
    scores, matched = np.arange(1001.0), np.arange(1001) >= 1000
    assert (
        metrics.operating_point(metrics.counts(scores, matched), 0.001).far == 0
    )  # the one matched pair is above all others
    with pytest.raises(metrics.TooFewPairsError, match=r"0.3 needs at least 4 .* there are 3"):
        metrics.operating_point(metrics.counts([1, 2, 3, 4], [True, False, False, False]), 0.3)
    for far in (0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="expected more than 0 and at most 1"):
            metrics.operating_point(metrics.counts(scores, matched), far)


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


def peers_list(seed):
    """600 squared distances, matched and mismatched in turns of 30, as in LFW's list of ten folds."""
    generator = np.random.default_rng(seed)
    matched = np.arange(600) // 30 % 2 == 0
    distances = np.clip(generator.normal(np.where(matched, 1.1, 1.9), 0.3), 0, 4)
    return distances, matched


def test_peers_refuse_a_distance_on_the_threshold_and_ours_accepts_the_score():
    """d^2 = 4 (1 - s): they accept where d^2 < t, we where s >= t."""
    distances = np.array([0.5, 1.5] * 10)
    matched = distances == 0.5
    assert peers_accuracies(distances, matched, folds=10).mean() == 1  # t = 0.51: the first of the grid above 0.5
    assert metrics.accuracy(1 - distances / 4, matched, 1 - 0.5 / 4) == 1


def test_peers_grid_is_coarser_than_the_scores():
    """Scores that crowd into a hundredth of the squared distance cannot be told apart on their grid."""
    distances = np.tile([1.001, 1.002], 20)
    matched = np.tile([True, False], 20)
    assert peers_accuracies(distances, matched, folds=10).mean() == 0.5
    assert metrics.best_threshold(1 - distances / 4, matched)[1] == 1


def test_peers_folds_are_those_of_scikit_learn():
    expected = [set(test) for _, test in KFold(7, shuffle=False).split(np.zeros(100))]
    assert [set(np.flatnonzero(own)) for own in folds_in_order(100, 7)] == expected


def test_peers_tar_at_far_differs_and_does_not_keep_to_the_rate():
    """Ten thresholds, each interpolated on nine folds, for one."""
    distances, matched = peers_list(0)
    theirs, far = peers_tar_at_far(distances, matched, 0.02)
    ours = metrics.operating_point(metrics.counts(1 - distances / 4, matched), 0.02)
    assert far == pytest.approx(ours.far) == 0.02
    assert (theirs, ours.tar) == pytest.approx((0.6367, 0.6733), abs=1e-4)
    distances, matched = peers_list(2)
    _, far = peers_tar_at_far(distances, matched, 0.1)
    assert far > 0.1 >= metrics.operating_point(metrics.counts(1 - distances / 4, matched), 0.1).far


def test_peers_name_a_tar_where_a_single_pair_is_more_than_the_rate():
    distances, matched = peers_list(0)
    theirs, _ = peers_tar_at_far(distances, matched, 0.001)
    assert theirs > 0  # from 270 mismatched pairs in nine folds
    with pytest.raises(metrics.TooFewPairsError, match="at least 1,000"):
        metrics.operating_point(metrics.counts(1 - distances / 4, matched), 0.001)


@pytest.mark.parametrize("far", [0.001, 0.02, 0.1])
def test_the_rules_that_notebook_10_shows_are_the_peers(far):
    notebook = json.loads((ROOT / "notebooks" / "10_error_analysis.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"]]
    (code,) = [cell.partition("\n\n\n")[0] for cell in cells if cell.startswith("def peers_rules")]
    for seed in range(3):
        distances, matched = peers_list(seed)
        names = {"np": np, "matched": matched}
        exec(code, names)
        shares, *rates = names["peers_rules"](distances, 10, far)
        np.testing.assert_array_equal(shares, peers_accuracies(distances, matched))
        assert rates == pytest.approx(peers_tar_at_far(distances, matched, far))
