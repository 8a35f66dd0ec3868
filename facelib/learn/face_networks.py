"""Published networks for faces, whose parameters and multiply-adds are known: IResNet and MobileFaceNet.

As everywhere here, the images are scaled inside, and the embedding has unit norm.
"""

import math

import keras
from keras import layers

from facelib.data.images import SIZE
from facelib.learn.layers import FusedBatchNormalization, UnitNorm

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # residual blocks of each stage, by depth
WIDTHS = (64, 128, 256, 512)  # channels of the stages
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))  # t, c, n, s of table 1


def build_iresnet(depth: int, embedding_size: int = 512) -> keras.Model:
    """IResNet of 18 or 34 layers: the residual network of ArcFace (Deng et al. 2019, sec. 3.1).

    Four stages of residual blocks, each of which is normalised first (Han et al. 2017) and halves the resolution once;
    the last map, 7x7, goes into one dense layer, whose outputs are normalised.

    Returns:
        Model from (N, 112, 112, 3) float32 in [0, 255] to (N, d = embedding_size) float32, unit norm.

    Raises:
        ValueError: another depth.
    """
    if depth not in BLOCKS:
        raise ValueError(f"no IResNet of {depth} layers: choose one of {', '.join(map(str, BLOCKS))}")
    inputs, x = _scaled_images()
    x = _activate(_norm(_conv(x, 64, 3, 1, "stem_conv"), "stem_norm"), "stem_prelu")
    for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS[depth], strict=True), 1):
        for block in range(1, blocks + 1):
            x = _iresnet_block(x, width, 2 if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.Flatten(name="flatten")(_norm(x, "last_norm"))
    x = layers.Dense(embedding_size, dtype="float32", name="embedding")(x)
    return _with_unit_norm(inputs, x, f"iresnet{depth}")


def _iresnet_block(x, width, stride, name):
    y = _conv(_norm(x, f"{name}_norm1"), width, 3, 1, f"{name}_conv1")
    y = _activate(_norm(y, f"{name}_norm2"), f"{name}_prelu")
    y = _norm(_conv(y, width, 3, stride, f"{name}_conv2"), f"{name}_norm3")
    if stride > 1:
        x = _norm(_conv(x, width, 1, stride, f"{name}_shortcut_conv"), f"{name}_shortcut_norm")
    return layers.Add(name=f"{name}_add")([x, y])


def build_mobilefacenet(embedding_size: int = 128) -> keras.Model:
    """MobileFaceNet (Chen et al. 2018, table 1): bottlenecks of depthwise convolutions, and a depthwise head.

    The head has a weight for each place and channel of the last map, 7x7, in place of the average (sec. 3.1).

    Returns:
        Model from (N, 112, 112, 3) float32 in [0, 255] to (N, d = embedding_size) float32, unit norm.
    """
    inputs, x = _scaled_images()
    x = _activate(_norm(_conv(x, 64, 3, 2, "stem_conv"), "stem_norm"), "stem_prelu")
    x = _activate(_norm(_depthwise(x, 1, "stem_depthwise"), "stem_depthwise_norm"), "stem_depthwise_prelu")
    for stage, (factor, width, blocks, stride) in enumerate(BOTTLENECKS, 1):
        for block in range(1, blocks + 1):
            x = _bottleneck(x, factor, width, stride if block == 1 else 1, f"stage{stage}_block{block}")
    x = _activate(_norm(_conv(x, 512, 1, 1, "last_conv"), "last_norm"), "last_prelu")
    height, width, channels = x.shape[1:]
    initializer = keras.initializers.RandomNormal(stddev=1 / math.sqrt(height * width))
    options = {"kernel_initializer": initializer, "name": "global_depthwise"}
    x = layers.EinsumDense("nhwc,hwc->nc", (channels,), **options)(x)
    x = _norm_of_rows(x, "global_norm")
    x = layers.Dense(embedding_size, use_bias=False, dtype="float32", name="embedding")(x)
    return _with_unit_norm(inputs, x, "mobilefacenet")


def _bottleneck(x, factor, width, stride, name):
    inner = factor * x.shape[-1]
    y = _activate(_norm(_conv(x, inner, 1, 1, f"{name}_expand"), f"{name}_norm1"), f"{name}_prelu1")
    y = _activate(_norm(_depthwise(y, stride, f"{name}_depthwise"), f"{name}_norm2"), f"{name}_prelu2")
    y = _norm(_conv(y, width, 1, 1, f"{name}_project"), f"{name}_norm3")
    return y if (stride, y.shape[-1]) != (1, x.shape[-1]) else layers.Add(name=f"{name}_add")([x, y])


def _scaled_images():
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    return inputs, layers.Rescaling(1 / 127.5, -1, dtype="float32", name="rescaling")(inputs)


def _conv(x, width, size, stride, name):
    options = {"use_bias": False, "kernel_initializer": "he_normal", "name": name}
    return layers.Conv2D(width, size, stride, "same", **options)(x)


def _depthwise(x, stride, name):
    options = {"use_bias": False, "depthwise_initializer": "he_normal", "name": name}
    return layers.DepthwiseConv2D(3, stride, "same", **options)(x)


def _norm(x, name):
    return FusedBatchNormalization(name=name)(x)


def _norm_of_rows(x, name, dtype=None):
    # (N, channels), as maps of one place
    x = layers.Reshape((1, 1, -1), dtype=dtype, name=f"{name}_place")(x)
    x = FusedBatchNormalization(dtype=dtype, name=name)(x)
    return layers.Flatten(dtype=dtype, name=f"{name}_flatten")(x)


def _activate(x, name):
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name=name)(x)  # He et al. 2015, sec. 2.1


def _with_unit_norm(inputs, x, name):
    x = _norm_of_rows(x, "embedding_norm", "float32")
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x), name=name)
