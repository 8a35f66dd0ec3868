"""Scores to probabilities of the same person, fitted to validation scores, and how far such probabilities are off.

Both kinds of pair count the same, whatever their numbers: the probabilities are those for equal priors.
"""

import math
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from facelib.measure.metrics import checked


class Calibration(NamedTuple):
    """log(p / (1 - p)) = slope * score + intercept, for equal priors."""

    slope: float
    intercept: float


class Reliability(NamedTuple):
    """Pairs by probability, in those of the bins that hold any; all (bins,) float64."""

    probability: np.ndarray  # mean of the bin
    matched: np.ndarray  # share of matched pairs in it
    weight: np.ndarray  # its share of all pairs


def fit_calibration(scores, matched) -> Calibration:
    """Platt scaling: a logistic curve of highest likelihood, on validation pairs.

    The targets are (n + 1) / (n + 2) for n matched pairs and 1 / (n + 2) for n mismatched ones (Platt 1999,
    "Probabilistic outputs for support vector machines", eq. 9), not 1 and 0, so that the curve stays finite where a
    threshold tells all pairs apart.
    """
    scores, matched = checked(scores, matched)
    middle, scale = scores.mean(), scores.std()
    if scale <= 1e-12 * abs(middle):
        return Calibration(0.0, 0.0)  # all scores equal: they say nothing
    number = np.where(matched, matched.sum(), (~matched).sum())
    target = np.where(matched, number + 1, 1) / (number + 2)
    weights = np.concatenate([target, 1 - target]) / np.tile(number, 2)  # every pair is partly of either kind
    x = np.tile((scores - middle) / scale, 2)[:, None]
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(x, np.arange(len(x)) < len(scores), weights)
    slope = model.coef_[0, 0] / scale
    return Calibration(float(slope), float(model.intercept_[0] - slope * middle))


def same_person_probability(calibration: Calibration, scores, prior: float = 0.5) -> np.ndarray:
    """Probabilities (pairs,) float64 that both images show the same person, where `prior` of the pairs do."""
    if not 0 < prior < 1:
        raise ValueError(f"prior {prior}: expected more than 0 and less than 1")
    odds = calibration.slope * np.asarray(scores, np.float64) + calibration.intercept + math.log(prior / (1 - prior))
    return 0.5 + 0.5 * np.tanh(odds / 2)  # 1 / (1 + exp(-odds)), without overflow


def reliability(probabilities, matched, bins: int = 10) -> Reliability:
    """Mean probability and share of matched pairs in bins of equal width; every kind of pair weighs one half.

    A probability on an edge belongs to the bin above it.
    """
    probabilities, matched = checked(probabilities, matched)
    outside = (probabilities < 0) | (probabilities > 1)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(f"probability {place} is {probabilities[place]}: expected 0 to 1, of same_person_probability")
    weights = 0.5 / np.where(matched, matched.sum(), (~matched).sum())
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    weight, probability, same = (np.bincount(places, weights * x, bins) for x in (1.0, probabilities, matched))
    used = np.bincount(places, minlength=bins) > 0
    return Reliability(probability[used] / weight[used], same[used] / weight[used], weight[used])


def expected_calibration_error(probabilities, matched, bins: int = 10) -> float:
    """Mean distance between the probability that is said and the share that is seen, over the bins of `reliability`.

    Guo et al. 2017, "On calibration of modern neural networks", eq. 3 and 5.
    """
    found = reliability(probabilities, matched, bins)
    return float(np.sum(found.weight * np.abs(found.matched - found.probability)))
