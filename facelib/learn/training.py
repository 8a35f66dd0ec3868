"""The training step (embed, mine, loss, apply) and a generator that runs epochs of it. Builds nothing itself."""

import functools
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from facelib.checkpoint import restore_run, save_run
from facelib.learn.alarms import alarm, stop_if_broken
from facelib.learn.cross_batch_memory import CrossBatchMemory
from facelib.learn.similarity import positive_mask
from facelib.locks import LOCK, hold
from facelib.progress import track


class Learner(NamedTuple):
    """What learns, and from what."""

    model: keras.Model  # (N, height, width, channels) images to (N, d) unit-norm embeddings
    optimizer: keras.optimizers.Optimizer
    select: Callable  # epoch -> function of (labels, embeddings, sources) to (T, 3) triplets
    loss: Callable  # (anchor, positive, negative embeddings) -> scalar
    auxiliary_loss: Callable | None = None  # (labels, embeddings, sources) -> scalar, added to the loss
    auxiliary_variables: tuple = ()  # trained along with the model, such as class proxies
    memory: CrossBatchMemory | None = None  # of the images of each batch, once the step is done

    @property
    def variables(self):
        """All trainable variables."""
        return [*self.model.trainable_variables, *self.auxiliary_variables]


class Schedule(NamedTuple):
    """How long to train, and where the state is kept."""

    epochs: int
    steps_per_epoch: int
    folder: Path | None = None  # gets last.npz and best.npz; None keeps nothing


def train_step(learner: Learner, select, identities, images, sources):
    """Embed a batch, mine triplets, and apply the gradient of the loss once.

    No gradient is applied where there is nothing to learn from (no triplet and no auxiliary loss), nor where the loss
    or its gradient is not finite, nor is the batch remembered then; the statistics of batch norm move with every batch.

    Args:
        select: function of (labels, embeddings, sources) to (T, 3) triplets.
        identities: (B,) int. images: (B, height, width, channels) float in [0, 255].
        sources: (B,) int32, the file of each image.

    Returns:
        Dict of scalar float32: loss (of the triplets), auxiliary_loss, gradient_norm, s_p and s_n (means over the
        triplets), active_share (of the anchor-positive pairs, those that gave a triplet), similarity (mean over all
        pairs of images, each with itself too), embedding_deviation (see there), skipped_steps (1 where there was
        nothing to learn from).
    """
    with tf.GradientTape() as tape:
        embeddings = learner.model(images, training=True)
        triplets = select(identities, embeddings, sources)
        anchors, positives, negatives = (tf.gather(embeddings, triplets[:, i]) for i in range(3))
        loss = learner.loss(anchors, positives, negatives)
        auxiliary = learner.auxiliary_loss(identities, embeddings, sources) if learner.auxiliary_loss else 0.0
        total = loss + auxiliary
    gradients = tape.gradient(total, learner.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    norm = tf.linalg.global_norm(gradients)
    skipped = (tf.shape(triplets)[0] == 0) & (learner.auxiliary_loss is None)

    def apply():
        learner.optimizer.apply(gradients, learner.variables)
        if learner.memory:
            learner.memory.remember(identities, embeddings, sources)

    tf.cond(~skipped & tf.math.is_finite(total) & tf.math.is_finite(norm), apply, lambda: None)

    def mean_similarity(others):
        s = (tf.reduce_sum(anchors * others, axis=1) + 1) / 2
        return tf.math.divide_no_nan(tf.reduce_sum(s), tf.cast(tf.size(s), tf.float32))

    pairs = positive_mask(identities, sources)
    mined = tf.scatter_nd(triplets[:, :2], tf.ones_like(triplets[:, 0]), tf.shape(pairs)) > 0  # shape (B, B)
    active = tf.math.count_nonzero(mined) / tf.maximum(tf.math.count_nonzero(pairs), 1)
    return {
        "loss": loss,
        "auxiliary_loss": tf.cast(auxiliary, tf.float32),
        "gradient_norm": norm,
        "s_p": mean_similarity(positives),
        "s_n": mean_similarity(negatives),
        "active_share": tf.cast(active, tf.float32),
        "similarity": (tf.reduce_sum(tf.square(tf.reduce_mean(embeddings, axis=0))) + 1) / 2,
        "embedding_deviation": embedding_deviation(embeddings),
        "skipped_steps": tf.cast(skipped, tf.float32),
    }


def embedding_deviation(embeddings):
    """How far (B, d) unit-norm embeddings fill their sphere, scalar: 0 where all are equal, 1 at the most.

    The standard deviation of each coordinate over the batch, mean over the coordinates, times the square root of d
    (the sign of a collapse in Chen & He 2021, sec. 4.1).
    """
    deviations = tf.math.reduce_std(embeddings, axis=0)
    return tf.reduce_mean(deviations) * tf.sqrt(tf.cast(tf.shape(embeddings)[1], tf.float32))


def train(learner: Learner, batches, schedule: Schedule, validate=None):
    """Train, or go on training, and yield a record after each epoch; epochs that are already done come first.

    With a folder, the whole state is saved after each epoch to ``last.npz`` and the model with the best
    ``validation_roc_auc`` so far to ``best.npz``; a later call with the same arguments resumes there and goes on as if
    it had never stopped. Where one of the two files is damaged, training begins anew.

    Args:
        batches: first step -> iterator of (identities, images, sources), see `train_step`.
        validate: function without arguments to a dict of figures, among them ``validation_roc_auc``.

    Yields:
        Dict with epoch (from 1), steps, the means over the epoch of what `train_step` returns (of skipped_steps the
        sum), alarm (see `alarms.alarm`), learning_rate, the figures of `validate`, and seconds of training so far
        (which differ from run to run).

    Raises:
        TrainingError: the embeddings, the loss or its gradient are not finite; no gradient of that step was applied,
            and with a folder its batch is in ``step_<number>.npz``, and the state of the last epoch in ``last.npz``.
        CheckpointError: the saved state does not fit.
    """
    with hold(schedule.folder / LOCK, "training") if schedule.folder else nullcontext():
        yield from _train(learner, batches, schedule, validate)


def _train(learner, batches, schedule, validate):
    learner.optimizer.build(learner.variables)
    state: dict[str, Any] = {"history": [], "best": -math.inf}
    groups = {
        "model": learner.model.variables,
        "optimizer": learner.optimizer.variables,
        "auxiliary": learner.auxiliary_variables,
        "memory": learner.memory.variables if learner.memory else (),
    }
    if schedule.folder:
        state = restore_run(schedule.folder, groups) or state
    history = state["history"]
    yield from list(history)

    first_step, steps = len(history) * schedule.steps_per_epoch, schedule.epochs * schedule.steps_per_epoch
    if first_step >= steps:
        return
    batches = batches(first_step)

    @functools.cache
    def compiled(select):
        return tf.function(lambda *batch: train_step(learner, select, *batch), autograph=False)

    seconds = history[-1]["seconds"] if history else 0.0
    bar = track(range(first_step, steps), "training", "steps")
    measured, start = [], time.perf_counter()
    for step in bar:
        epoch = step // schedule.steps_per_epoch + 1
        identities, images, sources = next(batches)
        measured.append(compiled(learner.select(epoch))(identities, images, sources))
        loss = float(measured[-1]["loss"] + measured[-1]["auxiliary_loss"])
        batch = {"identities": identities, "images": images, "sources": sources}
        stop_if_broken(measured[-1], step + 1, batch, schedule.folder)
        elapsed = time.perf_counter() - start
        speed = len(measured) * len(images) / elapsed
        bar.set_postfix_str(f"epoch {epoch}/{schedule.epochs}, loss {loss:.4f}, {speed:.0f} images/s", refresh=False)
        if (step + 1) % schedule.steps_per_epoch:
            continue
        seconds += elapsed
        record = {"epoch": epoch, "steps": step + 1}
        record |= {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
        record["skipped_steps"] = round(record["skipped_steps"] * len(measured))
        record["alarm"] = alarm(record)
        record |= {"learning_rate": float(learner.optimizer.learning_rate), **(validate() if validate else {})}
        record["seconds"] = seconds
        history.append(record)
        if schedule.folder:
            score = record.get("validation_roc_auc", step)
            improved = score > state["best"]
            state["best"] = score if improved else state["best"]
            save_run(schedule.folder, groups, state, improved)
        yield record
        measured, start = [], time.perf_counter()
