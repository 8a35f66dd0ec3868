import dataclasses
import itertools
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import tiny_network

from facelib.checkpoint import read_checkpoint
from facelib.config import ROOT, ConfigError
from facelib.data.augmentation import augment
from facelib.data.duplicates import SharedImagesError
from facelib.data.face_alignment import fit_alignment
from facelib.data.identities import NoFacesError
from facelib.learn import build, networks
from facelib.learn.alarms import TrainingError
from facelib.learn.embedding import build_embedder, embed, pair_scores
from facelib.learn.losses import all_pairs_circle_loss, circle_loss, class_circle_loss, triplet_loss
from facelib.learn.mining import select_triplets
from facelib.learn.training import Schedule, train
from facelib.locks import LOCK
from facelib.measure import metrics
from facelib.show.tables import epoch_line

SETTINGS = "identities_per_batch=4 images_per_identity=3 validation_share=0.25 validation_images=3 embedding_size=6"
CELLS = json.loads((ROOT / "notebooks" / "06_training.ipynb").read_text())["cells"]
NOTEBOOK_06 = {cell["id"]: "".join(cell["source"]) for cell in CELLS}


def in_notebook_06(config, split):
    """The names that notebook 06 has after its section 1: what it imports, and faces and sampler of `config`."""
    names = {"config": config, "split": split, "sampler": build.build_sampler(config, split)}
    exec(NOTEBOOK_06["06-03"].partition("config =")[0], names)
    return names


# faces


def test_nobody_is_both_trained_and_validated_on(split):  # slip 5
    labels = split.faces.table.labels
    validated = np.unique(np.concatenate([split.first, split.second]))
    assert (split.training_labels[validated] == -1).all()
    assert len(set(labels[split.training_labels == -1])) == 3
    assert not set(labels[validated]) & set(labels[split.training_labels >= 0])
    assert split.training_labels.max() == 8
    np.testing.assert_array_equal(labels[split.first] == labels[split.second], split.matched)
    assert split.matched.sum() == (~split.matched).sum() == 3 * 3


def test_a_share_that_leaves_nobody_to_train_on_is_said_before_the_faces_are_aligned(configure, monkeypatch):
    monkeypatch.setattr(build, "fit_alignment", lambda *arguments: pytest.fail("aligned"))
    with pytest.raises(NoFacesError, match="validation_share=0.95 holds out 11 of 12 identities, .* lower it"):
        build.load_split(configure("validation_share=0.95 align=True"))


@pytest.mark.parametrize(
    "overrides",
    ["", "later_mining_epoch=0", "later_mining_epoch=0 mining=hard later_mining=all", "memory_size=0", "pairs_weight=0",
     "pairs_weight=0 later_mining_epoch=0 mining=all", "loss=triplet classes_weight=1", "mining=mistaken"],
)  # fmt: skip
def test_the_visible_step_of_notebook_06_is_the_step_of_training_with_any_setting(configure, overrides):
    config = configure(f"{overrides} embedding_size=6")
    names = in_notebook_06(config, build.load_split(config))
    for cell in ("06-07", "06-09"):  # the last compares the weights
        exec(NOTEBOOK_06[cell], names)
    assert int(names["count"]) > 0


def test_limits_of_the_configuration_hold(configure):
    split = build.load_split(configure("identities_limit=8 images_limit=3"))
    assert np.bincount(split.faces.table.labels).tolist() == [3] * 8


def test_batches_are_drawn_from_training_faces_and_resume_anywhere(configure):
    config = configure("augmentation=0.0")
    split = build.load_split(config)
    sampler = build.build_sampler(config, split)
    batches = build.batches_from(config, split, sampler)
    for step, (identities, images, sources) in enumerate(itertools.islice(batches(5), 3), 5):
        rows = sampler.batch(step)
        assert len(rows) == 12
        np.testing.assert_array_equal(sources, rows)
        np.testing.assert_array_equal(identities, split.training_labels[rows])
        np.testing.assert_array_equal(images, split.faces.pixels[rows].astype(np.float32))
        assert min(identities) >= 0


def test_batches_are_varied_and_warped_as_strongly_as_the_configuration_says(configure, split):
    config = configure("augmentation=0.9 warp_share=0.3 image_size=40")
    sampler = build.build_sampler(config, split)
    _, images, _ = next(build.batches_from(config, split, sampler)(4))
    expected = augment(split.faces.pixels[sampler.batch(4)], config.seed, 4, 0.9, 0.3, 40)
    np.testing.assert_array_equal(images, expected.astype(np.float32))


def test_batches_are_replayed_where_the_configuration_says_so(configure, split):
    sampler = build.build_sampler(configure("replayed_batches=3"), split)
    endless = build.build_sampler(configure(), split)
    for step in range(7):
        np.testing.assert_array_equal(sampler.batch(step), endless.batch(step % 3))
        assert (step < 3) == np.array_equal(sampler.batch(step), endless.batch(step))


def test_a_batch_and_embed_show_the_model_the_same_face(configure):  # slip 4
    config = configure("augmentation=0.0")
    split = build.load_split(config)
    sampler = build.build_sampler(config, split)
    model = tiny_network("", 6, False, 0)
    _, images, _ = next(build.batches_from(config, split, sampler)(0))
    embeddings = embed(model, split.faces.pixels[sampler.batch(0)])
    np.testing.assert_allclose(model(images, training=False), embeddings, atol=1e-5)


# what learns


def embeddings_of(count=12, size=6):
    return tf.math.l2_normalize(np.random.default_rng(0).normal(size=(count, size)).astype(np.float32), axis=1)


def test_semi_hard_until_the_epoch_of_the_configuration_then_hard(configure, split):
    learner = build.build_learner(configure("later_mining_epoch=50 mining_margin=0.2"), split)
    labels, sources, embeddings = tf.repeat(tf.range(4), 3), tf.range(12), embeddings_of()
    chosen = {
        epoch: learner.select(epoch)(labels, embeddings, sources).numpy().tolist() for epoch in (1, 49, 50, 51, 200)
    }
    semi_hard, hard = (
        select_triplets(labels, embeddings, method, 0.2).numpy().tolist() for method in ("semi-hard", "hard")
    )
    assert semi_hard != hard
    assert chosen == {1: semi_hard, 49: semi_hard, 50: semi_hard, 51: hard, 200: hard}
    assert learner.select(1) is learner.select(50)  # or each step would be compiled anew


def test_loss_has_the_margin_and_gamma_of_the_configuration(configure, split):
    triplets = [embeddings_of()[i::3] for i in range(3)]
    loss = build.build_learner(configure("margin=0.3 gamma=20"), split).loss
    assert float(loss(*triplets)) == float(circle_loss(*triplets, 0.3, 20))
    loss = build.build_learner(configure("margin=0.3 loss=triplet"), split).loss
    assert float(loss(*triplets)) == float(triplet_loss(*triplets, 0.3))


def test_loss_of_the_triplets_has_the_weight_of_the_configuration(configure, split):
    triplets = [embeddings_of()[i::3] for i in range(3)]
    for overrides, whole in (
        ("margin=0.3 gamma=20", circle_loss(*triplets, 0.3, 20)),
        ("margin=0.3 loss=triplet", triplet_loss(*triplets, 0.3)),
    ):
        for weight in (0.0, 0.25, 3.0):
            loss = build.build_learner(configure(f"{overrides} triplets_weight={weight}"), split).loss
            assert float(loss(*triplets)) == pytest.approx(weight * float(whole), rel=1e-6)
            assert float(whole) > 0.1


def test_auxiliary_losses_have_the_weights_of_the_configuration(configure, split):
    labels, sources, embeddings = tf.repeat(tf.range(4), 3), tf.range(12), embeddings_of()
    config = configure("auxiliary_margin=0.3 auxiliary_gamma=20 pairs_weight=0.5 classes_weight=2")
    learner = build.build_learner(config, split)
    (proxies,) = learner.auxiliary_variables
    assert proxies.shape == (9, 6)
    pairs = all_pairs_circle_loss(labels, embeddings, 0.3, 20, sources)
    classes = class_circle_loss(labels, embeddings, proxies, 0.3, 20)
    assert float(learner.auxiliary_loss(labels, embeddings, sources)) == pytest.approx(float(0.5 * pairs + 2 * classes))
    alone = build.build_learner(configure("pairs_weight=0 classes_weight=2"), split)
    (proxies,) = alone.auxiliary_variables
    expected = 2 * float(class_circle_loss(labels, embeddings, proxies, 0.25, 64))
    assert float(alone.auxiliary_loss(labels, embeddings, sources)) == pytest.approx(expected)
    alone = build.build_learner(configure("pairs_weight=0.5 classes_weight=0"), split)
    expected = 0.5 * float(all_pairs_circle_loss(labels, embeddings, 0.25, 64, sources))
    assert float(alone.auxiliary_loss(labels, embeddings, sources)) == pytest.approx(expected)
    assert alone.auxiliary_variables == ()
    learner = build.build_learner(configure("pairs_weight=0 classes_weight=0"), split)
    assert (learner.auxiliary_loss, learner.auxiliary_variables) == (None, ())


def test_the_memory_takes_part_in_the_loss_over_all_pairs(configure, split):
    labels, sources, embeddings = tf.repeat(tf.range(4), 3), tf.range(12), embeddings_of()
    learner = build.build_learner(configure("pairs_weight=0.5 memory_size=30"), split)
    assert [variable.shape[0] for variable in learner.memory.variables] == [30] * 3
    learner.memory.remember(labels + 1, embeddings[::-1], sources + 12)
    expected = all_pairs_circle_loss(labels, embeddings, 0.25, 64, sources, learner.memory.variables)
    alone = all_pairs_circle_loss(labels, embeddings, 0.25, 64, sources)
    assert abs(float(expected - alone)) > 1e-3
    assert float(learner.auxiliary_loss(labels, embeddings, sources)) == pytest.approx(0.5 * float(expected))
    for overrides in ("memory_size=0", "pairs_weight=0", "pairs_weight=0 classes_weight=1"):
        assert build.build_learner(configure(overrides), split).memory is None


def test_margin_and_gamma_of_the_triplets_are_not_those_of_the_auxiliary_losses(configure, split):
    labels, sources, embeddings = tf.repeat(tf.range(4), 3), tf.range(12), embeddings_of()
    triplets = [embeddings[i::3] for i in range(3)]

    def losses(overrides):
        learner = build.build_learner(configure(f"classes_weight=1 {overrides}"), split)
        return float(learner.loss(*triplets)), float(learner.auxiliary_loss(labels, embeddings, sources))

    loss, auxiliary = losses("")
    for key in ("margin", "gamma"):
        changed = losses(f"{key}=0.9"), losses(f"auxiliary_{key}=0.9")
        assert changed[0][0] != loss and changed[0][1] == auxiliary
        assert changed[1][0] == loss and changed[1][1] != auxiliary


def test_weights_and_proxies_come_from_the_seed(configure, split):
    def weights(seed):
        learner = build.build_learner(configure(f"seed={seed} classes_weight=1"), split)
        return np.concatenate([np.ravel(tf.convert_to_tensor(v)) for v in learner.variables])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert (weights(1) != weights(2)).mean() > 0.9  # biases start at 0 whatever the seed


def test_proxies_begin_with_about_unit_length(configure, split):
    (proxies,) = build.build_learner(configure("classes_weight=1 embedding_size=400"), split).auxiliary_variables
    assert np.linalg.norm(proxies, axis=1) == pytest.approx(1, abs=0.2)


def test_rate_rises_and_falls_along_the_cosine(configure):  # slip 2
    config = configure("epochs=5 steps_per_epoch=10 warmup_steps=10 learning_rate=0.1")
    optimizer = build.build_optimizer(config)
    weight = keras.Variable(np.ones(3, np.float32))
    optimizer.build([weight])
    for step in range(51):
        assert float(optimizer.learning_rate) == pytest.approx(reference.warm_cosine(step, 50, 10, 0.1), rel=1e-4)
        optimizer.apply([tf.ones(3)], [weight])
    assert float(optimizer.learning_rate) == pytest.approx(0.001, rel=1e-4)


def test_without_decay_the_rate_is_constant_from_the_first_step(configure):
    config = configure("epochs=5 steps_per_epoch=10 warmup_steps=10 learning_rate=0.1 decay=none")
    optimizer = build.build_optimizer(config)
    weight = keras.Variable(np.ones(3, np.float32))
    optimizer.build([weight])
    for _ in range(12):
        assert float(optimizer.learning_rate) == pytest.approx(0.1)
        optimizer.apply([tf.ones(3)], [weight])


def test_the_rate_decides_how_far_a_step_goes(configure):  # slip 2
    """Adam's first steps are as long as the rate."""
    optimizer = build.build_optimizer(
        configure("epochs=5 steps_per_epoch=10 warmup_steps=10 weight_decay=0.0 learning_rate=0.001")
    )
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer.build([weight])
    for step in range(4):
        before = float(weight[0])
        rate = float(optimizer.learning_rate)
        optimizer.apply([tf.ones(1)], [weight])
        assert rate == pytest.approx(reference.warm_cosine(step, 50, 10, 1e-3), rel=1e-4)
        assert before - float(weight[0]) == pytest.approx(rate, rel=1e-3)


def test_kernels_decay_while_scales_offsets_biases_and_proxies_do_not(configure):
    optimizer = build.build_optimizer(configure("weight_decay=0.5 learning_rate=0.1"))
    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in ("kernel", "scale", "offset", "bias")]
    variables.append(tf.Variable([1.0], name="proxies"))
    optimizer.build(variables)
    for _ in range(3):
        optimizer.apply([tf.zeros_like(v) for v in variables], variables)
    assert float(variables[0][0]) < 0.99
    assert [float(v[0]) for v in variables[1:]] == [1, 1, 1, 1]


# validation


def test_validation_figures_are_those_of_the_pairs(config, split):
    model = tiny_network("", 6, False, 0)
    figures = build.validate_with(split, build_embedder(model, flip_average=True))()
    embeddings = embed(model, split.faces.pixels, flip_average=True)
    scores = pair_scores(embeddings, split.first, split.second)
    threshold, accuracy = metrics.best_threshold(scores, split.matched)
    assert figures == pytest.approx({
        "validation_roc_auc": metrics.roc_auc(scores, split.matched),
        "validation_average_precision": metrics.average_precision(scores, split.matched),
        "validation_accuracy": accuracy,
        "validation_threshold": threshold,
    })  # fmt: skip


def test_validation_sees_the_model_as_it_is_then(split):
    model = tiny_network("", 6, False, 0)
    validate = build.validate_with(split, build_embedder(model))
    before = validate()
    model.layers[-2].kernel.assign(np.random.default_rng(9).normal(size=model.layers[-2].kernel.shape))
    after = validate()
    assert after != before
    assert after == build.validate_with(split, build_embedder(model))()


def test_validation_embeds_each_image_once_in_batches(split):  # slip 9
    seen = []

    def model(images, training):
        tf.numpy_function(lambda batch: seen.append(len(batch)), [images], [])
        return tf.math.l2_normalize(tf.reshape(images, (-1, 112 * 112 * 3))[:, ::5000], axis=1)

    build.validate_with(split, build_embedder(model))()
    assert seen == [len(np.unique(np.concatenate([split.first, split.second])))]
    assert 2 * seen[0] <= len(split.first) + len(split.second)


# a whole run


def test_an_interrupted_run_resumes_to_the_same_weights(configure):  # slip 7
    config = configure("epochs=2 steps_per_epoch=2 classes_weight=1")
    folder = build.training_folder(config, "digest")

    def run(folder, epochs=None):
        split = build.load_split(config)
        learner, sampler = build.build_learner(config, split), build.build_sampler(config, split)
        schedule = Schedule(config.epochs, config.steps_per_epoch, folder)
        validate = build.validate_with(split, build_embedder(learner.model, config.flip_average))
        epochs_done = train(learner, build.batches_from(config, split, sampler), schedule, validate)
        history = list(itertools.islice(epochs_done, epochs))
        return history, [np.asarray(tf.convert_to_tensor(v)) for v in [*learner.model.variables, *learner.variables]]

    expected, weights = run(None)
    run(folder, epochs=1)
    history, resumed = run(folder)
    for one, two in zip(history, expected, strict=True):
        assert one | {"seconds": 0} == two | {"seconds": 0}
    for one, two in zip(resumed, weights, strict=True):
        np.testing.assert_array_equal(one, two)


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def broken_at(stop, batches, break_batch):
    """`batches`, of which that of step `stop` goes through `break_batch`."""

    def some(first_step):
        for step, batch in enumerate(batches(first_step), first_step):
            yield break_batch(*batch) if step == stop else batch

    return some


def interrupt(*batch):
    raise KeyboardInterrupt


OTHER_SETTINGS = ["pairs_weight=0 mining_margin=1e-6", "memory_size=0 classes_weight=1"]


@pytest.fixture(params=["", *(pytest.param(settings, marks=pytest.mark.slow) for settings in OTHER_SETTINGS)])
def visible_loop(request, configure):
    """Function from a change of the batches to the names of notebook 06 after its visible loop, with a new learner."""
    config = configure(f"epochs=3 steps_per_epoch=2 later_mining_epoch=1 {request.param}")
    split = build.load_split(config)

    def run(change=lambda batches: batches):
        names = in_notebook_06(config, split)
        names["batches"] = change(build.batches_from(config, split, names["sampler"]))
        exec(NOTEBOOK_06["06-11"], names)
        measure, lock = names["validate"], names["folder"] / LOCK

        def validate():
            assert lock.read_text().endswith("(training)")
            return measure()

        names["validate"] = validate
        exec(NOTEBOOK_06["06-13"], names)
        assert lock.read_text() == ""
        return names

    return run


def state_of(names, folder):
    """All that a run leaves, but for seconds: variables of the learner, and what is in its two files."""
    learner, memory = names["learner"], names["learner"].memory
    variables = [*learner.model.variables, *learner.optimizer.variables, *learner.auxiliary_variables]
    variables += memory.variables if memory else ()
    (last, arrays), best = read_checkpoint(folder / "last.npz"), (folder / "best.npz").read_bytes()
    return {
        "variables": [np.asarray(tf.convert_to_tensor(variable)).tolist() for variable in variables],
        "last": last | {"history": without_seconds(last["history"])},
        "arrays": {name: array.tolist() for name, array in arrays.items()},
        "best": best,
        "files": sorted(path.name for path in folder.iterdir()),
    }


def test_the_visible_loop_of_notebook_06_is_train(visible_loop, tmp_path, capsys):
    """Also where it is interrupted in the second epoch, and goes on with a new learner."""
    with pytest.raises(KeyboardInterrupt):
        visible_loop(lambda batches: broken_at(3, batches, interrupt))
    assert capsys.readouterr().out.count("\n    1      2  ") == 1
    names = visible_loop()
    shown = capsys.readouterr().out
    loop = state_of(names, names["folder"])
    assert visible_loop(lambda batches: lambda first: pytest.fail("trained again"))["history"] == names["history"]
    assert capsys.readouterr().out == shown

    config, split = names["config"], names["split"]
    learner, batches = build.build_learner(config, split), build.batches_from(config, split, names["sampler"])
    validate = build.validate_with(split, build_embedder(learner.model, config.flip_average))
    history = list(train(learner, batches, Schedule(3, 2, tmp_path / "train"), validate))
    assert without_seconds(names["history"]) == without_seconds(history)
    assert state_of({"learner": learner}, tmp_path / "train") == loop
    for record in history:
        assert epoch_line(record) in shown
    assert any(record["alarm"] for record in history) == (config.pairs_weight == 0)


def test_the_visible_loop_of_notebook_06_stops_where_something_is_not_finite(visible_loop):
    def without_number(identities, images, sources):
        return identities, images * np.nan, sources

    with pytest.raises(TrainingError, match="embeddings are not finite at step 4: .*; the batch is in .*step_4.npz"):
        visible_loop(lambda batches: broken_at(3, batches, without_number))
    assert len(visible_loop()["history"]) == 3


def test_a_whole_training_gives_its_last_record_and_is_not_repeated(configure, monkeypatch, tmp_path):
    config = configure("epochs=2 steps_per_epoch=2")
    split = build.load_split(config)
    learner, sampler = build.build_learner(config, split), build.build_sampler(config, split)
    validate = build.validate_with(split, build_embedder(learner.model, config.flip_average))
    *_, expected = train(
        learner, build.batches_from(config, split, sampler), Schedule(2, 2, tmp_path / "train"), validate
    )
    trained, embedder, last = build.train_whole(config, split)
    for one, other in zip(trained.model.variables, learner.model.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    pixels = split.faces.pixels[:3]
    np.testing.assert_array_equal(embedder(pixels), embed(learner.model, pixels, config.flip_average))
    assert without_seconds([last]) == without_seconds([expected])
    assert (build.training_folder(config, split.faces.digest) / "best.npz").exists()
    monkeypatch.setattr(build, "batches_from", lambda *parts: lambda first: pytest.fail("trained again"))
    assert build.train_whole(config, split)[2] == last


# where a run is kept


def other_value(value):
    if isinstance(value, bool):
        return not value
    return value + type(value)((1,)) if isinstance(value, tuple) else value + type(value)("1")


@pytest.mark.parametrize("computer", [{"threads": 3, "processor": "a"}, {"threads": 2, "processor": "b"}])
def test_a_run_that_was_begun_on_another_computer_is_not_gone_on_with(configure, monkeypatch, computer):
    def names():
        return build.training_folder(configure(), "digest"), build.alignment_file(configure(), "digest")

    monkeypatch.setattr(build, "describe_computer", lambda: {"threads": 2, "processor": "a"})
    before = names()
    assert names() == before
    monkeypatch.setattr(build, "describe_computer", lambda: computer)
    assert not set(names()) & set(before)


def test_a_run_is_named_by_every_setting_that_decides_its_weights(config):
    folder = build.training_folder(config, "digest")
    assert folder.parent == config.interim / "runs"
    assert folder == build.training_folder(config, "digest")
    for field in dataclasses.fields(config):
        changed = dataclasses.replace(config, **{field.name: other_value(getattr(config, field.name))})
        same = build.training_folder(changed, "digest").name == folder.name
        harmless = ("profile", "data", "exclude", "test_crop", "comparison_steps", "sizes_steps")
        assert same == (field.name in harmless or field.name.startswith(("texture_", "rareness_"))), field.name


def test_what_the_exclusion_list_names_is_in_no_part_and_names_another_run(config, configure, split, tmp_path):
    (tmp_path / "list.csv").write_text("path\n1/000.jpeg\n")
    excluding = configure(f"exclude={tmp_path}/list.csv")
    less = build.load_split(excluding)
    assert {*split.faces.table.paths} - {*less.faces.table.paths} == {"1/000.jpeg"}
    names = [build.training_folder(*part) for part in ((config, split.faces.digest), (excluding, less.faces.digest))]
    assert names[0] != names[1]


def test_a_run_is_named_by_its_data_and_by_bfloat16_of_the_machine(configure, monkeypatch):
    config = configure("bfloat16=True")
    monkeypatch.setattr(networks, "has_bfloat16", lambda: False)
    folder = build.training_folder(config, "digest")
    assert build.training_folder(config, "other digest") != folder
    monkeypatch.setattr(networks, "has_bfloat16", lambda: True)
    assert build.training_folder(config, "digest") != folder


def test_a_run_is_named_by_the_code_that_decides_its_weights(config, check_named_by_code):
    check_named_by_code(
        lambda: build.training_folder(config, "digest"),
        ("data/augmentation", "data/images", "learn/losses", "learn/build", "measure/metrics"),
        ("show/plots", "small_sets/texture", "study/trial", "use/verify", "files"),
    )


def test_the_mean_face_is_named_by_what_decides_it(config):
    file = build.alignment_file(config, "digest")
    assert file == build.alignment_file(config, "digest") != build.alignment_file(config, "other digest")
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        other = not value if isinstance(value, bool) else value + type(value)((1,) if isinstance(value, tuple) else "1")
        changed = build.alignment_file(dataclasses.replace(config, **{field.name: other}), "digest")
        decisive = field.name in ("seed", "validation_share", "identities_limit", "images_limit")
        assert (changed.name == file.name) == (not decisive), field.name


def test_faces_are_aligned_where_the_configuration_asks_for_it(configure):
    plain, aligned = (build.load_split(configure(f"align={align}")) for align in (False, True))
    assert plain.alignment is None and plain.faces.pixels is plain.decoded
    np.testing.assert_array_equal(aligned.decoded, plain.decoded)
    expected = aligned.alignment(aligned.decoded).numpy()
    difference = np.abs(aligned.faces.pixels - expected)
    assert difference.max() <= 1 and difference.mean() < 1e-3
    training = plain.training_labels >= 0
    faces = plain.faces._replace(pixels=np.where(training[:, None, None, None], plain.decoded, 0))
    assert (faces.pixels != plain.decoded).any()
    again = fit_alignment(faces.pixels, training, configure().interim / "again.npz")
    for one, two in zip(again.get_weights(), aligned.alignment.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)  # slip 5: nobody who is held out is in the mean face


def test_fewer_training_identities_leave_validation_and_mean_face_as_they_are(configure):
    whole, some = (build.load_split(configure(f"align=True training_identities={count}")) for count in (0, 4))
    assert len(set(whole.training_labels)) == 1 + 9 and set(some.training_labels) == {-1, 0, 1, 2, 3}
    assert not ((some.training_labels >= 0) & (whole.training_labels < 0)).any()
    for one, two in ((whole.first, some.first), (whole.second, some.second), (whole.faces.pixels, some.faces.pixels)):
        np.testing.assert_array_equal(one, two)
    every = build.load_split(configure("align=True training_identities=100"))
    np.testing.assert_array_equal(every.training_labels, whole.training_labels)


def test_a_content_in_training_and_validation_is_an_error(configure, monkeypatch):
    """Duplicates are left out before the split, so it takes faces that somebody did not look at."""
    config, load = configure(), build.load_training_faces

    def careless(*arguments):
        faces = load(*arguments)
        contents = faces.contents.copy()
        contents[1::2] = contents[::2][: len(contents[1::2])]
        return faces._replace(contents=contents[np.random.default_rng(0).permutation(len(contents))])

    monkeypatch.setattr(build, "load_training_faces", careless)
    with pytest.raises(SharedImagesError, match="among training images and among validation images.*jpeg and .*jpeg"):
        build.load_split(config)


# what devices and chunks a batch is for


@pytest.mark.parametrize(
    ("devices", "settings", "message"),
    [
        (5, "", "5 devices cannot share 12 images; choose another batch, or show TensorFlow 4 devices"),
        (1, "chunk_size=5", "chunk_size=5: chunks of it do not fill 12 images; choose 4, or 0 for one chunk"),
        (2, "chunk_size=4", "do not fill 6 images; choose 3"),
    ],
)
def test_a_batch_that_cannot_be_cut_is_refused(configure, split, monkeypatch, devices, settings, message):
    monkeypatch.setattr(build, "choose_strategy", lambda: SimpleNamespace(num_replicas_in_sync=devices))
    with pytest.raises(ConfigError, match=message):
        build.build_learner(configure(f"{SETTINGS} {settings}"), split)


def test_chunks_train(configure, split):
    config = configure(f"{SETTINGS} chunk_size=4 epochs=1 steps_per_epoch=2 later_mining=hard")
    learner = build.build_learner(config, split)
    batches = build.batches_from(config, split, build.build_sampler(config, split))
    (record,) = train(learner, batches, Schedule(1, 2))
    assert record["gradient_norm"] > 0 and record["skipped_steps"] == 0
