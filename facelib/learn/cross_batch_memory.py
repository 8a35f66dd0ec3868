"""A cross-batch memory (Wang et al. 2020): images of earlier batches, further partners for those of a batch."""

import tensorflow as tf


class CrossBatchMemory:
    """The embeddings of the last `size` images that were trained on, the newest first.

    They are what the network gave when it was trained on them, since when it has changed little, but for the first
    steps (Wang et al. 2020, sec. 3.2); they get no gradient.

    Attributes:
        labels: (size,) int32 variable, -1 in places that are still empty. embeddings: (size, d) float32.
        sources: (size,) int32, the file of each image.
    """

    def __init__(self, size: int, embedding_size: int):
        def variable(value, shape):
            return tf.Variable(tf.fill(shape, value), trainable=False)

        self.labels, self.embeddings = variable(-1, (size,)), variable(0.0, (size, embedding_size))
        self.sources = variable(-1, (size,))

    @property
    def variables(self):
        """All of its state, in a fixed order."""
        return [self.labels, self.embeddings, self.sources]

    def remember(self, labels, embeddings, sources) -> None:
        """Put (B,) int labels, (B, d) float embeddings and (B,) int sources in front; the oldest B drop out."""
        for queue, new in zip(self.variables, (labels, embeddings, sources), strict=True):
            queue.assign(tf.concat([tf.cast(new, queue.dtype), queue], axis=0)[: queue.shape[0]])
