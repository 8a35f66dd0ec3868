import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from facelib.learn.layers import FusedBatchNormalization, LocalContrastNormalization, UnitNorm

LAYERS = [
    FusedBatchNormalization(0.3, 0.4, name="mine"),
    LocalContrastNormalization(5, 0.6, name="mine"),
    UnitNorm(name="mine"),
]

# of a batch


def both_normalisations(momentum=0.8, epsilon=1e-3):
    """Ours and Keras', with the same scale, offset and statistics."""
    fused, composed = FusedBatchNormalization(momentum, epsilon), layers.BatchNormalization(-1, momentum, epsilon)
    generator = np.random.default_rng(2)
    scale, variance = generator.uniform(0.5, 2, (2, 5))
    values = [scale, generator.normal(size=5), generator.normal(size=5), variance]
    for layer in (fused, composed):
        layer.build((None, 4, 4, 5))
        layer.set_weights(values)
    return fused, composed


@pytest.mark.parametrize("training", [True, False])
def test_fused_normalisation_has_keras_outputs_and_gradients(training):
    inputs = tf.constant(np.random.default_rng(3).normal(1, 2, (6, 4, 4, 5)), tf.float32)
    weights = tf.constant(np.random.default_rng(4).normal(size=(6, 4, 4, 5)), tf.float32)
    found = []
    for layer in both_normalisations():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            total = tf.reduce_sum(weights * outputs)
        found.append([outputs, *tape.gradient(total, [inputs, *layer.trainable_variables])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_moving_averages_take_the_mean_and_the_unbiased_variance():
    """The fused kernel's variance is divided by n - 1, Keras' own by n."""
    inputs = np.random.default_rng(3).normal(1, 2, (6, 4, 4, 5)).astype(np.float32)
    layer, _ = both_normalisations(momentum=0.8)
    mean, variance = layer.mean.numpy(), layer.variance.numpy()
    layer(inputs, training=False)
    np.testing.assert_array_equal(layer.mean, mean)
    layer(inputs, training=True)
    np.testing.assert_allclose(layer.mean, 0.8 * mean + 0.2 * inputs.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.variance, 0.8 * variance + 0.2 * inputs.var(axis=(0, 1, 2), ddof=1), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_normalisation_of_bfloat16_keeps_float32_statistics(policy):
    layer = FusedBatchNormalization(dtype=policy)
    outputs = layer(np.random.default_rng(3).normal(1, 2, (6, 4, 4, 5)).astype(np.float32), training=True)
    assert outputs.dtype == tf.bfloat16
    assert {v.dtype for v in layer.variables} == {"float32"}
    assert np.abs(np.mean(tf.cast(outputs, tf.float32), axis=(0, 1, 2))).max() < 0.02


# of contrast


def slow_local_contrast(image, side, epsilon):
    """The normalisation of a square (n, n) image from its definition, in float64; `side` divides n."""
    n = len(image) // side
    squares = [[image[i * side : (i + 1) * side, j * side : (j + 1) * side] for j in range(n)] for i in range(n)]

    def interpolated(values, i, j):
        total = 0.0
        for row in range(n):
            for column in range(n):  # what a square says holds in its middle, and fades until the next one's
                far = [abs(min(max((k + 0.5) / side - 0.5, 0), n - 1) - m) for k, m in ((i, row), (j, column))]
                total += max(0, 1 - far[0]) * max(0, 1 - far[1]) * values[row][column]
        return total

    means = [[square.mean() for square in row] for row in squares]
    weights = [[1 / np.sqrt(square.var() + epsilon) for square in row] for row in squares]
    places = range(len(image))
    return np.array(
        [[(image[i, j] - interpolated(means, i, j)) * interpolated(weights, i, j) for j in places] for i in places]
    )


@pytest.mark.parametrize(("side", "epsilon"), [(8, 0.01), (4, 0.5)])
def test_local_contrast_is_that_of_the_slow_twin(side, epsilon):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 24, 24, 3))
    found = LocalContrastNormalization(side, epsilon)(images.astype(np.float32)).numpy()
    for image, result in zip(images, found, strict=True):
        for channel in range(3):
            expected = slow_local_contrast(image[..., channel], side, epsilon)
            np.testing.assert_allclose(result[..., channel], expected, atol=1e-5)


def test_local_contrast_forgets_brightness_and_contrast():
    images = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 112, 112, 3)).astype(np.float32)
    layer = LocalContrastNormalization(8, epsilon=1e-6)
    np.testing.assert_allclose(layer(0.5 * images + 0.3), layer(images), atol=1e-3)


def test_an_even_image_has_no_contrast_and_noise_in_it_stays_small():
    noise = np.random.default_rng(2).normal(0, 1 / 127.5, (1, 16, 16, 3)).astype(np.float32)  # one grey level
    assert np.abs(LocalContrastNormalization(8)(np.full((1, 16, 16, 3), 0.7, np.float32))).max() < 1e-4  # rounding
    assert np.abs(LocalContrastNormalization(8)(0.7 + noise)).max() < 0.5


@pytest.mark.parametrize("side", [4, 16])
@pytest.mark.parametrize("size", [8, 20, 48, 60, 100, 112])
def test_local_contrast_of_any_size_is_float32_and_that_of_the_mirror_image_mirrored(size, side):
    images = np.random.default_rng(3).uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    layer = LocalContrastNormalization(side, dtype="bfloat16")
    found = layer(images).numpy()
    assert found.dtype == np.float32 and found.shape == images.shape
    np.testing.assert_allclose(layer(images[:, :, ::-1]), found[:, :, ::-1], atol=1e-5)
    assert 0.7 < found.std() < 1.3 and np.abs(found.mean()) < 0.05


# of an embedding, and all


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_keep_their_names_and_settings_when_they_are_saved(layer):
    again = type(layer).from_config(layer.get_config())
    for name in ("name", "momentum", "side", "epsilon"):
        assert getattr(again, name, None) == getattr(layer, name, None)


def test_unit_norm_is_float32_and_survives_zeros():
    inputs = tf.constant([[3.0, 4.0], [0.0, 0.0]], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = UnitNorm(dtype="bfloat16")(inputs)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, [[0.6, 0.8], [0, 0]], atol=1e-6)
    assert np.isfinite(tf.cast(tape.gradient(outputs, inputs), tf.float32)).all()


def test_trained_statistics_and_options_are_saved(tmp_path):
    inputs = keras.Input((2, 2, 3))
    network = keras.Model(inputs, FusedBatchNormalization(momentum=0.5, epsilon=0.1, name="norm")(inputs))
    network(np.random.default_rng(0).normal(3, 2, (8, 2, 2, 3)), training=True)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert (loaded.get_layer("norm").momentum, loaded.get_layer("norm").epsilon) == (0.5, 0.1)
    for one, two in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, two)
