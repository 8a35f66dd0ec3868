"""Thresholds for a wanted false accept rate, from every pair of two people among held-out images; NumPy only."""

import numpy as np

from facelib.cohort import Cohort, combine, rareness

RATES = (0.1, 0.05, 0.01, 0.001)
# A rate is supported where it amounts to so many false accepts: the "rule of 30" (Doddington et al. 2000, "The NIST
# speaker recognition evaluation", sec. 5). It holds for independent pairs; these share people, so it is a bare minimum.
FALSE_ACCEPTS = 30
BLOCK = 512  # images whose similarities to all later ones are in memory at once


class UnsupportedRateError(ValueError):
    """A false accept rate for which there is no threshold; the message says for which there are."""


def mismatched_scores(labels: np.ndarray, embeddings: np.ndarray, cohort: Cohort | None = None):
    """The scores of every pair of images of two people, each pair once: arrays of float64, block by block.

    Args:
        labels: (n,) int, whom each image shows. embeddings: (n, d), unit norm. cohort: see `cohort.combine`.
    """
    rare = rareness(embeddings, cohort) if cohort else np.zeros(len(embeddings))
    exact = embeddings.astype(np.float64)
    for start in range(0, len(exact), BLOCK):
        rows = slice(start, start + BLOCK)
        similarities = np.clip((exact[rows] @ exact[start:].T + 1) / 2, 0.0, 1.0)  # shape (rows, images from start)
        scores = combine(similarities, rare[rows, None], rare[None, start:], cohort)
        yield scores[np.triu(labels[rows, None] != labels[None, start:], 1)]


def calibrate(labels, embeddings, cohort: Cohort | None, matched_scores, threshold: float, rates=RATES) -> dict:
    """A threshold for each of `rates` that the pairs of two people support, and what it costs.

    The threshold of a rate lies between two neighbouring scores; at it, the share of these pairs that is accepted is
    the highest that does not exceed the rate.

    Args:
        labels, embeddings, cohort: see `mismatched_scores`.
        matched_scores: (pairs,) of pairs of one person, for the true accept rates.
        threshold: that was chosen for its accuracy; its rates are told as well.

    Returns:
        JSON-able: ``images``, ``people``, ``mismatched_pairs``; ``smallest_far``, the smallest rate that is supported,
        None where none is; ``accuracy_threshold`` and, for each supported rate, one of ``thresholds``: dicts of
        ``far`` (wanted; None for the former), ``threshold``, ``false_accepts``, ``true_accept_rate``.
    """
    people, counts = np.unique(labels, return_counts=True)
    total = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    supported = [rate for rate in sorted(rates, reverse=True) if total and rate * total >= FALSE_ACCEPTS]
    highest, accepted = np.zeros(0), 0
    keep = int(max(supported, default=0) * total) + 1
    for scores in mismatched_scores(labels, embeddings, cohort):
        accepted += int((scores >= threshold).sum())
        highest = np.concatenate([highest, scores])
        if len(highest) > keep:
            highest = np.partition(highest, -keep)[-keep:]
    highest = np.sort(highest)[::-1]

    def describe(rate, value, false_accepts):
        tar = float(np.mean(np.asarray(matched_scores) >= value))
        return {"far": rate, "threshold": value, "false_accepts": false_accepts, "true_accept_rate": tar}

    rows = []
    for rate in supported:
        value = _refuse_from(highest, int(rate * total))
        rows.append(describe(rate, value, int((highest >= value).sum())))
    return {
        "images": len(labels),
        "people": len(people),
        "mismatched_pairs": total,
        "smallest_far": FALSE_ACCEPTS / total if total >= FALSE_ACCEPTS else None,
        "accuracy_threshold": describe(None, threshold, accepted),
        "thresholds": rows,
    }


def _refuse_from(highest, place):
    # the lowest threshold that refuses the score at `place` of the falling scores; above it, in the middle of the gap
    refused = highest[place]
    above = highest[highest > refused]
    middle = (refused + above[-1]) / 2 if len(above) else refused
    return float(max(middle, np.nextafter(refused, np.inf)))


def find_threshold(calibration: dict, far: float) -> dict:
    """The row of `calibration`, as `calibrate` gives it, for the false accept rate `far`.

    Raises:
        UnsupportedRateError: the pairs do not support it, or no threshold was made for it.
    """
    rows = {row["far"]: row for row in calibration["thresholds"]}
    if far in rows:
        return rows[far]
    known = f"there are thresholds for {', '.join(map(str, rows))}" if rows else "there is only the accuracy threshold"
    pairs, smallest = calibration["mismatched_pairs"], calibration["smallest_far"]
    if smallest is None or far < smallest:
        least = "no rate at all" if smallest is None else f"{smallest:.2g} as the smallest rate"
        raise UnsupportedRateError(
            f"no threshold for a false accept rate of {far}: {pairs:,} validation pairs of two people support {least} "
            f"({FALSE_ACCEPTS} false accepts among them); {known}"
        )
    raise UnsupportedRateError(f"no threshold for a false accept rate of {far}: {known}")
