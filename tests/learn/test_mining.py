import inspect

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import on_circle
from hypothesis import given
from hypothesis import strategies as st

from facelib.learn.mining import METHODS, MISTAKEN, get_triplets, select_triplets
from facelib.learn.similarity import similarity_matrix


@st.composite
def batches(draw):
    """Labels, angles on a coarse circle (so that ties and duplicates are common) and the files behind the images."""
    size = draw(st.integers(1, 9))
    labels = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    degrees = draw(st.lists(st.sampled_from(range(0, 360, 30)), min_size=size, max_size=size))
    sources = draw(st.none() | st.lists(st.integers(0, 5), min_size=size, max_size=size))
    return np.array(labels, np.int32), on_circle(degrees), None if sources is None else np.array(sources, np.int32)


def as_set(triplets):
    rows = [tuple(row) for row in np.asarray(triplets).tolist()]
    assert len(rows) == len(set(rows))
    return set(rows)


class Turn(keras.layers.Layer):
    """Images (B, 1, 1, 1) that hold an angle in degrees, to embeddings on the circle; other angles in training."""

    def call(self, images, training=False):
        angles = tf.reshape(images, (-1, 1)) * np.pi / 180 + (1.0 if training else 0.0) * tf.reshape(images, (-1, 1))
        return tf.concat([tf.cos(angles), tf.sin(angles)], axis=1)


def images_at(degrees):
    return tf.reshape(tf.constant(degrees, tf.float32), (-1, 1, 1, 1))


@pytest.mark.parametrize("method", (*METHODS, MISTAKEN))
@pytest.mark.parametrize("margin", [0.01, 0.1, 0.25, 1.0])
@given(batch=batches())
def test_triplets_are_the_triple_loops(batch, method, margin):
    labels, embeddings, sources = batch
    similarities = similarity_matrix(embeddings).numpy()
    chosen = select_triplets(labels, embeddings, method, margin, sources)
    assert chosen.dtype == tf.int32
    assert as_set(chosen) == reference.triplets(labels, similarities, method, margin, sources)


@given(batch=batches(), method=st.sampled_from(METHODS))
def test_a_negative_is_never_the_anchors_identity_nor_a_positive_the_anchor(batch, method):  # slip 3
    labels, embeddings, sources = batch
    a, p, n = select_triplets(labels, embeddings, method, 0.5, sources).numpy().T
    assert (labels[a] == labels[p]).all()
    assert (labels[a] != labels[n]).all()
    assert (a != p).all()
    assert sources is None or (sources[a] != sources[p]).all()


@given(batch=batches())
def test_semi_hard_negatives_are_less_similar_than_the_positive(batch):  # slip 3
    labels, embeddings, _ = batch
    s = similarity_matrix(embeddings).numpy()
    a, p, n = select_triplets(labels, embeddings, "semi-hard", 0.25).numpy().T
    assert (s[a, n] < s[a, p]).all()
    assert (s[a, n] > s[a, p] - 0.25).all()


def test_mistaken_takes_what_is_harder_than_hard_or_image_0_whoever_that_shows():  # slip 3
    """From 0 degrees the positive at 60; the negative at 50 is nearer. From 200 the positive at 260 is the nearest."""
    labels, embeddings = np.array([0, 0, 1, 2, 2]), on_circle([0, 60, 50, 200, 260])
    chosen = select_triplets(labels, embeddings, MISTAKEN).numpy().tolist()
    assert chosen == [[0, 1, 2], [1, 0, 2], [3, 4, 0], [4, 3, 0]]
    labels, embeddings = np.array([0, 0, 1]), on_circle([0, 10, 180])
    chosen = select_triplets(labels, embeddings, MISTAKEN).numpy().tolist()
    assert chosen == [[0, 1, 0], [1, 0, 0]]  # the anchor itself, and the anchor's own identity
    for method in METHODS:
        assert [0, 1, 0] not in select_triplets(labels, embeddings, method, 1.0).numpy().tolist()


@given(batch=batches())
def test_mistaken_gives_every_pair_a_triplet(batch):  # slip 3
    labels, embeddings, sources = batch
    s = similarity_matrix(embeddings).numpy()
    a, p, n = select_triplets(labels, embeddings, MISTAKEN, sources=sources).numpy().T
    places = [(i, j) for i in range(len(labels)) for j in range(len(labels))]
    pairs = [place for place in places if reference.is_positive(labels, sources, *place)]
    assert list(zip(a.tolist(), p.tolist(), strict=True)) == pairs
    fallen_back = ~((s[a, n] > s[a, p]) & (labels[a] != labels[n]))
    assert (n[fallen_back] == 0).all()


def test_hand_derived_triplets():
    """From 0 degrees the positive at 60 has s = 0.75; the negatives at 50, 70, 80 have 0.82, 0.67, 0.59."""
    labels, embeddings = np.array([0, 0, 1, 2, 3]), on_circle([0, 60, 50, 70, 80])
    of_first_anchor = {
        method: [row for row in select_triplets(labels, embeddings, method, 0.1).numpy().tolist() if row[0] == 0]
        for method in METHODS
    }
    assert of_first_anchor == {
        "semi-hard": [[0, 1, 3]],
        "hard": [[0, 1, 2]],
        "all": [[0, 1, 2], [0, 1, 3], [0, 1, 4]],
    }


def test_equal_similarities_go_to_the_lowest_index():
    labels, embeddings = np.array([0, 0] + [1] * 20), on_circle([0, 0] + [40] * 20)
    for method in ("hard", "semi-hard"):
        assert select_triplets(labels, embeddings, method, 0.5).numpy().tolist()[:2] == [[0, 1, 2], [1, 0, 2]]


def test_a_negative_as_similar_as_the_positive_is_hard():
    labels, embeddings = np.array([0, 0, 1]), on_circle([0, 30, 330])
    assert select_triplets(labels, embeddings, "semi-hard", 0.5).numpy().tolist() == [[1, 0, 2]]
    assert select_triplets(labels, embeddings, "hard").numpy().tolist() == [[0, 1, 2], [1, 0, 2]]


def test_collapsed_embeddings_have_no_semi_hard_triplet():
    labels, embeddings = np.array([0, 0, 1, 1]), on_circle([0, 0, 0, 0])
    assert len(select_triplets(labels, embeddings, "semi-hard", 0.5)) == 0
    assert select_triplets(labels, embeddings, "hard").numpy().tolist() == [[0, 1, 2], [1, 0, 2], [2, 3, 0], [3, 2, 0]]


@pytest.mark.parametrize("method", METHODS)
@given(batch=batches())
def test_rows_are_sorted(method, batch):
    labels, embeddings, _ = batch
    rows = select_triplets(labels, embeddings, method, 0.5).numpy().tolist()
    assert rows == sorted(rows)


@pytest.mark.parametrize("method", METHODS)
def test_graph_and_eager_choose_the_same(method):
    generator = np.random.default_rng(3)
    labels, degrees = generator.integers(0, 8, 40), generator.uniform(0, 360, 40)
    degrees[[3, 11, 30]] = degrees[0]
    sources = generator.integers(0, 30, 40)
    graph = tf.function(
        lambda *batch: select_triplets(*batch[:2], method, 0.2, batch[2]),
        input_signature=[tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None, 2)), tf.TensorSpec((None,), tf.int64)],
    )
    eager = select_triplets(labels, on_circle(degrees), method, 0.2, sources)
    assert len(eager) > 10
    np.testing.assert_array_equal(graph(labels, on_circle(degrees), sources), eager)


def test_list_view_is_a_list_of_tuples_of_int():
    triplets = get_triplets((np.array([0, 0, 1]), images_at([0, 20, 30])), Turn(), "hard")
    assert triplets == [(0, 1, 2), (1, 0, 2)]
    assert type(triplets) is list
    assert {type(triplet) for triplet in triplets} == {tuple}
    assert {type(index) for triplet in triplets for index in triplet} == {int}


def test_list_view_takes_a_batch_a_model_and_options():  # slip 7
    assert list(inspect.signature(get_triplets).parameters) == ["batch", "model", "method", "margin"]


@pytest.mark.parametrize("method", METHODS)
def test_list_view_is_the_same_core_on_the_models_inference(method):
    generator = np.random.default_rng(4)
    labels, degrees = generator.integers(0, 4, 16), generator.uniform(0, 360, 16)
    triplets = get_triplets((labels, images_at(degrees)), Turn(), method, 0.2)
    chosen = select_triplets(labels, Turn()(images_at(degrees), training=False), method, 0.2)
    assert triplets
    assert [list(triplet) for triplet in triplets] == chosen.numpy().tolist()


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]], ids=["no negative", "no positive", "one image"])
@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_choose_is_an_empty_list(labels, method):
    degrees = [0, 50, 100][: len(labels)]
    assert get_triplets((np.array(labels), images_at(degrees)), Turn(), method, 1.0) == []
    assert select_triplets(np.array(labels), on_circle(degrees), method).shape == (0, 3)


def test_two_draws_of_one_file_are_no_positive_pair():
    labels, sources = np.array([0, 0, 1]), np.array([7, 7, 8])
    assert len(select_triplets(labels, on_circle([0, 10, 20]), "all", sources=sources)) == 0


def test_unknown_method_lists_the_known_ones():
    with pytest.raises(ValueError, match="'hardest'.*semi-hard, hard, all$"):
        select_triplets(np.array([0, 0, 1]), on_circle([0, 10, 20]), "hardest")
