"""Which triplets of a batch to learn from. An anchor-positive pair without a suitable negative gives no triplet.

With scaled similarities s_p of the pair (a, p) and s_n of (a, n), a negative is, for that pair,
hard where s_n >= s_p, semi-hard where s_p - margin < s_n < s_p, easy where s_n <= s_p - margin
(Schroff et al. 2015, sec. 3.2, in similarity instead of squared distance).
"""

import tensorflow as tf

from facelib.learn.similarity import negative_mask, positive_mask, similarity_matrix

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
        sources: (B,) int or None, see `similarity.positive_mask`.

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
    if method == "all":
        triplets = tf.cast(tf.where(tf.gather(negatives, pairs[:, 0])), tf.int32)  # shape (T, 2): pair, negative
        return tf.concat([tf.gather(pairs, triplets[:, 0]), triplets[:, 1:]], axis=1)

    similarities = similarity_matrix(tf.stop_gradient(embeddings))
    if method == "semi-hard":
        negative, found = _below(similarities, positives, negatives, pairs, margin)
    else:  # the most similar negative is the same for all pairs of an anchor
        hardest = tf.argmax(tf.where(negatives, similarities, float("-inf")), axis=1, output_type=tf.int32)
        negative, found = tf.gather(hardest, pairs[:, 0]), tf.gather(tf.reduce_any(negatives, axis=1), pairs[:, 0])
        if method == MISTAKEN:
            s_n = tf.gather_nd(similarities, tf.stack([pairs[:, 0], negative], axis=1))
            harder = found & (s_n > tf.gather_nd(similarities, pairs))
            negative, found = tf.where(harder, negative, 0), tf.ones_like(found)
    return tf.boolean_mask(tf.concat([pairs, negative[:, None]], axis=1), found)


def _below(similarities, positives, negatives, pairs, margin):
    """For each pair the most similar negative with s_p - margin < s_n < s_p, and whether there is one.

    One positive of every anchor at a time, so that memory grows with B^2, not with the B^2 (K - 1) comparisons.
    """
    s_p = tf.gather_nd(similarities, pairs)  # shape (A,)
    least = tf.cast(s_p, tf.float64) - margin
    rounded = tf.cast(least, tf.float32)  # down, so that comparing in float32 decides as float64 would
    least = tf.where(tf.cast(rounded, tf.float64) > least, tf.math.nextafter(rounded, float("-inf")), rounded)
    anchors = pairs[:, 0]
    counts = tf.math.count_nonzero(positives, axis=1, dtype=tf.int32)  # shape (B,)
    rank = tf.range(tf.shape(pairs)[0]) - tf.gather(tf.cumsum(counts, exclusive=True), anchors)  # of p among a's
    places, size = tf.stack([rank, anchors], axis=1), tf.shape(pairs)[0]
    # row r, column a: which pair is anchor a's r-th; `size` where it has no more
    no_pair = tf.fill((tf.maximum(tf.reduce_max(counts), 1), tf.shape(similarities)[0]), size)
    table = tf.tensor_scatter_nd_update(no_pair, places, tf.range(size))
    least, s_p = tf.concat([least, [0.0]], axis=0), tf.concat([s_p, [0.0]], axis=0)

    def search(rows):
        above, below = tf.gather(least, rows)[:, None], tf.gather(s_p, rows)[:, None]
        window = negatives & (similarities > above) & (similarities < below)
        best = tf.argmax(tf.where(window, similarities, float("-inf")), axis=1, output_type=tf.int32)
        return tf.where(tf.reduce_any(window, axis=1), best, -1)

    negative = tf.gather_nd(tf.map_fn(search, table, parallel_iterations=1), places)
    return negative, negative >= 0


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
