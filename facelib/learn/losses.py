"""The circle loss (Sun et al. 2020) on triplets, on all pairs and on class proxies; the triplet loss.

With margin m and scale gamma (Sun et al. 2020, sec. 3.3):

    Delta_p = 1 - m,  Delta_n = m,  alpha_p = max(0, 1 + m - s_p),  alpha_n = max(0, s_n + m)

For triplets, similarities are s = (<x1, x2> + 1) / 2 in [0, 1], where neither maximum matters: a negative is pushed
away until it is opposite. For all pairs and for proxies they are the paper's cosines, s = <x1, x2> in [-1, 1]: a
negative is left alone beyond the cosine -m, so that the many easy ones do not outweigh the few hard ones.

The weights alpha are constants in the gradient (eq. 9, 10). Losses are computed in float64 and returned as float32:
with a gamma of some hundreds, float32 would lose the digits of every loss that is close to zero. The losses of triplets
take their similarities in float64 too, those over a matrix round them to float32.
"""

import tensorflow as tf

from facelib.learn.similarity import negative_mask, positive_mask, similarity_matrix


def circle_loss(anchor_embeddings, positive_embeddings, negative_embeddings, m, gamma):
    """Mean circle loss of triplets: (1/gamma) log(1 + exp(gamma (alpha_n (s_n - Delta_n) - alpha_p (s_p - Delta_p)))).

    Sun et al. 2020, eq. 6, for one positive and one negative similarity, divided by gamma.

    Args:
        anchor_embeddings, positive_embeddings, negative_embeddings: (N, d) float, unit norm.
        m: margin, 0 < m < 1.
        gamma: scale, positive.

    Returns:
        Scalar float32; 0, with zero gradients, where N = 0.

    Raises:
        ValueError: m or gamma out of range, or shapes that differ.
    """
    _check(m, gamma)
    anchors, positives, negatives = (
        tf.cast(tf.convert_to_tensor(x), tf.float64)
        for x in (anchor_embeddings, positive_embeddings, negative_embeddings)
    )
    for name, other in (("positive", positives), ("negative", negatives)):
        if other.shape.rank != 2 or not anchors.shape.is_compatible_with(other.shape):
            raise ValueError(
                f"{name}_embeddings have shape {other.shape}, anchor_embeddings {anchors.shape}: not (N, d)"
            )
    s_p = (tf.reduce_sum(anchors * positives, axis=1) + 1) / 2  # shape (N,)
    s_n = (tf.reduce_sum(anchors * negatives, axis=1) + 1) / 2
    losses = tf.nn.softplus(_logit_n(s_n, m, gamma) + _logit_p(s_p, m, gamma)) / gamma
    return _mean(losses)


def all_pairs_circle_loss(labels, embeddings, m, gamma, sources=None, memory=None):
    """Circle loss of each image with all its positives and negatives in the batch and in memory, mean over the images.

    (1/gamma) log(1 + sum_n exp(gamma alpha_n (s_n - Delta_n)) sum_p exp(-gamma alpha_p (s_p - Delta_p))).

    Sun et al. 2020, eq. 6, on cosines, each image of the batch the anchor of all its pairs, divided by gamma.

    Args:
        labels: (B,) int. embeddings: (B, d) float, unit norm. m, gamma: as in `circle_loss`.
        sources: (B,) int or None, see `similarity.positive_mask`; with a memory, (B,) int.
        memory: (M,) int labels, (M, d) float embeddings and (M,) int sources of images that are no anchors, as
            `cross_batch_memory.CrossBatchMemory.variables` has them, or None. A label below 0 marks an empty place.

    Returns:
        Scalar float32 over the anchors that have a positive and a negative; 0 where there is none.
    """
    _check(m, gamma)
    if memory is None:
        cosines = 2 * similarity_matrix(embeddings) - 1
        return _multi_loss(cosines, positive_mask(labels, sources), negative_mask(labels), m, gamma)
    batch = (labels, embeddings, sources)
    others, partners, files = (tf.concat([new, old], axis=0) for new, old in zip(batch, memory, strict=True))
    cosines = 2 * similarity_matrix(embeddings, partners) - 1  # shape (B, B + M)
    negatives = negative_mask(labels, others) & (others >= 0)
    return _multi_loss(cosines, positive_mask(labels, sources, (others, files)), negatives, m, gamma)


def class_circle_loss(labels, embeddings, proxies, m, gamma):
    """The circle loss against one proxy per identity: s_p is the cosine to the own proxy, s_n to the others.

    Sun et al. 2020, eq. 6, learning from class-level labels, divided by gamma.

    Args:
        labels: (B,) int in [0, C). embeddings: (B, d) float, unit norm. proxies: (C, d) float, of any norm.
        m, gamma: as in `circle_loss`.

    Returns:
        Scalar float32, the mean over the batch.
    """
    _check(m, gamma)
    proxies = tf.math.l2_normalize(tf.cast(proxies, tf.float32), axis=1)
    cosines = tf.matmul(tf.cast(embeddings, tf.float32), proxies, transpose_b=True)  # shape (B, C)
    own = tf.one_hot(labels, tf.shape(proxies)[0], on_value=True, off_value=False, dtype=tf.bool)
    return _multi_loss(cosines, own, ~own, m, gamma)


def triplet_loss(anchor_embeddings, positive_embeddings, negative_embeddings, m):
    """Mean of max(0, d2(a, p) - d2(a, n) + m) with squared Euclidean distances (Schroff et al. 2015, eq. 3).

    Args:
        anchor_embeddings, positive_embeddings, negative_embeddings: (N, d) float. m: margin in squared distance.

    Returns:
        Scalar float32; 0 where N = 0.
    """
    anchors, positives, negatives = (
        tf.cast(x, tf.float64) for x in (anchor_embeddings, positive_embeddings, negative_embeddings)
    )
    d2_p = tf.reduce_sum(tf.math.squared_difference(anchors, positives), axis=1)  # shape (N,)
    d2_n = tf.reduce_sum(tf.math.squared_difference(anchors, negatives), axis=1)
    return _mean(tf.nn.relu(d2_p - d2_n + m))


def _multi_loss(cosines, positives, negatives, m, gamma):
    cosines = tf.cast(cosines, tf.float64)  # shape (B, columns), as the masks
    lse_n = _masked_logsumexp(_logit_n(cosines, m, gamma), negatives)  # shape (B,)
    lse_p = _masked_logsumexp(_logit_p(cosines, m, gamma), positives)
    complete = tf.reduce_any(positives, axis=1) & tf.reduce_any(negatives, axis=1)
    losses = tf.nn.softplus(lse_n + lse_p) / gamma
    return _mean(tf.boolean_mask(losses, complete))


def _logit_p(s_p, m, gamma):
    alpha_p = tf.stop_gradient(tf.nn.relu(1 + m - s_p))
    return -gamma * alpha_p * (s_p - (1 - m))


def _logit_n(s_n, m, gamma):
    alpha_n = tf.stop_gradient(tf.nn.relu(s_n + m))
    return gamma * alpha_n * (s_n - m)


def _masked_logsumexp(logits, mask):
    # -inf would give NaN gradients in rows where nothing is selected
    return tf.reduce_logsumexp(tf.where(mask, logits, -1e9), axis=1)


def _mean(losses):
    count = tf.cast(tf.size(losses), losses.dtype)
    return tf.cast(tf.math.divide_no_nan(tf.reduce_sum(losses), count), tf.float32)


def _check(m, gamma):
    if not 0 < m < 1:
        raise ValueError(f"margin m={m} must lie between 0 and 1")
    if not gamma > 0:
        raise ValueError(f"gamma={gamma} must be positive")
