"""The exported model gives the embeddings and the rareness of the one that was trained, on drawn faces."""

import json
import os
import re
import subprocess
import sys
import tempfile

import keras
import numpy as np
import onnxruntime
import pytest
from conftest import tiny_network

from facelib import config as config_module
from facelib.config import ROOT
from facelib.data.drawn import draw_face, draw_identity
from facelib.data.face_alignment import FaceAlignment
from facelib.learn import networks
from facelib.learn.embedding import embed
from facelib.learn.layers import LocalContrastNormalization, UnitNorm
from facelib.small_sets.texture import TextureFeatures
from facelib.use import export
from facelib.use.commands import main
from facelib.use.export import ExportError, build_export, export_model
from facelib.use.load import load_trained


@pytest.fixture(scope="module")
def drawn():
    """100 drawn faces of 20 people, (100, 112, 112, 3) uint8."""
    faces = [draw_identity(np.random.default_rng((0, person))) for person in range(20)]
    return np.stack([draw_face(faces[i // 5], np.random.default_rng((1, i)), 112, (61, 64, 128)) for i in range(100)])


@pytest.fixture(scope="module")
def trained(trained_root):
    """What was trained in `trained_root`, which is the project of the tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_module, "ROOT", trained_root)
        patch.setattr(networks, "build_network", tiny_network)
        yield load_trained("smoke", float32=True)


@pytest.fixture(scope="module")
def expected(trained, drawn):
    embeddings = embed(trained.model, drawn, trained.config.flip_average)
    return embeddings, trained.cohort.rareness(embeddings)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The folder of an export, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("exported")
    return folder, list(export_model("smoke", folder))


@pytest.fixture(scope="module")
def exported_to_onnx(trained, tmp_path_factory):
    """The same with an ONNX file, whose conversion takes a quarter of a minute."""
    folder = tmp_path_factory.mktemp("onnx")
    return folder, list(export_model("smoke", folder, onnx=True))


def assert_equal_to(expected, found):
    embeddings, rare = expected
    assert np.einsum("nd,nd->n", found["embeddings"], embeddings, dtype=np.float64).min() > 0.9999
    np.testing.assert_allclose(np.linalg.norm(found["embeddings"], axis=1), 1, atol=1e-5)
    # where an aligned pixel lies half between two whole numbers, it falls to either side, and a pattern with it
    assert np.median(np.abs(found["embeddings"] - embeddings)) < 1e-4
    np.testing.assert_allclose(found["rareness"], rare, atol=1e-3)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_the_keras_file_is_the_model_with_everything_inside(exported, drawn, expected, kind):
    assert rareness_matters(expected)
    folder, lines = exported
    assert_written(folder, lines, "keras", "json")
    assert nearness_in(lines[0]) > 0.999  # a pixel between two whole numbers counts for much in a model this small
    own = (FaceAlignment, LocalContrastNormalization, TextureFeatures, UnitNorm)
    assert all(layer.__module__ in export.LAYERS for layer in own)
    loaded = keras.saving.load_model(folder / "model.keras")
    assert_equal_to(expected, loaded.predict(drawn.astype(kind), verbose=0))


def assert_written(folder, lines, *kinds):
    assert [line.partition(":")[0] for line in lines] == [str(folder / f"model.{kind}") for kind in kinds]
    assert {path.name for path in folder.iterdir()} == {f"model.{kind}" for kind in kinds}


def nearness_in(line):
    return float(re.search(r"cosine to the model in use at least (0\.\d+|1\.0+) on 100 drawn faces", line)[1])


def test_what_the_line_says_is_the_lowest_cosine():
    found, expected = np.eye(3), np.array([[1, 0, 0], [0, 0.6, 0.8], [0, 0, 1]])
    assert export._nearness(found, expected).startswith("cosine to the model in use at least 0.600000 on 3 drawn")


def rareness_matters(expected):
    return np.ptp(expected[1]) > 1e-3


def test_a_fresh_process_needs_the_named_modules_alone(exported, drawn, expected, tmp_path):
    np.save(tmp_path / "faces.npy", drawn[:5])
    script = f"""
import {export.LAYERS}, keras, numpy
found = keras.saving.load_model({str(exported[0] / "model.keras")!r}).predict(numpy.load("faces.npy"), verbose=0)
numpy.savez("found.npz", **found)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with np.load(tmp_path / "found.npz") as found:
        assert_equal_to([values[:5] for values in expected], found)


def test_the_formula_that_is_handed_on_gives_the_score(trained, exported, expected):
    described = json.loads((exported[0] / "model.json").read_text())
    embeddings, rare = expected
    names = {"embeddings": embeddings, "rareness": rare, "dot": np.dot, "w": described["w"], "i": 3, "j": 8}
    similarity, _, score = described["score"].partition("; score = ")
    names["s"] = eval(similarity.removeprefix("s = "), names)
    wanted = trained.cohort.pair_scores(embeddings, np.array([3]), np.array([8]))[0]
    assert abs(eval(score, names) - wanted) < 1e-6 and abs(names["s"] - wanted) > 1e-3
    assert described["threshold"] == trained.results["validation_threshold"] and described["faces"] == "real"
    assert described["thresholds_by_false_accept_rate"] == trained.results["thresholds"]["by_rate"]
    assert described["model"] == trained.fingerprint


def test_without_mirror_images_and_cohort_it_is_the_model_alone(trained, drawn):
    found = build_export(trained.model, None, False).predict(drawn[:5], verbose=0)
    assert found.keys() == {"embeddings"}
    np.testing.assert_allclose(found["embeddings"], embed(trained.model, drawn[:5]), atol=1e-6)


def test_a_small_cohort_is_looked_at_as_a_whole(trained, drawn):
    cohort = trained.cohort._replace(embeddings=trained.cohort.embeddings[:2], neighbours=20)
    found = build_export(trained.model, cohort, True).predict(drawn[:5], verbose=0)
    np.testing.assert_allclose(found["rareness"], cohort.rareness(found["embeddings"]), atol=1e-6)


def test_what_was_trained_in_bfloat16_is_exported_in_float32(trained_project, monkeypatch, tmp_path):
    asked, build = [], networks.build_network
    monkeypatch.setattr(networks, "has_bfloat16", lambda: True)
    monkeypatch.setattr(networks, "build_network", lambda *given: asked.append(given[2]) or build(*given))
    list(export_model("smoke", tmp_path))
    assert asked == [False, True]  # the other one is the model in use, which the file is compared with
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.keras"]  # ONNX was not asked for


@pytest.mark.slow
def test_the_onnx_file_is_the_model_with_everything_inside(exported_to_onnx, drawn, expected):
    folder, lines = exported_to_onnx
    assert_written(folder, lines, "keras", "json", "onnx")
    assert nearness_in(lines[0]) > 0.999
    assert nearness_in(lines[-1]) > 0.999
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(value.name, value.type) for value in session.get_inputs()] == [("images", "tensor(float)")]
    names = [value.name for value in session.get_outputs()]
    for count in (1, 100):
        found = dict(zip(names, session.run(None, {"images": drawn[:count].astype(np.float32)}), strict=True))
        assert_equal_to([part[:count] for part in expected], found)


def test_the_conversion_leaves_no_temporary_files(tmp_path, monkeypatch):
    """As AutoGraph does, which nothing here needs: its files stay where a process is killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inputs = keras.Input((112, 112, 3), name="images")
    export.convert(keras.Model(inputs, {"embeddings": UnitNorm(name="embeddings")(keras.layers.Flatten()(inputs))}))
    assert list(tmp_path.iterdir()) == []


def test_onnx_without_its_packages_is_one_message_before_anything_is_written(
    trained_project, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(ExportError, match=r"pip install -e '\.\[onnx\]'"):
        export.import_converter()
    assert main(["export", "--profile", "smoke", "--onnx", "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("error: ONNX needs a package that is not there")
    assert not (tmp_path / "out").exists()


def test_the_command_hands_its_options_on(trained_project, capsys, monkeypatch):
    monkeypatch.setattr(export, "export_model", lambda *given: iter([f"{given}"]))
    assert main(["export", "--profile", "smoke"]) == 0
    assert capsys.readouterr().out == "('smoke', None, False)\n"
