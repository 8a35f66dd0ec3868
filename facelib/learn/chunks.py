"""A batch that is larger than memory: embedded, and its gradient found, a chunk at a time (Gao et al. 2021).

A loss over all pairs needs all embeddings at once, but not all that the network computed on the way. So the embeddings
are computed and the rest is forgotten; the gradient of the loss by each embedding is found; then each chunk goes
through the network a second time, which takes that gradient to the weights (Gao et al. 2021, "Scaling deep contrastive
learning batch size under memory limited setup", sec. 3.2). Memory is that of one chunk, time that of two passes forward
and one back.
"""

import functools

import tensorflow as tf


def embed_in_chunks(model, images, size: int = 0, xla: bool = False):
    """Embeddings of a batch in training, and how their gradient becomes that of the trainable variables of `model`.

    The gradient is that of the whole batch, but where the network normalises by its batch: that is each chunk then.
    Dropout draws the same in both passes, and statistics and seeds move once.

    Args:
        images: (B, height, width, channels) float in [0, 255]. size: images in a chunk, a divisor of B; 0: all of them.
        xla: compile the network, see `tf.function`.

    Returns:
        embeddings: (B, d).
        pull_back: function from the gradient (B, d) of a scalar with respect to them to the list of its gradients with
            respect to `model.trainable_variables`. Call it once.

    Raises:
        ValueError: `size` does not divide B.
    """
    count = images.shape[0]
    if size and count % size:
        raise ValueError(f"{count} images cannot be cut into chunks of {size}: choose a divisor of {count}")
    forward = functools.partial(model, training=True)
    if xla:
        forward = tf.function(forward, jit_compile=True, autograph=False)
    if size in (0, count):
        with tf.GradientTape() as tape:
            embeddings = forward(images)
        return embeddings, lambda gradient: _gradients(tape, embeddings, model, gradient)

    chunks = tf.split(images, count // size)
    state = [tf.identity(variable) for variable in model.non_trainable_variables]
    parts: list[tf.Tensor] = []
    for chunk in chunks:
        with tf.control_dependencies(parts[-1:]):  # one after the other, so that one is in memory
            parts.append(forward(tf.identity(chunk)))
    embeddings = tf.concat(parts, axis=0)

    def pull_back(gradient):
        with tf.control_dependencies([gradient]):
            for variable, value in zip(model.non_trainable_variables, state, strict=True):
                variable.assign(value)
        sums = [tf.zeros_like(variable) for variable in model.trainable_variables]
        for chunk, part in zip(chunks, tf.split(gradient, len(chunks)), strict=True):
            with tf.control_dependencies([part, *sums]), tf.GradientTape() as tape:
                again = forward(tf.identity(chunk))
            sums = [a + b for a, b in zip(sums, _gradients(tape, again, model, part), strict=True)]
        return sums

    return embeddings, pull_back


def _gradients(tape, embeddings, model, gradient):
    return tape.gradient(embeddings, model.trainable_variables, gradient, tf.UnconnectedGradients.ZERO)
