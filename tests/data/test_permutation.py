import math

import numpy as np
import pytest
import reference

from facelib.data.sampler import ROUNDS, draw_keys, permute

LARGE = [10_007, 2**16, 10**6 + 3]


def is_uniform(counts, deviations=2.33):
    """Whether counts of equally likely outcomes pass a chi-square test; by chance, one in 100 does not.

    The cube root of the statistic is close to normal (Wilson and Hilferty 1931).
    """
    free = len(counts) - 1
    statistic = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    return ((statistic / free) ** (1 / 3) - 1 + 2 / (9 * free)) / math.sqrt(2 / (9 * free)) < deviations


def keys_of(*words):
    return draw_keys(np.random.default_rng(words), 1)


def order_of(n, *words):
    return permute(np.arange(n), n, keys_of(*words))


@pytest.mark.parametrize("key", range(3))
def test_it_is_a_bijection_of_every_size(key):
    for n in [*range(1, 400), *LARGE]:
        np.testing.assert_array_equal(np.sort(order_of(n, key, n)), np.arange(n))


def test_it_is_the_twins():
    for n in [*range(1, 40), 63, 64, 65, 500]:
        keys = keys_of(n)
        assert order_of(n, n).tolist() == reference.permuted(n, keys[:, 0])


@pytest.mark.parametrize("n", [10**12, 2**50 - 1, 2**50])
def test_places_of_a_huge_permutation_are_computed_alone(n):
    places = np.concatenate([np.arange(5000), n - 1 - np.arange(5000), np.linspace(10**4, n - 10**4, 5000, dtype=int)])
    found = permute(places, n, keys_of(1))
    assert found.dtype == np.int64
    assert found.min() >= 0 and found.max() < n
    assert len(set(found.tolist())) == len(places)
    np.testing.assert_array_equal(permute(places[[7, 3]], n, keys_of(1)), found[[7, 3]])
    ranks = np.arange(1, len(found) + 1) / len(found)
    furthest = np.abs(np.sort(found) / n - ranks).max()  # Kolmogorov and Smirnov: one in 100 is further by chance
    assert furthest < 1.63 / math.sqrt(len(found)) + 1 / len(found)


def test_each_row_has_its_own_size_and_key():
    sizes, keys = np.array([[3], [1], [26], [100_000]]), draw_keys(np.random.default_rng(0), 4, 1)
    places = np.arange(6) % sizes
    found = permute(places, sizes, keys)
    for row, size in enumerate(sizes[:, 0]):
        np.testing.assert_array_equal(found[row], permute(places[row], size, keys[:, row]))
    assert permute(np.arange(0), 5, keys_of(0)).shape == (0,)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_all_orders_of_a_few_are_equally_likely(n):
    draws = 200_000
    orders = permute(np.tile(np.arange(n), (draws, 1)), n, draw_keys(np.random.default_rng(n), draws, 1))
    counts = np.unique(orders @ n ** np.arange(n), return_counts=True)[1]
    assert len(counts) == math.factorial(n)
    assert is_uniform(counts)


@pytest.mark.parametrize("n", [7, 10, 16, 17, 26, 36, 50])
def test_all_pairs_of_places_hold_all_pairs_of_numbers_equally_often(n):
    draws = 200_000
    places = np.tile([0, n - 1], (draws, 1))
    found = permute(places, n, draw_keys(np.random.default_rng(n), draws, 1))
    counts = np.unique(found @ [1, n], return_counts=True)[1]
    assert len(counts) == n * (n - 1)
    assert is_uniform(counts)


@pytest.mark.parametrize("n", [200, 10_007])
def test_two_keys_give_unrelated_orders_and_neighbours_do_not_stay_neighbours(n):
    orders = np.stack([order_of(n, 7, number) for number in range(40)])
    same = [(one == other).sum() for i, one in enumerate(orders) for other in orders[:i]]
    assert abs(np.mean(same) - 1) < 0.15  # two random orders agree at one place on average, with a variance of 1
    steps = np.abs(np.diff(orders, axis=1))
    assert abs((steps == 1).sum() / len(orders) - 2) < 1  # a random order has two such places on average
    assert is_uniform(np.bincount(orders[:, 0] * 8 // n, minlength=8), 3.1)
    correlations = [np.corrcoef(order, np.arange(n))[0, 1] for order in orders]
    assert np.abs(np.mean(correlations)) < 4 / math.sqrt(n * len(orders))


def test_the_key_of_each_round_changes_the_order():
    places, n, keys = np.arange(1000), 10**8, keys_of(3)
    for number in range(ROUNDS):
        other = keys.copy()
        other[number] ^= np.uint64(1)
        assert (permute(places, n, other) == permute(places, n, keys)).mean() < 0.01
