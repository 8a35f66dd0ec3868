"""Scores and labels of pairs to verification figures. A pair is accepted where its score is at least the threshold.

Scores are (pairs,) float, higher for the same person; matched is (pairs,) bool.
"""

import numpy as np
from sklearn import metrics


def roc_auc(scores, matched) -> float:
    """Area under the ROC curve, exact: the share of (matched, mismatched) pairs in the right order, ties half."""
    return float(metrics.roc_auc_score(*_checked(scores, matched)[::-1]))


def average_precision(scores, matched) -> float:
    """Average precision: the step-wise area under precision over recall, without interpolation."""
    return float(metrics.average_precision_score(*_checked(scores, matched)[::-1]))


def roc_curve(scores, matched):
    """False accept rates, true accept rates and thresholds, one for each distinct score; thresholds fall."""
    scores, matched = _checked(scores, matched)
    return metrics.roc_curve(matched, scores, drop_intermediate=False)


def accuracy(scores, matched, threshold: float) -> float:
    """Share of pairs decided rightly at `threshold`."""
    scores, matched = _checked(scores, matched)
    return float(np.mean((scores >= threshold) == matched))


def accuracy_curve(scores, matched):
    """Accuracy at every threshold that makes a difference.

    Returns:
        thresholds, rising, between neighbouring distinct scores, the first below and the last above all of them;
        accuracies, both (distinct scores + 1,) float64.
    """
    scores, matched = _checked(scores, matched)
    values, places = np.unique(scores, return_inverse=True)
    # raising the threshold past a score refuses its pairs: mismatched ones become right, matched ones wrong
    gains = np.bincount(places, np.where(matched, -1.0, 1.0))
    right = matched.sum() + np.concatenate([[0.0], np.cumsum(gains)])
    above = np.nextafter(values, np.inf)  # the middle of two neighbouring floats can be the lower one
    middles = np.maximum((values[:-1] + values[1:]) / 2, above[:-1])
    edges = np.concatenate([[np.nextafter(values[0], -np.inf)], middles, above[-1:]])
    return edges, right / len(scores)


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


def accuracy_standard_error(scores, matched, threshold: float, first, second) -> float:
    """Standard error of `accuracy` that respects that pairs share people: dyadic cluster-robust (Aronow et al. 2015).

    Args:
        first, second: (pairs,) of anything hashable or comparable, the person on each side; equal where matched.
    """
    scores, matched = _checked(scores, matched)
    if not np.shape(first) == np.shape(second) == scores.shape:
        shapes = f"{np.shape(first)} and {np.shape(second)} people for {scores.shape} scores"
        raise ValueError(f"{shapes}: one of each for every pair")
    residuals = ((scores >= threshold) == matched).astype(float)
    residuals -= residuals.mean()
    _, people = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = people.reshape(2, -1)
    # sum of e_k e_l over pairs k, l with a person in common; two that have both in common were counted twice
    sums = np.bincount(first, residuals, people.max() + 1)
    sums += np.bincount(second, np.where(first == second, 0, residuals), people.max() + 1)
    different = first != second
    both = np.minimum(first, second) * (people.max() + 1) + np.maximum(first, second)
    _, dyads = np.unique(both[different], return_inverse=True)
    twice = np.bincount(dyads, residuals[different]) if different.any() else np.zeros(1)
    variance = (np.sum(sums**2) - np.sum(twice**2)) / len(scores) ** 2
    return float(np.sqrt(max(variance, 0.0)))


def _checked(scores, matched):
    scores, matched = np.asarray(scores, np.float64), np.asarray(matched, bool)
    if scores.ndim != 1 or scores.shape != matched.shape:
        raise ValueError(f"{scores.shape} scores for {matched.shape} labels: one of each for every pair")
    if not np.isfinite(scores).all():
        raise ValueError(f"score {int(np.argmin(np.isfinite(scores)))} is {scores[~np.isfinite(scores)][0]}")
    if matched.all() or not matched.any():
        raise ValueError("only one kind of pair: figures need matched and mismatched ones")
    return scores, matched
