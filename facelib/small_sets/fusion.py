"""Texture features and a cohort, fitted to the training images, and fused with the scores of a network."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np
import tensorflow as tf

from facelib.checkpoint import keep_checkpoint
from facelib.config import Config
from facelib.data.augmentation import warp
from facelib.data.images import SIZE
from facelib.learn.build import Split
from facelib.learn.embedding import build_embedder, pair_scores
from facelib.measure.all_vs_all import build_score
from facelib.progress import track
from facelib.provenance import describe_computer, digest, digest_code
from facelib.small_sets.discriminant import TooFewImagesError, fit_discriminant
from facelib.small_sets.score_normalization import Cohort, choose_cohort
from facelib.small_sets.texture import TextureFeatures, block_sizes, build_texture_network, join

DECISIVE = ("data", "learn", "small_sets")  # a change in one of these folders fits again
COPIES_STRENGTH = 0.3  # of the copies, see `augmentation.warp`
BATCH = 64  # images whose features are computed at once
IMAGES_EACH = 8  # most images of an identity, where there are more than `texture_images` in all


class Fused(NamedTuple):
    """A network with what stands beside it in a score."""

    model: keras.Model  # aligned images to embeddings: of the network, and of the texture where it has a share
    embed: Callable  # by `model`, see `embedding.build_embedder`: traced once, for all who need it
    texture: keras.Model | None
    cohort: Cohort | None

    @property
    def pair_scores(self):
        """Function from embeddings of `model` and the rows of pairs to their scores, as `embedding.pair_scores`."""
        return self.cohort.pair_scores if self.cohort else pair_scores

    @property
    def build_score(self):
        """The same for all pairs, as `all_vs_all.build_score`."""
        return self.cohort.build_score if self.cohort else build_score


def fuse(config: Config, split: Split, network: keras.Model) -> Fused:
    """`network`, of aligned faces, with texture and cohort as `config` asks for, fitted to the training images.

    Raises:
        TooFewImagesError: too few training images for the texture.
    """
    texture = fit_texture(config, split) if config.texture_share else None
    model = join(network, texture, config.texture_share) if texture else network
    embedder = build_embedder(model, config.flip_average)
    return Fused(model, embedder, texture, embed_cohort(config, split, embedder))


def fit_texture(config: Config, split: Split) -> keras.Model:
    """The texture network, its projection fitted to training identities, or restored where that was done before.

    Raises:
        TooFewImagesError: too few training images.
    """
    rows = _choose(split.training_labels, config.texture_images, config.seed)
    labels = split.training_labels[rows]
    people = len(np.unique(labels))
    if people < 2:
        raise TooFewImagesError(f"the texture's {len(rows)} images show one person: raise texture_images or add people")
    model = build_texture_network(min(config.texture_components, people - 1))
    path = texture_file(config, split.faces.digest)
    keep_checkpoint(path, {"texture": model.variables}, lambda: _fit(config, model, split.faces.pixels[rows], labels))
    return model


def _fit(config, model, pixels, labels):
    # the projection of the texture network `model`, to tell apart the people `labels` (n,) in `pixels`
    layer = TextureFeatures()
    forward = tf.function(layer, input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8)], autograph=False)

    def features_of(images):
        for start in track(range(0, len(images), BATCH), "texture", f"batches of {BATCH} images"):
            yield forward(images[start : start + BATCH]).numpy()

    features = np.empty((len(labels), sum(block_sizes())), np.float32)  # the one large array here
    for number, block in enumerate(features_of(pixels)):
        features[number * BATCH : (number + 1) * BATCH] = block
    copies = (
        block
        for copy in range(config.texture_copies)
        for block in features_of(warp(pixels, config.seed, copy, COPIES_STRENGTH))
    )
    mean, projection = fit_discriminant(
        features,
        labels,
        block_sizes(),
        config.texture_dimensions,
        model.output_shape[1],
        config.texture_shrinkage,
        copies,
    )
    model.get_layer("projection").set_weights([projection, -mean @ projection])


def _choose(labels, limit, seed):
    # rows of the images to fit to: all, or some of identities drawn at random
    rows = np.flatnonzero(labels >= 0)
    if len(rows) <= limit:
        return rows
    order = np.argsort(np.random.default_rng((seed, 8)).permutation(labels.max() + 1))  # place of each label
    rows = rows[np.lexsort((rows, order[labels[rows]]))]
    changes = np.flatnonzero(np.diff(labels[rows], prepend=-1))  # where the next identity begins
    place = np.arange(len(rows)) - np.repeat(changes, np.diff(changes, append=len(rows)))
    return np.sort(rows[place < IMAGES_EACH][:limit])


def texture_file(config: Config, data_digest: str) -> Path:
    """Where the fit of `config` on these data is kept: named by all that decides it."""
    decisive = ("seed", "align", "validation_share", "identities_limit", "images_limit", "training_identities")
    settings = {
        key: value
        for key, value in dataclasses.asdict(config).items()
        if key in decisive or (key.startswith("texture_") and key != "texture_share")
    }
    versions = [package.__version__ for package in (keras, tf, np, cv2)]
    name = digest(settings, data_digest, digest_code(*DECISIVE), versions, describe_computer())
    return config.interim / "textures" / f"{name}.npz"


def embed_cohort(config: Config, split: Split, embedder) -> Cohort | None:
    """The cohort for scores of `embedder`: one image of each training identity. None where it has no weight."""
    if not config.rareness_weight:
        return None
    rows = choose_cohort(split.training_labels, config.seed)
    return Cohort(embedder(split.faces.pixels, rows), config.rareness_neighbours, config.rareness_weight)
