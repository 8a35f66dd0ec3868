"""The published networks: what is known of them, and what every network here has to keep."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from facelib.learn.face_networks import build_iresnet, build_mobilefacenet
from facelib.learn.layers import UnitNorm
from facelib.learn.networks import build_network, count_multiply_adds

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3)).astype(np.float32)
NAMES = ["iresnet18", "iresnet34", "mobilefacenet"]


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    return build_network(request.param, 128 if request.param == "mobilefacenet" else 512, seed=3)


def count_trained(model):
    return sum(int(np.prod(weights.shape)) for weights in model.trainable_weights)


def test_sizes_are_the_published_ones(network):
    """Parameters of the published code, all that is trained; and what papers and model cards round them to.

    OpenVINO's card of LResNet34E-IR has 34.129 million parameters and 8.934 GFLOPs, two for a multiply-add; Chen et al.
    2018 have 0.99 million and 221 million multiply-adds (the slopes of PReLU are 7,552 more).
    """
    parameters, multiply_adds = {
        "iresnet18": (24_025_600, 2.610e9),
        "iresnet34": (34_139_328, 8.934e9 / 2),
        "mobilefacenet": (1_003_136, 221e6),
    }[network.name]
    assert count_trained(network) == parameters
    assert count_multiply_adds(network) == pytest.approx(multiply_adds, rel=2e-3)
    if network.name == "mobilefacenet":
        slopes = sum(count_trained(layer) for layer in network.layers if isinstance(layer, keras.layers.PReLU))
        assert slopes == 7_552 and parameters - slopes == 995_584


def iresnet_by_hand(blocks, embedding_size):
    norm, total, width = 2, 3 * 9 * 64 + 3 * 64, 64  # scale and offset of a channel; stem with norm and slopes
    for out, count in zip((64, 128, 256, 512), blocks, strict=True):
        for block in range(count):
            total += norm * width + 9 * width * out + (norm + 1) * out + 9 * out * out + norm * out
            total += 0 if block else width * out + norm * out
            width = out
    return total + norm * 512 + 7 * 7 * 512 * embedding_size + embedding_size + norm * embedding_size


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_parameters_of_iresnet_by_hand(depth, blocks):
    assert count_trained(build_iresnet(depth, 64)) == iresnet_by_hand(blocks, 64)


def test_embeddings_are_those_of_a_network_here(network):
    embeddings = network(IMAGES, training=False)
    assert embeddings.dtype == tf.float32 and isinstance(network.layers[-1], UnitNorm)
    np.testing.assert_allclose(tf.norm(embeddings, axis=1), 1, atol=1e-6)
    one_by_one = np.concatenate([network(IMAGES[i : i + 1], training=False) for i in range(3)])
    np.testing.assert_allclose(embeddings, one_by_one, atol=1e-5)
    scaled = keras.Model(network.inputs, network.get_layer("rescaling").output)
    assert [float(tf.reduce_mean(scaled([np.full((1, 112, 112, 3), value, np.float32)]))) for value in (0, 255)] == [
        -1,
        1,
    ]


def test_the_last_map_is_seven_by_seven_and_each_stage_halves_it_once(network):
    last = "last_norm"
    assert network.get_layer(last).output.shape[1:] == (7, 7, 512)
    sides = [layer.output.shape[1] for layer in network.layers if len(layer.output.shape) == 4]
    assert [side for side in (112, 56, 28, 14, 7) if side in sides] == [112, 56, 28, 14, 7]


def test_every_weight_is_learned():
    """A gradient reaches each, in training, where the statistics of the batch are taken."""
    network = build_mobilefacenet(16)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(IMAGES, training=True)[:, :5] ** 2)
    for weights, gradient in zip(
        network.trainable_weights, tape.gradient(loss, network.trainable_weights), strict=True
    ):
        assert gradient is not None and np.isfinite(gradient).all() and np.any(gradient), weights.path


def test_in_bfloat16_the_embedding_is_normalised_in_float32():
    network = build_network("mobilefacenet", 32, bfloat16=True)
    assert network.get_layer("stage1_block1_expand").compute_dtype == "bfloat16"
    for name in ("embedding", "embedding_norm", "embedding_norm_flatten", "unit_norm"):
        assert network.get_layer(name).compute_dtype == "float32"
    assert network(IMAGES).dtype == tf.float32 and {v.dtype for v in network.weights} == {"float32"}


def test_a_saved_network_comes_back(tmp_path):
    network = build_mobilefacenet(16)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(IMAGES, training=False), network(IMAGES, training=False))


def test_another_depth_is_refused():
    with pytest.raises(ValueError, match="no IResNet of 50 layers: choose one of 18, 34"):
        build_iresnet(50)
