"""facelib's mining and circle loss on embeddings, and the circle loss of Keras."""

import keras
import tensorflow as tf

from bench.embeddings import SIZE, make_embeddings
from facelib.learn.losses import all_pairs_circle_loss, circle_loss
from facelib.learn.mining import select_triplets

MARGIN, GAMMA, WINDOW = 0.4, 64.0, 0.1  # m; gamma; of semi-hard, in scaled similarity
SIGNATURE = [tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None, SIZE), tf.float32)]


def _prepared(function, identities, images):
    # compiled for any B, and run once on a small batch, so that what is measured is the work alone
    compiled = tf.function(function, input_signature=SIGNATURE)
    compiled(*make_embeddings(4, images))
    labels, embeddings = (tf.constant(array) for array in make_embeddings(identities, images))
    return lambda: compiled(labels, embeddings)


def _mined_loss(labels, embeddings, method):
    triplets = select_triplets(labels, embeddings, method, WINDOW)
    return circle_loss(*(tf.gather(embeddings, triplets[:, i]) for i in range(3)), MARGIN, GAMMA)


def mine_and_differentiate(identities, images, method):
    """`select_triplets`, `circle_loss` and its gradient with respect to the embeddings."""

    def run(labels, embeddings):
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            loss = _mined_loss(labels, embeddings, method)
        return loss, tf.convert_to_tensor(tape.gradient(loss, embeddings))

    return _prepared(run, identities, images)


def mine(identities, images, method):
    """`select_triplets` and `circle_loss`, forward only."""
    return _prepared(lambda labels, embeddings: _mined_loss(labels, embeddings, method), identities, images)


def all_pairs(identities, images):
    """`all_pairs_circle_loss`, forward only."""
    return _prepared(lambda *batch: all_pairs_circle_loss(*batch, MARGIN, GAMMA), identities, images)


def keras_circle(identities, images):
    """``keras.losses.Circle``, forward only."""
    return _prepared(keras.losses.Circle(gamma=GAMMA, margin=MARGIN), identities, images)
