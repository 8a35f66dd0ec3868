"""Scored pairs are checked and sorted once; clustered errors are the slow sum over pairs with a person in common."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import dyadic_sum

from facelib.measure import metrics
from facelib.measure.intervals import to_difference, to_interval
from facelib.measure.scored_pairs import ScoredPairs, dyadic_variance, index_people

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


def test_pairs_are_matched_where_their_people_are_equal():
    pairs = ScoredPairs([1, 0, 1], [["a", "a"], ["a", "b"], ["c", "c"]])
    assert pairs.scores.dtype == np.float64 and pairs.matched.tolist() == [True, False, True]
    assert len(pairs) == 3 and pairs.fewer == 1 and pairs.dyads.people == 3
    some = pairs[np.array([False, True, True])]
    assert some.scores.tolist() == [0, 1] and some.people.tolist() == [["a", "b"], ["c", "c"]]


def test_pairs_are_sorted_once(monkeypatch):
    sorted_, count = [], metrics.counts
    monkeypatch.setattr(metrics, "counts", lambda *given: sorted_.append(given) or count(*given))
    pairs = ScoredPairs([0.4, 0.2, 0.1, 0.4], [["a", "a"], ["a", "b"], ["c", "c"], ["b", "c"]])
    expected = count(pairs.scores, pairs.matched)
    for _ in range(2):
        for found, wanted in zip(pairs.counts, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert len(sorted_) == 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\(2, 3\) people for \(3,\) scores: expected \(3, 2\)"):
        ScoredPairs([0.1, 0.2, 0.3], [["a", "a", "b"], ["a", "b", "c"]])
    with pytest.raises(ValueError, match="score 1 is nan"):
        ScoredPairs([0.1, np.nan], [["a", "a"], ["a", "b"]])
    with pytest.raises(ValueError, match="only one kind of pair, 2 mismatched"):
        ScoredPairs([0.1, 0.2], [["a", "b"], ["a", "c"]])
