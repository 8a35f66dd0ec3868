import functools
import itertools
import math
import shutil

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import on_circle, unit
from keras import layers

from facelib import checkpoint, files
from facelib.checkpoint import CheckpointError, restore_checkpoint
from facelib.learn.alarms import TrainingError, alarm
from facelib.learn.cross_batch_memory import CrossBatchMemory
from facelib.learn.layers import UnitNorm
from facelib.learn.losses import all_pairs_circle_loss, circle_loss, class_circle_loss
from facelib.learn.mining import select_triplets
from facelib.learn.training import Learner, Schedule, embedding_deviation, train, train_step

LABELS = np.repeat(np.arange(5, dtype=np.int32), 3)
PATTERNS = np.random.default_rng(0).uniform(0, 255, (5, 3, 3, 2))


@pytest.fixture(scope="module", autouse=True)
def same_operations_same_results():
    tf.config.experimental.enable_op_determinism()


def batch(step):
    """Five identities, three noisy images of each, and the file of each."""
    noise = np.random.default_rng((1, step)).normal(0, 60, (15, 3, 3, 2))
    return tf.constant(LABELS), tf.constant(PATTERNS[LABELS] + noise, tf.float32), tf.range(15)


def batches(first_step):
    return (batch(step) for step in itertools.count(first_step))


def select_by(method):
    return lambda labels, embeddings, sources: select_triplets(labels, embeddings, method, 0.3, sources)


def build_model(seed=0, dropout=0.0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3, 3, 2))
    x = layers.Flatten()(layers.Rescaling(1 / 127.5, -1)(inputs))
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, UnitNorm()(layers.Dense(4)(x)))


def build_learner(optimizer=None, method="hard", **options):
    select = select_by(method)
    return Learner(
        build_model(**options),
        optimizer or keras.optimizers.Adam(0.02),
        lambda epoch: select,
        lambda a, p, n: circle_loss(a, p, n, 0.25, 16),
    )


def with_proxies(learner):
    """`learner` with a loss against class proxies beside its own."""
    proxies = tf.Variable(np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32))
    return learner._replace(
        auxiliary_loss=lambda labels, embeddings, sources: class_circle_loss(labels, embeddings, proxies, 0.25, 16),
        auxiliary_variables=(proxies,),
    )


def with_memory(learner, size=40):
    """`learner` with a loss over all pairs, of images that it remembers too, beside its own."""
    memory = CrossBatchMemory(size, 4)
    return learner._replace(
        auxiliary_loss=lambda labels, embeddings, sources: all_pairs_circle_loss(
            labels, embeddings, 0.25, 16, sources, memory.variables
        ),
        memory=memory,
    )


def values(learner):
    """All of the state: weights, seed generators, the optimizer's variables, proxies, the memory."""
    memory = learner.memory.variables if learner.memory else ()
    groups = (learner.model.variables, learner.optimizer.variables, learner.auxiliary_variables, memory)
    return [np.asarray(tf.convert_to_tensor(variable)) for group in groups for variable in group]


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


@functools.cache
def whole_run(epochs, steps):
    """The history, without seconds, of a plain learner that is trained from end to end and kept nowhere."""
    return without_seconds(train(build_learner(), batches, Schedule(epochs, steps)))


# one step


def test_a_step_applies_the_gradient_of_the_loss_once():
    learner = build_learner(keras.optimizers.SGD(0.5))
    identities, images, sources = batch(0)
    with tf.GradientTape() as tape:
        embeddings = learner.model(images, training=True)
        a, p, n = select_triplets(identities, embeddings, "hard").numpy().T
        loss = circle_loss(*(tf.gather(embeddings, rows) for rows in (a, p, n)), 0.25, 16)
    expected = [v - 0.5 * g for v, g in zip(learner.variables, tape.gradient(loss, learner.variables), strict=True)]
    measured = train_step(learner, learner.select(1), identities, images, sources)
    assert float(measured["loss"]) == float(loss)
    for variable, value in zip(learner.variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-7)


@pytest.mark.parametrize("method", ["hard", "semi-hard", "all"])
def test_figures_of_a_step(method):
    learner = build_learner(keras.optimizers.SGD(0.0), method)
    identities, images, sources = batch(0)
    repeated = np.array([0, 0, *range(2, 15)])  # the first image is drawn twice
    embeddings = learner.model(images).numpy()
    s = reference.similarity_matrix(embeddings)
    triplets = reference.triplets(LABELS, s.astype(np.float32), method, 0.3, repeated)
    places = {(a, p) for a in range(15) for p in range(15) if reference.is_positive(LABELS, repeated, a, p)}
    measured = train_step(learner, learner.select(1), identities, images, repeated)
    assert {name: (value.shape, value.dtype) for name, value in measured.items()} == {
        name: ((), tf.float32)
        for name in (
            "loss", "auxiliary_loss", "gradient_norm", "s_p", "s_n", "active_share", "similarity",
            "embedding_deviation", "skipped_steps",
        )
    }  # fmt: skip
    rows = sorted(triplets)
    with tf.GradientTape() as tape:
        loss = circle_loss(*(tf.gather(learner.model(images), i) for i in zip(*rows, strict=True)), 0.25, 16)
    gradient = np.concatenate([np.ravel(g) for g in tape.gradient(loss, learner.variables)]).astype(np.float64)
    expected = {
        "loss": reference.circle_loss(*(embeddings[list(rows)] for rows in zip(*triplets, strict=True)), 0.25, 16),
        "gradient_norm": np.sqrt((gradient**2).sum()),
        "auxiliary_loss": 0,
        "s_p": np.mean([s[a, p] for a, p, _ in triplets]),
        "s_n": np.mean([s[a, n] for a, _, n in triplets]),
        "active_share": len({(a, p) for a, p, _ in triplets}) / len(places),
        "similarity": s.mean(),
        "embedding_deviation": reference.embedding_deviation(embeddings),
        "skipped_steps": 0,
    }
    assert {name: float(value) for name, value in measured.items()} == pytest.approx(expected, rel=1e-5)


def nothing(labels, embeddings, sources):
    """A miner that finds no triplet."""
    return tf.zeros((0, 3), tf.int32)


def started(learner):
    """`learner` after one step, so that its optimizer has momentum and would move the weights without a gradient."""
    learner.optimizer.build(learner.variables)
    train_step(learner, learner.select(1), *batch(0))
    return learner


def unchanged(learner, before):
    return all(np.array_equal(one, two) for one, two in zip(values(learner), before, strict=True))


@pytest.mark.parametrize("compile", [lambda step: step, tf.function], ids=["eager", "graph"])
def test_a_step_without_a_triplet_changes_neither_weights_nor_optimizer(compile):
    """AdamW would decay the weights, follow its momentum and count the step."""
    learner = started(build_learner(keras.optimizers.AdamW(0.02, weight_decay=0.1)))
    before = values(learner)
    step = compile(lambda *batch: train_step(learner, nothing, *batch))
    measured = step(*batch(1))
    names = ("loss", "auxiliary_loss", "gradient_norm", "s_p", "s_n", "active_share", "skipped_steps")
    assert [float(measured[name]) for name in names] == [0, 0, 0, 0, 0, 0, 1]
    assert unchanged(learner, before)
    measured = train_step(learner, learner.select(1), *batch(1))
    assert float(measured["skipped_steps"]) == 0
    assert not unchanged(learner, before)


def test_a_batch_without_a_positive_pair_is_skipped():
    learner = started(build_learner())
    before = values(learner)
    measured = train_step(learner, learner.select(1), tf.range(15), *batch(1)[1:])
    assert float(measured["skipped_steps"]) == 1
    assert unchanged(learner, before)


def test_with_an_auxiliary_loss_a_step_without_a_triplet_is_a_step():
    learner = started(with_proxies(build_learner(keras.optimizers.SGD(0.5))))
    identities, images, sources = batch(1)
    with tf.GradientTape() as tape:
        loss = learner.auxiliary_loss(identities, learner.model(images), None)
    expected = [v - 0.5 * g for v, g in zip(learner.variables, tape.gradient(loss, learner.variables), strict=True)]
    measured = train_step(learner, nothing, identities, images, sources)
    assert (float(measured["skipped_steps"]), float(measured["loss"])) == (0, 0)
    assert float(measured["auxiliary_loss"]) == pytest.approx(float(loss))
    for variable, value in zip(learner.variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-6)


def infinite_gradient(x):
    """0 for any finite `x`, with a gradient that is not finite."""
    return tf.reduce_sum(tf.sqrt(0 * x))


BROKEN = {  # changes of a learner, and what is then not finite
    "loss": dict(loss=lambda a, p, n: tf.reduce_sum(a) + math.inf),  # and a gradient that is finite
    "auxiliary loss": dict(auxiliary_loss=lambda labels, embeddings, sources: tf.reduce_sum(embeddings) * math.inf),
    "gradient": dict(loss=lambda a, p, n: infinite_gradient(a)),
}


@pytest.mark.parametrize("subject", BROKEN)
def test_a_step_whose_loss_or_gradient_is_not_finite_changes_nothing(subject):
    learner = started(build_learner())
    before = values(learner)
    broken = learner._replace(**BROKEN[subject])
    measured = train_step(broken, broken.select(1), *batch(1))
    finite = {name: math.isfinite(value) for name, value in measured.items()}
    assert not finite[{"loss": "loss", "auxiliary loss": "auxiliary_loss", "gradient": "gradient_norm"}[subject]]
    assert finite["similarity"] and finite["embedding_deviation"]
    assert finite["loss"] == (subject != "loss") and finite["auxiliary_loss"] == (subject != "auxiliary loss")
    assert unchanged(learner, before)


def test_the_standard_deviation_of_embeddings():
    embeddings = unit(np.random.default_rng(1).normal(size=(40, 7)) + 0.5)
    assert float(embedding_deviation(embeddings)) == pytest.approx(reference.embedding_deviation(embeddings), rel=1e-5)
    assert float(embedding_deviation(np.repeat(embeddings[:1], 9, axis=0))) == pytest.approx(0, abs=1e-6)
    assert float(embedding_deviation(on_circle([0, 90, 180, 270]))) == pytest.approx(1)
    many = unit(np.random.default_rng(2).normal(size=(5000, 64)))
    assert float(embedding_deviation(many)) == pytest.approx(1, abs=0.01)


def test_the_auxiliary_loss_is_added_and_its_variables_are_trained():
    learner = with_proxies(build_learner(keras.optimizers.SGD(0.5)))
    identities, images, sources = batch(0)
    with tf.GradientTape() as tape:
        loss = learner.auxiliary_loss(identities, learner.model(images), None)
    (proxies,) = learner.auxiliary_variables
    expected = proxies - 0.5 * tape.gradient(loss, proxies)
    measured = train_step(learner, learner.select(1), identities, images, sources)
    assert float(measured["auxiliary_loss"]) == pytest.approx(float(loss), rel=1e-6)
    np.testing.assert_allclose(proxies, expected, atol=1e-7)


def test_a_step_pairs_its_images_with_those_of_the_steps_before():
    """The first step remembers what the network gave it; the second pairs with that, before it is remembered itself."""
    learner = with_memory(build_learner(keras.optimizers.SGD(0.5)), size=20)
    compiled = tf.function(lambda *batch: train_step(learner, learner.select(1), *batch))
    given, losses = [], []
    for step in (0, 1):
        identities, images, sources = batch(step)
        files = sources + 15 * step  # none of the first batch's
        given.append(learner.model(images, training=True).numpy())
        memory = [np.asarray(variable) for variable in learner.memory.variables]
        losses.append(reference.all_pairs_circle_loss(LABELS, given[-1], 0.25, 16, files.numpy(), memory))
        measured = compiled(identities, images, files)
        assert float(measured["auxiliary_loss"]) == pytest.approx(losses[-1], rel=1e-5)
    labels, embeddings, files = (np.asarray(variable) for variable in learner.memory.variables)
    np.testing.assert_array_equal(labels, [*LABELS, *LABELS[:5]])
    np.testing.assert_allclose(embeddings, [*given[1], *given[0][:5]], atol=1e-6)
    assert files.tolist() == [*range(15, 30), *range(5)]
    alone = reference.all_pairs_circle_loss(LABELS, given[1], 0.25, 16, np.arange(15))
    assert abs(alone - losses[1]) > 1e-3


# epochs


def test_the_loss_falls():
    history = list(train(build_learner(), batches, Schedule(8, 8)))
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["s_p"] - history[-1]["s_n"] > history[0]["s_p"] - history[0]["s_n"] + 0.2


def test_a_record_of_each_epoch_holds_the_means_over_its_steps():
    learner = build_learner(keras.optimizers.SGD(0.0))
    history = list(train(learner, batches, Schedule(2, 3), lambda: {"validation_roc_auc": 0.75}))
    assert [(record["epoch"], record["steps"]) for record in history] == [(1, 3), (2, 6)]
    assert [record["validation_roc_auc"] for record in history] == [0.75, 0.75]
    for record, steps in zip(history, ([0, 1, 2], [3, 4, 5]), strict=True):
        measured = [train_step(learner, learner.select(1), *batch(step)) for step in steps]
        for name in measured[0]:
            assert record[name] == pytest.approx(np.mean([float(one[name]) for one in measured]), rel=1e-5, abs=1e-7)
        assert (record["skipped_steps"], record["alarm"]) == (0, "")


def test_skipped_steps_are_counted_and_raise_an_alarm():
    every = select_by("all")
    learner = build_learner()._replace(select=lambda epoch: nothing if epoch == 2 else every)

    def one_batch_without_pairs(first_step):
        for step in itertools.count(first_step):
            identities, images, sources = batch(step)
            yield (tf.range(15) if step == 10 else identities), images, sources

    history = list(train(learner, one_batch_without_pairs, Schedule(3, 4)))
    assert [record["skipped_steps"] for record in history] == [0, 4, 1]
    assert all(type(record["skipped_steps"]) is int for record in history)
    assert history[0]["alarm"] == ""
    assert history[1]["alarm"].startswith("4 steps found no triplet")
    assert [record["alarm"] for record in history] == [alarm(record) for record in history]
    assert int(learner.optimizer.iterations) == 12 - 5


def test_a_collapse_raises_an_alarm():
    learner = build_learner(keras.optimizers.SGD(0.0))
    kernel, bias = learner.model.trainable_variables
    kernel.assign(kernel * 1e-3)
    bias.assign([1.0, 0, 0, 0])
    (record,) = train(learner, batches, Schedule(1, 2))
    assert record["alarm"].startswith("collapse")


def test_each_step_has_a_batch_of_its_own():  # slip 1
    asked, drawn = [], []

    def counted(first_step):
        asked.append(first_step)
        for step in itertools.count(first_step):
            drawn.append(step)
            yield batch(step)

    list(train(build_learner(), counted, Schedule(3, 4)))
    assert asked == [0]
    assert drawn == list(range(12))


def test_a_schedule_decides_how_far_the_weights_move():  # slip 2
    """A rate that is 0 from the second epoch on must leave the weights there."""

    def kernels(rate):
        learner = build_learner(keras.optimizers.SGD(rate))
        return [learner.model.get_weights()[0] for _ in train(learner, batches, Schedule(2, 4))]

    constant = kernels(0.1)
    stopped = kernels(keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.1, 0.0]))
    np.testing.assert_array_equal(stopped[0], constant[0])
    np.testing.assert_array_equal(stopped[1], stopped[0])
    assert np.abs(constant[1] - constant[0]).max() > 0.01


def test_the_recorded_rate_is_the_optimizers():  # slip 2
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 12, 0.01)
    history = list(train(build_learner(keras.optimizers.SGD(schedule)), batches, Schedule(3, 4)))
    expected = [reference.warm_cosine(step, 12, 0, 0.1) for step in (4, 8, 12)]
    assert [record["learning_rate"] for record in history] == pytest.approx(expected, rel=1e-5)


def test_the_miner_may_change_with_the_epoch():
    every = select_by("all")
    learner = build_learner()._replace(select=lambda epoch: nothing if epoch <= 2 else every)
    history = list(train(learner, batches, Schedule(4, 2)))
    assert [record["active_share"] for record in history] == [0, 0, 1, 1]


@pytest.mark.parametrize("method", ["hard", "semi-hard", "all"])
def test_embeddings_that_are_not_finite_stop_the_training_and_are_not_saved(method, tmp_path):
    """Also where the miner, for which no comparison with NaN holds, finds no triplet and so no loss."""
    learner = build_learner(method=method)
    (_,) = train(learner, batches, Schedule(1, 3, tmp_path))
    saved = (tmp_path / "last.npz").read_bytes()

    def nan_at_step_5(first_step):
        for step in itertools.count(first_step):
            identities, images, sources = batch(step)
            after_step_4.append(values(learner))
            yield identities, images * (math.nan if step == 4 else 1), sources

    after_step_4 = []
    with pytest.raises(TrainingError, match="^the embeddings are not finite at step 5: lower the learning rate"):
        list(train(learner, nan_at_step_5, Schedule(2, 3, tmp_path)))
    assert (tmp_path / "last.npz").read_bytes() == saved
    assert unchanged(learner, after_step_4[-1])
    with np.load(tmp_path / "step_5.npz") as file:
        assert np.isnan(file["images"]).all()


@pytest.mark.parametrize("subject", BROKEN)
def test_what_is_not_finite_is_named_and_its_batch_is_kept(subject, tmp_path):
    """The weights after the error are those from before the step, and a mended run goes on from the last epoch."""
    learner = build_learner()
    history = list(train(learner, batches, Schedule(1, 2, tmp_path)))
    before = values(learner)
    folder = tmp_path / "step_3.npz"

    def of_other_files(first_step):
        for step in itertools.count(first_step):
            *faces, sources = batch(step)
            yield *faces, sources + step

    with pytest.raises(TrainingError) as error:
        list(train(learner._replace(**BROKEN[subject]), of_other_files, Schedule(2, 2, tmp_path)))
    assert str(error.value) == (
        f"the {subject} is not finite at step 3: lower the learning rate or gamma; the batch is in {folder}"
    )
    assert unchanged(learner, before)
    with np.load(folder) as file:
        identities, images, sources = batch(2)
        np.testing.assert_array_equal(file["identities"], identities)
        np.testing.assert_array_equal(file["images"], images)
        np.testing.assert_array_equal(file["sources"], sources + 2)
    mended = list(train(build_learner(seed=5), batches, Schedule(2, 2, tmp_path)))
    assert mended[:1] == history
    assert without_seconds(mended) == whole_run(2, 2)


def test_without_a_folder_a_broken_batch_is_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learner = build_learner()._replace(**BROKEN["gradient"])
    with pytest.raises(TrainingError, match="the gradient is not finite at step 1: .* gamma$"):
        list(train(learner, batches, Schedule(1, 2)))
    assert list(tmp_path.iterdir()) == []


# saving and resuming


def interrupted_at(stop):
    def cut(first_step):
        for step in itertools.count(first_step):
            if step == stop:
                raise KeyboardInterrupt
            yield batch(step)

    return cut


HAVING = {"proxies": with_proxies, "memory": with_memory}


def build_varied(having, seed):
    """A learner with all that a state can hold: a schedule, moments, dropout, and proxies or a memory."""
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 12)
    return HAVING[having](build_learner(keras.optimizers.AdamW(schedule), dropout=0.3, seed=seed))


@functools.cache
def uninterrupted(having):
    """The history and the state of three epochs of `build_varied`."""
    learner = build_varied(having, 1)
    return without_seconds(train(learner, batches, Schedule(3, 4))), values(learner)


@pytest.mark.parametrize("stop", [4, 6, 8])
@pytest.mark.parametrize("having", HAVING)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(tmp_path, stop, having):  # slip 7
    expected, whole = uninterrupted(having)
    with pytest.raises(KeyboardInterrupt):
        list(train(build_varied(having, 1), interrupted_at(stop), Schedule(3, 4, tmp_path)))
    resumed = build_varied(having, 2)
    history = list(train(resumed, batches, Schedule(3, 4, tmp_path)))

    assert without_seconds(history) == expected
    assert len(values(resumed)) == len(whole) > 8
    for one, two in zip(values(resumed), whole, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_can_be_prolonged(tmp_path):
    list(train(build_learner(), batches, Schedule(1, 4, tmp_path)))
    history = list(train(build_learner(seed=5), batches, Schedule(3, 4, tmp_path)))
    assert without_seconds(history) == whole_run(3, 4)


def test_a_finished_run_is_not_trained_again(tmp_path):
    expected = list(train(build_learner(), batches, Schedule(2, 2, tmp_path)))
    learner = build_learner(seed=5)
    history = list(train(learner, lambda _: pytest.fail("trained again"), Schedule(2, 2, tmp_path)))
    assert history == expected
    state = values(learner)
    restore_checkpoint(tmp_path / "last.npz", {"model": learner.model.variables})
    for one, two in zip(values(learner), state, strict=True):
        np.testing.assert_array_equal(one, two)


def test_best_holds_the_epoch_with_the_best_validation(tmp_path):
    figures = iter([0.5, 0.9, 0.7, 0.8])
    learner, weights = build_learner(), {}

    def run(epochs, learner):
        validate = lambda: {"validation_roc_auc": next(figures)}  # noqa: E731
        for record in train(learner, batches, Schedule(epochs, 2, tmp_path), validate):
            weights.setdefault(record["epoch"], values(learner)[:2])

    run(3, learner)
    run(4, build_learner(seed=5))  # a resumed run remembers how good the best was
    best = build_model(seed=7)
    assert restore_checkpoint(tmp_path / "best.npz", {"model": best.variables}) == {"epoch": 2}
    for variable, value in zip(best.trainable_variables, weights[2], strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("figures", [[math.nan, 0.5, 0.9], [0.5, math.nan, 0.9], [math.nan] * 3])
def test_a_validation_that_is_no_number_is_not_the_best(tmp_path, figures):
    def run(epochs):
        learner = build_learner()
        validate = lambda: {"validation_roc_auc": figures[int(learner.optimizer.iterations) // 2 - 1]}  # noqa: E731
        return list(train(learner, batches, Schedule(epochs, 2, tmp_path), validate))

    run(2)
    assert len(run(3)) == 3
    if 0.9 in figures:
        assert restore_checkpoint(tmp_path / "best.npz", {"model": build_model().variables}) == {"epoch": 3}


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    learner = build_learner()
    list(train(learner, batches, Schedule(3, 2, tmp_path)))
    assert restore_checkpoint(tmp_path / "best.npz", {"model": build_model().variables}) == {"epoch": 3}


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(train(build_learner(), batches, Schedule(2, 2)))
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_state_stops_before_training(tmp_path):
    list(train(build_learner(), batches, Schedule(1, 2, tmp_path)))
    with pytest.raises(CheckpointError, match="last.npz does not fit"):
        list(train(with_proxies(build_learner()), batches, Schedule(2, 2, tmp_path)))


def run_with_best(folder, epochs, best):
    """History without seconds, state, and the steps that were drawn, of a run whose best epoch is `best`."""
    learner, steps = build_learner(), []

    def validate():
        return {"validation_roc_auc": 1 - abs(int(learner.optimizer.iterations) // 2 - best) / 9}

    def counted(first_step):
        return (steps.append(step) or batch(step) for step in itertools.count(first_step))

    history = without_seconds(train(learner, counted, Schedule(epochs, 2, folder), validate))
    return history, values(learner), steps


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Function from a best epoch to a folder with runs of 1, 2 and 3 epochs, and to what the last one gave."""

    @functools.cache
    def make(best):
        folder = tmp_path_factory.mktemp("runs")
        *_, last = (run_with_best(folder / str(epochs), epochs, best) for epochs in (1, 2, 3))
        return folder, last

    return make


@pytest.mark.parametrize("best", [1, 2])
@pytest.mark.parametrize("name", ["last.npz", "best.npz"])
@pytest.mark.parametrize("damage", ["removed", "cut off", "flipped", "of another epoch"])
def test_damaged_files_are_made_again(runs, tmp_path, capsys, best, name, damage):
    """By training anew, but where the model of the best epoch is that of the last one."""
    whole, (expected, trained, _) = runs(best)
    shutil.copytree(whole / "2", tmp_path / "damaged")
    file = tmp_path / "damaged" / name
    content = file.read_bytes()
    damages = {
        "removed": file.unlink,
        "cut off": lambda: file.write_bytes(content[:-100]),
        "flipped": lambda: file.write_bytes(content[:300] + bytes([content[300] ^ 1]) + content[301:]),
        "of another epoch": lambda: file.write_bytes((whole / "1" / name).read_bytes()),
    }
    damages[damage]()
    history, state, steps = run_with_best(tmp_path / "damaged", 3, best)
    assert history == expected
    for one, two in zip(state, trained, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (tmp_path / "damaged" / "best.npz").read_bytes() == (whole / "3" / "best.npz").read_bytes()
    if damage == "of another epoch":
        first = 2 if name == "last.npz" else 4
    else:
        first = 4 if (name, best) == ("best.npz", 2) else 0
    assert steps == list(range(first, 6))
    said = first == 0 and (name, damage) != ("last.npz", "removed")
    assert ("training begins anew" in capsys.readouterr().err) == said


def test_a_kill_between_the_two_files_costs_nothing(tmp_path, monkeypatch):
    expected = list(train(build_learner(), batches, Schedule(3, 2, tmp_path / "whole")))

    def write(path, content):
        if path.name == "best.npz":
            raise KeyboardInterrupt
        files.write_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_atomically", write)
        with pytest.raises(KeyboardInterrupt):
            list(train(build_learner(), batches, Schedule(3, 2, tmp_path / "killed")))
    begun = []
    going_on = lambda step: begun.append(step) or batches(step)  # noqa: E731
    history = list(train(build_learner(seed=5), going_on, Schedule(3, 2, tmp_path / "killed")))
    assert begun == [2] and without_seconds(history) == without_seconds(expected)
    whole, killed = (tmp_path / name / "best.npz" for name in ("whole", "killed"))
    assert killed.read_bytes() == whole.read_bytes()


def test_all_pairs_serve_as_auxiliary_loss():
    learner = build_learner()._replace(
        auxiliary_loss=lambda labels, e, sources: all_pairs_circle_loss(labels, e, 0.25, 16, sources)
    )
    history = list(train(learner, batches, Schedule(3, 4)))
    assert 0 < history[-1]["auxiliary_loss"] < history[0]["auxiliary_loss"]
