import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_once

from facelib.config import ROOT
from facelib.learn import engine


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """What `several_devices.py` prints."""

    def compare(folder):
        script = Path(__file__).with_name("several_devices.py")
        done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        folder.mkdir()
        (folder / "found.json").write_text(done.stdout.splitlines()[-1])

    return json.loads((make_once(tmp_path_factory, "devices", compare) / "found.json").read_text())


@pytest.mark.slow
def test_two_devices_come_to_the_weights_of_one(found):
    """With triplets, all pairs, memory and proxies; the run on two devices was interrupted, and resumed."""
    assert found["moved"]["weights"] > 1e-2
    assert max(found["two devices"].values()) < 1e-5, found["two devices"]
    assert found["figures"] < 1e-4


@pytest.mark.slow
def test_what_two_devices_saved_is_read_on_one(found):
    assert set(found["read on one device"].values()) == {0.0}


@pytest.mark.slow
def test_chunks_on_two_devices_are_the_chunks_of_one(found):
    """Where they are not normalised together; the statistics that are kept are then those of the first device."""
    assert all(found["chunks"][name] < 1e-5 for name in ("weights", "proxies", "memory", "optimizer")), found["chunks"]


@pytest.mark.slow
def test_chunks_of_two_devices_are_normalised_together(found):
    together = found["chunks together"]
    assert all(together[name] < 1e-5 for name in ("weights", "statistics", "proxies", "optimizer")), together


@pytest.mark.slow
def test_a_batch_that_is_not_finite_on_one_device_moves_nothing_on_either(found):
    broken, good = found["not finite"]
    assert broken == 0 < good


@pytest.mark.slow
def test_devices_draw_other_numbers_for_dropout(found):
    assert found["dropout"] > 0.01


# one device


def test_one_device_is_no_strategy_and_everything_passes_unchanged():
    assert engine.choose_strategy() is tf.distribute.get_strategy()
    assert engine.host(engine.choose_strategy()) == (0, 1)
    values = tf.constant(np.arange(6.0).reshape(3, 2))
    assert engine.replicas() == 1
    for function in (engine.take_own, engine.take_part, engine.gather):
        assert function(values) is values
    assert engine.add_up([values])[0] is values
    np.testing.assert_array_equal(engine.share(values), values)
