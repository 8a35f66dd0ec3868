"""Thresholds for a wanted false accept rate, from all pairs of held-out images."""

import numpy as np

from facelib.measure.all_vs_all import score_blocks
from facelib.measure.metrics import Counts, operating_point

RATES = (0.1, 0.05, 0.01, 0.001)
# A rate is supported where it amounts to so many false accepts: the "rule of 30" (Doddington et al. 2000, "The NIST
# speaker recognition evaluation", sec. 5). It holds for independent pairs; these share people, so it is a bare minimum.
FALSE_ACCEPTS = 30
LEVELS = 2**20  # of a score in [0, 1], each 0.000001 wide


def choose_thresholds(score, labels, threshold: float, rates=RATES) -> dict:
    """A threshold for each of `rates` that the pairs of two people support, and what it costs.

    Scores are counted in a histogram of `LEVELS` bins, so that memory does not grow with the number of pairs.

    Args:
        score: function from two arrays of rows to the scores of all their pairs, see `all_vs_all.build_score`.
        labels: (n,) int, whom each image shows.
        threshold: that was chosen for its accuracy; its rates are told as well.

    Returns:
        JSON-able: ``images``, ``people``, ``mismatched_pairs``; ``least_false_accepts`` that a rate needs;
        ``smallest_far``, the smallest rate that is supported, None where none is; ``accuracy``, for `threshold`, and a
        list ``by_rate``, for each supported rate: dicts of ``far`` (wanted; None for the former), ``threshold``,
        ``false_accepts``, ``true_accept_rate``.

    Raises:
        ValueError: images of one person only, or no two of the same; a score outside of [0, 1].
    """
    counted, accepted = count_all_pairs(score, labels, threshold)
    matched, mismatched = int(counted.true_accepts[0]), int(counted.false_accepts[0])
    rows = []
    for rate in sorted(rates, reverse=True):
        if rate * mismatched >= FALSE_ACCEPTS:
            found = operating_point(counted, rate)
            rows.append(_describe(rate, found.threshold, round(found.far * mismatched), found.tar))
    return {
        "images": len(labels),
        "people": len(np.unique(labels)),
        "mismatched_pairs": mismatched,
        "least_false_accepts": FALSE_ACCEPTS,
        "smallest_far": FALSE_ACCEPTS / mismatched if mismatched >= FALSE_ACCEPTS else None,
        "accuracy": _describe(None, threshold, accepted[1], accepted[0] / matched),
        "by_rate": rows,
    }


def count_all_pairs(score, labels, threshold: float) -> tuple[Counts, tuple[int, int]]:
    """How many of all pairs of n images are accepted, at thresholds between levels of score and at `threshold`.

    Scores are told apart by `LEVELS` levels, [k / LEVELS, (k + 1) / LEVELS); every count at a threshold is exact.

    Args:
        score, labels: as in `all_vs_all.score_all_pairs`; scores lie in [0, 1].

    Returns:
        The counts, see `metrics.Counts`; and how many matched and mismatched pairs `threshold` accepts.

    Raises:
        ValueError: see `all_vs_all.score_blocks`; a score outside of [0, 1].
    """
    totals, accepted = np.zeros((2, LEVELS + 1), np.int64), np.zeros(2, np.int64)
    for block in score_blocks(score, labels):
        if block.scores.min() < 0 or block.scores.max() > 1:
            raise ValueError(f"scores from {block.scores.min()} to {block.scores.max()}: expected 0 to 1")
        for kind, chosen in enumerate((block.matched, block.mismatched)):
            scores = block.scores[chosen]
            totals[kind] += np.bincount((scores * np.float32(LEVELS)).astype(np.int32), minlength=LEVELS + 1)
            accepted[kind] += np.count_nonzero(scores >= np.float64(threshold))  # a float would become a float32
    levels = np.flatnonzero(totals.any(axis=0))
    # a threshold lies between two levels that hold pairs, the first below and the last above all of them
    edges = np.concatenate([[2 * levels[0]], levels[:-1] + 1 + levels[1:], [2 * (levels[-1] + 1)]]) / (2 * LEVELS)
    true, false = (np.append(total[levels][::-1].cumsum()[::-1], 0) for total in totals)
    return Counts(edges, true, false), (int(accepted[0]), int(accepted[1]))


def _describe(rate, threshold, false_accepts, true_accept_rate):
    return {
        "far": rate,
        "threshold": threshold,
        "false_accepts": false_accepts,
        "true_accept_rate": true_accept_rate,
    }
