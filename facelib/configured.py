"""The network that a configuration asks for, in the precision that is fast here."""

from pathlib import Path

import keras
import tensorflow as tf

from facelib.config import Config
from facelib.images import SIZE
from facelib.models import build_network

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
    """The network of `config`, see `models.build_network`, with weights drawn from its seed."""
    choices = (config.image_size, config.local_contrast)
    return build_network(config.network, config.embedding_size, uses_bfloat16(config), config.seed, *choices)


def shown_size(config: Config) -> int:
    """Pixels a side of the images in batches of `config`: augmentation reduces them to what the network looks at."""
    return config.image_size if config.network == "residual" and config.augmentation else SIZE
