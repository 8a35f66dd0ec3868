"""What notebook 06 wrote comes back, or a message says what is wrong with it."""

import numpy as np
import pytest
from conftest import tiny_network

from facelib.checkpoint import CheckpointError, save_checkpoint
from facelib.learn.embedding import pair_scores
from facelib.small_sets import fusion
from facelib.small_sets.texture import build_texture_network
from facelib.use import load

SETTINGS = "validation_share=0.25 validation_images=3 embedding_size=6 texture_copies=1 texture_components=5"


@pytest.fixture
def network_file(config, tmp_path):
    """What training left: the network of `tiny_network`, with other weights than a fresh one has."""
    network = tiny_network("", config.embedding_size, False, config.seed + 1)
    save_checkpoint(tmp_path / "best.npz", {"model": network.variables}, {"epoch": 3})
    return tmp_path / "best.npz", network


def parts(checkpoint, texture=None, alignment=None):
    return {"checkpoint": checkpoint, "texture": texture, "alignment": alignment}


def test_without_a_texture_the_network_alone_is_restored(config, split, network_file):
    file, network = network_file
    model = load.restore_model(config, parts(file), 0)
    for found, expected in zip(model.variables, network.variables, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert model.output_shape == (None, 6)


def test_scores_of_the_restored_model_are_the_mean_of_both_streams(configure, split, network_file):
    file, network = network_file
    config = configure("texture_share=0.3")
    texture = fusion.fit_texture(config, split)
    files = parts(file, fusion.texture_file(config, split.faces.digest))
    model = load.restore_model(config, files, texture.output_shape[1])
    assert model.output_shape == (None, 6 + 5)
    images = np.array(split.faces.pixels[:6], np.float32)
    first, second = (places.ravel() for places in np.indices((6, 6)))
    of_network, of_texture, both = (
        pair_scores(one(images).numpy(), first, second) for one in (network, texture, model)
    )
    assert np.abs(of_network - of_texture).max() > 0.1
    np.testing.assert_allclose(both, 0.7 * of_network + 0.3 * of_texture, atol=1e-6)


def test_a_file_that_is_missing_damaged_or_of_another_texture_is_named(config, network_file, tmp_path):
    file, _ = network_file
    texture = tmp_path / "texture.npz"
    with pytest.raises(CheckpointError, match=f"no checkpoint at {texture}"):
        load.restore_model(config, parts(file, texture), 5)
    save_checkpoint(texture, {"texture": build_texture_network(4).variables}, {})
    with pytest.raises(CheckpointError, match=f"{texture} does not fit: texture/0 is .* 4.*, expected .* 5"):
        load.restore_model(config, parts(file, texture), 5)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=f"{file} is damaged"):
        load.restore_model(config, parts(file, texture), 4)


def test_a_cohort_comes_back_from_its_file(configure, tmp_path):
    config = configure("rareness_weight=0.25 rareness_neighbours=4")
    embeddings = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    path = fusion.save_cohort(fusion.Cohort(embeddings, 20, 0.75), tmp_path)
    assert path.parent == tmp_path and path != fusion.save_cohort(fusion.Cohort(embeddings + 1, 20, 0.75), tmp_path)
    found = load.restore_cohort(config, path, 6)
    np.testing.assert_array_equal(found.embeddings, embeddings)
    assert (found.neighbours, found.weight) == (4, 0.25)


def test_a_cohort_of_another_model_is_refused(config, tmp_path):
    path = fusion.save_cohort(fusion.Cohort(np.zeros((7, 6), np.float32), 20, 0.75), tmp_path)
    with pytest.raises(CheckpointError, match=rf"{path} does not fit: .*float32 \(7, 6\), expected float32 \(c, 5\)"):
        load.restore_cohort(config, path, 5)
    save_checkpoint(path, {"texture": [np.zeros((7, 6), np.float32)]}, {})
    with pytest.raises(CheckpointError, match="does not fit"):
        load.restore_cohort(config, path, 6)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load.restore_cohort(config, tmp_path / "none.npz", 6)
