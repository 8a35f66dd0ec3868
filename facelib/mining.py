"""Which triplets of a batch to learn from. An anchor-positive pair without a suitable negative gives no triplet.

With scaled similarities s_p of the pair (a, p) and s_n of (a, n), a negative is, for that pair,
hard where s_n >= s_p, semi-hard where s_p - margin < s_n < s_p, easy where s_n <= s_p - margin
(Schroff et al. 2015, sec. 3.2, in similarity instead of squared distance).
"""

import tensorflow as tf

from facelib.pairwise import negative_mask, positive_mask, similarity_matrix

METHODS = ("semi-hard", "hard", "all")
MISTAKEN = "mistaken"  # what the reference system took for semi-hard, to show what it costs


def select_triplets(labels, embeddings, method="semi-hard", margin=0.1, sources=None):
    """Indices of triplets (a, p, n) within a batch; runs inside or outside of a graph.

    - ``semi-hard``: for each anchor-positive pair the most similar negative with s_p - margin < s_n < s_p;
    - ``hard``: for each pair the most similar negative of all;
    - ``all``: every valid triple, whatever its similarities.

    Equal similarities are decided for the lowest index. No fallback: where no negative qualifies, or a batch has no
    positive pair or no negative, there is no triplet. MISTAKEN is the exception: for each pair the most similar
    negative with s_n > s_p and, where there is none, image 0, which may be of the anchor's own identity.

    Args:
        labels: (B,) int. embeddings: (B, d) float, unit norm.
        method: one of METHODS, or MISTAKEN. margin: width of the semi-hard window in scaled similarity.
        sources: (B,) int or None, see `pairwise.positive_mask`.

    Returns:
        (T, 3) int32, sorted by anchor, positive, negative; T may be 0.

    Raises:
        ValueError: unknown method.
    """
    if method not in (*METHODS, MISTAKEN):
        raise ValueError(f"unknown mining method {method!r}; choose one of {', '.join(METHODS)}")
    labels = tf.convert_to_tensor(labels)
    positives, negatives = positive_mask(labels, sources), negative_mask(labels)
    pairs = tf.cast(tf.where(positives), tf.int32)  # shape (A, 2): anchor, positive
    candidates = tf.gather(negatives, pairs[:, 0])  # shape (A, B)
    if method == "all":
        triplets = tf.cast(tf.where(candidates), tf.int32)  # shape (T, 2): row of pairs, negative
        return tf.concat([tf.gather(pairs, triplets[:, 0]), triplets[:, 1:]], axis=1)

    similarities = similarity_matrix(tf.stop_gradient(embeddings))
    s_p = tf.gather_nd(similarities, pairs)[:, None]  # shape (A, 1)
    s_n = tf.gather(similarities, pairs[:, 0])  # shape (A, B)
    if method == "semi-hard":
        candidates &= (s_n < s_p) & (tf.cast(s_n, tf.float64) > tf.cast(s_p, tf.float64) - margin)
    if method == MISTAKEN:
        candidates &= s_n > s_p
    negative = tf.argmax(tf.where(candidates, s_n, float("-inf")), axis=1, output_type=tf.int32)  # shape (A,)
    triplets = tf.concat([pairs, negative[:, None]], axis=1)
    if method == MISTAKEN:
        return triplets  # argmax over nothing but -inf is 0
    return tf.boolean_mask(triplets, tf.reduce_any(candidates, axis=1))


def get_triplets(batch, model, method="semi-hard", margin=0.1):
    """The triplets that `select_triplets` chooses for a batch under the embeddings of `model` in inference mode.

    Args:
        batch: (identities, images), as the dataset yields them: (B,) int and (B, height, width, channels) float.
        model: maps images to (B, d) unit-norm embeddings.
        method, margin: as in `select_triplets`.

    Returns:
        List of (anchor_index, positive_index, negative_index) tuples of int; empty where no triplet qualifies.
    """
    identities, images = batch
    embeddings = model(tf.convert_to_tensor(images), training=False)
    return [tuple(triplet) for triplet in select_triplets(identities, embeddings, method, margin).numpy().tolist()]
