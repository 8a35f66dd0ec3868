from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facelib.identities import (
    NoFacesError,
    Sampler,
    dense_labels,
    read_identities,
    split_identities,
    take,
    validation_pairs,
)

COUNTS = st.lists(st.integers(1, 12), min_size=2, max_size=40)  # images of each identity


def labels_of(counts):
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


# the table of a folder


def test_integer_names_are_sorted_as_numbers_before_all_others(tmp_path):
    touch(tmp_path, "10/b.jpeg", "10/a.jpeg", "9/z.jpg", "Ann_Lee/1.png", "002/q.JPEG", "-1/x.jpeg")
    faces = read_identities(tmp_path)
    assert faces.names == ("002", "9", "10", "-1", "Ann_Lee")
    assert faces.paths == ("002/q.JPEG", "9/z.jpg", "10/a.jpeg", "10/b.jpeg", "-1/x.jpeg", "Ann_Lee/1.png")
    assert faces.labels.tolist() == [0, 1, 2, 2, 3, 4]
    assert faces.labels.dtype == np.int32


def test_the_order_of_a_directory_listing_does_not_matter(tmp_path, monkeypatch):  # slip 10
    touch(tmp_path, *(f"{name}/{image}.jpeg" for name in (3, 20, 100) for image in "cab"))
    before, listed = read_identities(tmp_path), Path.iterdir
    expected = [f"{name}/{image}.jpeg" for name in (3, 20, 100) for image in "abc"]
    for order in (sorted, lambda entries: sorted(entries, reverse=True)):
        monkeypatch.setattr(Path, "iterdir", lambda folder, order=order: iter(order(listed(folder))))
        after = read_identities(tmp_path)
        assert list(after.paths) == list(before.paths) == expected
        np.testing.assert_array_equal(after.labels, before.labels)


def test_stray_files_are_ignored(tmp_path):
    touch(tmp_path, "5/a.jpeg", "5/Thumbs.db", "5/a.txt", "5/.DS_Store", "readme.jpeg", "list.txt")
    (tmp_path / "7").mkdir()
    assert read_identities(tmp_path).paths == ("5/a.jpeg",)


def test_limits(tmp_path):
    touch(tmp_path, "1/note.txt", *(f"{name}/{image}.jpeg" for name in (2, 3, 4) for image in "abcd"))
    faces = read_identities(tmp_path, identities_limit=2, images_limit=3)
    assert faces.names == ("2", "3")
    assert faces.paths == ("2/a.jpeg", "2/b.jpeg", "2/c.jpeg", "3/a.jpeg", "3/b.jpeg", "3/c.jpeg")
    assert faces.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(NoFacesError, match=f"no folder {tmp_path}/nowhere; expected one folder per identity"):
        read_identities(tmp_path / "nowhere")


@pytest.mark.parametrize("paths", [[], ["note.txt"], ["1/note.txt"]])
def test_folder_without_usable_identities_is_named(tmp_path, paths):
    with pytest.raises(NoFacesError, match=f"{tmp_path} holds no identity: expected folders with images"):
        read_identities(touch(tmp_path, *paths))


def test_take_keeps_rows_aligned_and_labels_dense(tmp_path):
    faces = read_identities(touch(tmp_path, "1/a.png", "2/a.png", "2/b.png", "3/a.png", "3/b.png"))
    kept = take(faces, np.array([True, False, False, True, False]))
    assert kept.paths == ("1/a.png", "3/a.png")
    assert kept.labels.tolist() == [0, 1]
    assert kept.names == ("1", "3")
    assert [kept.names[label] for label in kept.labels] == [path.split("/")[0] for path in kept.paths]


@given(counts=COUNTS, data=st.data())
def test_dense_labels_have_no_gaps_and_keep_identities_apart(counts, data):
    labels = labels_of(counts)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))))
    dense = dense_labels(labels, mask)
    assert dense.dtype == np.int32
    assert (dense[~mask] == -1).all()
    assert sorted(set(dense[mask])) == list(range(len(set(labels[mask]))))
    assert len(set(zip(labels[mask], dense[mask], strict=True))) == len(set(labels[mask]))


# split


@pytest.mark.parametrize(("people", "share"), [(12, 0.99), (12, 0.9), (2, 0.5), (2, 0.01), (1, 0.12)])
def test_a_split_leaves_two_identities_to_train_on_or_says_why_not(people, share):
    with pytest.raises(NoFacesError, match=rf"validation_share={share} holds out \d+ of {people} identities, .*lower"):
        split_identities(labels_of([5] * people), share, 7)
    training, _ = split_identities(labels_of([5] * (people + 9)), 0.5, 7)
    assert len(set(labels_of([5] * (people + 9))[training])) >= 2


@given(counts=COUNTS, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_split_is_an_identity_disjoint_partition(counts, share, seed):  # slip 5
    labels = labels_of(counts)
    assume(len(counts) - max(1, round(share * len(counts))) >= 2)
    training, validation = split_identities(labels, share, seed)
    assert (training ^ validation).all()
    assert not set(labels[training]) & set(labels[validation])
    assert len(set(labels[validation])) == max(1, round(share * len(counts)))


def test_split_is_random_in_the_seed_and_whatever_an_identitys_size():
    labels = labels_of([1] * 50 + [30] * 50)
    drawn = [frozenset(labels[split_identities(labels, 0.2, seed)[1]]) for seed in range(60)]
    assert drawn[0] == frozenset(labels[split_identities(labels, 0.2, 0)[1]])
    assert len(set(drawn)) == 60
    times = Counter(identity for identities in drawn for identity in identities)
    assert len(times) == 100
    assert 0.4 < sum(times[identity] for identity in range(50)) / 1200 < 0.6


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
