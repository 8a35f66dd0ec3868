"""Chances and lines: what held-out scores say of others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.gather.lines import LEAST, WRONG, chances, draw_line


def test_few_held_out_scores_are_counted():
    held = np.array([1.0, 2, 3, np.nan])
    assert chances(np.array([0, 1, 1.5, 3, 4, np.nan]), held) == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4, 1])
    assert chances(np.array([5.0]), np.zeros(0)).tolist() == [1]


def test_beyond_the_held_out_scores_the_tail_goes_on():
    """Of exponential scores the chance of x is exp(-x), and a few faults among the held-out ones change it little."""
    held = -np.log((np.arange(2000) + 0.5) / 2000)
    scores = np.array([0.5, 1, 3, 5, 8])
    assert chances(scores, held) == pytest.approx(np.exp(-scores), rel=0.1)
    assert chances(scores, np.append(held, [50] * 10)) == pytest.approx(np.exp(-scores), rel=0.6)


def test_equal_held_out_scores_have_no_tail():
    assert chances(np.array([2.0, 1, 0]), np.ones(99)) == pytest.approx([0.01, 1, 1])


@given(st.lists(st.floats(-1, 1), max_size=200), st.lists(st.floats(-2, 2), min_size=2, max_size=20))
def test_a_higher_score_has_no_higher_chance(held, scores):
    found = chances(np.sort(scores), np.array(held))
    assert (found > 0).all() and (found <= 1).all()
    start = np.quantile(held, 0.9) if len(held) >= LEAST else np.inf
    for side in (np.sort(scores) <= start, np.sort(scores) > start):
        assert (np.diff(found[side]) <= 1e-12).all()


def test_the_line_keeps_the_expected_share_of_false_alarms():
    chance = np.array([0.5, 0.001, 0.02, 0.9, 0.03, 0.04])  # of 6: 0.006 / 1, 0.12 / 2, 0.18 / 3, 0.24 / 4, ...
    assert WRONG == 0.1 and draw_line(chance).tolist() == [False, True, True, False, True, True]
    assert not draw_line(np.array([0.5, 0.2])).any() and draw_line(np.zeros(0)).shape == (0,)


def test_of_faultless_scores_nearly_none_lie_beyond_the_line():
    generator = np.random.default_rng(3)
    runs = [draw_line(chances(generator.normal(size=2000), generator.normal(size=300))).sum() for _ in range(50)]
    assert np.mean(np.array(runs) > 0) <= 0.3 and np.mean(runs) < 1


def test_planted_faults_lie_beyond_it():
    generator = np.random.default_rng(4)
    scores = np.concatenate([generator.normal(size=2000), generator.normal(7, 0.5, size=30)])
    beyond = draw_line(chances(scores, generator.normal(size=300)))
    assert beyond[2000:].all() and beyond[:2000].sum() <= 6
