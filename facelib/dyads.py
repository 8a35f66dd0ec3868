"""Variances and intervals of figures on pairs that share people.

Such pairs are not independent: whoever is hard to recognise is so in all of her pairs. A figure's variance is therefore
a sum over all pairs of pairs that have a person in common (dyadic cluster-robust, Aronow et al. 2015, "Cluster-robust
variance estimation for dyadic data", Political Analysis 23, eq. 7):

    variance = sum of u_k u_l over k, l with a person in common,

where u_k, the influence of pair k, is what the figure's error owes to it.
"""

import math
from typing import NamedTuple

import numpy as np

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
    count: int  # of people


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
    sums = np.bincount(dyads.first, influences, dyads.count) + np.bincount(dyads.second, across, dyads.count)
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
        reach = Z**2 / (Z**2 + min(int(most), dyads.count))
        return Interval(value, error, max(value - reach, 0.0), min(value + reach, 1.0))
    middle, reach = math.log(value / (1 - value)), Z * error / spread
    lower, upper = (0.5 + 0.5 * math.tanh((middle + side * reach) / 2) for side in (-1, 1))
    return Interval(value, error, lower, upper)


def to_difference(value, influences, dyads):
    """A difference of two figures on the same pairs: each pair's influence is the difference of its influences."""
    value, error = float(value), math.sqrt(dyadic_variance(influences, dyads))
    p_value = math.erfc(abs(value) / error / math.sqrt(2)) if error else float(value == 0)
    return Difference(value, error, max(value - Z * error, -1.0), min(value + Z * error, 1.0), p_value)
