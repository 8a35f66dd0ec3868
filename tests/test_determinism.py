"""What a GPU would run: no operation that TensorFlow refuses there where results must be the same each time.

No GPU is needed: the graphs are traced, not run.
"""

import functools
import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import tiny_network
from tensorflow.python.framework import kernels

from facelib.config import CHOICES, load_config
from facelib.data.face_alignment import FaceAlignment
from facelib.learn import build, networks
from facelib.learn.embedding import build_embedder
from facelib.learn.training import train_step
from facelib.small_sets.texture import TextureFeatures

# Operations that raise under tf.config.experimental.enable_op_determinism, by the file of tensorflow/core/kernels that
# says so; TensorFlow 2.21's library holds each message. Deterministic on a GPU since 2.8, by its release notes: segment
# sums (also the gradient of tf.gather), softmax with cross entropy from Python; run on the processor: ScatterNd and its
# kind. Convolutions, pooling, bias and bilinear resizing: NVIDIA's "Status of GPU-Determinism in TensorFlow".
REFUSED = {
    "adjust_contrast_op.cc": "AdjustContrast AdjustContrastv2",
    "bincount_op.cc, bincount_op_gpu.cu.cc": "Bincount DenseBincount",
    "crop_and_resize_op.cc": "CropAndResizeGradBoxes CropAndResizeGradImage",
    "debug_ops.h": "DebugNumericSummaryV2",
    "dilation_ops.cc": "Dilation2DBackpropFilter Dilation2DBackpropInput",
    "fake_quant_ops.cc": "FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannelGradient",
    "maxpooling_op.cc": "MaxPoolGradWithArgmax",
    "resize_nearest_neighbor_op.cc": "ResizeNearestNeighborGrad",
    "scatter_op.cc": "ScatterAdd ScatterSub ScatterMul ScatterDiv ScatterMin ScatterMax ScatterUpdate",
    "sparse_tensor_dense_matmul_op_gpu.cu.cc": "SparseTensorDenseMatMul",
    "sparse_xent_op.cc": "SparseSoftmaxCrossEntropyWithLogits",
    "svd_op_gpu.cu.cc": "Svd",  # of matrices with one column
    "xent_op.cc": "SoftmaxCrossEntropyWithLogits",
    # other on each run by what they are, or ordered by when they run
    "stateful_random_ops.cc, logging_ops.cc": "NonDeterministicInts Timestamp",
    "random_op.cc, random_poisson_op.cc, multinomial_op.cc": "RandomUniform RandomUniformInt RandomStandardNormal "
    "TruncatedNormal RandomGamma RandomPoissonV2 RandomShuffle Multinomial ParameterizedTruncatedNormal",
}
NAMES = {name for names in REFUSED.values() for name in names.split()}
# between them, all that a step can be made of; the big networks are traced once each
STEPS = {
    "residual": "network=residual mining=semi-hard loss=circle classes_weight=0.5 memory_size=64",
    "reference": "network=shallow_inception_resnet_v2 mining=hard loss=triplet pairs_weight=0.0",
    "mobilefacenet": "network=mobilefacenet pairs_weight=0.0",  # cuDNN sums the gradients of its depthwise weights
    "iresnet18": "network=iresnet18 pairs_weight=0.0",
    "iresnet34": "network=iresnet34 pairs_weight=0.0",
    "tiny, all": "mining=all loss=circle classes_weight=0.5 memory_size=0",
    "tiny, mistaken": "mining=mistaken loss=triplet classes_weight=0.0 memory_size=64",
}
TRACED = [pytest.param(name, marks=[pytest.mark.slow] * (name in ("iresnet34", "mobilefacenet"))) for name in STEPS]
USES = {
    "residual": lambda request: traced_embedder(request.getfixturevalue("residual_network")),
    "reference": lambda request: traced_embedder(request.getfixturevalue("shallow_network")),
    "alignment": lambda request: traced_layer(FaceAlignment()),
    "texture": lambda request: traced_layer(TextureFeatures()),
}


def operations(graph):
    """Every node of a graph and of the functions that it holds: loops, branches, what they call."""
    definition = graph.as_graph_def()
    return [*definition.node, *(node for function in definition.library.function for node in function.node_def)]


def refused(nodes):
    """Names of the operations that a GPU would refuse."""
    frozen = {node.op for node in nodes if node.op.startswith("FusedBatchNormGrad") and not node.attr["is_training"].b}
    return {node.op for node in nodes} & NAMES | frozen  # fused_batch_norm_op.cc: statistics that are not measured


def without_kernel(nodes):
    """Names of the operations that TensorFlow has no GPU kernel for, and would run on the processor."""
    kinds = {}  # operation and its types, of which there are few
    for node in nodes:
        types = {name: tuple(value.list.type) or (value.type,) for name, value in node.attr.items()}
        kinds[node.op, frozenset(types.items())] = types

    def fits(types, kernel):
        limits = {limit.name: limit.allowed_values.list.type for limit in kernel.constraint}
        allowed = all(set(types[name]) <= set(limit) for name, limit in limits.items() if limit)
        return allowed and kernel.device_type in ("GPU", "DEFAULT")

    known = {name: kernels.get_registered_kernels_for_op(name).kernel for name, _ in kinds}
    return {name for (name, _), types in kinds.items() if not any(fits(types, kernel) for kernel in known[name])}


@pytest.fixture(scope="module")
def step():
    """Function from a name in STEPS to the operations of that training step, in bfloat16 as on a GPU."""

    @functools.cache
    def trace(name):
        config = load_config("smoke", "drawn", STEPS[name])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(networks, "has_bfloat16", lambda: True)
            patch.setattr(networks, "build_network", tiny_network if "tiny" in name else networks.build_network)
            learner = build.build_learner(config, SimpleNamespace(training_labels=np.arange(4)))
        learner.optimizer.build(learner.variables)
        size = networks.input_size(config)
        batch = (tf.TensorSpec((8,), tf.int32), tf.TensorSpec((8, size, size, 3)), tf.TensorSpec((8,), tf.int32))
        return traced(lambda *batch: train_step(learner, learner.select(1), *batch), *batch)

    return trace


def traced(function, *signature):
    return operations(tf.function(function, input_signature=signature).get_concrete_function().graph)


def traced_layer(layer):
    return traced(layer, tf.TensorSpec((None, 112, 112, 3), tf.uint8))


def traced_embedder(network):
    forward = inspect.getclosurevars(build_embedder(network, flip_average=True)).nonlocals["compute"]
    return operations(forward.graph)


@pytest.mark.parametrize("name", TRACED)
def test_a_gpu_refuses_nothing_of_a_training_step(step, name):
    nodes = step(name)
    used, gradient, apply = {node.op for node in nodes}, {"UnsortedSegmentSum"}, {"If", "AssignSubVariableOp"}
    assert gradient | apply | {"Where"} <= used  # all of a step is there
    assert used & {"BiasAddGrad", "FusedBatchNormGradV3"}
    assert refused(nodes) == set()


@pytest.mark.parametrize("name", TRACED)
@pytest.mark.skipif(not tf.test.is_built_with_cuda(), reason="this TensorFlow knows no GPU kernels")
def test_a_gpu_has_a_kernel_for_everything_in_a_training_step(step, name):
    """Else it waits for the processor, at each step."""
    assert without_kernel(step(name)) == set()


@pytest.mark.parametrize("name", USES)
def test_a_gpu_refuses_nothing_where_faces_are_embedded(request, name):
    nodes = USES[name](request)
    assert refused(nodes) == set()
    assert not tf.test.is_built_with_cuda() or without_kernel(nodes) == set()


def test_the_steps_cover_every_choice():
    configs = [load_config("smoke", "drawn", settings) for settings in STEPS.values()]
    for setting, choice in (("network", "network"), ("loss", "loss"), ("mining", "mining")):
        assert {getattr(config, setting) for config in configs} == set(CHOICES[choice])
    assert {bool(config.classes_weight) for config in configs} == {True, False}
    assert {bool(config.pairs_weight and config.memory_size) for config in configs} == {True, False}


def test_what_is_refused_is_found_in_loops_and_branches():
    def count(labels):
        return tf.ensure_shape(tf.math.bincount(labels, minlength=3, maxlength=3), (3,))

    def loop(labels):
        return tf.while_loop(lambda _: True, count, [labels], maximum_iterations=2)

    def branch(labels):
        return tf.cond(labels[0] > 0, lambda: loop(labels), lambda: [labels])

    for function in (count, loop, branch, tf.function(branch)):
        assert refused(traced(function, tf.TensorSpec((3,), tf.int32))) == {"DenseBincount"}


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_of_batch_normalisation_is_refused_where_it_measures_nothing(training):
    def gradient(images):
        zeros, given = tf.zeros((2,)), tf.zeros((0,)) if training else tf.ones((2,))
        options = {"scale": zeros, "offset": zeros, "mean": given, "variance": given, "is_training": training}
        return tf.gradients(tf.raw_ops.FusedBatchNormV3(x=images, **options).y, images)

    nodes = traced(gradient, tf.TensorSpec((1, 4, 4, 2)))
    assert refused(nodes) == (set() if training else {"FusedBatchNormGradV3"})


def test_every_refused_operation_exists():
    assert all(hasattr(tf.raw_ops, name) for name in NAMES)
