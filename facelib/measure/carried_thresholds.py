"""Thresholds carried over to photographs of another kind, without knowing who is on them.

Blurred or dark faces score higher, or lower, than those that a threshold was chosen on. A cohort, unlabelled
photographs of the new kind, shows by how much. Two ways, neither of which reads a label of the cohort:

Quantile matching (Panofsky and Brier 1968, "Some applications of statistics to meteorology"): the threshold goes to
where the pairs of the cohort are accepted as often as mismatched pairs were at the old one. It takes all pairs of the
cohort for pairs of two people. Where the share m of them shows one person, and the share TAR of these is accepted, the
false accept rate is (rate - m TAR) / (1 - m). That is below `rate` where TAR is above it: too few pairs are accepted.
With p people who have equally many photographs, m is about 1 / p.

Score normalisation (s-norm, the mean of z-norm and t-norm of Auckenthaler et al. 2000, "Score normalization for
text-independent speaker verification systems", Digital Signal Processing 10, 42-54; Matejka et al. 2017, "Analysis of
score normalisation in multilingual speaker recognition", Interspeech, 1567-1571): a score is told in deviations from
the mean that either face scores with the cohort. All of the cohort counts, not the nearest alone as in adaptive s-norm:
the nearest are other photographs of the same person first of all, and so many of them are another share of each cohort.
"""

import math
from typing import NamedTuple

import numpy as np

from facelib.measure.intervals import Difference, Interval, accuracy_interval, compare_accuracy
from facelib.measure.metrics import best_threshold
from facelib.measure.operating_points import FALSE_ACCEPTS
from facelib.measure.scored_pairs import ScoredPairs

# Images of a cohort. With 25 LFW images, drawn again and again, the matched threshold has a standard deviation of 0.011
# to 0.015, with 50 of 0.005 to 0.009, with 200 of 0.002 to 0.004. The pairs of 3,000 are 4.5 million.
LEAST, MOST = 30, 3000


class CohortError(ValueError):
    """A cohort that is too small to carry a threshold over; the message says what it needs."""


class Moments(NamedTuple):
    """Of what each face scores with a cohort; both (n,) float64."""

    mean: np.ndarray
    deviation: np.ndarray


class Scored(NamedTuple):
    """Pairs of images, and what these score with a cohort."""

    pairs: ScoredPairs
    first: np.ndarray  # (pairs,) int, rows of the images
    second: np.ndarray
    with_cohort: np.ndarray  # (images, m), scores
    cohort: np.ndarray  # (m,) int, which of the images it is, see `draw_cohort`

    @property
    def of_cohort(self) -> np.ndarray:
        """Scores of the pairs of the cohort."""
        return pairs_of(self.with_cohort[self.cohort])

    @property
    def normalised(self) -> ScoredPairs:
        """The pairs with normalised scores."""
        same = np.arange(len(self.with_cohort))[:, None] == self.cohort
        moments = measure_cohort(self.with_cohort, same)
        both = (Moments(moments.mean[rows], moments.deviation[rows]) for rows in (self.first, self.second))
        return ScoredPairs(normalise(self.pairs.scores, *both), self.pairs.people)


class Chosen(NamedTuple):
    """What was chosen on validation pairs, and is carried over."""

    threshold: float  # of scores
    rate: float  # share of the mismatched pairs that it accepts
    normalised: float  # threshold of normalised scores


class Carried(NamedTuple):
    """What the thresholds of validation, carried over, do to pairs."""

    best_threshold: float  # has seen the answers, as has the next
    best_accuracy: float
    accuracy: Interval  # at the threshold of validation
    matched_threshold: float  # by quantile matching
    gains: dict[str, Difference]  # in accuracy, over the threshold of validation: quantile, normalised, best


def draw_cohort(count: int, seed: int) -> np.ndarray:
    """Rows (m,) int, rising, of `count` images that are the cohort: all, or `MOST` of them that the seed draws.

    Raises:
        CohortError: fewer than `LEAST` images.
    """
    if count < LEAST:
        raise CohortError(f"{count} faces are too few to carry a threshold over: at least {LEAST}, of as many people")
    return np.sort(np.random.default_rng((seed, 13)).permutation(count)[:MOST])


def pairs_of(scores: np.ndarray) -> np.ndarray:
    """The scores (m, m) of a cohort with itself as those of its pairs (m (m - 1) / 2,), each once."""
    return scores[np.triu(np.ones(scores.shape, bool), 1)]


def match_quantile(rate: float, scores: np.ndarray) -> float | None:
    """The threshold that accepts the share `rate` of `scores` (pairs,), those of a cohort; less, where many are equal.

    It lies between two scores. None where that share is fewer than `FALSE_ACCEPTS` pairs, see `operating_points`.
    """
    accepted = math.floor(rate * len(scores) + 1e-6)  # k / n times n can fall short of k
    if accepted < FALSE_ACCEPTS:
        return None
    scores = np.asarray(scores, np.float64)
    if accepted == len(scores):
        return float(np.min(scores))
    refused = np.partition(scores, -accepted - 1)[-accepted - 1]
    above, higher = np.nextafter(refused, np.inf), scores[scores > refused]
    return float(max((refused + higher.min()) / 2, above) if len(higher) else above)


def carry_over(thresholds: dict, scores: np.ndarray) -> list[dict]:
    """`thresholds`, see `operating_points.choose_thresholds`, carried over to a cohort by `match_quantile`.

    Args:
        scores: (pairs,) of the cohort.

    Returns:
        For the most accurate threshold and for each rate: dicts of ``far``, ``threshold`` and ``carried``.
    """
    rows = [thresholds["accuracy"], *thresholds["by_rate"]]
    rates = [row["false_accepts"] / thresholds["mismatched_pairs"] for row in rows]
    return [
        {"far": row["far"], "threshold": row["threshold"], "carried": match_quantile(rate, scores)}
        for row, rate in zip(rows, rates, strict=True)
    ]


def measure_cohort(scores: np.ndarray, same: np.ndarray) -> Moments:
    """Mean and deviation of the scores (n, m) of each face with a cohort, without those of a face with itself.

    Args:
        same: (n, m) bool, where both are one photograph.
    """
    both = (measure(scores, axis=1, dtype=np.float64, where=~same) for measure in (np.mean, np.std))
    return Moments(*map(np.asarray, both))


def normalise(scores: np.ndarray, first: Moments, second: Moments) -> np.ndarray:
    """Scores (pairs,) in deviations: the mean of (s - mean) / deviation by the moments of both faces."""
    return ((scores - first.mean) / first.deviation + (scores - second.mean) / second.deviation) / 2


def choose(scored: Scored, thresholds: dict) -> Chosen:
    """What is carried over from validation pairs, `scored`, and their `thresholds`; see `choose_thresholds`."""
    point, (best, _) = thresholds["accuracy"], best_threshold(scored.normalised.scores, scored.pairs.matched)
    return Chosen(point["threshold"], point["false_accepts"] / thresholds["mismatched_pairs"], best)


def measure_carried(scored: Scored, chosen: Chosen) -> Carried:
    """What `chosen`, carried over by either way, does to pairs, beside the threshold that is best on them.

    Raises:
        CohortError: the cohort has too few pairs for `chosen.rate`.
    """
    pairs, of_cohort = scored.pairs, scored.of_cohort
    matched = match_quantile(chosen.rate, of_cohort)
    if matched is None:
        raise CohortError(f"{len(of_cohort):,} pairs of a cohort are too few for a rate of {chosen.rate:.2g}")
    best, accuracy = best_threshold(pairs.scores, pairs.matched)
    ways = {
        "quantile": (pairs, matched),
        "normalised": (scored.normalised, chosen.normalised),
        "best": (pairs, best),
    }
    gains = {name: compare_accuracy(one, pairs, (at, chosen.threshold)) for name, (one, at) in ways.items()}
    return Carried(best, accuracy, accuracy_interval(pairs, chosen.threshold), matched, gains)
