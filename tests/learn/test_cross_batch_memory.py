"""The cross-batch memory: a queue, the newest images in front."""

import numpy as np
import tensorflow as tf

from facelib.learn.cross_batch_memory import CrossBatchMemory


def batch(step, count=2):
    """Labels, embeddings and sources that tell of which step they are."""
    return tf.fill((count,), step), tf.fill((count, 3), step / 10), 100 * step + tf.range(count)


def contents(memory):
    return [np.asarray(variable) for variable in memory.variables]


def test_a_new_memory_is_empty():
    labels, embeddings, sources = contents(CrossBatchMemory(4, 3))
    assert (labels.shape, embeddings.shape, sources.shape) == ((4,), (4, 3), (4,))
    assert (labels == -1).all() and (sources == -1).all() and not embeddings.any()
    assert [variable.trainable for variable in CrossBatchMemory(4, 3).variables] == [False] * 3


def test_the_newest_images_are_in_front_and_the_oldest_drop_out():
    memory = CrossBatchMemory(5, 3)
    for step, expected in ((1, [1, 1, -1, -1, -1]), (2, [2, 2, 1, 1, -1]), (3, [3, 3, 2, 2, 1])):
        memory.remember(*batch(step))
        labels, embeddings, sources = contents(memory)
        assert labels.tolist() == expected
        np.testing.assert_allclose(embeddings, np.maximum(labels, 0)[:, None] / 10 * np.ones(3), rtol=1e-6)
    assert sources.tolist() == [300, 301, 200, 201, 100]


def test_of_a_batch_larger_than_the_memory_the_first_images_stay():
    memory = CrossBatchMemory(3, 3)
    memory.remember(*batch(7, 8))
    assert memory.sources.numpy().tolist() == [700, 701, 702]
