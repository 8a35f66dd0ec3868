"""The network that a configuration asks for, in the precision that is fast here."""

from pathlib import Path

import keras
import tensorflow as tf

from facelib.config import Config
from facelib.images import SIZE
from facelib.models import build_network


def has_bfloat16() -> bool:
    """Whether bfloat16 is fast here: on a GPU, or a processor that lists avx512_bf16 or amx_bf16."""
    processor = Path("/proc/cpuinfo")
    text = processor.read_text() if processor.exists() else ""
    return bool(tf.config.list_physical_devices("GPU")) or "avx512_bf16" in text or "amx_bf16" in text


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
