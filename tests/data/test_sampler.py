from collections import Counter

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from facelib.data import sampler as sampler_module
from facelib.data.identities import NoFacesError, dense_labels
from facelib.data.sampler import Sampler, draw_keys, validation_pairs

COUNTS = st.lists(st.integers(1, 12), min_size=2, max_size=40)  # images of each identity


def labels_of(counts):
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


# sampler


@pytest.mark.parametrize("counts", [[9] * 40, list(range(2, 42)), [4] * 8, [6] * 11])
def test_a_thousand_batches_have_exactly_p_identities_k_times(counts):
    labels = labels_of(counts)
    sampler = Sampler(labels, 8, 4, seed=1)
    for step in range(1000):
        rows = sampler.batch(step)
        assert sorted(Counter(labels[rows]).values()) == [4] * 8
        assert len(set(rows)) == 32


@pytest.mark.parametrize("n, size", [(16, 8), (17, 8), (40, 8), (23, 5), (50, 7), (3, 1), (64, 32)])
def test_every_identity_is_drawn_once_before_any_is_drawn_twice(n, size):
    labels = labels_of([3] * n)
    sampler = Sampler(labels, size, 2, seed=5)
    drawn = np.concatenate([labels[sampler.batch(step)][::2] for step in range(4 * n)])
    passes = drawn[: len(drawn) // n * n].reshape(-1, n)
    assert (np.sort(passes, axis=1) == np.arange(n)).all()
    assert n < 10 or len({tuple(order) for order in passes}) == len(passes)


@given(size=st.integers(1, 12), more=st.data(), seed=st.integers(0, 99))
def test_batches_are_those_of_whole_passes(size, more, seed):
    """Against the twin, which writes them out: where a batch straddles two passes, in all later batches of both too."""
    n = more.draw(st.integers(2 * size, 4 * size + 3))
    sampler, labels = Sampler(labels_of([2] * n), size, 2, seed), labels_of([2] * n)

    def permutation(number):
        return reference.permuted(n, draw_keys(np.random.default_rng((seed, 4, number)), 1)[:, 0])

    expected = reference.identities_in_passes(permutation, n, size, passes=4)
    steps = len(expected) // size
    drawn = np.stack([labels[sampler.batch(step)[::2]] for step in reversed(range(steps))])[::-1]
    assert drawn.ravel().tolist() == expected[: steps * size]


@given(size=st.integers(1, 40), more=st.data(), seed=st.integers(0, 9))
def test_passes_hold_every_identity_once_and_batches_none_twice(size, more, seed):
    n = more.draw(st.integers(size, 3 * size))
    begin = more.draw(st.sampled_from([0, 1, 10**6, 10**12])) * n  # a step with which a pass begins
    sampler, labels = Sampler(labels_of([2] * n), size, 2, seed), labels_of([2] * n)
    drawn = np.stack([labels[sampler.batch(step)[::2]] for step in range(begin, begin + min(n, 60))])
    assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()
    passes = drawn.ravel()[: drawn.size // n * n].reshape(-1, n)
    assert n < 2 * size or (np.sort(passes, axis=1) == np.arange(n)).all()


def test_with_few_identities_each_batch_is_a_draw_of_its_own():
    labels, size = labels_of([2] * 7), 4
    batches = [frozenset(labels[Sampler(labels, size, 2, seed=0).batch(step)]) for step in range(700)]
    times = Counter(identity for batch in batches for identity in batch)
    assert max(times.values()) - min(times.values()) > 2  # passes would keep this within 1
    assert all(340 < times[identity] < 460 for identity in range(7))
    assert sum(one == other for one, other in zip(batches, batches[1:], strict=False)) > 5  # 1 in 35 by chance


def test_the_cost_of_a_draw_does_not_grow_with_what_is_there(monkeypatch):
    """At most 4 P places of a permutation of the identities are computed for a batch, and P x K of the images'."""
    computed, permute = [], sampler_module.permute
    monkeypatch.setattr(
        sampler_module, "permute", lambda places, *rest: computed.append(places.size) or permute(places, *rest)
    )
    for count in (20, 1003, 100_001):
        sampler = Sampler(labels_of([3] * count), 10, 2, seed=0)
        for step in (0, count // 10, count // 10 + 1, 10**12):
            computed.clear()
            sampler.batch(step)
            assert sum(computed) <= 4 * 10 + 10 * 2


def test_an_identity_with_many_images_shows_all_of_them_alike():
    labels = labels_of([100_000, 3])
    rows = np.stack([Sampler(labels, 2, 50, 0, repeat_images=True).batch(step) for step in range(200)])
    many = rows[labels[rows] == 0].reshape(200, 50)
    assert all(len(set(batch)) == 50 for batch in many.tolist())
    assert np.bincount(many.ravel() // 10_000, minlength=10).min() > 850  # 1,000 on average
    few = rows[labels[rows] == 1].reshape(200, 50)
    assert {tuple(np.bincount(batch - 100_000, minlength=3).tolist()) for batch in few} <= {
        (17, 17, 16), (17, 16, 17), (16, 17, 17)
    }  # fmt: skip


def test_rows_need_not_stand_in_the_order_of_their_labels():
    labels = np.random.default_rng(0).permutation(labels_of([4] * 20)) - 1
    sampler = Sampler(labels, 5, 4, seed=0)
    for step in range(20):
        groups = labels[sampler.batch(step)].reshape(5, 4)
        assert (groups == groups[:, :1]).all() and groups.min() >= 0


@given(n=st.integers(1, 60), size=st.integers(1, 60), seed=st.integers(0, 9), step=st.integers(0, 10**6))
def test_an_identity_is_never_twice_in_a_batch(n, size, seed, step):
    labels, size = labels_of([2] * n), min(size, n)
    assert len(set(labels[Sampler(labels, size, 2, seed).batch(step)])) == size


def test_batches_are_a_function_of_seed_and_step_alone():
    labels = labels_of([5] * 30)
    steps = [7, 0, 123_456, 7, 3]
    sampler, other = Sampler(labels, 8, 4, seed=2), Sampler(labels, 8, 4, seed=2)
    drawn = {step: sampler.batch(step) for step in steps}
    for step in reversed(steps):
        np.testing.assert_array_equal(other.batch(step), drawn[step])
    elsewhere = Sampler(labels, 8, 4, seed=3).batch(7)
    assert set(labels[elsewhere]) != set(labels[drawn[7]])
    assert not np.array_equal(elsewhere, drawn[7])


def test_epochs_do_not_repeat_each_other():  # slip 1
    sampler = Sampler(labels_of([5] * 40), 8, 2, seed=2)
    batches = [tuple(sorted(sampler.batch(step))) for step in range(50 * 5)]
    assert len(set(batches)) == len(batches)


def test_images_of_an_identity_are_all_drawn_in_time():
    sampler = Sampler(labels_of([12] * 8), 8, 3, seed=0)
    assert set(np.concatenate([sampler.batch(step) for step in range(60)])) == set(range(96))


@pytest.mark.parametrize("images", [2, 3, 4, 5, 7])
def test_repeated_images_come_after_all_others(images):
    labels = labels_of([images] * 6)
    for step in range(50):
        rows = Sampler(labels, 4, 5, seed=0, repeat_images=True).batch(step)
        for group in rows.reshape(4, 5):
            assert len(set(labels[group])) == 1
            assert len(set(group[:images])) == min(5, images)


def test_identities_with_too_few_images_stay_out():
    labels = labels_of([1, 2, 3, 4, 5, 6])
    strict, repeating = Sampler(labels, 3, 4, seed=0), Sampler(labels, 5, 4, seed=0, repeat_images=True)
    assert set(np.concatenate([labels[strict.batch(step)] for step in range(50)])) == {3, 4, 5}
    assert set(np.concatenate([labels[repeating.batch(step)] for step in range(50)])) == {1, 2, 3, 4, 5}


def test_held_out_images_are_never_drawn():
    labels = labels_of([4] * 20)
    labels[np.isin(labels, [0, 7, 19])] = -1
    labels = dense_labels(labels, labels >= 0)
    drawn = {row for step in range(100) for row in Sampler(labels, 8, 4, seed=0).batch(step)}
    assert drawn == set(np.flatnonzero(labels >= 0))


@pytest.mark.parametrize("repeat_images, needed, possible", [(False, 4, 3), (True, 2, 5)])
def test_too_many_identities_a_batch_says_how_many_are_possible(repeat_images, needed, possible):
    labels = labels_of([1, 2, 3, 4, 5, 6])
    with pytest.raises(
        NoFacesError, match=f"at least {needed} readable images.*identities_per_batch can be {possible} at most"
    ):
        Sampler(labels, 6, 4, seed=0, repeat_images=repeat_images)
    Sampler(labels, possible, 4, seed=0, repeat_images=repeat_images).batch(0)


def test_too_many_images_an_identity_says_how_many_are_possible():
    labels = labels_of([1, 2, 3, 4, 5, 6])
    with pytest.raises(NoFacesError, match="there are 0: images_per_identity can be 4 at most"):
        Sampler(labels, 3, 7, seed=0)
    Sampler(labels, 3, 4, seed=0).batch(0)
    with pytest.raises(NoFacesError, match="there are 0: nothing to draw from"):
        Sampler(labels_of([1, 1, 1]), 2, 4, seed=0)


@pytest.mark.parametrize("replayed_batches", [1, 3, 7])
def test_replayed_batches_come_again_in_the_same_order(replayed_batches):  # slip 1
    labels = labels_of([6] * 20)
    endless, replayed = Sampler(labels, 5, 3, 4), Sampler(labels, 5, 3, 4, replayed_batches=replayed_batches)
    for step in range(25):
        np.testing.assert_array_equal(replayed.batch(step), endless.batch(step % replayed_batches))
    assert len({tuple(replayed.batch(step)) for step in range(25)}) == replayed_batches


def test_without_replay_no_batch_comes_again():  # slip 1
    sampler = Sampler(labels_of([6] * 20), 5, 3, 4)
    assert len({tuple(sampler.batch(step)) for step in range(500)}) == 500


# validation pairs


@given(counts=COUNTS, limit=st.integers(2, 6), seed=st.integers(0, 9), data=st.data())
def test_validation_pairs(counts, limit, seed, data):
    labels = labels_of(counts)
    held_out = np.array(data.draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts))))
    labels = dense_labels(labels, held_out[labels])
    first, second, matched = validation_pairs(labels, limit, seed)
    pairs = [frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 for pair in pairs)
    assert (labels[first] >= 0).all() and (labels[second] >= 0).all()
    np.testing.assert_array_equal(labels[first] == labels[second], matched)

    counted = np.minimum(np.bincount(labels[labels >= 0], minlength=1), limit)
    images, all_matched = counted.sum(), (counted * (counted - 1) // 2).sum()
    assert matched.sum() == all_matched
    assert (~matched).sum() == min(all_matched, images * (images - 1) // 2 - all_matched)
    used = {image for pair, same in zip(pairs, matched, strict=True) if same for image in pair}
    for label, count in enumerate(counted):
        assert len([image for image in used if labels[image] == label]) == (count if count > 1 else 0)
    assert len({*used, *first, *second}) <= images


def test_the_reference_systems_number_of_pairs():
    first, _, matched = validation_pairs(labels_of([15] * 32), 10, seed=0)
    assert (len(first), matched.sum()) == (2880, 1440)


def test_validation_pairs_are_the_same_for_the_same_seed():
    labels = labels_of([8] * 10)
    draws = [np.stack(validation_pairs(labels, 4, seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@given(
    counts=st.lists(st.integers(1, 30), max_size=12), limit=st.integers(1, 12), seed=st.integers(0, 9), data=st.data()
)
def test_validation_pairs_are_the_twins_where_no_cap_is_reached(counts, limit, seed, data):
    """To the order of drawing: figures that are recorded depend on these pairs."""
    labels = np.array(data.draw(st.permutations(labels_of(counts).tolist())), int)
    expected, mismatched = reference.validation_pairs(labels, limit, seed)
    for cap in (None, len(expected), len(expected) + 1):
        first, second, matched = validation_pairs(labels, limit, seed, cap)
        assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected + mismatched
        assert matched.tolist() == [True] * len(expected) + [False] * len(mismatched)
        assert (first.dtype, second.dtype, matched.dtype) == (np.int64, np.int64, bool)


@given(counts=COUNTS, limit=st.integers(2, 6), seed=st.integers(0, 9), cap=st.integers(0, 60))
def test_a_cap_takes_whole_identities_and_cuts_the_last(counts, limit, seed, cap):
    labels = labels_of(counts)
    kept = np.minimum(counts, limit)
    of_each = kept * (kept - 1) // 2
    first, second, matched = validation_pairs(labels, limit, seed, cap)
    assert matched.sum() == min(cap, of_each.sum())
    possible = kept.sum() * (kept.sum() - 1) // 2 - of_each.sum()
    assert (~matched).sum() == min(matched.sum(), possible)
    np.testing.assert_array_equal(labels[first] == labels[second], matched)
    assert len(set(map(frozenset, zip(first.tolist(), second.tolist(), strict=True)))) == len(first)
    taken = Counter(labels[first[matched]].tolist())
    assert sum(count < of_each[label] for label, count in taken.items()) <= 1
    assert all(len({*first[labels[first] == label], *second[labels[second] == label]}) <= limit for label in taken)


def test_a_capped_draw_is_random_in_the_seed_and_takes_no_more_people_than_it_needs():
    labels = labels_of([15] * 400)
    draws = [validation_pairs(labels, 10, seed, 1440) for seed in range(40)]
    people = [frozenset(labels[np.concatenate(draw[:2])]) for draw in draws]
    assert {(len(draw[0]), int(draw[2].sum())) for draw in draws} == {(2880, 1440)}
    assert {len(each) for each in people} == {32}
    assert len(set(people)) == 40 and len(frozenset.union(*people)) > 360
    np.testing.assert_array_equal(draws[3], validation_pairs(labels, 10, 3, 1440))


def test_a_cap_that_one_identity_fills_still_has_mismatched_pairs():
    labels = labels_of([200_000, 200_000, 1])
    first, _, matched = validation_pairs(labels, 200_000, 0, pairs_limit=500)
    assert (len(first), matched.sum()) == (1000, 500)
