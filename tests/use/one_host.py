"""`python -m facelib train` as a process of its own, of a project in another folder, with a small network.

The arguments are the project, the faces, and settings; see `test_train`.
"""

import sys
from pathlib import Path

import facelib  # noqa: F401, before TensorFlow
from facelib import config
from facelib.startup import load_tensorflow


def build_network(name, embedding_size, bfloat16, seed, image_size=48, local_contrast=True):
    """A network that trains in no time, and as one host would on several: it drops nothing."""
    import keras

    from facelib.learn.layers import FusedBatchNormalization, UnitNorm

    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((None, None, 3))
    x = keras.layers.Flatten()(keras.layers.Resizing(7, 7)(keras.layers.Rescaling(1 / 127.5, -1)(x)))
    x = FusedBatchNormalization()(keras.layers.Reshape((1, 1, 147))(x))
    return keras.Model(inputs, UnitNorm()(keras.layers.Dense(embedding_size)(keras.layers.Flatten()(x))))


def main():
    root, faces, settings = sys.argv[1:]
    config.ROOT = Path(root)
    load_tensorflow()
    from facelib.learn import networks
    from facelib.use.commands import main

    networks.build_network = build_network
    sys.exit(main(["train", "--profile", "smoke", "--data", faces, "--set", settings]))


if __name__ == "__main__":
    main()
