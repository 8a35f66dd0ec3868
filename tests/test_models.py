import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from facelib import models
from facelib.augmentation import warp
from facelib.models import FusedBatchNormalization, UnitNorm, build_network, count_multiply_adds

NETWORKS = ["shallow_network", "residual_network"]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.float32)


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.getfixturevalue(request.param)


def tiny_network(embedding_size=4, image_size=6):
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(5, 3, name="conv")(inputs)
    x = FusedBatchNormalization(name="norm")(x)
    x = layers.Dense(embedding_size, dtype="float32", name="embedding")(layers.Flatten(name="flatten")(x))
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x))


# both networks


def test_parameter_counts_of_the_reference_network(shallow_network):
    assert shallow_network.count_params() == 2_980_496
    assert models.build_shallow_inception_resnet_v2(256).count_params() == 3_005_200


def test_parameter_count_of_the_residual_network_by_hand(residual_network):
    """A normalised convolution has no bias, but scale, offset, mean and variance."""

    def normalised(side, width, channels):
        return side * side * width * channels + 4 * channels

    stem = normalised(3, 3, 32) + normalised(3, 32, 64)
    blocks = sum(
        normalised(3, width, 2 * width) + normalised(3, 2 * width, 2 * width) + normalised(1, width, 2 * width)
        for width in (64, 128)
    )
    head = 7 * 7 * 256 + 4 * 256 + (256 * 256 + 256)
    assert residual_network.count_params() == stem + blocks + head == 1_250_528


def test_embeddings_have_unit_norm(network):
    embeddings = network(IMAGES, training=False)
    assert embeddings.dtype == tf.float32
    assert embeddings.shape == (3, network.output_shape[1])
    np.testing.assert_allclose(tf.norm(embeddings, axis=1), 1, atol=1e-6)
    sides = (None, None) if network.name == "residual" else (112, 112)
    assert network.input_shape == (None, *sides, 3)


def test_a_batch_and_its_images_one_by_one_have_the_same_embeddings(network):
    one_by_one = np.concatenate([network(IMAGES[i : i + 1], training=False) for i in range(3)])
    np.testing.assert_allclose(network(IMAGES, training=False), one_by_one, atol=1e-5)


def test_the_model_itself_scales_images_from_0_to_255(network):  # slip 4
    scaled = keras.Model(network.inputs, network.get_layer("rescaling").output)
    before = [layer.name for layer in network.layers[1 : network.layers.index(network.get_layer("rescaling"))]]
    assert before == (["resizing"] if network.name == "residual" else [])
    ends = [float(tf.reduce_mean(scaled([np.full((1, 112, 112, 3), value, np.float32)]))) for value in (0, 255)]
    assert ends == pytest.approx([-1, 1] if network.name == "residual" else [0, 1], abs=1e-6)


def test_norm_is_the_last_thing_inside_the_model(network):
    assert isinstance(network.layers[-1], UnitNorm)


def test_layers_have_names_of_their_own(network):
    """Automatic names count upwards within a process and would shift inside a notebook."""
    names = [layer.name for layer in network.layers]
    assert len(set(names)) == len(names)
    automatic = [
        layer.name
        for layer in network.layers
        if re.fullmatch(rf"{keras.src.utils.naming.to_snake_case(type(layer).__name__)}_\d+", layer.name)
    ]
    assert automatic == []


# the residual network


def test_the_residual_network_reduces_an_image_by_bilinear_interpolation():
    """Of half the size the means of 2x2 pixels; an image that has the size already stays as it is."""
    network = models.build_residual_network(8, 56)
    reduced = keras.Model(network.input, network.get_layer("resizing").output)
    means = IMAGES.reshape(3, 56, 2, 56, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(reduced(IMAGES), means, atol=1e-4)
    np.testing.assert_array_equal(reduced(means), means)
    np.testing.assert_allclose(network(means, training=False), network(IMAGES, training=False), atol=1e-5)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_training_and_use_show_the_residual_network_the_same_pixels(bfloat16):
    """`augmentation.warp` reduces images in training, and cuts off fractions; the network itself does it in use."""
    network = build_network("residual", 8, bfloat16, image_size=48)
    reduced = keras.Model(network.input, network.get_layer("resizing").output)
    images = np.repeat(IMAGES.astype(np.uint8), 4, axis=0)
    warped, own = warp(images, 0, 0, 0.0, 48).astype(np.float32), reduced(images.astype(np.float32)).numpy()
    turned = reduced(images[:, :, ::-1].astype(np.float32)).numpy()
    assert np.minimum(*(np.abs(warped - r).max(axis=(1, 2, 3)) for r in (own, turned))).max() < 1.01


@pytest.mark.parametrize("size", [20, 48, 56, 112])
def test_any_size_of_image_is_halved_four_times(size):
    network = models.build_residual_network(8, size)
    sides = [
        network.get_layer(name).output.shape[1] for name in ("stem1_relu", "stem2_relu", "block1_relu", "block2_relu")
    ]
    assert sides == [math.ceil(size / 2**n) for n in (1, 2, 3, 4)]
    assert network(IMAGES[:, :size, :size], training=False).shape == (3, 8)


# the reference network


def test_shallow_networks_stages_have_the_references_sizes(shallow_network):
    sizes = {name: shallow_network.get_layer(name).output.shape[1:] for name in
             ("stem_conv1", "stem_conv2", "stem_conv3", "stem_pool1", "stem_conv4", "stem_conv5", "stem_pool2",
              "block35_4_relu", "reduction1_pool", "block17_3_relu", "reduction2_pool", "block8_2_relu")}  # fmt: skip
    assert sizes == {
        "stem_conv1": (55, 55, 32), "stem_conv2": (53, 53, 32), "stem_conv3": (53, 53, 64), "stem_pool1": (26, 26, 64),
        "stem_conv4": (26, 26, 80), "stem_conv5": (24, 24, 192), "stem_pool2": (11, 11, 192),
        "block35_4_relu": (11, 11, 192), "reduction1_pool": (5, 5, 192), "block17_3_relu": (5, 5, 192),
        "reduction2_pool": (2, 2, 192), "block8_2_relu": (2, 2, 192),
    }  # fmt: skip


def test_shallow_networks_convolutions_are_the_references(shallow_network):
    """A bias everywhere, ReLU but for the last of a block, no batch normalisation; the blocks' scales and numbers."""
    convolutions = [layer for layer in shallow_network.layers if isinstance(layer, layers.Conv2D)]
    assert all(layer.use_bias for layer in convolutions)
    linear = [layer.name for layer in convolutions if layer.activation is keras.activations.linear]
    assert len(linear) == 4 + 3 + 2
    assert all(layer.activation is keras.activations.relu for layer in convolutions if layer.name not in linear)
    assert not [layer for layer in shallow_network.layers if "norm" in layer.name and layer.name != "unit_norm"]
    scales = [layer.scale for layer in shallow_network.layers if layer.name.endswith("_scale")]
    assert scales == [0.17] * 4 + [0.10] * 3 + [0.20] * 2
    assert isinstance(convolutions[0].kernel_initializer, keras.initializers.GlorotUniform)


def test_a_block_is_the_rectified_sum_of_its_input_and_its_scaled_branches(shallow_network):
    names = ("stem_pool2", "block35_1_linear", "block35_1_relu")
    parts = keras.Model(shallow_network.inputs, [shallow_network.get_layer(name).output for name in names])
    before, branches, after = parts([IMAGES])
    np.testing.assert_allclose(after, np.maximum(before + 0.17 * branches, 0), atol=1e-5)


def test_dropout_works_in_training_only(shallow_network):
    kept = [v.numpy() for v in shallow_network.variables]
    np.testing.assert_array_equal(shallow_network(IMAGES, training=False), shallow_network(IMAGES, training=False))
    trained = [shallow_network(IMAGES, training=True).numpy() for _ in range(2)]
    assert np.abs(trained[0] - trained[1]).max() > 1e-4
    for variable, value in zip(shallow_network.variables, kept, strict=True):
        variable.assign(value)


# building


def test_the_seed_decides_the_weights(monkeypatch):
    monkeypatch.setattr(models, "build_residual_network", tiny_network)
    first, again, other = (build_network("residual", 4, seed=seed).get_weights() for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match="'resnet'.*residual, shallow_inception_resnet_v2"):
        build_network("resnet", 128)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_building_leaves_the_global_policy_alone(monkeypatch, policy, bfloat16):
    seen = []

    def build(size, image_size):
        seen.append(keras.config.dtype_policy().name)
        if size < 0:
            raise RuntimeError
        return tiny_network(size)

    monkeypatch.setattr(models, "build_residual_network", build)
    keras.config.set_dtype_policy(policy)
    try:
        build_network("residual", 4, bfloat16)
        assert keras.config.dtype_policy().name == policy
        with pytest.raises(RuntimeError):
            build_network("residual", -1, bfloat16)
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy("float32")
    assert seen == ["mixed_bfloat16" if bfloat16 else "float32"] * 2


def test_bfloat16_network_has_float32_embeddings_and_weights(residual_network):
    network = build_network("residual", 256, bfloat16=True, seed=3)
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    assert {v.dtype for v in network.weights} == {"float32"}
    embeddings = network(IMAGES, training=False)
    assert embeddings.dtype == tf.float32
    np.testing.assert_allclose(tf.norm(embeddings, axis=1), 1, atol=1e-6)
    cosines = tf.reduce_sum(embeddings * residual_network(IMAGES, training=False), axis=1)
    assert tf.reduce_min(cosines) > 0.99


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_network_comes_back(name, request, tmp_path):
    network = request.getfixturevalue(name)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(IMAGES, training=False), network(IMAGES, training=False))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in network.layers]


def test_trained_statistics_and_options_are_saved(tmp_path):
    inputs = keras.Input((2, 2, 3))
    network = keras.Model(inputs, FusedBatchNormalization(momentum=0.5, epsilon=0.1, name="norm")(inputs))
    network(np.random.default_rng(0).normal(3, 2, (8, 2, 2, 3)), training=True)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert (loaded.get_layer("norm").momentum, loaded.get_layer("norm").epsilon) == (0.5, 0.1)
    for one, two in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one, two)


# layers


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


@pytest.mark.parametrize("layer", [FusedBatchNormalization(name="mine"), UnitNorm(name="mine")])
def test_layers_keep_their_names_when_they_are_saved(layer):
    assert type(layer).from_config(layer.get_config()).name == "mine"


def test_unit_norm_is_float32_and_survives_zeros():
    inputs = tf.constant([[3.0, 4.0], [0.0, 0.0]], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = UnitNorm(dtype="bfloat16")(inputs)
    assert outputs.dtype == tf.float32
    np.testing.assert_allclose(outputs, [[0.6, 0.8], [0, 0]], atol=1e-6)
    assert np.isfinite(tf.cast(tape.gradient(outputs, inputs), tf.float32)).all()


def test_multiply_adds_of_a_network_counted_by_hand():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)  # 6 x 6 places, 3 x 3 x 3 x 4 each: 3888
    x = layers.DepthwiseConv2D(3, 3, name="depthwise")(x)  # 2 x 2 places, 3 x 3 x 4 each: 144
    x = layers.EinsumDense("nhwc,hwc->nc", 4, name="einsum")(x)  # 2 x 2 x 4 values, a weight each: 16
    x = layers.Dense(10, name="dense")(x)  # 4 x 10: 40
    assert count_multiply_adds(keras.Model(inputs, x)) == 3888 + 144 + 16 + 40
