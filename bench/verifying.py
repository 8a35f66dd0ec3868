"""Scores of pairs: each image embedded once, in batches, or pair by pair with two forward passes."""

import numpy as np
import tensorflow as tf

from facelib.learn.embedding import embed, pair_scores
from facelib.learn.networks import build_network, has_bfloat16


def _network_and_pairs(network, pairs, images):
    # pixels are noise: the time does not depend on what they show
    generator = np.random.default_rng(7)
    pixels = generator.integers(0, 256, (images, 112, 112, 3), np.uint8)
    sides = np.resize(generator.permutation(images), 2 * pairs)  # each image in a pair at least
    return build_network(network, 256, has_bfloat16()), pixels, generator.permutation(sides).reshape(2, -1)


def in_batches(network, pairs, images):
    """facelib's `embed`, tracing included, and `pair_scores`."""
    model, pixels, (first, second) = _network_and_pairs(network, pairs, images)
    return lambda: pair_scores(embed(model, pixels), first, second)


def pair_by_pair(network, pairs, images, subset):
    """``model(x, training=False)`` on one image after another, for the first `subset` pairs."""
    model, pixels, sides = _network_and_pairs(network, pairs, images)

    def embedding(row):
        return model(tf.constant(pixels[row : row + 1], tf.float32), training=False).numpy()[0]

    return lambda: [(embedding(a) @ embedding(b) + 1) / 2 for a, b in sides[:, :subset].T]
