"""How sure verification figures are: standard errors, 95 % intervals, differences of two figures.

The functions take `ScoredPairs`, compute the influence of each pair on a figure, and make an interval of it.

Thresholds count as fixed. Chosen on the same pairs, a threshold makes an accuracy and its interval optimistic.
"""

import math
from typing import NamedTuple

import numpy as np

from facelib.measure import metrics
from facelib.measure.metrics import operating_point
from facelib.measure.scored_pairs import ScoredPairs, dyadic_variance

Z = 1.959963984540054  # of the normal distribution, 95 % lie within


class Interval(NamedTuple):
    """A share between 0 and 1, and how sure it is."""

    value: float
    standard_error: float
    lower: float  # ends of the 95 % interval
    upper: float


class Difference(NamedTuple):
    """One figure minus another, between -1 and 1."""

    value: float
    standard_error: float
    lower: float  # ends of the 95 % interval
    upper: float
    p_value: float  # two-sided, of no difference


def to_interval(value, influences, dyads, most):
    """Interval on the scale log(p / (1 - p)), which covers better than p +- 1.96 s near 0 and 1 and stays between them.

    Where nothing was seen to vary, at 0 and 1, it is that of Wilson (1927) for `most` independent pairs, or as many as
    there are people.
    """
    value, variance = float(value), dyadic_variance(influences, dyads)
    error = math.sqrt(variance)
    spread = value * (1 - value)
    if min(spread, variance) < 1e-18:  # 0, but for rounding
        reach = Z**2 / (Z**2 + min(int(most), dyads.people))
        return Interval(value, error, max(value - reach, 0.0), min(value + reach, 1.0))
    middle, reach = math.log(value / (1 - value)), Z * error / spread
    lower, upper = (0.5 + 0.5 * math.tanh((middle + side * reach) / 2) for side in (-1, 1))
    return Interval(value, error, lower, upper)


def to_difference(value, influences, dyads):
    """A difference of two figures on the same pairs: each pair's influence is the difference of its influences."""
    value, error = float(value), math.sqrt(dyadic_variance(influences, dyads))
    p_value = math.erfc(abs(value) / error / math.sqrt(2)) if error else float(value == 0)
    return Difference(value, error, max(value - Z * error, -1.0), min(value + Z * error, 1.0), p_value)


class Rates(NamedTuple):
    """True and false accept rate at a threshold."""

    tar: Interval
    far: Interval


class RocBand(NamedTuple):
    """True accept rates at given false accept rates, each with its own 95 % interval; all (rates,) float64."""

    far: np.ndarray
    threshold: np.ndarray
    tar: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def accuracy_interval(pairs: ScoredPairs, threshold: float) -> Interval:
    """Accuracy at a threshold."""
    right = (pairs.scores >= threshold) == pairs.matched
    return to_interval(right.mean(), _share(right, np.ones_like(right)), pairs.dyads, len(right))


def rate_intervals(pairs: ScoredPairs, threshold: float) -> Rates:
    """True and false accept rate at a threshold: shares of the pairs of one kind."""
    accepted = pairs.scores >= threshold
    kinds = (pairs.matched, ~pairs.matched)
    return Rates(*(to_interval(accepted[k].mean(), _share(accepted, k), pairs.dyads, k.sum()) for k in kinds))


def roc_auc_interval(pairs: ScoredPairs) -> Interval:
    """Area under the ROC curve; influences from placement values (DeLong et al. 1988, Biometrics 44, 837-845).

    The placement of a pair is the share of the pairs of the other kind that it is in the right order with, ties half.
    """
    area, influences = _placements(pairs)
    return to_interval(area, influences, pairs.dyads, pairs.fewer)


def average_precision_interval(pairs: ScoredPairs) -> Interval:
    """Average precision; influences are the derivatives of its weighted form for the pairs' weights.

    It is the mean over the matched pairs of the precision P = T / (T + F) at their own score, T and F the matched and
    mismatched pairs that are accepted there. A pair counts as itself, and in P of all matched pairs that score no more.
    """
    scores, matched = pairs.scores, pairs.matched
    thresholds, true, false = (part[:-1].astype(float) for part in pairs.counts)  # one for each score
    places = np.searchsorted(thresholds, scores) - 1
    accepted, own = true + false, np.bincount(places[matched], minlength=len(true))
    precision = true / accepted
    gain, loss = (np.cumsum(own * part / accepted**2)[places] for part in (false, true))
    area = metrics.average_precision(scores, matched)
    influences = np.where(matched, precision[places] - area + gain, -loss) / matched.sum()
    return to_interval(area, influences, pairs.dyads, matched.sum())


def equal_error_rate_interval(pairs: ScoredPairs) -> Interval:
    """Equal error rate; a change of either rate moves the point where they meet along the ROC curve, of slope b.

    u = (u_frr + b u_far) / (1 + b), with the rates at the threshold next to that point, and the slope as in `roc_band`.
    """
    rate = metrics.equal_error_rate(pairs.scores, pairs.matched)
    far, tar = _curve(pairs)
    nearest = np.argmin(np.abs(far - (1 - tar))[::-1])  # in the order of the thresholds
    accepted = pairs.scores >= pairs.counts.thresholds[nearest]
    of_far, of_frr = _share(accepted, ~pairs.matched), _share(~accepted, pairs.matched)
    slope = _slope((far, tar), rate, math.sqrt(dyadic_variance(of_far, pairs.dyads)))
    influences = (of_frr + slope * of_far) / (1 + slope)
    return to_interval(rate, influences, pairs.dyads, pairs.fewer)


def roc_band(pairs: ScoredPairs, fars) -> RocBand:
    """True accept rates at the given false accept rates, see `metrics.operating_point`, each with a 95 % interval.

    The thresholds are found on the same pairs, so that the error of the false accept rate adds, times the slope of the
    ROC curve: u = u_tar - slope u_far. The slope is that of the chord over one standard error of the rate to each side.
    With fewer than about ten false accepts allowed the intervals are too narrow: with six, 90 to 94 % hold the truth.

    Raises:
        TooFewPairsError: a rate is less than one of the mismatched pairs.
    """
    curve, matched, rows = _curve(pairs), pairs.matched, []
    for far in fars:
        point = operating_point(pairs.counts, far)
        accepted = pairs.scores >= point.threshold
        of_far = _share(accepted, ~matched)
        slope = _slope(curve, point.far, math.sqrt(dyadic_variance(of_far, pairs.dyads)))
        interval = to_interval(point.tar, _share(accepted, matched) - slope * of_far, pairs.dyads, matched.sum())
        rows.append((far, point.threshold, *interval))
    return RocBand(*np.array(rows, np.float64).reshape(-1, 6).T)


def compare_accuracy(pairs: ScoredPairs, others: ScoredPairs, thresholds) -> Difference:
    """Accuracy of `pairs` minus that of `others`, the same pairs with other scores, each at its threshold.

    Args:
        others: scored by another model; or `pairs` themselves, to compare two thresholds.
        thresholds: two, each a number for all pairs, or (pairs,), such as that of each pair's fold.

    Raises:
        ValueError: other pairs.
    """
    pairs.require_same(others)
    right, also = (
        (one.scores >= threshold) == one.matched for one, threshold in zip((pairs, others), thresholds, strict=True)
    )
    gains = right.astype(float) - also
    return to_difference(gains.mean(), (gains - gains.mean()) / len(gains), pairs.dyads)


def compare_roc_auc(pairs: ScoredPairs, others: ScoredPairs) -> Difference:
    """ROC AUC of `pairs` minus that of `others`, the same pairs scored by another model.

    Raises:
        ValueError: other pairs.
    """
    pairs.require_same(others)
    (area, influences), (other, its) = (_placements(one) for one in (pairs, others))
    return to_difference(area - other, influences - its, pairs.dyads)


def compare_independent(first: Interval, second: Interval) -> Difference:
    """`first` minus `second`, shares on pairs of other people, whose errors are independent.

    The standard error is the root of the sum of both squares. The interval is that of Newcombe 1998, "Interval
    estimation for the difference between independent proportions" (Statistics in Medicine 17, method 10): it adds the
    squares of the distances to the ends of both intervals, which are not 0 where nothing was seen to vary.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.lower, second.upper - second.value)
    above = math.hypot(first.upper - first.value, second.value - second.lower)
    p_value = math.erfc(Z * abs(value) / (below if value > 0 else above) / math.sqrt(2)) if value else 1.0
    return Difference(
        value, math.hypot(first.standard_error, second.standard_error), value - below, value + above, p_value
    )


def _share(chosen, kind):
    # influences of a share of the pairs of a kind: a ratio of two sums
    return np.where(kind, chosen - chosen[kind].mean(), 0.0) / kind.sum()


def _curve(pairs):
    # false and true accept rates at each threshold, both rising
    _, true, false = pairs.counts
    return false[::-1] / false[0], true[::-1] / true[0]


def _slope(curve, far, reach):
    # of the chord of the ROC curve (far, tar), both rising, over `reach` to each side
    ends = np.clip([far - reach, far + reach], 0, 1)
    return np.diff(np.interp(ends, *curve))[0] / np.diff(ends)[0] if reach else 0.0


def _placements(pairs):
    influences = np.empty(len(pairs.scores))
    for kind, sign in ((pairs.matched, 1), (~pairs.matched, -1)):
        # not SciPy's ranks of all pairs: with 1 % matched pairs they take 1.1 to 13 times as long
        own, other = sign * pairs.scores[kind], np.sort(sign * pairs.scores[~kind])
        placements = (np.searchsorted(other, own, "left") + np.searchsorted(other, own, "right")) / (2 * len(other))
        area = placements.mean()
        influences[kind] = (placements - area) / len(own)
    return area, influences
