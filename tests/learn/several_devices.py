"""Train on one device and on two, and print as JSON how far apart they come; a process of its own, see `test_engine`.

TensorFlow cuts a processor into two devices only before it is used.
"""

import functools
import itertools
import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import facelib  # noqa: F401, before TensorFlow
from facelib.learn.cross_batch_memory import CrossBatchMemory
from facelib.learn.engine import keep_sums
from facelib.learn.layers import Dropout, FusedBatchNormalization, UnitNorm
from facelib.learn.losses import all_pairs_circle_loss, circle_loss, class_circle_loss
from facelib.learn.mining import select_triplets
from facelib.learn.training import Learner, Schedule, compile_step, train

PEOPLE, P, K = 12, 8, 4
STEPS = 20
ORDER = np.arange(P * K)


def batches(first_step, order=ORDER):
    """Eight of twelve people in each batch, four noisy images of each, and the file of each."""
    faces = np.random.default_rng(0).uniform(0, 255, (PEOPLE, 8, 8, 3))
    for step in itertools.count(first_step):
        generator = np.random.default_rng((1, step))
        labels = np.repeat(generator.permutation(PEOPLE)[:P], K).astype(np.int32)
        images = faces[labels] + generator.normal(0, 40, (P * K, 8, 8, 3))
        sources = labels * K + np.tile(np.arange(K, dtype=np.int32), P)
        yield tuple(tf.constant(values[order]) for values in (labels, images.astype(np.float32), sources))


def build_model(synchronised=True, dropout=0.0):
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(x)
    for width in (8, 16):
        x = keras.layers.Conv2D(width, 3, 2, use_bias=False)(x)
        x = keras.layers.LeakyReLU(0.1)(FusedBatchNormalization(synchronised=synchronised)(x))
    x = Dropout(dropout, seed=5)(keras.layers.Flatten()(x))
    return keras.Model(inputs, UnitNorm()(keras.layers.Dense(16)(x)))


def build_learner(strategy, chunk_size=0, **options):
    """Triplets, all pairs with a memory, and proxies, all of which count."""
    with strategy.scope():
        model, memory = build_model(**options), CrossBatchMemory(2 * P * K, 16)
        proxies = tf.Variable(np.random.default_rng(2).normal(size=(PEOPLE, 16)).astype(np.float32), name="proxies")
        rate = keras.optimizers.schedules.CosineDecay(1e-4, STEPS - 5, 0.1, warmup_target=2e-3, warmup_steps=5)
        optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-1)
        optimizer.exclude_from_weight_decay(var_names=["scale", "offset", "bias", "proxies"])

    def select(labels, embeddings, sources):
        return select_triplets(labels, embeddings, "hard", 0.1, sources)

    def auxiliary(labels, embeddings, sources):
        pairs = all_pairs_circle_loss(labels, embeddings, 0.25, 16, sources, memory.variables)
        return pairs + class_circle_loss(labels, embeddings, proxies, 0.25, 16)

    def loss(a, p, n):
        return circle_loss(a, p, n, 0.25, 16)

    return Learner(
        model,
        optimizer,
        lambda epoch: select,
        loss,
        auxiliary_loss=auxiliary,
        auxiliary_variables=(proxies,),
        memory=memory,
        chunk_size=chunk_size,
        strategy=strategy,
    )


def trained(strategy, folder=None, epochs=2, order=ORDER, **options):
    """The state of a learner after STEPS steps, by group, and the history; each batch in the `order`."""
    learner = build_learner(strategy, **options)
    schedule = Schedule(epochs, STEPS // 2, folder)
    history = list(
        train(learner, functools.partial(batches, order=order), schedule, lambda: {"validation_roc_auc": 0.5})
    )
    groups = {
        "weights": learner.model.trainable_variables, "statistics": learner.model.non_trainable_variables,
        "proxies": learner.auxiliary_variables, "memory": learner.memory.variables,
        "optimizer": learner.optimizer.variables,
    }  # fmt: skip
    for variable in [*learner.variables, *learner.memory.variables, *learner.optimizer.variables]:
        first, *others = strategy.experimental_local_results(getattr(variable, "value", variable))
        for other in others:  # each device has a copy of its own
            np.testing.assert_array_equal(first, other)
    found = {name: [np.asarray(v).astype(np.float64) for v in group] for name, group in groups.items()}
    found["embeddings"] = [learner.model(next(batches(99))[1], training=False).numpy()]
    return found, history


def apart(one, two):
    """The largest difference of each group."""
    return {
        name: max((float(np.abs(a - b).max()) for a, b in zip(one[name], two[name], strict=True)), default=0.0)
        for name in one
    }


def after_a_broken_batch(strategy):
    """How far a batch moves what is learned and remembered, of which one image is not finite; and a good batch then."""
    learner = build_learner(strategy)
    keep_sums(learner.optimizer)
    with strategy.scope():
        learner.optimizer.build(learner.variables)
    step = compile_step(learner)
    states = []
    for broken in (None, True, False):
        if broken is not None:
            labels, images, sources = next(batches(0))
            images = tf.where(tf.range(P * K)[:, None, None, None] == 20, np.nan, images) if broken else images
            step(learner.select(1), labels, images, sources)
        kept = [*learner.variables, *learner.memory.variables, *learner.optimizer.variables]
        states.append([np.asarray(variable).astype(np.float64) for variable in kept])
    return [apart({"all": a}, {"all": b})["all"] for a, b in itertools.pairwise(states)]


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.experimental.enable_op_determinism()
    alone, both = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    start = [np.asarray(variable) for variable in build_learner(alone).model.trainable_variables]
    one, history = trained(alone)
    with tempfile.TemporaryDirectory() as folder:
        trained(both, Path(folder), epochs=1)
        two, resumed = trained(both, Path(folder))
        read, _ = trained(alone, Path(folder))
    figures = [
        [[record[name] for name in ("loss", "auxiliary_loss", "gradient_norm", "active_share")] for record in records]
        for records in (history, resumed)
    ]
    # 16 images on each of two devices, in two chunks each, are the four chunks of one device, where each has its norm
    in_chunks = [trained(each, chunk_size=8, synchronised=False)[0] for each in (alone, both)]
    # normalised together, the first halves of both devices are the first chunk of one device, in another order
    halves = ORDER.reshape(2, 2, 8).swapaxes(0, 1).ravel()
    together = [trained(alone, chunk_size=16, order=halves)[0], trained(both, chunk_size=8)[0]]
    model, (_, images, _) = build_learner(both, dropout=0.5).model, next(batches(0))
    dropped = tf.function(lambda: both.run(lambda: model(images, training=True)), autograph=False)()
    first, second = both.experimental_local_results(dropped)
    found = {
        "moved": apart({"weights": one["weights"]}, {"weights": start}),
        "two devices": apart(one, two),
        "read on one device": apart(read, two),
        "figures": float(np.abs(np.subtract(*figures)).max()),
        "chunks": apart(*in_chunks),
        "chunks together": apart(*together),
        "not finite": after_a_broken_batch(both),
        "dropout": float(np.abs(first - second).max()),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
