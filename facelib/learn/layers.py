"""Layers that normalise: a batch, the neighbourhood of a pixel, an embedding."""

import keras
import tensorflow as tf
from keras import layers

from facelib.learn.engine import gather, rank, replicas


@keras.saving.register_keras_serializable("facelib")
class FusedBatchNormalization(layers.Layer):
    """Batch normalisation over (N, height, width) by TensorFlow's fused kernel (Ioffe & Szegedy 2015, alg. 1).

    Keras 3 composes batch normalisation of single operations, which takes three times as long on a CPU. Scale, offset
    and statistics are float32 whatever the policy.

    Args:
        synchronised: where several devices share a batch, measure all of it and not each one's part, so that the result
            is that of one device; the fused kernel cannot do this. Without it, the statistics that are kept are those
            of the first device of a host.
    """

    def __init__(self, momentum=0.9, epsilon=1e-3, synchronised=True, **options):
        super().__init__(**options)
        self.momentum, self.epsilon, self.synchronised = momentum, epsilon, synchronised

    def build(self, shape):
        def weight(name, initializer, trainable):
            # statistics differ between devices until they are read: then they are the first's
            kept = {} if trainable else {"aggregation": "only_first_replica", "synchronization": "on_read"}
            options = {"trainable": trainable, "dtype": "float32", "autocast": False, **kept}
            return keras.Variable(keras.initializers.get(initializer), (shape[-1],), name=name, **options)

        self.scale, self.offset = weight("scale", "ones", True), weight("offset", "zeros", True)
        self.mean, self.variance = weight("mean", "zeros", False), weight("variance", "ones", False)

    def call(self, inputs, training=False):
        if training and self.synchronised and replicas() > 1:
            outputs, mean, variance = self._normalise_together(inputs)
        else:
            empty = tf.zeros((0,))  # in training the kernel measures mean and variance itself
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=self.scale.value,
                offset=self.offset.value,
                mean=empty if training else self.mean.value,
                variance=empty if training else self.variance.value,
                epsilon=self.epsilon,
                is_training=bool(training),
            )
        if training:
            self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * mean)
            self.variance.assign(self.momentum * self.variance + (1 - self.momentum) * variance)
        return outputs

    def _normalise_together(self, inputs):
        # mean and variance of all parts from those of each (Chan et al. 1983, eq. 2.1), without the difference of large
        # squares; the variance that is kept is divided by n - 1, as the fused kernel does
        x = tf.cast(inputs, tf.float32)
        each = gather(tf.stack(tf.nn.moments(x, (0, 1, 2)))[None])  # shape (replicas, 2, channels)
        means, variances = each[:, 0], each[:, 1]
        mean = tf.reduce_mean(means, axis=0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), axis=0)
        outputs = tf.nn.batch_normalization(x, mean, variance, self.offset.value, self.scale.value, self.epsilon)
        count = tf.cast(tf.size(x) // x.shape[-1] * replicas(), tf.float32)
        return tf.cast(outputs, inputs.dtype), mean, variance * count / (count - 1)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        own = {"momentum": self.momentum, "epsilon": self.epsilon, "synchronised": self.synchronised}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("facelib")
class Dropout(layers.Dropout):
    """Keras' dropout, which draws other numbers on each of several devices that share a batch."""

    def call(self, inputs, training=False):
        if not training or not self.rate or replicas() == 1:
            return super().call(inputs, training=training)
        seed = tf.random.experimental.stateless_fold_in(self.seed_generator.next(), rank())
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed, noise_shape=self.noise_shape)


@keras.saving.register_keras_serializable("facelib")
class LocalContrastNormalization(layers.Layer):
    """Each pixel's difference to the mean around it, over the standard deviation there; in float32.

    The subtractive and divisive normalisation of Jarrett et al. 2009 (sec. 2) for each channel by itself, with another
    window: mean and deviation are those of squares, and interpolated between their middles.

    Args:
        side: of the squares, in pixels. epsilon: added to the variance, so that noise in even places stays small; in
            squared units of the input (where pixels lie in [-1, 1], 0.01 is a deviation of 13 of 255 grey levels).
    """

    def __init__(self, side, epsilon=0.01, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self.side, self.epsilon = side, epsilon

    def call(self, inputs):
        height, width = inputs.shape[1:3]

        def average(x):
            return tf.nn.avg_pool2d(x, self.side, self.side, "SAME")

        def interpolate(x):
            rows, columns = (self.side * count for count in x.shape[1:3])
            top, left = (rows - height) // 2, (columns - width) // 2  # squares stand over the edges by as much
            return tf.image.resize(x, (rows, columns))[:, top : top + height, left : left + width]

        mean = average(inputs)
        variance = tf.maximum(average(tf.square(inputs)) - tf.square(mean), 0)
        return (inputs - interpolate(mean)) * interpolate(tf.math.rsqrt(variance + self.epsilon))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "side": self.side, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("facelib")
class UnitNorm(layers.Layer):
    """Rows scaled to unit Euclidean norm, in float32."""

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, inputs):
        return tf.math.l2_normalize(inputs, axis=1, epsilon=1e-12)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):  # without a method of its own, Keras would leave out the name
        return super().get_config()
