import re
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import write_image
from keras import layers

from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER
from facelib.data.test_crop import find_test_crop
from facelib.learn import build, networks
from facelib.learn.layers import UnitNorm
from facelib.measure import metrics
from facelib.study import plan
from facelib.study import trial as trial_module
from facelib.study.plan import Trial
from facelib.study.table import COLUMNS, read_mistakes, read_table, write_table
from facelib.study.trial import identify_study, run_trial


@pytest.fixture
def data(project, data_folder, small_training, tiny_plan):
    """A folder of small faces, on which tiny trials run."""
    for person in ("A", "B", "C"):
        for number in (1, 2):
            path = data_folder / TEST_FOLDER / person / f"{person}_000{number}.jpg"
            write_image(path, (ord(person), number), (250, 250))
    (data_folder / PAIRS_FILE).write_text("1\t3\nA 1 2\nB 1 2\nC 1 2\nA 1 B 1\nA 2 C 1\nB 2 C 2\n")
    return str(data_folder)


def test_a_trial_gives_the_figures_of_its_last_epoch_and_their_provenance(data, tmp_path):
    row = run_trial(Trial("margin=0.3", 8), data, tmp_path / "runs")
    assert row.keys() <= COLUMNS.keys() and row["state"] == "complete"
    assert (row["settings"], row["seed"], row["steps"], row["images"]) == ("margin=0.3", 8, 4, 48)
    assert all(0 <= row[name] <= 1 for name in ("validation_roc_auc", "validation_accuracy", "active_share"))
    assert row["images_per_second"] == pytest.approx(48 / row["seconds"])
    assert "test_accuracy" not in row
    assert run_trial(Trial("margin=0.3", 8), data, tmp_path / "runs") == row  # seconds too: it is not trained again
    again = run_trial(Trial("margin=0.3", 8), data, tmp_path / "again")
    timings = {"seconds": 0, "images_per_second": 0}
    assert row | timings == again | timings
    write_table(tmp_path / "table.csv", [row | identify_study(data)])
    (found,) = read_table(tmp_path / "table.csv")
    assert (found["keras"], found["faces"]) == (keras.__version__, "real")


def test_a_trial_that_was_cut_short_goes_on_from_its_checkpoint(data, tmp_path, monkeypatch):
    trial = Trial("texture_share=0.0", 7)
    whole = run_trial(trial, data, tmp_path / "a")

    def cut_short(*arguments):
        yield next(train(*arguments))
        raise KeyboardInterrupt

    steps, train = [], trial_module.train
    monkeypatch.setattr(trial_module, "train", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run_trial(trial, data, tmp_path / "b")
    monkeypatch.setattr(trial_module, "train", train)
    batches_from = build.batches_from
    monkeypatch.setattr(build, "batches_from", lambda *a: lambda first: steps.append(first) or batches_from(*a)(first))
    resumed = run_trial(trial, data, tmp_path / "b")
    assert steps == [2]
    timings = {"seconds": 0, "images_per_second": 0}
    assert resumed | timings == whole | timings


def test_a_loss_that_is_not_finite_is_a_failed_trial_with_its_reason(data, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "circle_loss", lambda anchors, *_: np.nan * anchors[0, 0])
    row = run_trial(Trial("", 7), data, tmp_path)
    assert row["state"] == "failed"
    assert row["reason"].startswith("the loss is not finite at step 1") and str(tmp_path) not in row["reason"]


def test_a_collapse_is_a_failed_trial_with_its_reason_and_figures(data, tmp_path, monkeypatch):
    def collapsed(name, embedding_size, *_):
        inputs = keras.Input((None, None, 3))
        x = layers.Dense(embedding_size, kernel_initializer="zeros", bias_initializer="ones")
        return keras.Model(inputs, UnitNorm()(x(layers.GlobalAveragePooling2D()(inputs))))

    monkeypatch.setattr(networks, "build_network", collapsed)
    row = run_trial(Trial("learning_rate=0.0 texture_share=0.0", 7), data, tmp_path)
    assert row["state"] == "failed" and row["reason"].startswith("epoch 2: collapse: all embeddings are alike")
    assert row["steps"] == 4 and row["spread"] < 0.1 and "validation_roc_auc" in row


def test_more_training_identities_than_there_are_is_a_failed_trial(data, tmp_path):
    people = int(build.load_split(plan.configure(Trial("", 7), data)).training_labels.max()) + 1
    row = run_trial(Trial(f"training_identities={people + 1}", 7), data, tmp_path)
    assert (row["state"], row["reason"]) == (
        "failed",
        f"training_identities={people + 1}, and {people} are not held out",
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [("identities_per_batch=500", "NoFacesError: .*identities_per_batch can be"), ("gama=3", "ConfigError: unknown")],
)
def test_what_else_goes_wrong_is_recorded_without_places_of_this_machine(data, tmp_path, settings, reason, capsys):
    row = run_trial(Trial(settings, 7), data, tmp_path)
    assert row["state"] == "error"
    assert re.match(reason, row["reason"]) and data not in row["reason"]
    assert "error: " in capsys.readouterr().err


def test_places_of_this_machine_do_not_reach_the_table(data, tmp_path, monkeypatch):
    def broken(config):
        raise OSError(f"{data}/casia-webface\n is gone")

    monkeypatch.setattr(build, "load_split", broken)
    assert run_trial(Trial("", 7), data, tmp_path)["reason"] == "OSError: DATA/casia-webface is gone"


def test_test_pairs_are_measured_at_the_validation_threshold_and_only_when_asked(data, tmp_path, monkeypatch):
    asked = []
    accuracy = metrics.accuracy
    monkeypatch.setattr(metrics, "accuracy", lambda s, m, t: asked.append((len(s), sum(m), t)) or accuracy(s, m, t))
    thresholds = []
    validate_with = build.validate_with

    def noted(*arguments):
        validate = validate_with(*arguments)
        return lambda: thresholds.append(validate()) or thresholds[-1]

    monkeypatch.setattr(build, "validate_with", noted)
    row = run_trial(Trial("", 7), data, tmp_path, with_test=True)
    of_network, of_both = thresholds[-2:]
    assert asked == [(6, 3, figures["validation_threshold"]) for figures in (of_network, of_both)]
    assert row["test_accuracy"] in [n / 6 for n in range(7)] and 0 <= row["test_roc_auc"] <= 1
    assert row["test_accuracy"] <= row["test_best_accuracy"] <= 1


def test_the_test_pairs_are_cut_as_in_the_notebooks(data, tmp_path, monkeypatch):
    crops, load = [], trial_module.load_test_pairs
    monkeypatch.setattr(trial_module, "load_test_pairs", lambda config, crop: crops.append(crop) or load(config, crop))
    run_trial(Trial("epochs=1 texture_share=0.0", 7), data, tmp_path, with_test=True)
    run_trial(Trial("epochs=1 texture_share=0.0 test_crop=(3,4,200)", 7), data, tmp_path, with_test=True)
    config = plan.configure(Trial("", 7), data)
    assert crops == [find_test_crop(config, build.load_split(config).decoded).crop, (3, 4, 200)]


def test_a_study_is_known_by_its_recipe_and_data_whatever_the_code(data, monkeypatch):
    first = identify_study(data)
    assert (first["format"], first["recipe"], first["faces"]) == (plan.FORMAT, plan.RECIPE, "real")
    monkeypatch.setattr(build, "DECISIVE", build.DECISIVE[:-1])
    assert identify_study(data) == first
    monkeypatch.setattr(plan, "RECIPE", plan.RECIPE + 1)
    changed = identify_study(data)
    assert changed["recipe"] == first["recipe"] + 1 and changed | {"recipe": 0} == first | {"recipe": 0}
    write_image(Path(data) / TRAINING_FOLDER / "0" / "000.jpeg", seed=99)
    assert identify_study(data)["data"] != first["data"]


def test_a_trial_with_a_texture_stream_measures_both_together_too(data, tmp_path):
    row = run_trial(Trial("", 7), data, tmp_path, with_test=True)
    joined = {name: value for name, value in row.items() if name.startswith("joined_")}
    mistakes = [read_mistakes(joined.pop("joined_test_mistakes")), read_mistakes(row["test_mistakes"])]
    assert [1 - np.mean(each) for each in mistakes] == pytest.approx(
        [joined["joined_test_accuracy"], row["test_accuracy"]]
    )
    figures = ("roc_auc", "accuracy", "test_roc_auc", "test_accuracy", "test_best_accuracy")
    assert joined.keys() == {f"joined_{name}" for name in figures}
    assert all(0 <= value <= 1 for value in joined.values())
    without = run_trial(Trial("texture_share=0.0", 7), data, tmp_path, with_test=True)
    assert not [name for name in without if name.startswith("joined_")]
    assert row["validation_roc_auc"] == without["validation_roc_auc"]  # of the network, which is the same
