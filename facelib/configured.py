"""The network that a configuration asks for, in the precision that is fast here."""

import keras

from facelib.config import Config
from facelib.models import build_network, has_bfloat16


def uses_bfloat16(config: Config) -> bool:
    """Whether `config` asks for bfloat16 and it is fast here."""
    return config.bfloat16 and has_bfloat16()


def build_model(config: Config) -> keras.Model:
    """The network of `config`, see `models.build_network`, with weights drawn from its seed."""
    return build_network(config.network, config.embedding_size, uses_bfloat16(config), config.seed)
