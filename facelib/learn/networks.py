"""Networks from images to embeddings: float32 in [0, 255] in, unit norm out; size, scale and norm are theirs."""

import math
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

from facelib.config import Config
from facelib.data.images import SIZE
from facelib.learn.face_networks import build_iresnet, build_mobilefacenet
from facelib.learn.layers import Dropout, FusedBatchNormalization, LocalContrastNormalization, UnitNorm

NETWORKS = ("residual", "shallow_inception_resnet_v2", "iresnet18", "iresnet34", "mobilefacenet")
CONTRAST_SIDES = (4, 16)  # pixels of the neighbourhoods in which the residual network sees contrasts
DEPTH_MULTIPLIER = 4  # templates of each channel in the residual network's last convolution
BFLOAT16_CAPABILITY = (8, 0)  # CUDA C++ Programming Guide, "Arithmetic Instructions": bfloat16 from Ampere on


def has_bfloat16() -> bool:
    """Whether bfloat16 is fast here: on GPUs that all compute with it, or a processor with avx512_bf16 or amx_bf16.

    NVIDIA's GPUs do from compute capability 8.0 on; where TensorFlow does not know that of a GPU, it counts as older.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(one.get("compute_capability", (0, 0)) >= BFLOAT16_CAPABILITY for one in details)
    processor = Path("/proc/cpuinfo")
    text = processor.read_text() if processor.exists() else ""
    return "avx512_bf16" in text or "amx_bf16" in text


def uses_bfloat16(config: Config) -> bool:
    """Whether `config` asks for bfloat16 and it is fast here."""
    return config.bfloat16 and has_bfloat16()


def build_model(config: Config) -> keras.Model:
    """The network of `config`, see `networks.build_network`, with weights drawn from its seed."""
    choices = (config.image_size, config.local_contrast)
    return build_network(config.network, config.embedding_size, uses_bfloat16(config), config.seed, *choices)


def input_size(config: Config) -> int:
    """Pixels a side of the images in batches of `config`: augmentation reduces them to what the network looks at."""
    return config.image_size if config.network == "residual" and config.augmentation else SIZE


def build_network(
    name: str,
    embedding_size: int,
    bfloat16: bool = False,
    seed: int = 0,
    image_size: int = SIZE,
    local_contrast: bool = True,
) -> keras.Model:
    """The network `name`, one of NETWORKS, with weights drawn from `seed`.

    Args:
        bfloat16: compute in bfloat16 (weights stay float32), see `networks.has_bfloat16`.
        image_size, local_contrast: see `build_residual_network`; the other networks have no such choices.

    Raises:
        ValueError: unknown name.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    _set_keras("mixed_bfloat16" if bfloat16 else "float32", "float32", "channels_last")  # not what keras.json says
    try:
        if name == "residual":
            return build_residual_network(embedding_size, image_size, local_contrast)
        if name == "mobilefacenet":
            return build_mobilefacenet(embedding_size)
        if name.startswith("iresnet"):
            return build_iresnet(int(name.removeprefix("iresnet")), embedding_size)
        return build_shallow_inception_resnet_v2(embedding_size)
    finally:
        _set_keras(*before)


def _set_keras(policy, floatx, data_format):
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)
    keras.config.set_image_data_format(data_format)


def build_residual_network(
    embedding_size: int = 256, image_size: int = SIZE, local_contrast: bool = True
) -> keras.Model:
    """A residual network (He et al. 2016) with batch normalisation and leaky ReLU, small enough for two cores.

    Args:
        image_size: pixels a side to which it reduces an image, by bilinear interpolation. An image that has this size
            already stays as it is.
        local_contrast: show it, beside the pixels, their contrasts in neighbourhoods of CONTRAST_SIDES pixels, so that
            it need not learn from few faces what light does to a face.

    Returns:
        Model from (N, height, width, 3) float32 in [0, 255] to (N, d = embedding_size) float32, unit norm.
    """
    inputs = keras.Input((None, None, 3), name="images")
    x = layers.Resizing(image_size, image_size, dtype="float32", name="resizing")(inputs)
    x = layers.Rescaling(1 / 127.5, -1, dtype="float32", name="rescaling")(x)
    if local_contrast:
        contrasts = [LocalContrastNormalization(side, name=f"contrast{side}")(x) for side in CONTRAST_SIDES]
        x = layers.Concatenate(name="image")([x, *contrasts])
    x = _normalised(x, 32, 3, 2, "stem1")  # 56x56, where the image is 112x112
    x = _normalised(x, 64, 3, 2, "stem2")  # 28x28
    x = _residual_block(x, 128, "block1")  # 14x14
    x = _residual_block(x, 256, "block2")  # 7x7
    # a depthwise convolution as large as the map, instead of average pooling; as a sum it takes a third of the time of
    # Keras's layer, in bfloat16 a ninth
    height, width, channels = x.shape[1:]
    initializer = keras.initializers.RandomNormal(stddev=math.sqrt(2 / (height * width)))  # He et al. 2015, eq. 10
    options = {"kernel_initializer": initializer, "name": "global_depthwise"}
    x = layers.EinsumDense("nhwc,hwcm->nmc", (DEPTH_MULTIPLIER, channels), **options)(x)
    x = layers.Reshape((1, 1, -1), name="global_place")(x)
    x = FusedBatchNormalization(name="global_norm")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(embedding_size, dtype="float32", name="embedding")(x)
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x), name="residual")


def _normalised(x, width, size, stride, name, activate=True):
    options = {"use_bias": False, "kernel_initializer": "he_normal", "name": f"{name}_conv"}
    x = layers.Conv2D(width, size, stride, "same", **options)(x)
    x = FusedBatchNormalization(name=f"{name}_norm")(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x) if activate else x


def _residual_block(x, width, name):
    # halves the resolution; the shortcut averages before it drops places (He et al. 2019)
    y = _normalised(x, width, 3, 2, f"{name}_1")
    y = _normalised(y, width, 3, 1, f"{name}_2", activate=False)
    x = layers.AveragePooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = _normalised(x, width, 1, 1, f"{name}_shortcut", activate=False)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def build_shallow_inception_resnet_v2(embedding_size: int = 128) -> keras.Model:
    """The reference network, a shallow Inception-ResNet-v2 (Szegedy et al. 2017) without batch normalisation.

    Args:
        embedding_size: d. Parameters: 2,980,496 at d = 128, 3,005,200 at d = 256.

    Returns:
        Model from (N, 112, 112, 3) float32 in [0, 255] to (N, d) float32, unit norm.
    """
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = _conv(x, 32, 3, "stem_conv1", strides=2, padding="valid")
    x = _conv(x, 32, 3, "stem_conv2", padding="valid")
    x = _conv(x, 64, 3, "stem_conv3")
    x = layers.MaxPooling2D(3, 2, name="stem_pool1")(x)
    x = _conv(x, 80, 1, "stem_conv4", padding="valid")
    x = _conv(x, 192, 3, "stem_conv5", padding="valid")
    x = layers.MaxPooling2D(3, 2, name="stem_pool2")(x)  # 11x11x192
    for number in range(1, 5):
        x = _inception(x, f"block35_{number}", 0.17, (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))))
    x = layers.MaxPooling2D(3, 2, name="reduction1_pool")(x)  # 5x5
    for number in range(1, 4):
        x = _inception(x, f"block17_{number}", 0.10, (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))))
    x = layers.MaxPooling2D(3, 2, name="reduction2_pool")(x)  # 2x2
    for number in range(1, 3):
        x = _inception(x, f"block8_{number}", 0.20, (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))))
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = Dropout(0.2, name="dropout")(x)
    x = layers.Dense(embedding_size, dtype="float32", name="embedding")(x)
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x), name="shallow_inception_resnet_v2")


def _conv(x, width, size, name, strides=1, padding="same", activation="relu"):
    return layers.Conv2D(width, size, strides, padding, activation=activation, name=name)(x)


def _inception(x, name, scale, branches):
    outputs = []
    for b, branch in enumerate(branches, 1):
        y = x
        for c, (width, size) in enumerate(branch, 1):
            y = _conv(y, width, size, f"{name}_branch{b}_conv{c}")
        outputs.append(y)
    y = layers.Concatenate(name=f"{name}_concatenate")(outputs)
    y = _conv(y, x.shape[-1], 1, f"{name}_linear", activation=None)
    y = layers.Rescaling(scale, name=f"{name}_scale")(y)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def count_multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of the convolutions and dense layers for one image."""
    return sum(map(layer_multiply_adds, model.layers))


def layer_multiply_adds(layer: layers.Layer) -> int:
    """Multiply-adds of one layer for one image: its weights, times the places in its output if it is a convolution."""
    if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
        height, width = layer.output.shape[1:3]
        return height * width * layer.kernel.shape.num_elements()
    return layer.kernel.shape.num_elements() if isinstance(layer, layers.Dense | layers.EinsumDense) else 0
