"""Figures of parts of the pairs: on which images does a system fail? By how colourful, sharp and bright they are."""

from typing import NamedTuple

import numpy as np

from facelib.measure.intervals import Interval, accuracy_interval, roc_auc_interval
from facelib.measure.scored_pairs import ScoredPairs


class Part(NamedTuple):
    """Pairs whose property lies in one third of its values, and the figures on them."""

    third: int  # 0, 1, 2: the lowest, the middle, the highest
    lower: float  # smallest and
    upper: float  # largest value of the property among them
    pairs: int
    accuracy: Interval  # at a threshold that was chosen on other pairs
    roc_auc: Interval


def compare_thirds(pairs: ScoredPairs, values, threshold: float) -> list[Part]:
    """Figures on the pairs with the lowest third of `values`, the middle one and the highest one.

    Equal values stay together, so that the parts can differ in size. A part without pairs of both kinds is left out.

    Args:
        values: (pairs,), of each pair.
        threshold: of the accuracies, chosen on other pairs.
    """
    values = np.asarray(values)
    thirds = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="left")
    parts = []
    for third in range(3):
        inside = thirds == third
        if pairs.matched[inside].all() or not pairs.matched[inside].any():
            continue
        figures = accuracy_interval(pairs[inside], threshold), roc_auc_interval(pairs[inside])
        ends = float(values[inside].min()), float(values[inside].max())
        parts.append(Part(third, *ends, int(inside.sum()), *figures))
    return parts
