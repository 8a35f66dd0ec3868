import math
import re

import numpy as np
import pytest

from facelib.learn.alarms import FINITE, TrainingError, alarm, stop_if_broken

SOUND = {"similarity": 0.55, "embedding_deviation": 0.8, "skipped_steps": 0}
BATCH = {"identities": np.arange(3), "images": np.full((3, 2, 2, 1), 7.5, np.float32)}


def measured(**changes):
    return {"similarity": 0.5, "loss": 0.25, "auxiliary_loss": 0.0, "gradient_norm": 1.5, "s_p": math.nan, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"similarity": 0.95, "embedding_deviation": 0.1}, ""),  # the limits themselves are none
        ({"similarity": 0.951}, "collapse: .*mean similarity 0.951, standard deviation 0.800.*lower the learning rate"),
        ({"embedding_deviation": 0.099}, "collapse: .*standard deviation 0.099.*semi-hard"),
        ({"skipped_steps": 3}, "3 steps found no triplet.*raise mining_margin"),
        ({"skipped_steps": 3, "embedding_deviation": 0.0}, "collapse: "),  # the cause, not its consequence
    ],
)
def test_an_alarm_says_what_is_wrong_and_what_to_do(changes, words):
    said = alarm({**SOUND, **changes})
    assert re.match(words, said) if words else said == ""


def test_finite_figures_stop_nothing(tmp_path):
    assert stop_if_broken(measured(), 1, BATCH, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", FINITE)
def test_what_is_not_finite_is_named_with_the_step(name, value):
    with pytest.raises(TrainingError) as error:
        stop_if_broken(measured(**{name: value}), 17, BATCH, None)
    assert str(error.value) == f"the {FINITE[name]} not finite at step 17: lower the learning rate or gamma"


def test_the_first_cause_is_named():
    """Embeddings that are not finite make everything after them so."""
    with pytest.raises(TrainingError, match="^the embeddings are"):
        stop_if_broken(measured(**dict.fromkeys(FINITE, math.nan)), 1, BATCH, None)
    with pytest.raises(TrainingError, match="^the loss is"):
        stop_if_broken(measured(loss=math.nan, gradient_norm=math.nan), 1, BATCH, None)


def test_the_batch_is_kept_in_the_folder_of_the_run(tmp_path):
    folder = tmp_path / "runs" / "of today"  # the first step of a run: nothing was saved yet
    with pytest.raises(TrainingError, match=f"gamma; the batch is in {folder}/step_17.npz$"):
        stop_if_broken(measured(loss=math.inf), 17, BATCH, folder)
    assert [path.name for path in folder.iterdir()] == ["step_17.npz"]
    with np.load(folder / "step_17.npz") as file:
        assert file.files == list(BATCH)
        for name, array in BATCH.items():
            np.testing.assert_array_equal(file[name], array)
            assert file[name].dtype == array.dtype
