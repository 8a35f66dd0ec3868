"""Scores of pairs of images, and who is on them: checked once, sorted once, asked by every figure.

Pairs that share people are not independent: whoever is hard to recognise is so in all of her pairs. A figure's variance
is therefore a sum over all pairs of pairs that have a person in common (dyadic cluster-robust, Aronow et al. 2015,
"Cluster-robust variance estimation for dyadic data", Political Analysis 23, eq. 7):

    variance = sum of u_k u_l over k, l with a person in common,

where u_k, the influence of pair k, is what the figure's error owes to it.
"""

import functools
from typing import NamedTuple

import numpy as np

from facelib.measure import metrics


class Dyads(NamedTuple):
    """The people of the pairs as numbers from 0."""

    first: np.ndarray  # (pairs,) int
    second: np.ndarray
    both: np.ndarray  # (pairs,) int, equal where the two people are the same two
    people: int  # how many


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
    sums = np.bincount(dyads.first, influences, dyads.people) + np.bincount(dyads.second, across, dyads.people)
    twice = np.bincount(dyads.both, across)  # pairs that have both people in common were counted for each
    return float(max(np.sum(sums**2) - np.sum(twice**2), np.sum(np.square(influences))))


class ScoredPairs:
    """Pairs with their scores, higher for the same person; a pair is matched where both of its people are equal.

    Args:
        scores: (pairs,) float. people: (pairs, 2) names or numbers.

    Raises:
        ValueError: scores and people that do not fit, a score that is not finite, or pairs of one kind only.
    """

    def __init__(self, scores, people):
        self.people = np.asarray(people)
        self.dyads, matched = index_people(self.people, scores)
        self.scores, self.matched = metrics.checked(scores, matched)  # (pairs,) float64 and bool

    @functools.cached_property
    def counts(self) -> metrics.Counts:
        """Accepted pairs at every threshold that makes a difference."""
        return metrics.counts(self.scores, self.matched)

    @property
    def fewer(self) -> int:
        """The number of pairs of the kind that has fewer."""
        return int(min(self.matched.sum(), (~self.matched).sum()))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen) -> "ScoredPairs":
        """Some of the pairs: `chosen` is (pairs,) bool, or an array of places."""
        return ScoredPairs(self.scores[chosen], self.people[chosen])

    def require_same(self, others: "ScoredPairs") -> None:
        """Raise a ValueError unless `others` are the same pairs, with other scores."""
        if self.people.shape != others.people.shape or (self.people != others.people).any():
            raise ValueError(f"{len(self):,} and {len(others):,} pairs that are not the same: nothing can be compared")
