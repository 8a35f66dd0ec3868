"""calibration.py: the fit where its likelihood is highest, the error against a loop over the bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.measure import calibration


def scored_pairs(seed, matched=300, mismatched=900):
    generator = np.random.default_rng(seed)
    same = np.arange(matched + mismatched) < matched
    return generator.normal(np.where(same, 0.75, 0.6), 0.06), same


def loss(slope, intercept, scores, matched):
    """Mean over both kinds of the mean of -t log p - (1 - t) log(1 - p), with the targets t of Platt."""
    total = 0.0
    for same in (True, False):
        count = int((matched == same).sum())
        target = (count + 1) / (count + 2) if same else 1 / (count + 2)
        for score in scores[matched == same]:
            odds = slope * score + intercept
            total += (target * np.logaddexp(0, -odds) + (1 - target) * np.logaddexp(0, odds)) / count
    return total / 2


@pytest.mark.parametrize(
    "pairs", [scored_pairs(0), scored_pairs(1, 5, 200), ([1, 2, 8, 9], [False, False, True, True])]
)
def test_no_curve_is_more_likely_than_the_fit(pairs):
    scores, matched = np.asarray(pairs[0], float), np.asarray(pairs[1])
    slope, intercept = calibration.fit_calibration(scores, matched)
    lowest = loss(slope, intercept, scores, matched)
    middle = scores.mean()  # turned about the mean, or moved
    for turn, move in ((1.03, 0), (0.97, 0), (1, 0.05), (1, -0.05)):
        assert loss(turn * slope, intercept + (1 - turn) * slope * middle + move, scores, matched) > lowest
    step = 1e-5
    slopes = [loss(slope, intercept + sign * step, scores, matched) for sign in (1, -1)]
    assert (slopes[0] - slopes[1]) / (2 * step) == pytest.approx(0, abs=1e-6)


def test_both_kinds_count_the_same():
    scores, matched = scored_pairs(0)
    rows = np.concatenate([np.flatnonzero(matched).repeat(10), np.flatnonzero(~matched)])
    expected = calibration.fit_calibration(scores, matched)
    found = calibration.fit_calibration(scores[rows], matched[rows])
    np.testing.assert_allclose(found, expected, rtol=0.1)  # but for Platt's targets


def test_fitted_probabilities_are_those_of_the_model_that_drew_the_scores():
    """Normal scores of one spread s and means a apart about m: log odds = a (score - m) / s^2."""
    scores, matched = scored_pairs(3, 20_000, 20_000)
    slope, intercept = calibration.fit_calibration(scores, matched)
    assert slope == pytest.approx(0.15 / 0.06**2, rel=0.03)
    assert -intercept / slope == pytest.approx(0.675, abs=0.002)
    fitted = calibration.Calibration(slope, intercept)
    probabilities = calibration.same_person_probability(fitted, scores)
    assert calibration.expected_calibration_error(probabilities, matched) < 0.01
    assert calibration.expected_calibration_error(probabilities**3, matched) > 0.05


def test_scores_that_say_nothing_or_everything():
    assert calibration.fit_calibration([0.3] * 5, [True, True, True, False, False]) == (0, 0)
    scores, matched = np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])
    fitted = calibration.fit_calibration(scores, matched)
    low, high = calibration.same_person_probability(fitted, [0.15, 0.85])
    assert (low, high) == pytest.approx((0.25, 0.75), abs=0.01)  # of two pairs of a kind: (2 + 1) / (2 + 2)
    reverse = calibration.fit_calibration(-scores, matched)
    np.testing.assert_allclose(reverse, (-fitted.slope, fitted.intercept), atol=1e-6)
    far = calibration.fit_calibration(scores + 1e6, matched)
    assert calibration.same_person_probability(far, scores + 1e6) == pytest.approx(
        calibration.same_person_probability(fitted, scores), abs=1e-6
    )


def test_a_prior_moves_the_odds():
    fitted = calibration.Calibration(10.0, -5.0)
    even = calibration.same_person_probability(fitted, [0.2, 0.5, 0.9])
    rare = calibration.same_person_probability(fitted, [0.2, 0.5, 0.9], prior=0.01)
    assert even[1] == 0.5 and rare[1] == pytest.approx(0.01)
    np.testing.assert_allclose(rare / (1 - rare), even / (1 - even) / 99)
    assert list(calibration.same_person_probability(calibration.Calibration(1e5, 0.0), [-1, 1])) == [0, 1]
    for prior in (0, 1, np.nan):
        with pytest.raises(ValueError, match="expected more than 0 and less than 1"):
            calibration.same_person_probability(fitted, [0.2], prior)


def reliability(probabilities, matched, bins):
    """(mean probability, share matched, weight) of each bin with a pair in it, by a loop."""
    rows = []
    for k in range(bins):
        inside = [int(p * bins) == k or (k == bins - 1 and p == 1) for p in probabilities]
        weights = [0.5 / (matched == same).sum() if there else 0 for same, there in zip(matched, inside, strict=True)]
        if any(inside):
            total = sum(weights)
            rows.append((np.dot(weights, probabilities) / total, np.dot(weights, matched) / total, total))
    return rows


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=30), st.integers(1, 10))
def test_reliability_equals_its_twin(pairs, bins):
    pairs = [(7, True), (11, False), *pairs]
    probabilities, matched = np.array([p / 20 for p, _ in pairs]), np.array([same for _, same in pairs])
    expected = reliability(probabilities, matched, bins)
    np.testing.assert_allclose(np.stack(calibration.reliability(probabilities, matched, bins), axis=1), expected)
    error = sum(weight * abs(share - probability) for probability, share, weight in expected)
    assert calibration.expected_calibration_error(probabilities, matched, bins) == pytest.approx(error)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="probability 1 is 1.5"):
        calibration.reliability([0.2, 1.5], [True, False])
    with pytest.raises(ValueError, match="score 1 is nan"):
        calibration.expected_calibration_error([0.2, np.nan], [True, False])
    with pytest.raises(ValueError, match="only one kind of pair"):
        calibration.fit_calibration([0.2, 0.3], [True, True])
