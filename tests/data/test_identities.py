import contextlib
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facelib.data.identities import (
    NoFacesError,
    _numbers_first,
    dense_labels,
    draw_identities,
    read_identities,
    split_identities,
    take,
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
    faces = read_identities(tmp_path).faces
    assert faces.names == ("002", "9", "10", "-1", "Ann_Lee")
    assert faces.paths == ("002/q.JPEG", "9/z.jpg", "10/a.jpeg", "10/b.jpeg", "-1/x.jpeg", "Ann_Lee/1.png")
    assert faces.labels.tolist() == [0, 1, 2, 2, 3, 4]
    assert faces.labels.dtype == np.int32


def test_the_order_of_a_directory_listing_does_not_matter(tmp_path, monkeypatch):  # slip 10
    touch(tmp_path, *(f"{name}/{image}.jpeg" for name in (3, 20, 100) for image in "cab"))
    before, listed = read_identities(tmp_path).faces, os.scandir
    expected = [f"{name}/{image}.jpeg" for name in (3, 20, 100) for image in "abc"]

    def by_name(entries):
        return sorted(entries, key=lambda entry: entry.name)

    for order in (by_name, lambda entries: by_name(entries)[::-1]):

        def scan(folder, order=order):
            return contextlib.nullcontext(order(listed(folder)))

        monkeypatch.setattr(os, "scandir", scan)
        after = read_identities(tmp_path).faces
        assert list(after.paths) == list(before.paths) == expected
        np.testing.assert_array_equal(after.labels, before.labels)


def test_stray_files_are_ignored(tmp_path):
    touch(tmp_path, "5/a.jpeg", "5/Thumbs.db", "5/a.txt", "5/.DS_Store", "readme.jpeg", "list.txt")
    (tmp_path / "7").mkdir()
    faces, unread, problems = read_identities(tmp_path)
    assert (faces.paths, problems) == (("5/a.jpeg",), ())
    assert unread == ((".txt", 2, "5/a.txt"), ("image in no identity's folder", 1, "readme.jpeg"))


def test_names_of_digits(tmp_path):
    """Equal numbers stand together, more digits than int() takes are no error, and other scripts' digits are names."""
    names = ["0", "00", "45", "0000045", "46", "100", "²", "٣"]
    touch(tmp_path, *(f"{name}/a.png" for name in names))
    assert read_identities(tmp_path).faces.names == ("0", "00", "0000045", "45", "46", "100", "²", "٣")
    long = "1" * 5000
    assert sorted([long, "2", long[:-1] + "0", "a"], key=_numbers_first) == ["2", long[:-1] + "0", long, "a"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(NoFacesError, match=f"no folder {tmp_path}/nowhere; expected one folder per identity"):
        read_identities(tmp_path / "nowhere")


@pytest.mark.parametrize("paths", [[], ["note.txt"], ["1/note.txt"]])
def test_folder_without_usable_identities_is_named(tmp_path, paths):
    with pytest.raises(NoFacesError, match=f"{tmp_path} holds no identity: expected folders with images") as error:
        read_identities(touch(tmp_path, *paths))
    assert all(path in str(error.value) for path in paths)


def test_take_keeps_rows_aligned_and_labels_dense(tmp_path):
    faces = read_identities(touch(tmp_path, "1/a.png", "2/a.png", "2/b.png", "3/a.png", "3/b.png")).faces
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


@given(counts=COUNTS, count=st.integers(1, 40), seed=st.integers(0, 9), data=st.data())
def test_drawn_identities_are_whole_of_the_mask_and_nested(counts, count, seed, data):
    labels = labels_of(counts)
    masked = data.draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts)))
    mask = np.repeat(masked, counts)
    drawn = draw_identities(labels, mask, count, seed)
    chosen = set(labels[drawn])
    assert len(chosen) == min(count, sum(masked)) and not (drawn & ~mask).any()
    assert (drawn == (mask & np.isin(labels, [*chosen]))).all()  # an identity with all of its images
    assert not (drawn & ~draw_identities(labels, mask, count + 1, seed)).any()


def test_split_is_random_in_the_seed_and_whatever_an_identitys_size():
    labels = labels_of([1] * 50 + [30] * 50)
    drawn = [frozenset(labels[split_identities(labels, 0.2, seed)[1]]) for seed in range(60)]
    assert drawn[0] == frozenset(labels[split_identities(labels, 0.2, 0)[1]])
    assert len(set(drawn)) == 60
    times = Counter(identity for identities in drawn for identity in identities)
    assert len(times) == 100
    assert 0.4 < sum(times[identity] for identity in range(50)) / 1200 < 0.6
