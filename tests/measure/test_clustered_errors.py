"""Clustered errors: the sum over all pairs of pairs with a person in common, and people by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import dyadic_sum

from facelib.measure.intervals import dyadic_variance, index_people, to_difference, to_interval

PERSON = st.sampled_from("abcdef")
PAIRS = st.lists(st.tuples(PERSON, PERSON, st.floats(-1, 1)), min_size=1, max_size=20)


@given(PAIRS)
def test_the_variance_is_the_slow_sum(pairs):
    people, influences = np.array([pair[:2] for pair in pairs]), np.array([pair[2] for pair in pairs])
    dyads, matched = index_people(people, influences)
    assert dyadic_variance(influences, dyads) == pytest.approx(dyadic_sum(influences, people), abs=1e-12)
    assert matched.tolist() == [a == b for a, b, _ in pairs] and dyads.people == len(set(people.ravel()))


@pytest.mark.parametrize("people", [["a", "b"], [["a", "b", "c"]], [["a", "b"]] * 2])
def test_people_that_do_not_fit_the_scores_are_refused(people):
    with pytest.raises(ValueError, match=r"people for \(1,\) scores: expected \(1, 2\)"):
        index_people(people, [0.5])


def test_an_interval_stays_between_0_and_1_and_a_difference_between_its_ends():
    dyads, _ = index_people([["a", "b"], ["c", "d"]], [0, 0])
    near = to_interval(0.99, np.array([0.05, 0.05]), dyads, 2)
    assert 0 < near.lower < 0.95 and 0.99 < near.upper < 1
    difference = to_difference(0.1, np.array([0.05, 0.05]), dyads)
    assert difference.standard_error == pytest.approx(0.05 * 2**0.5) and 0.15 < difference.p_value < 0.16
    assert (difference.lower + difference.upper) / 2 == pytest.approx(0.1)
