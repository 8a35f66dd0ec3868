"""Figures of pairs by the properties of their images."""

import numpy as np
import pytest

from facelib.measure.by_quality import compare_thirds
from facelib.measure.intervals import accuracy_interval, roc_auc_interval
from facelib.measure.scored_pairs import ScoredPairs


def some_pairs(count=90):
    generator = np.random.default_rng(3)
    people = generator.integers(0, 12, (count, 2))
    people[::2, 1] = people[::2, 0]
    return ScoredPairs(generator.normal(people[:, 0] == people[:, 1], 0.7), people), generator.normal(size=count)


def test_every_pair_is_in_the_third_of_its_rank():
    pairs, values = some_pairs()
    parts = compare_thirds(pairs, values, 0.5)
    ordered = np.sort(values)
    assert [(part.third, part.pairs) for part in parts] == [(0, 30), (1, 30), (2, 30)]
    assert [part.lower for part in parts] == list(ordered[::30])
    assert [part.upper for part in parts] == list(ordered[29::30])
    inside = values <= parts[0].upper
    assert parts[0].accuracy == accuracy_interval(pairs[inside], 0.5)
    assert parts[0].roc_auc == roc_auc_interval(pairs[inside])


def test_equal_values_stay_together():
    pairs, _ = some_pairs()
    assert [part.pairs for part in compare_thirds(pairs, np.zeros(90), 0.5)] == [90]


@pytest.mark.parametrize("kind", [True, False])
def test_a_part_of_one_kind_is_left_out(kind):
    pairs, _ = some_pairs()
    values = np.where(pairs.matched == kind, 0, np.arange(1, 91))
    assert 0 not in [part.third for part in compare_thirds(pairs, values, 0.5)]
