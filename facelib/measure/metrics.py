"""Scores and labels of pairs to verification figures. A pair is accepted where its score is at least the threshold.

Scores are (pairs,) float, higher for the same person; matched is (pairs,) bool.
"""

from typing import NamedTuple

import numpy as np
from sklearn import metrics


class TooFewPairsError(ValueError):
    """There are too few mismatched pairs to say anything about so small a false accept rate."""


class Counts(NamedTuple):
    """Accepted pairs at every threshold that makes a difference; all (distinct scores + 1,)."""

    thresholds: np.ndarray  # float64, rising, between neighbouring scores; the first below, the last above all of them
    true_accepts: np.ndarray  # int, falling
    false_accepts: np.ndarray


class OperatingPoint(NamedTuple):
    """A threshold and the rates that it has on the pairs it was found on."""

    threshold: float
    tar: float  # share of the matched pairs that are accepted
    far: float  # share of the mismatched pairs that are accepted


def roc_auc(scores, matched) -> float:
    """Area under the ROC curve, exact: the share of (matched, mismatched) pairs in the right order, ties half."""
    return float(metrics.roc_auc_score(*checked(scores, matched)[::-1]))


def average_precision(scores, matched) -> float:
    """Average precision: the step-wise area under precision over recall, without interpolation."""
    return float(metrics.average_precision_score(*checked(scores, matched)[::-1]))


def precision_recall_curve(scores, matched):
    """Precisions, recalls and thresholds, one for each distinct score; thresholds rise.

    The last precision and recall are 1 and 0, for no pair accepted, without a threshold.
    """
    return metrics.precision_recall_curve(*checked(scores, matched)[::-1])


def precision_recall_area(scores, matched) -> float:
    """Area under precision over recall with straight lines between the operating points, the trapezoid rule.

    No threshold reaches the points on such a line, which lie above those that one does (Davis and Goadrich 2006):
    mostly more than `average_precision`, which takes steps.
    """
    precision, recall, _ = precision_recall_curve(scores, matched)
    return float(metrics.auc(recall, precision))


def roc_curve(scores, matched):
    """False accept rates, true accept rates and thresholds, one for each distinct score; thresholds fall."""
    scores, matched = checked(scores, matched)
    return metrics.roc_curve(matched, scores, drop_intermediate=False)


def accuracy(scores, matched, threshold: float) -> float:
    """Share of pairs decided rightly at `threshold`."""
    scores, matched = checked(scores, matched)
    return float(np.mean((scores >= threshold) == matched))


def counts(scores, matched) -> Counts:
    """How many matched and mismatched pairs are accepted, at every threshold that makes a difference."""
    scores, matched = checked(scores, matched)
    values, places = np.unique(scores, return_inverse=True)
    # raising the threshold past a score refuses the pairs that have it
    refused = [np.bincount(places[kind], minlength=len(values)).cumsum() for kind in (matched, ~matched)]
    true, false = (np.concatenate([[0], total]) for total in refused)
    above = np.nextafter(values, np.inf)  # the middle of two neighbouring floats can be the lower one
    middles = np.maximum((values[:-1] + values[1:]) / 2, above[:-1])
    thresholds = np.concatenate([[np.nextafter(values[0], -np.inf)], middles, above[-1:]])
    return Counts(thresholds, true[-1] - true, false[-1] - false)


def accuracy_curve(scores, matched):
    """Accuracy at every threshold that makes a difference.

    Returns:
        thresholds, rising, between neighbouring distinct scores, the first below and the last above all of them;
        accuracies, both (distinct scores + 1,) float64.
    """
    thresholds, true_accepts, false_accepts = counts(scores, matched)
    return thresholds, (true_accepts + false_accepts[0] - false_accepts) / (true_accepts[0] + false_accepts[0])


def best_threshold(scores, matched) -> tuple[float, float]:
    """The threshold with the highest accuracy on these very pairs, and that accuracy; the lowest one among equals.

    On test pairs this figure is optimistic: it has seen the answers.
    """
    thresholds, accuracies = accuracy_curve(scores, matched)
    best = int(np.argmax(accuracies))
    return float(thresholds[best]), float(accuracies[best])


def equal_error_rate(scores, matched) -> float:
    """The rate at which false accepts and false rejects are equal, interpolated along the ROC curve."""
    far, tar, _ = roc_curve(scores, matched)
    difference = far - (1 - tar)  # rises from -1 to 1
    after = int(np.argmax(difference >= 0))
    weight = difference[after] / (difference[after] - difference[after - 1]) if difference[after] > 0 else 0.0
    return float(far[after] - weight * (far[after] - far[after - 1]))


def operating_point(counted: Counts, far: float) -> OperatingPoint:
    """The highest true accept rate at which the false accept rate is at most `far`; nothing is interpolated.

    Pairs of equal scores are accepted or refused together. Among thresholds with the same true accept rate it is the
    highest, which has the fewest false accepts.

    Raises:
        TooFewPairsError: fewer than 1 / far mismatched pairs, so that a single one is more than `far` of them.
        ValueError: `far` outside (0, 1].
    """
    if not 0 < far <= 1:
        raise ValueError(f"false accept rate {far}: expected more than 0 and at most 1")
    thresholds, true_accepts, false_accepts = counted
    mismatched = int(false_accepts[0])
    if 1 / mismatched > far:
        needed = round(1 / far)
        needed += 1 / needed > far
        raise TooFewPairsError(
            f"a false accept rate of {far:g} needs at least {needed:,} mismatched pairs, and there are {mismatched:,}:"
            " take all pairs of the images (facelib.measure.all_vs_all), or a higher rate"
        )
    allowed = false_accepts / mismatched <= far
    best = len(allowed) - 1 - int(np.argmax(np.where(allowed, true_accepts, -1)[::-1]))
    tar, found = true_accepts[best] / true_accepts[0], false_accepts[best] / mismatched
    return OperatingPoint(float(thresholds[best]), float(tar), float(found))


def checked(scores, matched):
    """`scores` as float64 and `matched` as bool.

    Raises:
        ValueError: shapes that do not fit, a score that is not finite, or pairs of one kind only.
    """
    scores, matched = np.asarray(scores, np.float64), np.asarray(matched, bool)
    if scores.ndim != 1 or scores.shape != matched.shape:
        raise ValueError(f"{scores.shape} scores for {matched.shape} labels: one of each for every pair")
    if not np.isfinite(scores).all():
        place = int(np.argmin(np.isfinite(scores)))
        raise ValueError(f"score {place} is {scores[place]}: mend the embeddings of this pair, or leave it out")
    if matched.all() or not matched.any():
        kind = "matched" if matched.any() else "mismatched" if len(matched) else "no"
        raise ValueError(f"only one kind of pair, {len(matched)} {kind}: figures need matched and mismatched ones")
    return scores, matched
