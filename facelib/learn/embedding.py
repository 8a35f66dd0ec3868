"""Images to embeddings, each image once, in batches; pairs of them to scores."""

import numpy as np
import tensorflow as tf

from facelib.data.images import SIZE

BLOCK = 2**24  # numbers of either side of the pairs that are compared at once


def build_embedder(model, flip_average: bool = False, batch_size: int = 64, traced: bool = True):
    """Function from images, and which of them, to embeddings (n, d) float32 of unit norm, by `model` as it is then.

    Images are (m, 112, 112, 3) uint8, may be memory-mapped, and `batch_size` of them are in memory at once; with rows
    (n,) int these images of them are embedded, without all n = m.

    Args:
        model: maps (N, 112, 112, 3) float32 in [0, 255] to (N, d) unit-norm embeddings.
        flip_average: add the embedding of the mirror image, then normalise.
        batch_size: images at once; what is computed for many more of them no longer fits into a processor's cache.
        traced: trace the model first, which takes seconds, and makes each call faster; False for a few images.

    Raises (the function):
        ValueError: images of another type or shape.
    """

    def forward(images):
        images = tf.cast(images, tf.float32)
        if flip_average:  # one call for both, which takes half of the time to trace
            images = tf.concat([images, images[:, :, ::-1]], axis=0)
        embeddings = tf.cast(model(images, training=False), tf.float32)
        if flip_average:
            embeddings = tf.add(*tf.split(embeddings, 2))
        return tf.math.l2_normalize(embeddings, axis=1)

    compute = forward
    if traced:
        signature = [tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8)]
        # now: TensorFlow warns where one tf.function after another is traced late
        compute = tf.function(forward, signature, autograph=False).get_concrete_function()

    def embedder(pixels, rows=None):
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (SIZE, SIZE, 3):  # traced would cast, or crash
            raise ValueError(f"images are {pixels.dtype} {pixels.shape}; expected uint8 (n, {SIZE}, {SIZE}, 3)")
        rows = np.arange(len(pixels)) if rows is None else rows
        starts = range(0, len(rows), batch_size)
        parts = [compute(tf.constant(pixels[rows[start : start + batch_size]])).numpy() for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, model.output_shape[-1]), np.float32)

    return embedder


def embed(model, pixels, flip_average: bool = False, batch_size: int = 64, rows=None) -> np.ndarray:
    """Embeddings (n, d) of the images `pixels`, or of the `rows` (n,) of them, each once; see `build_embedder`."""
    return build_embedder(model, flip_average, batch_size)(pixels, rows)


def pair_scores(embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scaled similarities s = (<x1, x2> + 1) / 2 of pairs: (pairs,) float64 in [0, 1]; higher means the same person.

    Args:
        embeddings: (n, d), unit norm. first, second: (pairs,) int, rows of `embeddings`.
    """
    products = np.empty(len(first))
    size = max(BLOCK // embeddings.shape[1], 1)
    for start in range(0, len(first), size):
        some = slice(start, start + size)
        products[some] = np.einsum("pd,pd->p", embeddings[first[some]], embeddings[second[some]], dtype=np.float64)
    return np.clip((products + 1) / 2, 0.0, 1.0)
