"""Faults of labels, planted in embeddings, and the figures against loops over single images."""

import numpy as np
import pytest
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.gather import label_faults
from facelib.gather.label_faults import (
    find_alike,
    find_centroids,
    find_mixtures,
    find_nearest,
    find_twins,
    measure_fit,
)


def people(sizes, seed=0, spread=0.5, size=32):
    """Labels (n,) and embeddings (n, size) of people with so many images each."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = unit(generator.normal(size=(len(sizes), size)))
    return labels, unit(centres[labels] + spread * generator.normal(size=(len(labels), size)) / np.sqrt(size))


SIZES = st.lists(st.integers(1, 6), min_size=2, max_size=8)


@given(SIZES, st.integers(0, 9))
def test_the_fit_of_each_image_as_the_definition_says(sizes, seed):
    labels, embeddings = people(sizes, seed)
    fit = measure_fit(labels, embeddings)
    for row, label in enumerate(labels):
        rest = (labels == label) & (np.arange(len(labels)) != row)
        others = {other: unit([embeddings[labels == other].sum(axis=0)])[0] for other in {*labels} - {label}}
        if rest.any():
            assert fit.own[row] == pytest.approx(embeddings[row] @ unit([embeddings[rest].sum(axis=0)])[0], abs=1e-5)
        else:
            assert np.isnan(fit.own[row]) and np.isnan(fit.suspicion[row])
        cosines = {other: float(embeddings[row] @ centroid) for other, centroid in others.items()}
        assert fit.other[row] == pytest.approx(max(cosines.values()), abs=1e-5)
        assert cosines[fit.nearest[row]] == pytest.approx(max(cosines.values()), abs=1e-5)


def test_wrong_labels_are_the_most_suspicious():
    labels, embeddings = people([6] * 30)
    truth = labels.copy()
    wrong = np.array([0, 13, 50, 99])
    labels[wrong] = (labels[wrong] + 7) % 30
    fit = measure_fit(labels, embeddings)
    assert set(np.argsort(-fit.suspicion)[:4]) == {*wrong}
    assert fit.nearest[wrong].tolist() == truth[wrong].tolist()
    assert (fit.suspicion[wrong] > 0).all() and (np.delete(fit.suspicion, wrong) < 0).all()


def test_blocks_change_nothing(monkeypatch):
    labels, embeddings = people([3] * 20)
    before = measure_fit(labels, embeddings), find_alike(labels, embeddings, 40)
    monkeypatch.setattr(label_faults, "BLOCK", 50)
    after = measure_fit(labels, embeddings), find_alike(labels, embeddings, 40)
    for one, other in zip((*before[0], *before[1]), (*after[0], *after[1]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_one_person_in_two_folders_is_each_others_nearest():
    labels, embeddings = people([8] * 20)
    labels[labels == 4] = np.where(np.arange(8) % 2, 4, 20)
    twins = find_twins(find_centroids(labels, embeddings))
    assert set(np.argsort(-twins.cosine)[:2]) == {4, 20}
    assert (twins.which[4], twins.which[20]) == (20, 4)


def test_the_nearest_identity_of_others():
    labels, embeddings = people([4] * 10)
    centroids = find_centroids(labels, embeddings)
    assert find_nearest(embeddings, centroids).which.tolist() == labels.tolist()
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-6)


def test_two_people_in_one_folder_are_parted():
    labels, embeddings = people([5, 5, 3, 8] + [6] * 10)
    joined = np.maximum(labels - 1, 0)  # the first two are one identity
    mixture = find_mixtures(joined, embeddings)[0]
    assert mixture.label == 0 and mixture.cosine < 0.5
    assert mixture.rows.tolist() == [*range(10)]
    assert len(set(mixture.second[:5])) == len(set(mixture.second[5:])) == 1


def test_small_identities_and_single_outliers_are_no_mixtures():
    labels, embeddings = people([3, 4, 2])
    embeddings[3:7] = unit([[1, 0, *[0] * 30]] * 3 + [[0, 1, *[0] * 30]])
    assert find_mixtures(labels, embeddings) == []


def test_of_a_very_large_identity_some_images_are_looked_at(monkeypatch):
    monkeypatch.setattr(label_faults, "MANY", 10)
    labels, embeddings = people([40, 6])
    assert all(len(mixture.rows) <= 10 for mixture in find_mixtures(labels, embeddings))


@given(SIZES, st.integers(1, 30), st.integers(0, 9))
def test_the_most_alike_pairs_of_two_labels(sizes, count, seed):
    labels, embeddings = people(sizes, seed)
    pairs, cosines = find_alike(labels, embeddings, count)
    products = embeddings @ embeddings.T
    first, second = np.triu_indices(len(labels), 1)
    kept = labels[first] != labels[second]
    expected = np.sort(products[first[kept], second[kept]])[::-1][:count]
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert (pairs[:, 0] < pairs[:, 1]).all() and (labels[pairs[:, 0]] != labels[pairs[:, 1]]).all()
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs) == min(count, kept.sum())
