"""How sure verification figures are: standard errors, 95 % intervals, differences of two figures.

Each function says what a figure owes to each pair, and makes an interval of it. Scores are (pairs,) float, higher
for the same person; people is (pairs, 2) of names or numbers, and a pair is matched where both are equal. All that take
scores raise a ValueError for scores and people that do not fit, a score that is not finite, and pairs of one kind only.

Thresholds count as fixed. Chosen on the same pairs, a threshold makes an accuracy and its interval optimistic.

Pairs that share people are not independent: whoever is hard to recognise is so in all of her pairs. A figure's variance
is therefore a sum over all pairs of pairs that have a person in common (dyadic cluster-robust, Aronow et al. 2015,
"Cluster-robust variance estimation for dyadic data", Political Analysis 23, eq. 7):

    variance = sum of u_k u_l over k, l with a person in common,

where u_k, the influence of pair k, is what the figure's error owes to it.
"""

import math
from typing import NamedTuple

import numpy as np

from facelib.measure import metrics
from facelib.measure.metrics import checked, counts, tar_at_far

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


class Dyads(NamedTuple):
    """The people of the pairs as numbers from 0."""

    first: np.ndarray  # (pairs,) int
    second: np.ndarray
    both: np.ndarray  # (pairs,) int, equal where the two people are the same two
    people: int  # how many


def index_people(people, scores) -> tuple[Dyads, np.ndarray]:
    """The people of the pairs that have `scores`, as numbers, and which pairs are matched, (pairs,) bool.

    Raises:
        ValueError: not one pair of people for each score.
    """
    people, pairs = np.asarray(people), np.shape(scores)
    if people.shape != (*pairs, 2):
        raise ValueError(f"{people.shape} people for {pairs} scores: expected {(*pairs, 2)}, two for every pair")
    names, numbers = np.unique(people, return_inverse=True)
    first, second = numbers.reshape(-1, 2).T
    _, both = np.unique(np.minimum(first, second) * len(names) + np.maximum(first, second), return_inverse=True)
    return Dyads(first, second, both, len(names)), first == second


def dyadic_variance(influences, dyads: Dyads) -> float:
    """Sum of u_k u_l over all k, l with a person in common; at least that of independent pairs, the sum of u_k^2.

    The sum can fall below that, even below 0, by chance; it would claim more than as many unrelated pairs could say.
    """
    across = np.where(dyads.first != dyads.second, influences, 0.0)
    sums = np.bincount(dyads.first, influences, dyads.people) + np.bincount(dyads.second, across, dyads.people)
    twice = np.bincount(dyads.both, across)  # pairs that have both people in common were counted for each
    return float(max(np.sum(sums**2) - np.sum(twice**2), np.sum(np.square(influences))))


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


def accuracy_interval(scores, people, threshold: float) -> Interval:
    """Accuracy at a threshold."""
    dyads, matched = index_people(people, scores)
    right = (checked(scores, matched)[0] >= threshold) == matched
    return to_interval(right.mean(), _share(right, np.ones_like(matched)), dyads, len(right))


def rate_intervals(scores, people, threshold: float) -> Rates:
    """True and false accept rate at a threshold: shares of the pairs of one kind."""
    dyads, matched = index_people(people, scores)
    accepted = checked(scores, matched)[0] >= threshold
    kinds = (matched, ~matched)
    return Rates(*(to_interval(accepted[k].mean(), _share(accepted, k), dyads, k.sum()) for k in kinds))


def roc_auc_interval(scores, people) -> Interval:
    """Area under the ROC curve; influences from placement values (DeLong et al. 1988, Biometrics 44, 837-845).

    The placement of a pair is the share of the pairs of the other kind that it is in the right order with, ties half.
    """
    dyads, matched = index_people(people, scores)
    area, influences = _placements(*checked(scores, matched))
    return to_interval(area, influences, dyads, min(matched.sum(), (~matched).sum()))


def average_precision_interval(scores, people) -> Interval:
    """Average precision; influences are the derivatives of its weighted form for the pairs' weights.

    It is the mean over the matched pairs of the precision P = T / (T + F) at their own score, T and F the matched and
    mismatched pairs that are accepted there. A pair counts as itself, and in P of all matched pairs that score no more.
    """
    dyads, matched = index_people(people, scores)
    scores, matched = checked(scores, matched)
    thresholds, true, false = (part[:-1].astype(float) for part in counts(scores, matched))  # one for each score
    places = np.searchsorted(thresholds, scores) - 1
    accepted, own = true + false, np.bincount(places[matched], minlength=len(true))
    precision = true / accepted
    gain, loss = (np.cumsum(own * part / accepted**2)[places] for part in (false, true))
    area = metrics.average_precision(scores, matched)
    influences = np.where(matched, precision[places] - area + gain, -loss) / matched.sum()
    return to_interval(area, influences, dyads, matched.sum())


def equal_error_rate_interval(scores, people) -> Interval:
    """Equal error rate; a change of either rate moves the point where they meet along the ROC curve, of slope b.

    u = (u_frr + b u_far) / (1 + b), with the rates at the threshold next to that point, and the slope as in `roc_band`.
    """
    dyads, matched = index_people(people, scores)
    scores, matched = checked(scores, matched)
    rate = metrics.equal_error_rate(scores, matched)
    thresholds, true, false = counts(scores, matched)
    far, tar = false / false[0], true / true[0]
    accepted = scores >= thresholds[np.argmin(np.abs(far - (1 - tar)))]
    of_far, of_frr = _share(accepted, ~matched), _share(~accepted, matched)
    slope = _slope((far[::-1], tar[::-1]), rate, math.sqrt(dyadic_variance(of_far, dyads)))
    influences = (of_frr + slope * of_far) / (1 + slope)
    return to_interval(rate, influences, dyads, min(matched.sum(), (~matched).sum()))


def roc_band(scores, people, fars) -> RocBand:
    """True accept rates at the given false accept rates, as `tar_at_far` finds them, each with a 95 % interval.

    The thresholds are found on the same pairs, so that the error of the false accept rate adds, times the slope of the
    ROC curve: u = u_tar - slope u_far. The slope is that of the chord over one standard error of the rate to each side.
    With fewer than about ten false accepts allowed the intervals are too narrow: with six, 90 to 94 % hold the truth.

    Raises:
        TooFewPairsError: a rate is less than one of the mismatched pairs.
    """
    dyads, matched = index_people(people, scores)
    scores, matched = checked(scores, matched)
    _, true_accepts, false_accepts = counts(scores, matched)
    curve = false_accepts[::-1] / false_accepts[0], true_accepts[::-1] / true_accepts[0]
    rows = []
    for far in fars:
        point = tar_at_far(scores, matched, far)
        accepted = scores >= point.threshold
        of_far = _share(accepted, ~matched)
        slope = _slope(curve, point.far, math.sqrt(dyadic_variance(of_far, dyads)))
        interval = to_interval(point.tar, _share(accepted, matched) - slope * of_far, dyads, matched.sum())
        rows.append((far, point.threshold, *interval))
    return RocBand(*np.array(rows, np.float64).reshape(-1, 6).T)


def compare_accuracy(scores, others, people, thresholds) -> Difference:
    """Accuracy of `scores` minus that of `others`, scores of the same pairs, each at its threshold.

    Args:
        others: of another model; or `scores` themselves, to compare two thresholds.
        thresholds: two, each a number for all pairs, or (pairs,), such as that of each pair's fold.
    """
    dyads, matched = index_people(people, scores)
    right, also = (
        (checked(values, matched)[0] >= threshold) == matched
        for values, threshold in zip((scores, others), thresholds, strict=True)
    )
    gains = right.astype(float) - also
    return to_difference(gains.mean(), (gains - gains.mean()) / len(gains), dyads)


def compare_roc_auc(scores, others, people) -> Difference:
    """ROC AUC of `scores` minus that of `others`, scores of the same pairs by another model."""
    dyads, matched = index_people(people, scores)
    (area, influences), (other, its) = (_placements(*checked(values, matched)) for values in (scores, others))
    return to_difference(area - other, influences - its, dyads)


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


def _slope(curve, far, reach):
    # of the chord of the ROC curve (far, tar), both rising, over `reach` to each side
    ends = np.clip([far - reach, far + reach], 0, 1)
    return np.diff(np.interp(ends, *curve))[0] / np.diff(ends)[0] if reach else 0.0


def _placements(scores, matched):
    influences = np.empty(len(scores))
    for kind, sign in ((matched, 1), (~matched, -1)):
        own, other = sign * scores[kind], np.sort(sign * scores[~kind])
        placements = (np.searchsorted(other, own, "left") + np.searchsorted(other, own, "right")) / (2 * len(other))
        area = placements.mean()
        influences[kind] = (placements - area) / len(own)
    return area, influences
