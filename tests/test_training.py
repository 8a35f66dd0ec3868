import itertools
import math

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from keras import layers

from facelib.checkpoint import CheckpointError, restore_checkpoint
from facelib.losses import all_pairs_circle_loss, circle_loss, class_circle_loss
from facelib.mining import select_triplets
from facelib.models import UnitNorm
from facelib.training import Learner, Schedule, TrainingError, train, train_step

LABELS = np.repeat(np.arange(5, dtype=np.int32), 3)
PATTERNS = np.random.default_rng(0).uniform(0, 255, (5, 3, 3, 2))


@pytest.fixture(scope="module", autouse=True)
def same_operations_same_results():
    tf.config.experimental.enable_op_determinism()


def batch(step):
    """Five identities, three noisy images of each."""
    noise = np.random.default_rng((1, step)).normal(0, 60, (15, 3, 3, 2))
    return tf.constant(LABELS), tf.constant(PATTERNS[LABELS] + noise, tf.float32)


def batches(first_step):
    return (batch(step) for step in itertools.count(first_step))


def sources(step):
    return np.arange(15)


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


def values(learner):
    """All of the state: weights, seed generators, the optimizer's variables, proxies."""
    groups = (learner.model.variables, learner.optimizer.variables, learner.auxiliary_variables)
    return [np.asarray(tf.convert_to_tensor(variable)) for group in groups for variable in group]


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


# one step


def test_a_step_applies_the_gradient_of_the_loss_once():
    learner = build_learner(keras.optimizers.SGD(0.5))
    identities, images = batch(0)
    with tf.GradientTape() as tape:
        embeddings = learner.model(images, training=True)
        a, p, n = select_triplets(identities, embeddings, "hard").numpy().T
        loss = circle_loss(*(tf.gather(embeddings, rows) for rows in (a, p, n)), 0.25, 16)
    expected = [v - 0.5 * g for v, g in zip(learner.variables, tape.gradient(loss, learner.variables), strict=True)]
    measured = train_step(learner, learner.select(1), identities, images, sources(0))
    assert float(measured["loss"]) == float(loss)
    for variable, value in zip(learner.variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, atol=1e-7)


@pytest.mark.parametrize("method", ["hard", "semi-hard", "all"])
def test_figures_of_a_step(method):
    learner = build_learner(keras.optimizers.SGD(0.0), method)
    identities, images = batch(0)
    repeated = np.array([0, 0, *range(2, 15)])  # the first image is drawn twice
    embeddings = learner.model(images).numpy()
    s = reference.similarity_matrix(embeddings)
    triplets = reference.triplets(LABELS, s.astype(np.float32), method, 0.3, repeated)
    places = {(a, p) for a in range(15) for p in range(15) if reference.is_positive(LABELS, repeated, a, p)}
    measured = train_step(learner, learner.select(1), identities, images, repeated)
    assert {name: (value.shape, value.dtype) for name, value in measured.items()} == {
        name: ((), tf.float32) for name in ("loss", "auxiliary_loss", "s_p", "s_n", "active_share", "similarity")
    }
    expected = {
        "loss": reference.circle_loss(*(embeddings[list(rows)] for rows in zip(*triplets, strict=True)), 0.25, 16),
        "auxiliary_loss": 0,
        "s_p": np.mean([s[a, p] for a, p, _ in triplets]),
        "s_n": np.mean([s[a, n] for a, _, n in triplets]),
        "active_share": len({(a, p) for a, p, _ in triplets}) / len(places),
        "similarity": s.mean(),
    }
    assert {name: float(value) for name, value in measured.items()} == pytest.approx(expected, rel=1e-5)


def test_a_step_without_triplets_leaves_the_weights():
    learner = build_learner(keras.optimizers.SGD(0.5))
    before = values(learner)
    identities, images = batch(0)
    measured = train_step(learner, learner.select(1), tf.range(15), images, sources(0))
    assert {name: float(measured[name]) for name in ("loss", "s_p", "s_n", "active_share")} == dict.fromkeys(
        ("loss", "s_p", "s_n", "active_share"), 0
    )
    for after, value in zip(values(learner)[:2], before[:2], strict=True):
        np.testing.assert_array_equal(after, value)


def test_the_auxiliary_loss_is_added_and_its_variables_are_trained():
    learner = with_proxies(build_learner(keras.optimizers.SGD(0.5)))
    identities, images = batch(0)
    with tf.GradientTape() as tape:
        loss = learner.auxiliary_loss(identities, learner.model(images), None)
    (proxies,) = learner.auxiliary_variables
    expected = proxies - 0.5 * tape.gradient(loss, proxies)
    measured = train_step(learner, learner.select(1), identities, images, sources(0))
    assert float(measured["auxiliary_loss"]) == pytest.approx(float(loss), rel=1e-6)
    np.testing.assert_allclose(proxies, expected, atol=1e-7)


# epochs


def test_the_loss_falls():
    history = list(train(build_learner(), batches, sources, Schedule(8, 8)))
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["s_p"] - history[-1]["s_n"] > history[0]["s_p"] - history[0]["s_n"] + 0.2


def test_a_record_of_each_epoch_holds_the_means_over_its_steps():
    learner = build_learner(keras.optimizers.SGD(0.0))
    history = list(train(learner, batches, sources, Schedule(2, 3), lambda: {"validation_roc_auc": 0.75}))
    assert [(record["epoch"], record["steps"]) for record in history] == [(1, 3), (2, 6)]
    assert [record["validation_roc_auc"] for record in history] == [0.75, 0.75]
    for record, steps in zip(history, ([0, 1, 2], [3, 4, 5]), strict=True):
        measured = [train_step(learner, learner.select(1), *batch(step), sources(step)) for step in steps]
        for name in measured[0]:
            assert record[name] == pytest.approx(np.mean([float(one[name]) for one in measured]), rel=1e-5, abs=1e-7)


def test_each_step_has_a_batch_of_its_own():  # slip 1
    asked, drawn = [], []

    def counted(first_step):
        asked.append(first_step)
        for step in itertools.count(first_step):
            drawn.append(step)
            yield batch(step)

    of_sources = []
    list(train(build_learner(), counted, lambda step: of_sources.append(step) or np.arange(15), Schedule(3, 4)))
    assert asked == [0]
    assert drawn == of_sources == list(range(12))


def test_a_schedule_decides_how_far_the_weights_move():  # slip 2
    """A rate that is 0 from the second epoch on must leave the weights there."""

    def kernels(rate):
        learner = build_learner(keras.optimizers.SGD(rate))
        return [learner.model.get_weights()[0] for _ in train(learner, batches, sources, Schedule(2, 4))]

    constant = kernels(0.1)
    stopped = kernels(keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.1, 0.0]))
    np.testing.assert_array_equal(stopped[0], constant[0])
    np.testing.assert_array_equal(stopped[1], stopped[0])
    assert np.abs(constant[1] - constant[0]).max() > 0.01


def test_the_recorded_rate_is_the_optimizers():  # slip 2
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 12, 0.01)
    history = list(train(build_learner(keras.optimizers.SGD(schedule)), batches, sources, Schedule(3, 4)))
    expected = [reference.warm_cosine(step, 12, 0, 0.1) for step in (4, 8, 12)]
    assert [record["learning_rate"] for record in history] == pytest.approx(expected, rel=1e-5)


def test_the_miner_may_change_with_the_epoch():
    def nothing(labels, embeddings, sources):
        return tf.zeros((0, 3), tf.int32)

    every = select_by("all")
    learner = build_learner()._replace(select=lambda epoch: nothing if epoch <= 2 else every)
    history = list(train(learner, batches, sources, Schedule(4, 2)))
    assert [record["active_share"] for record in history] == [0, 0, 1, 1]


@pytest.mark.parametrize("method", ["hard", "semi-hard", "all"])
def test_embeddings_that_are_not_finite_stop_the_training_and_are_not_saved(method, tmp_path):
    """Also where the miner, for which no comparison with NaN holds, finds no triplet and so no loss."""
    learner = build_learner(method=method)
    (_,) = train(learner, batches, sources, Schedule(1, 3, tmp_path))
    saved = (tmp_path / "last.npz").read_bytes()

    def nan_at_step_5(first_step):
        for step in itertools.count(first_step):
            identities, images = batch(step)
            yield identities, images * (math.nan if step == 4 else 1)

    with pytest.raises(TrainingError, match="at step 5: lower the learning rate"):
        list(train(learner, nan_at_step_5, sources, Schedule(2, 3, tmp_path)))
    assert (tmp_path / "last.npz").read_bytes() == saved


# saving and resuming


def interrupted_at(stop):
    def cut(first_step):
        for step in itertools.count(first_step):
            if step == stop:
                raise KeyboardInterrupt
            yield batch(step)

    return cut


@pytest.mark.parametrize("stop", [4, 6, 8])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(tmp_path, stop):  # slip 7
    def build(seed):
        schedule = keras.optimizers.schedules.CosineDecay(0.02, 12)
        return with_proxies(build_learner(keras.optimizers.AdamW(schedule), dropout=0.3, seed=seed))

    whole = build(1)
    expected = list(train(whole, batches, sources, Schedule(3, 4)))

    with pytest.raises(KeyboardInterrupt):
        list(train(build(1), interrupted_at(stop), sources, Schedule(3, 4, tmp_path)))
    resumed = build(2)
    history = list(train(resumed, batches, sources, Schedule(3, 4, tmp_path)))

    assert without_seconds(history) == without_seconds(expected)
    assert len(values(resumed)) == len(values(whole)) > 8
    for one, two in zip(values(resumed), values(whole), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_can_be_prolonged(tmp_path):
    list(train(build_learner(), batches, sources, Schedule(1, 4, tmp_path)))
    history = list(train(build_learner(seed=5), batches, sources, Schedule(3, 4, tmp_path)))
    expected = list(train(build_learner(), batches, sources, Schedule(3, 4)))
    assert without_seconds(history) == without_seconds(expected)


def test_a_finished_run_is_not_trained_again(tmp_path):
    expected = list(train(build_learner(), batches, sources, Schedule(2, 2, tmp_path)))
    learner = build_learner(seed=5)
    history = list(train(learner, lambda _: pytest.fail("trained again"), sources, Schedule(2, 2, tmp_path)))
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
        for record in train(learner, batches, sources, Schedule(epochs, 2, tmp_path), validate):
            weights.setdefault(record["epoch"], values(learner)[:2])

    run(3, learner)
    run(4, build_learner(seed=5))  # a resumed run remembers how good the best was
    best = build_model(seed=7)
    assert restore_checkpoint(tmp_path / "best.npz", {"model": best.variables}) == {"epoch": 2}
    for variable, value in zip(best.trainable_variables, weights[2], strict=True):
        np.testing.assert_array_equal(variable, value)


def test_without_validation_the_last_epoch_is_kept(tmp_path):
    learner = build_learner()
    list(train(learner, batches, sources, Schedule(3, 2, tmp_path)))
    assert restore_checkpoint(tmp_path / "best.npz", {"model": build_model().variables}) == {"epoch": 3}


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(train(build_learner(), batches, sources, Schedule(2, 2)))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_foreign_state_stops_before_training(tmp_path):
    list(train(build_learner(), batches, sources, Schedule(1, 2, tmp_path)))
    with pytest.raises(CheckpointError, match="last.npz does not fit"):
        list(train(with_proxies(build_learner()), batches, sources, Schedule(2, 2, tmp_path)))
    (tmp_path / "last.npz").write_bytes((tmp_path / "last.npz").read_bytes()[:100])
    with pytest.raises(CheckpointError, match="last.npz is damaged"):
        list(train(build_learner(), lambda _: pytest.fail("trained"), sources, Schedule(2, 2, tmp_path)))


def test_all_pairs_serve_as_auxiliary_loss():
    learner = build_learner()._replace(
        auxiliary_loss=lambda labels, e, sources: all_pairs_circle_loss(labels, e, 0.25, 16, sources)
    )
    history = list(train(learner, batches, sources, Schedule(3, 4)))
    assert 0 < history[-1]["auxiliary_loss"] < history[0]["auxiliary_loss"]
