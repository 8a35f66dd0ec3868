"""What notebooks 06 and 09 wrote comes back, or a message says what is wrong with it."""

import numpy as np
import pytest
from conftest import tiny_network

from facelib.checkpoint import CheckpointError, save_checkpoint
from facelib.config import Config
from facelib.results import MissingResultError, write_results
from facelib.use import load

SETTINGS = "validation_share=0.25 validation_images=3 embedding_size=6"


@pytest.fixture
def network_file(config, tmp_path):
    """What training left: the network of `tiny_network`, with other weights than a fresh one has."""
    network = tiny_network("", config.embedding_size, False, config.seed + 1)
    save_checkpoint(tmp_path / "best.npz", {"model": network.variables}, {"epoch": 3})
    return tmp_path / "best.npz", network


def parts(checkpoint):
    return {"checkpoint": checkpoint, "alignment": None}


def test_the_network_is_restored(config, network_file):
    file, network = network_file
    model = load.restore_model(config, parts(file))
    for found, expected in zip(model.variables, network.variables, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert model.output_shape == (None, 6)


def test_what_is_fused_takes_the_place_of_the_network(config, network_file):
    file, network = network_file
    seen = []
    model = load.restore_model(config, parts(file), lambda restored: seen.append(restored) or network)
    assert model is network and seen[0] is not network
    for found, expected in zip(seen[0].variables, network.variables, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_file_that_is_missing_or_damaged_is_named(config, network_file, tmp_path):
    file, _ = network_file
    with pytest.raises(CheckpointError, match=f"no checkpoint at {tmp_path / 'none.npz'}"):
        load.restore_model(config, parts(tmp_path / "none.npz"))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=f"{file} is damaged"):
        load.restore_model(config, parts(file))


@pytest.mark.parametrize("drawn", [False, True])
def test_figures_of_the_other_kind_of_faces_are_refused(project, data_folder, drawn):
    photographs, drawings = Config(profile="smoke", data=str(data_folder)), Config(profile="smoke")
    own, other = (drawings, photographs) if drawn else (photographs, drawings)
    with pytest.raises(MissingResultError, match="06_training.ipynb first"):
        load.read_training_on(own)
    write_results(own, load.NOTEBOOK, {"best_epoch": 3}, "digest")
    assert load.read_training_on(own)["best_epoch"] == 3
    with pytest.raises(
        ValueError, match=f"is about {'drawn' if drawn else 'real'} faces: run notebooks/06_training.ipynb"
    ):
        load.read_training_on(other)
