import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from facelib.learn.chunks import embed_in_chunks
from facelib.learn.layers import Dropout, FusedBatchNormalization, UnitNorm
from facelib.learn.losses import all_pairs_circle_loss

LABELS = np.repeat(np.arange(6, dtype=np.int32), 4)
IMAGES = np.random.default_rng(0).uniform(0, 255, (24, 8, 8, 3)).astype(np.float32)


def build_model(norm=False, dropout=0.0):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, 2)(layers.Rescaling(1 / 127.5, -1)(inputs))
    if norm:
        x = FusedBatchNormalization()(x)
    x = Dropout(dropout, seed=5)(layers.Flatten()(layers.LeakyReLU(0.1)(x)))
    return keras.Model(inputs, UnitNorm()(layers.Dense(16)(x)))


def lose(embeddings):
    return all_pairs_circle_loss(LABELS, embeddings, 0.25, 16)


def in_chunks(model, size):
    """Embeddings, the gradient by chunks, and all that is not trained, after one batch."""
    embeddings, pull_back = embed_in_chunks(model, tf.constant(IMAGES), size)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = lose(embeddings)
    gradients = pull_back(tape.gradient(loss, embeddings))
    return embeddings, gradients, [np.asarray(variable) for variable in model.non_trainable_variables]


def at_once(model, size):
    """The same by one tape over all chunks."""
    with tf.GradientTape() as tape:
        parts = [model(IMAGES[start : start + size], training=True) for start in range(0, len(IMAGES), size)]
        embeddings = tf.concat(parts, axis=0)
        loss = lose(embeddings)
    gradients = tape.gradient(loss, model.trainable_variables)
    return embeddings, gradients, [np.asarray(variable) for variable in model.non_trainable_variables]


def assert_same(one, other, tolerance=1e-6):
    for ours, theirs in zip(one, other, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("size", [1, 4, 12])
def test_chunks_give_the_gradient_of_the_whole_batch(size):
    whole = at_once(build_model(), len(IMAGES))
    assert max(float(tf.reduce_max(tf.abs(gradient))) for gradient in whole[1]) > 0.1
    assert_same(in_chunks(build_model(), size), whole)


@pytest.mark.parametrize("graph", [False, True])
def test_what_moves_in_a_pass_moves_once_and_is_the_same_in_both(graph):
    """Statistics of batch norm, of each chunk in its turn; seeds of dropout."""
    found, whole = build_model(norm=True, dropout=0.3), build_model(norm=True, dropout=0.3)
    expected = at_once(whole, 8)
    if graph:
        embeddings, gradients, _ = tf.function(lambda: in_chunks_of_graph(found), autograph=False)()
        assert_same((embeddings, gradients, found.non_trainable_variables), expected)
    else:
        assert_same(in_chunks(found, 8), expected)


def in_chunks_of_graph(model):
    embeddings, pull_back = embed_in_chunks(model, tf.constant(IMAGES), 8)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = lose(embeddings)
    return embeddings, pull_back(tape.gradient(loss, embeddings)), []


@pytest.mark.parametrize("size", [0, 24])
def test_one_chunk_is_one_pass(size):
    assert_same(in_chunks(build_model(norm=True, dropout=0.3), size), at_once(build_model(norm=True, dropout=0.3), 24))


def test_chunks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="24 images cannot be cut into chunks of 7: choose a divisor of 24"):
        embed_in_chunks(build_model(), tf.constant(IMAGES), 7)
