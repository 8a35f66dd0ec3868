"""Thresholds for a wanted false accept rate, from all pairs of held-out images; NumPy only."""

import numpy as np

from facelib.all_pairs import build_score, score_all_pairs
from facelib.cohort import Cohort
from facelib.verification import tar_at_far

RATES = (0.1, 0.05, 0.01, 0.001)
# A rate is supported where it amounts to so many false accepts: the "rule of 30" (Doddington et al. 2000, "The NIST
# speaker recognition evaluation", sec. 5). It holds for independent pairs; these share people, so it is a bare minimum.
FALSE_ACCEPTS = 30


def calibrate(labels, embeddings, cohort: Cohort | None, threshold: float, rates=RATES) -> dict:
    """A threshold for each of `rates` that the pairs of two people support, and what it costs.

    Args:
        labels: (n,) int, whom each image shows. embeddings: (n, d), unit norm. cohort: see `embedding.pair_scores`.
        threshold: that was chosen for its accuracy; its rates are told as well.

    Returns:
        JSON-able: ``images``, ``people``, ``mismatched_pairs``; ``least_false_accepts`` that a rate needs;
        ``smallest_far``, the smallest rate that is supported, None where none is; ``accuracy_threshold`` and, for each
        supported rate, one of ``thresholds``: dicts of ``far`` (wanted; None for the former), ``threshold``,
        ``false_accepts``, ``true_accept_rate``.

    Raises:
        ValueError: images of one person only, or no two of the same.
    """
    pairs = score_all_pairs(build_score(embeddings, cohort), labels)
    rows = []
    for rate in sorted(rates, reverse=True):
        if rate * pairs.mismatched >= FALSE_ACCEPTS:
            rows.append(_describe(pairs, rate, tar_at_far(pairs.scores, pairs.matched, rate).threshold))
    return {
        "images": len(labels),
        "people": len(np.unique(labels)),
        "mismatched_pairs": pairs.mismatched,
        "least_false_accepts": FALSE_ACCEPTS,
        "smallest_far": FALSE_ACCEPTS / pairs.mismatched if pairs.mismatched >= FALSE_ACCEPTS else None,
        "accuracy_threshold": _describe(pairs, None, threshold),
        "thresholds": rows,
    }


def _describe(pairs, rate, threshold):
    accepted = pairs.scores >= np.float64(threshold)  # a plain float would be rounded to the scores' float32
    return {
        "far": rate,
        "threshold": threshold,
        "false_accepts": int(accepted[~pairs.matched].sum()),
        "true_accept_rate": float(accepted[pairs.matched].mean()),
    }
