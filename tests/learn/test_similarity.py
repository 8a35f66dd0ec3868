import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import on_circle, unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.learn.similarity import negative_mask, positive_mask, similarity_matrix

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=9)


def test_similarities_of_known_angles():
    similarities = similarity_matrix(on_circle([0, 60, 90, 180]))
    assert similarities.dtype == tf.float32
    np.testing.assert_allclose(similarities[0], [1, 0.75, 0.5, 0], atol=1e-7)


def test_similarities_are_the_twins():
    embeddings = unit(np.random.default_rng(0).normal(size=(17, 64)))
    np.testing.assert_allclose(similarity_matrix(embeddings), reference.similarity_matrix(embeddings), atol=1e-7)


def test_similarities_to_others_are_those_of_the_whole_matrix():
    embeddings = unit(np.random.default_rng(0).normal(size=(17, 64)))
    whole = similarity_matrix(embeddings).numpy()
    np.testing.assert_array_equal(similarity_matrix(embeddings[:5], embeddings[5:]), whole[:5, 5:])


def test_masks_of_others_are_those_of_the_whole_matrix():
    labels, files = tf.constant([0, 1, 1, 2, 0, 1, 2, 3]), tf.constant([0, 1, 2, 3, 4, 1, 5, 6])
    for mask, whole in (
        (positive_mask(labels[:5], files[:5], (labels[3:], files[3:])), positive_mask(labels, files)),
        (negative_mask(labels[:5], labels[3:]), negative_mask(labels)),
    ):
        np.testing.assert_array_equal(mask, whole[:5, 3:])
        assert 0 < np.count_nonzero(mask) < 25


@pytest.mark.parametrize("size, count", [(2, 5), (33, 19), (256, 61)])
def test_equal_embeddings_have_equal_similarities_to_the_last_bit(size, count):
    embeddings = unit(np.random.default_rng(size).normal(size=(count, size)))
    embeddings[[0, count // 2]] = embeddings[-1]
    similarities = similarity_matrix(embeddings).numpy()
    for copy in (0, count // 2):
        np.testing.assert_array_equal(similarities[:, copy], similarities[:, -1])
        np.testing.assert_array_equal(similarities[copy], similarities[-1])


def test_bfloat16_embeddings_are_compared_in_float32():
    embeddings = tf.cast(unit(np.random.default_rng(1).normal(size=(9, 32))), tf.bfloat16)
    expected = reference.similarity_matrix(tf.cast(embeddings, tf.float64).numpy())
    np.testing.assert_allclose(similarity_matrix(embeddings), expected, atol=1e-7)


@given(labels=LABELS, data=st.data())
def test_masks_are_the_twins(labels, data):
    sources = data.draw(st.lists(st.integers(0, 5), min_size=len(labels), max_size=len(labels)))
    places = range(len(labels))
    negatives = [[reference.is_negative(labels, a, n) for n in places] for a in places]
    np.testing.assert_array_equal(negative_mask(tf.constant(labels)), negatives)
    for files in (None, sources):
        positives = [[reference.is_positive(labels, files, a, p) for p in places] for a in places]
        np.testing.assert_array_equal(positive_mask(tf.constant(labels), files and tf.constant(files)), positives)
