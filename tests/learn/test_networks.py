import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from facelib.data.augmentation import warp
from facelib.learn import networks
from facelib.learn.layers import FusedBatchNormalization, LocalContrastNormalization, UnitNorm
from facelib.learn.networks import build_network, count_multiply_adds

NETWORKS = ["shallow_network", "residual_network"]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.float32)


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.getfixturevalue(request.param)


def tiny_network(embedding_size=4, image_size=6, local_contrast=True):
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(5, 3, name="conv")(inputs)
    x = FusedBatchNormalization(name="norm")(x)
    x = layers.Dense(embedding_size, dtype="float32", name="embedding")(layers.Flatten(name="flatten")(x))
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x))


# both networks


def test_parameter_counts_of_the_reference_network(shallow_network):
    assert shallow_network.count_params() == 2_980_496
    assert networks.build_shallow_inception_resnet_v2(256).count_params() == 3_005_200


def test_parameter_count_of_the_residual_network_by_hand(residual_network):
    """A normalised convolution has no bias, but scale, offset, mean and variance."""

    def normalised(side, width, channels):
        return side * side * width * channels + 4 * channels

    stem = normalised(3, 3 * 3, 32) + normalised(3, 32, 64)  # the pixels, and two contrasts
    blocks = sum(
        normalised(3, width, 2 * width) + normalised(3, 2 * width, 2 * width) + normalised(1, width, 2 * width)
        for width in (64, 128)
    )
    head = 7 * 7 * 256 * 4 + 4 * 1024 + (1024 * 256 + 256)
    assert residual_network.count_params() == stem + blocks + head == 1_489_568


def test_a_user_s_settings_of_keras_change_nothing_and_stay(network):
    """As a keras.json has them, which Keras reads when it is imported."""
    before = keras.config.floatx(), keras.config.image_data_format()
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    try:
        built = build_network(network.name, network.output_shape[1], seed=3)
        assert (keras.config.floatx(), keras.config.image_data_format()) == ("float16", "channels_first")
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_image_data_format(before[1])
    images = IMAGES[:1] + 0.37  # no number of 16 bits
    np.testing.assert_array_equal(built(images, training=False), network(images, training=False))


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
    network = networks.build_residual_network(8, 56)
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
    network = networks.build_residual_network(8, size)
    sides = [
        network.get_layer(name).output.shape[1] for name in ("stem1_relu", "stem2_relu", "block1_relu", "block2_relu")
    ]
    assert sides == [math.ceil(size / 2**n) for n in (1, 2, 3, 4)]
    assert network(IMAGES[:, :size, :size], training=False).shape == (3, 8)


def test_the_residual_network_sees_the_pixels_and_their_contrasts():
    network = networks.build_residual_network(8)
    parts = keras.Model(network.input, [network.get_layer(name).output for name in ("rescaling", "image")])
    pixels, image = (part.numpy() for part in parts(IMAGES))
    np.testing.assert_array_equal(image[..., :3], pixels)
    np.testing.assert_allclose(image[..., 3:6], LocalContrastNormalization(4)(pixels), atol=1e-6)
    np.testing.assert_allclose(image[..., 6:], LocalContrastNormalization(16)(pixels), atol=1e-6)
    plain = networks.build_residual_network(8, local_contrast=False)
    assert plain.get_layer("stem1_conv").kernel.shape == (3, 3, 3, 32)


def test_the_last_convolution_is_depthwise_with_four_templates_a_channel(residual_network):
    """With the kernel of Keras's own layer, which is slower."""
    layer = residual_network.get_layer("global_depthwise")
    height, width, channels, multiplier = layer.kernel.shape
    theirs = layers.DepthwiseConv2D((height, width), depth_multiplier=multiplier, use_bias=False)
    maps = np.random.default_rng(5).normal(size=(2, height, width, channels)).astype(np.float32)
    theirs.build(maps.shape)
    theirs.set_weights([layer.kernel.numpy()])
    expected = theirs(maps).numpy().reshape(2, channels, multiplier).transpose(0, 2, 1)
    assert (height, width, channels, multiplier) == (7, 7, 256, 4)
    np.testing.assert_allclose(layer(maps), expected, atol=1e-4)
    assert layer.kernel.numpy().std() == pytest.approx(math.sqrt(2 / 49), rel=0.01)


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
    monkeypatch.setattr(networks, "build_residual_network", tiny_network)
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

    def build(size, image_size, local_contrast):
        seen.append(keras.config.dtype_policy().name)
        if size < 0:
            raise RuntimeError
        return tiny_network(size)

    monkeypatch.setattr(networks, "build_residual_network", build)
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


def test_multiply_adds_of_a_network_counted_by_hand():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)  # 6 x 6 places, 3 x 3 x 3 x 4 each: 3888
    x = layers.DepthwiseConv2D(3, 3, name="depthwise")(x)  # 2 x 2 places, 3 x 3 x 4 each: 144
    x = layers.EinsumDense("nhwc,hwcm->nmc", (5, 4), name="einsum")(x)  # 2 x 2 x 4 values, five weights each: 80
    x = layers.Dense(10, name="dense")(layers.Flatten()(x))  # 20 x 10: 200
    assert count_multiply_adds(keras.Model(inputs, x)) == 3888 + 144 + 80 + 200
