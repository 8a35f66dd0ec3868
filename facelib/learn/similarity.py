"""What the loss and the miner must agree on: similarities, and which pairs are positive or negative."""

import tensorflow as tf


def similarity_matrix(embeddings, others=None):
    """Scaled cosine similarities s = (<x1, x2> + 1) / 2 of all pairs.

    Computed in float64 and rounded, so that equal embeddings have exactly equal similarities.

    Args:
        embeddings: (B, d) float, unit norm. others: (M, d) likewise, with which they are paired; None: with themselves.

    Returns:
        (B, M) float32 in [0, 1] up to rounding.
    """
    embeddings = tf.cast(embeddings, tf.float64)
    others = embeddings if others is None else tf.cast(others, tf.float64)
    products = tf.matmul(embeddings, others, transpose_b=True)  # shape (B, M)
    return tf.cast((products + 1) / 2, tf.float32)


def positive_mask(labels, sources=None, others=None):
    """(B, M) bool, true iff a and p share a label and are different images.

    Args:
        labels: (B,) int.
        sources: (B,) int, the file behind each image, where a batch may repeat one: two draws of a file are no pair.
        others: (M,) int labels and (M,) int sources of those with which they are paired; None: with themselves.
    """
    if sources is None:
        sources = tf.range(tf.shape(labels)[0])
    other_labels, other_sources = others or (labels, sources)
    return (labels[:, None] == other_labels[None, :]) & (sources[:, None] != other_sources[None, :])


def negative_mask(labels, others=None):
    """(B, M) bool, true iff a and n have different labels; (B,) int `labels`, and (M,) int `others` or None: theirs."""
    others = labels if others is None else others
    return labels[:, None] != others[None, :]
