"""The training step (embed, mine, loss, apply), a run of epochs of it, and their loop. Builds nothing itself."""

import functools
import itertools
import math
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from facelib.checkpoint import restore_run, save_run
from facelib.learn.alarms import alarm, stop_if_broken
from facelib.learn.chunks import embed_in_chunks
from facelib.learn.cross_batch_memory import CrossBatchMemory
from facelib.learn.engine import add_up, agree, first, gather, host, keep_sums, share, take_own, take_part
from facelib.learn.similarity import positive_mask
from facelib.locks import LOCK, hold
from facelib.progress import advance, track


class Learner(NamedTuple):
    """What learns, and from what."""

    model: keras.Model  # (N, height, width, channels) images to (N, d) unit-norm embeddings
    optimizer: keras.optimizers.Optimizer
    select: Callable  # epoch -> function of (labels, embeddings, sources) to (T, 3) triplets
    loss: Callable  # (anchor, positive, negative embeddings) -> scalar
    auxiliary_loss: Callable | None = None  # (labels, embeddings, sources) -> scalar, added to the loss
    auxiliary_variables: tuple = ()  # trained along with the model, such as class proxies
    memory: CrossBatchMemory | None = None  # of the images of each batch, once the step is done
    chunk_size: int = 0  # images that a device embeds at once, see `chunks`; 0: all of its part
    xla: bool = False  # compile the network
    strategy: tf.distribute.Strategy = tf.distribute.get_strategy()  # in whose scope all of it was made

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
        sources: (B,) int32, the file of each image. With several hosts all three are the part of this one.

    Returns:
        Dict of scalar float32: loss (of the triplets), auxiliary_loss, gradient_norm, s_p and s_n (means over the
        triplets), active_share (of the anchor-positive pairs, those that gave a triplet), similarity (mean over all
        pairs of images, each with itself too), embedding_deviation (see there), skipped_steps (1 where there was
        nothing to learn from).
    """
    run, batch = learner.strategy.run, (identities, images, sources)
    measured, gradients, embedded = run(functools.partial(find_gradients, learner, select), batch)
    measured = first(learner.strategy, measured)
    total = measured["loss"] + measured["auxiliary_loss"]
    finite = tf.math.is_finite(total) & tf.math.is_finite(measured["gradient_norm"])

    def apply():
        run(lambda gradients: learner.optimizer.apply(gradients, learner.variables), (gradients,))
        if learner.memory:
            learner.memory.remember(*first(learner.strategy, embedded))

    tf.cond(finite & (measured["skipped_steps"] == 0), apply, lambda: None)
    return measured


def find_gradients(learner: Learner, select, identities, images, sources):
    """What `train_step` computes on each device, see `engine`: what it measures, the gradients, the embedded batch."""
    identities, images, sources = (take_own(values) for values in (identities, images, sources))
    embeddings, pull_back = embed_in_chunks(learner.model, images, learner.chunk_size, learner.xla)
    identities, embeddings, sources = (gather(values) for values in (identities, embeddings, sources))
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        triplets = select(identities, embeddings, sources)
        anchors, positives, negatives = (tf.gather(embeddings, triplets[:, i]) for i in range(3))
        loss = learner.loss(anchors, positives, negatives)
        auxiliary = learner.auxiliary_loss(identities, embeddings, sources) if learner.auxiliary_loss else 0.0
        total = loss + auxiliary
    roots = [embeddings, *learner.auxiliary_variables]
    of_embeddings, *of_auxiliary = tape.gradient(total, roots, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    gradients = add_up([*pull_back(take_part(of_embeddings)), *(share(gradient) for gradient in of_auxiliary)])
    skipped = (tf.shape(triplets)[0] == 0) & (learner.auxiliary_loss is None)

    def mean_similarity(others):
        s = (tf.reduce_sum(anchors * others, axis=1) + 1) / 2
        return tf.math.divide_no_nan(tf.reduce_sum(s), tf.cast(tf.size(s), tf.float32))

    pairs = positive_mask(identities, sources)
    mined = tf.scatter_nd(triplets[:, :2], tf.ones_like(triplets[:, 0]), tf.shape(pairs)) > 0  # shape (B, B)
    active = tf.math.count_nonzero(mined) / tf.maximum(tf.math.count_nonzero(pairs), 1)
    measured = {
        "loss": loss,
        "auxiliary_loss": tf.cast(auxiliary, tf.float32),
        "gradient_norm": tf.linalg.global_norm(gradients),
        "s_p": mean_similarity(positives),
        "s_n": mean_similarity(negatives),
        "active_share": tf.cast(active, tf.float32),
        "similarity": (tf.reduce_sum(tf.square(tf.reduce_mean(embeddings, axis=0))) + 1) / 2,
        "embedding_deviation": embedding_deviation(embeddings),
        "skipped_steps": tf.cast(skipped, tf.float32),
    }
    return measured, gradients, (identities, embeddings, sources)


def embedding_deviation(embeddings):
    """How far (B, d) unit-norm embeddings fill their sphere, scalar: 0 where all are equal, 1 at the most.

    The standard deviation of each coordinate over the batch, mean over the coordinates, times the square root of d
    (the sign of a collapse in Chen & He 2021, sec. 4.1).
    """
    deviations = tf.math.reduce_std(embeddings, axis=0)
    return tf.reduce_mean(deviations) * tf.sqrt(tf.cast(tf.shape(embeddings)[1], tf.float32))


def compile_step(learner: Learner):
    """`train_step` of `learner` as a graph, one for each way to select triplets: (select, identities, images, sources).

    The same function of Python is the same way, so the graph is made in the first step of an epoch with a new one.
    """
    return tf.function(functools.partial(train_step, learner), autograph=False)


class Run:
    """A training that is under way: the history so far, and all that has to be kept to go on with it; see `begin`."""

    def __init__(self, learner: Learner, schedule: Schedule):
        keep_sums(learner.optimizer)
        with learner.strategy.scope():
            learner.optimizer.build(learner.variables)
        self.learner, self.schedule = learner, schedule
        self.groups = {
            "model": learner.model.variables,
            "optimizer": learner.optimizer.variables,
            "auxiliary": learner.auxiliary_variables,
            "memory": learner.memory.variables if learner.memory else (),
        }
        self.folder = _written_folder(learner, schedule)
        # the others read once the first host has the lock of the run
        agree(learner.strategy, {"run": schedule.folder.name if schedule.folder else ""})
        saved = restore_run(schedule.folder, self.groups, mend=self.folder is not None) if schedule.folder else None
        self.state: dict[str, Any] = saved or {"history": [], "best": -math.inf}
        self.history: list[dict] = self.state["history"]
        agree(learner.strategy, {"epochs done": len(self.history)})

    def epochs(self, batches):
        """The epochs that are left, each with an iterator of the batches of its steps; the progress is shown.

        Args:
            batches: first step -> iterator of (identities, images, sources), see `train_step`.
        """
        done, steps = len(self.history), self.schedule.steps_per_epoch
        if done >= self.schedule.epochs:
            return
        stream = batches(done * steps)
        with track(None, "training", "steps", (self.schedule.epochs - done) * steps) as self.bar:
            for epoch in range(done + 1, self.schedule.epochs + 1):
                self.start = time.perf_counter()
                yield epoch, itertools.islice(stream, steps)

    def watch(self, measured: list[dict], batch) -> None:
        """Stop where the last of what the steps of this epoch `measured` is not finite, and show the progress.

        Raises:
            TrainingError: see `alarms.stop_if_broken`, which keeps the `batch`.
        """
        epoch, last = len(self.history) + 1, measured[-1]
        loss = float(last["loss"] + last["auxiliary_loss"])
        named = dict(zip(("identities", "images", "sources"), batch, strict=True))
        stop_if_broken(last, self._steps(measured), named, self.folder)
        self.elapsed = time.perf_counter() - self.start
        text = f"epoch {epoch}/{self.schedule.epochs}, loss {loss:.4f}"
        images = len(measured) * len(named["images"]) * host(self.learner.strategy)[1]
        advance(self.bar, text, images, self.elapsed)

    def summarise(self, measured: list[dict]) -> dict:
        """The record of this epoch, see `train`, of what its steps `measured`; without the figures of a validation."""
        record: dict[str, Any] = {"epoch": len(self.history) + 1, "steps": self._steps(measured)}
        record |= {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}
        record["skipped_steps"] = round(record["skipped_steps"] * len(measured))
        rate = float(tf.convert_to_tensor(self.learner.optimizer.learning_rate))
        record |= {"alarm": alarm(record), "learning_rate": rate}
        record["seconds"] = self.elapsed + (self.history[-1]["seconds"] if self.history else 0.0)
        return record

    def keep(self, record: dict) -> None:
        """Add the `record` of an epoch to the history; with a folder, save the state, and the best model too."""
        self.history.append(record)
        if self.folder:
            score = record.get("validation_roc_auc", record["steps"])
            improved = score > self.state["best"]
            self.state["best"] = score if improved else self.state["best"]
            save_run(self.folder, self.groups, self.state, improved)

    def _steps(self, measured):
        return len(self.history) * self.schedule.steps_per_epoch + len(measured)


def _written_folder(learner, schedule):
    # the first host alone writes, and holds the lock for all
    return schedule.folder if host(learner.strategy)[0] == 0 else None


@contextmanager
def begin(learner: Learner, schedule: Schedule):
    """Begin a `Run`, or go on with the one in the folder of `schedule`, whose lock is held until the end of the body.

    What was saved there (weights, optimizer, seeds, proxies, memory, history) goes into the `learner` and the run.

    Raises:
        CheckpointError: the saved state does not fit.
    """
    folder = _written_folder(learner, schedule)
    with hold(folder / LOCK, "training") if folder else nullcontext():
        yield Run(learner, schedule)


def train(learner: Learner, batches, schedule: Schedule, validate=None):
    """Train, or go on training, and yield a record after each epoch; epochs that are already done come first.

    The loop of notebook 06, for those who only want its records.

    With a folder, the whole state is saved after each epoch to ``last.npz`` and the model with the best
    ``validation_roc_auc`` so far to ``best.npz``; a later call with the same arguments resumes there and goes on as if
    it had never stopped. Where one of the two files is damaged, training begins anew.

    Args:
        batches: first step -> iterator of (identities, images, sources), see `train_step`.
        validate: function without arguments to a dict of figures, among them ``validation_roc_auc``.

    Yields:
        Dict with epoch (from 1), steps, the means over the epoch of what `train_step` returns (of skipped_steps the
        sum), alarm (see `alarms.alarm`), learning_rate, seconds of training so far (which differ from run to run), and
        the figures of `validate`.

    Raises:
        TrainingError: the embeddings, the loss or its gradient are not finite; no gradient of that step was applied,
            and with a folder its batch (of several hosts, the part of the first) is in ``step_<number>.npz``, and the
            state of the last epoch in ``last.npz``.
        CheckpointError: the saved state does not fit.
    """
    step = compile_step(learner)
    with begin(learner, schedule) as run:
        yield from list(run.history)
        for epoch, batches_of_epoch in run.epochs(batches):
            measured = []
            for batch in batches_of_epoch:
                measured.append(step(learner.select(epoch), *batch))
                run.watch(measured, batch)
            record = run.summarise(measured) | (validate() if validate else {})
            run.keep(record)
            yield record
