"""Configuration to parts: which faces, which batches, what learns from them. The only place that knows all of them."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np
import tensorflow as tf

from facelib.config import INDECISIVE, Config, ConfigError
from facelib.data.dataset import build_batches
from facelib.data.duplicates import require_disjoint
from facelib.data.face_alignment import FaceAlignment, fit_alignment
from facelib.data.faces import DecodedFaces, Pixels, align_faces, load_training_faces
from facelib.data.identities import NoFacesError, dense_labels, draw_identities, split_identities
from facelib.data.sampler import Sampler, validation_pairs
from facelib.learn.cross_batch_memory import CrossBatchMemory
from facelib.learn.embedding import build_embedder, pair_scores
from facelib.learn.engine import choose_strategy, has_one_gpu, host
from facelib.learn.layers import FusedBatchNormalization
from facelib.learn.losses import all_pairs_circle_loss, circle_loss, class_circle_loss, triplet_loss
from facelib.learn.mining import select_triplets
from facelib.learn.networks import build_model, input_size, uses_bfloat16
from facelib.learn.training import Learner, Schedule, train
from facelib.measure import metrics
from facelib.provenance import describe_computer, digest, digest_code

# a change in one of these folders trains again: in them lies what decides the weights, and which epoch is the best
DECISIVE = ("data", "learn", "measure")


class Split(NamedTuple):
    """Faces by use; identities do not overlap."""

    faces: DecodedFaces  # the pixels are those of `decoded`, where the configuration asks for it aligned
    decoded: Pixels  # (n, 112, 112, 3) uint8, as the files show them
    alignment: FaceAlignment | None
    training_labels: np.ndarray  # (n,) int32, dense; -1 where an image is not trained on
    held_out: np.ndarray  # (n,) bool, the images of the identities for validation
    first: np.ndarray  # (pairs,) int64, rows of the validation pairs
    second: np.ndarray  # likewise
    matched: np.ndarray  # (pairs,) bool


def load_split(config: Config) -> Split:
    """The training faces of `config`, with identities held out for validation and the pairs drawn from those.

    Where `config` limits the training identities, the others are in neither part; the mean face, which knows no
    identities, is of all that are not held out.

    Raises:
        NoFacesError: no faces, or too few. SharedImagesError: a content in training and validation.
    """
    faces = load_training_faces(config)
    training, validation = split_identities(faces.table.labels, config.validation_share, config.seed)
    require_disjoint(faces.side("training images", training), faces.side("validation images", validation))
    sizes = (config.validation_images, config.seed, config.validation_pairs_limit)
    pairs = validation_pairs(dense_labels(faces.table.labels, validation), *sizes)
    matched, mismatched = pairs[2].sum(), (~pairs[2]).sum()
    if not matched or not mismatched:
        raise NoFacesError(
            f"the identities held out for validation give {matched} matched and {mismatched} mismatched pairs, and both"
            " kinds are needed: raise validation_share or validation_images, or add images"
        )
    decoded, alignment = faces.pixels, None
    if config.align:
        path = alignment_file(config, faces.digest)
        alignment = fit_alignment(decoded, training, path)
        kept = path.with_suffix(f".{digest([weight.tolist() for weight in alignment.get_weights()])}.npy")
        faces = faces._replace(pixels=align_faces(alignment, decoded, kept))
    if config.training_identities:
        training &= draw_identities(faces.table.labels, training, config.training_identities, config.seed)
    return Split(faces, decoded, alignment, dense_labels(faces.table.labels, training), validation, *pairs)


def alignment_file(config: Config, data_digest: str) -> Path:
    """Where the mean face of `config` on these data is kept: named by all that decides it."""
    settings = [config.seed, config.validation_share, config.identities_limit, config.images_limit]
    name = digest(settings, data_digest, digest_code("data"), tf.__version__, describe_computer())
    return config.interim / "alignments" / f"{name}.npz"


def build_sampler(config: Config, split: Split) -> Sampler:
    """The P x K sampler over the training identities."""
    sizes = (config.identities_per_batch, config.images_per_identity)
    return Sampler(split.training_labels, *sizes, config.seed, config.repeat_images, config.replayed_batches)


def batches_from(config: Config, split: Split, sampler: Sampler):
    """Function from a first step to an iterator of augmented batches, or this host's parts: `dataset.build_batches`."""

    def batches(first_step):
        faces = (split.faces.pixels, split.training_labels, sampler, first_step)
        looks = (config.augmentation, config.warp_share, input_size(config))
        return iter(build_batches(*faces, *looks, host(choose_strategy())))

    return batches


def build_learner(config: Config, split: Split) -> Learner:
    """Model, optimizer, miner and loss of `config`, with weights drawn from its seed, on all devices of this process.

    Raises:
        ConfigError: the devices cannot share a batch, or chunks do not fit into it.
    """
    tf.config.experimental.enable_op_determinism()
    strategy = choose_strategy()
    _check_parts(config, strategy.num_replicas_in_sync, host(strategy)[1])
    with strategy.scope():
        model, optimizer = build_model(config), build_optimizer(config)
        for layer in model.layers:
            if isinstance(layer, FusedBatchNormalization):
                layer.synchronised = config.synchronise_norm
        proxies: tuple[tf.Variable, ...] = ()
        if config.classes_weight:
            size = (int(split.training_labels.max()) + 1, config.embedding_size)
            # of about unit length: only their direction counts, and a step turns longer ones less
            drawn = keras.random.normal(size, stddev=config.embedding_size**-0.5, seed=config.seed)
            proxies = (tf.Variable(drawn, name="proxies"),)
        remembers = config.pairs_weight and config.memory_size
        memory = CrossBatchMemory(config.memory_size, config.embedding_size) if remembers else None
    auxiliary_settings = (config.auxiliary_margin, config.auxiliary_gamma)

    def auxiliary(labels, embeddings, sources):
        total = 0.0
        if config.pairs_weight:
            remembered = memory.variables if memory else None
            loss = all_pairs_circle_loss(labels, embeddings, *auxiliary_settings, sources, remembered)
            total += config.pairs_weight * loss
        if config.classes_weight:
            loss = class_circle_loss(labels, embeddings, proxies[0], *auxiliary_settings)
            total += config.classes_weight * loss
        return total

    def select(epoch):
        return late if epoch > config.later_mining_epoch else early

    def loss(anchors, positives, negatives):
        if config.loss == "triplet":
            return config.triplets_weight * triplet_loss(anchors, positives, negatives, config.margin)
        return config.triplets_weight * circle_loss(anchors, positives, negatives, config.margin, config.gamma)

    early, late = (_selector(method, config.mining_margin) for method in (config.mining, config.later_mining))
    auxiliary_loss = auxiliary if config.pairs_weight or config.classes_weight else None
    return Learner(
        model,
        optimizer,
        select,
        loss,
        auxiliary_loss=auxiliary_loss,
        auxiliary_variables=proxies,
        memory=memory,
        chunk_size=config.chunk_size,
        xla=config.xla and has_one_gpu(),
        strategy=strategy,
    )


def _check_parts(config, devices, hosts):
    count = config.identities_per_batch * config.images_per_identity
    batch = f"identities_per_batch={config.identities_per_batch} images_per_identity={config.images_per_identity}"
    if count % devices:
        fewer = max(number for number in range(1, devices) if count % number == 0)
        raise ConfigError(
            f"{batch}: {devices} devices cannot share {count} images; choose another batch, or"
            + (" other hosts" if hosts > 1 else f" show TensorFlow {fewer} devices (CUDA_VISIBLE_DEVICES)")
        )
    part = count // devices
    if config.chunk_size and part % config.chunk_size:
        fits = max(size for size in range(1, config.chunk_size) if part % size == 0)
        raise ConfigError(
            f"chunk_size={config.chunk_size}: chunks of it do not fill {part} images; choose {fits}, or 0 for one chunk"
        )


def _selector(method, margin):
    return lambda labels, embeddings, sources: select_triplets(labels, embeddings, method, margin, sources)


def count_warmup(config: Config) -> int:
    """Steps in which the learning rate rises: `warmup_steps`, and at most half of all."""
    return min(config.warmup_steps, config.epochs * config.steps_per_epoch // 2)


def build_optimizer(config: Config) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); the rate rises at first, then falls along a cosine to 1 % at the end.

    The schedule is part of the optimizer, which reads it at each step; with ``decay="none"`` the rate is constant.
    Scales, offsets and biases do not decay.
    """
    steps, warmup = config.epochs * config.steps_per_epoch, count_warmup(config)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        max(steps - warmup, 1),
        0.01,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
    if config.decay == "none":
        schedule = config.learning_rate
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["scale", "offset", "bias", "proxies"])
    return optimizer


def score_with(split: Split, embedder, score=pair_scores):
    """Function without arguments to the scores (pairs,) of the validation pairs, by the model as it is then.

    Args:
        embedder: of the model, see `embedding.build_embedder`.
        score: function from embeddings and the rows of pairs to their scores, see `embedding.pair_scores`.
    """
    rows, places = np.unique(np.concatenate([split.first, split.second]), return_inverse=True)
    first, second = places.reshape(2, -1)
    return lambda: score(embedder(split.faces.pixels, rows), first, second)


def validate_with(split: Split, embedder, score=pair_scores):
    """Function without arguments to figures of the scores on the validation pairs; as `score_with`."""
    score_all = score_with(split, embedder, score)

    def validate():
        scores = score_all()
        threshold, accuracy = metrics.best_threshold(scores, split.matched)
        return {
            "validation_roc_auc": metrics.roc_auc(scores, split.matched),
            "validation_average_precision": metrics.average_precision(scores, split.matched),
            "validation_accuracy": accuracy,
            "validation_threshold": threshold,
        }

    return validate


def training_folder(config: Config, data_digest: str) -> Path:
    """Where the training run of `config` on these data lives: named by all that decides the weights.

    That includes threads and kind of processor: what was begun on another computer is not gone on with.
    """
    settings = {key: value for key, value in dataclasses.asdict(config).items() if not key.startswith(INDECISIVE)}
    versions = [keras.__version__, tf.__version__, cv2.__version__, uses_bfloat16(config), describe_computer()]
    return config.interim / "runs" / digest(settings, data_digest, digest_code(*DECISIVE), versions)


def train_whole(config: Config, split: Split) -> tuple[Learner, Callable, dict]:
    """Train what `config` says, in the folder of its own.

    Returns:
        What has learned, its embedder (see `embedding.build_embedder`), and the record of the last epoch.

    Raises:
        NoFacesError: too few identities to draw batches from.
    """
    learner, embedder, (*_, last) = start_training(config, split)
    return learner, embedder, last


def start_training(config: Config, split: Split) -> tuple[Learner, Callable, Iterator[dict]]:
    """As `train_whole`, with the records of all epochs in the place of the last one: it trains as they are taken."""
    learner, batches = build_learner(config, split), batches_from(config, split, build_sampler(config, split))
    schedule = Schedule(config.epochs, config.steps_per_epoch, training_folder(config, split.faces.digest))
    embedder = build_embedder(learner.model, config.flip_average)
    return learner, embedder, train(learner, batches, schedule, validate_with(split, embedder))
