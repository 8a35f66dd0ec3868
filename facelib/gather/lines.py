"""How surprising a score is, told by identities that were held out of training, and where a line is drawn."""

import numpy as np

TAIL = 0.1  # share of the held-out scores that the tail is fitted to
LEAST = 50  # held-out scores that a tail needs
WRONG = 0.1  # expected share of false alarms among what lies beyond a line


def chances(scores: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """For each score, the share of faultless scores that are expected to be at least as high: (n,) float64 in (0, 1].

    Inside of the held-out scores they are counted: (1 + those at least as high) / (1 + all). The highest tenth of them
    goes on as an exponential tail, beyond what they reach (peaks over a threshold, Pickands 1975, with shape 0). Its
    scale follows from the median excess, which a few faults among the held-out ones do not move.

    Args:
        scores: (n,) higher is more suspicious; NaN gives 1. held_out: (h,) of identities taken to be without faults.
    """
    known = np.sort(held_out[~np.isnan(held_out)])
    usable = np.nan_to_num(scores, nan=-np.inf)
    counted = (1 + len(known) - np.searchsorted(known, usable)) / (1 + len(known))
    if len(known) < LEAST:
        return counted
    start = np.quantile(known, 1 - TAIL)
    scale = np.median(known[known > start] - start) / np.log(2) if (known > start).any() else 0
    if not scale > 0:
        return counted
    beyond = usable > start
    return np.where(beyond, (known > start).mean() * np.exp(-np.where(beyond, usable - start, 0) / scale), counted)


def draw_line(chance: np.ndarray) -> np.ndarray:
    """Which scores lie beyond the line, (n,) bool: as many of the smallest chances as keep the expected share of false
    alarms among them at `WRONG` or less (Benjamini & Hochberg 1995).

    Args:
        chance: (n,) of all scores that were looked at, see `chances`.
    """
    order = np.argsort(chance, kind="stable")
    share = len(chance) * chance[order] / np.arange(1, len(chance) + 1)
    good = np.flatnonzero(share <= WRONG)
    beyond = np.zeros(len(chance), bool)
    beyond[order[: good[-1] + 1 if len(good) else 0]] = True
    return beyond
