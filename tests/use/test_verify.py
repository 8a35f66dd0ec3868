"""The trained model in use: the scores are those of notebook 06, whatever an image comes as."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CROP, write_image
from PIL import Image

import facelib
from facelib import config as config_module
from facelib.checkpoint import CheckpointError
from facelib.config import ROOT, ConfigError
from facelib.data.images import UnreadableImageError, decode
from facelib.data.pair_images import SizesError
from facelib.learn import build
from facelib.learn.embedding import embed
from facelib.measure.operating_points import choose_thresholds
from facelib.results import MissingResultError
from facelib.use import verify as verifier_module
from facelib.use.load import UnsupportedRateError, load_trained
from facelib.use.look import DETECT, WHOLE, CropError, Looker, find_crop
from facelib.use.verify import Verifier


def test_a_score_is_that_of_training(verifier, faces):
    images = [faces / "0" / "0.png", faces / "1" / "0.png", faces / "0" / "2.png"]
    trained = verifier.trained
    embeddings = embed(trained.model, np.stack([decode(path) for path in images]), trained.config.flip_average)
    expected = trained.cohort.pair_scores(embeddings, np.array([0, 0]), np.array([1, 2]))
    for other, score in zip(images[1:], expected, strict=True):
        verdict = verifier.verify(images[0], other)
        assert abs(verdict.score - score) < 1e-6 and verdict.same == (score >= verdict.threshold)
    assert expected[1] > verdict.threshold > expected[0]  # numbers 0 and 2 of a person are the same picture


def test_a_verdict_says_what_it_stands_on(verifier, faces, trained_project):
    results = json.loads((trained_project / "reports/smoke/results/09_small_sets.json").read_text())
    images = faces / "0" / "0.png", faces / "0" / "1.png"
    verdict = verifier.verify(*images)
    assert verdict.threshold == results["validation_threshold"] and verdict.far is None
    basis = verdict.basis
    assert basis[:3] == ("real", results["provenance"]["data_digest"], 9)
    assert basis.pairs == results["validation_pairs"] and basis.mismatched_pairs == 27 * 24 // 2
    assert verdict.validation_far == results["thresholds"]["accuracy"]["false_accepts"] / (27 * 24 // 2)
    assert verdict.model == verifier.trained.fingerprint and len(verdict.model) == 16
    wanted = verifier.verify(*images, far=0.1)
    (row,) = results["thresholds"]["by_rate"]
    assert (wanted.threshold, wanted.far, wanted.basis.pairs) == (row["threshold"], 0.1, 27 * 24 // 2)
    assert wanted.score == verdict.score and wanted.validation_far <= 0.1
    with pytest.raises(UnsupportedRateError, match="of 0.01: 324 validation pairs .* 0.093 as the smallest rate"):
        verifier.verify(*images, far=0.01)


def test_thresholds_are_those_of_the_people_held_out(verifier, trained_project):
    results, trained = verifier.trained.results, verifier.trained
    config = config_module.load_config("smoke", str(trained_project / "faces"), "validation_share=0.25")
    split = build.load_split(config)
    held = np.flatnonzero(split.training_labels < 0)
    embeddings = verifier.embed(split.decoded[held])  # what notebook 06 aligned before, the model aligns itself
    assert np.abs(split.decoded[held].astype(int) - split.faces.pixels[held]).mean() > 1
    labels = split.faces.table.labels[held]
    again = choose_thresholds(trained.cohort.build_score(embeddings), labels, results["validation_threshold"])
    for found, expected in zip(again["by_rate"], results["thresholds"]["by_rate"], strict=True):
        # aligned in other batches, a pixel between two whole numbers can fall to the other side
        assert found == pytest.approx(expected, abs=1e-4)


def test_verify_of_the_package_is_the_same_and_loads_once(verifier, faces, monkeypatch):
    images = faces / "0" / "0.png", faces / "1" / "0.png"
    expected = verifier.verify(*images)
    monkeypatch.setattr(verifier_module, "load_trained", lambda profile: pytest.fail("loaded again"))
    assert facelib.verify(*images, profile="smoke") == expected
    assert facelib.verify(str(images[0]), decode(images[1]), far=0.1, profile="smoke").score == expected.score


def test_the_network_is_traced_once_for_any_number_of_images(trained_project, monkeypatch):
    trained = load_trained("smoke")
    calls = []
    monkeypatch.setattr(type(trained.model), "__call__", _counting(type(trained.model).__call__, calls, trained.model))
    verifier = Verifier(trained)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    together = verifier.embed(pixels)
    for count in (1, 2, 3):
        np.testing.assert_allclose(verifier.embed(pixels[:count]), together[:count], atol=1e-5)
    assert len(calls) == 1


def test_a_verifier_that_does_not_trace_gives_the_same_answer(verifier, faces):
    images = [faces / "0" / "0.png", faces / "1" / "0.png"]
    found, expected = (each.verify(*images) for each in (Verifier(verifier.trained, traced=False), verifier))
    assert abs(found.score - expected.score) < 1e-6
    assert found._replace(score=expected.score) == expected


def _counting(function, calls, model):
    def counted(self, *arguments, **options):
        if self is model:
            calls.append(1)
        return function(self, *arguments, **options)

    return counted


@pytest.mark.parametrize(
    "name, expected",
    [("TF_ENABLE_ONEDNN_OPTS", "1"), ("TF_FORCE_GPU_ALLOW_GROWTH", "true"), ("NVIDIA_TF32_OVERRIDE", "0")],
)
@pytest.mark.parametrize("chosen", [None, "other"])
def test_importing_the_package_sets_up_processor_and_gpu_unless_told_otherwise(name, expected, chosen):
    code = f"import facelib, os; print(os.environ['{name}'])"
    environment = {key: value for key, value in os.environ.items() if key != name} | ({name: chosen} if chosen else {})
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == (chosen or expected)


def test_importing_the_package_loads_nothing():
    code = "import sys, facelib; print(sorted({'numpy', 'keras', 'tensorflow', 'PIL', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# which part of an image


def test_sizes_that_are_known_need_no_crop(verifier, tmp_path):
    write_image(tmp_path / "frame.png", size=(250, 250))
    expected = decode(tmp_path / "frame.png", CROP)
    np.testing.assert_array_equal(verifier.read(tmp_path / "frame.png"), expected)
    write_image(tmp_path / "face.png")
    np.testing.assert_array_equal(verifier.read(tmp_path / "face.png"), decode(tmp_path / "face.png"))
    np.testing.assert_array_equal(verifier.read(decode(tmp_path / "face.png")), decode(tmp_path / "face.png"))


@pytest.mark.parametrize("size", [(160, 160), (250, 200), (112, 113)])
def test_other_sizes_need_to_be_told_where_the_face_is(verifier, tmp_path, size):
    write_image(tmp_path / "a.png", size=size)
    with pytest.raises(CropError, match=rf"a.png: {size[0]}x{size[1]} pixels; where is the face\?.*--crop.*--whole"):
        verifier.read(tmp_path / "a.png")
    np.testing.assert_array_equal(verifier.read(tmp_path / "a.png", WHOLE), decode(tmp_path / "a.png"))
    expected = decode(tmp_path / "a.png", (1, 2, 90))
    np.testing.assert_array_equal(verifier.read(tmp_path / "a.png", (1, 2, 90)), expected)


def test_a_frame_on_its_side_is_measured_upright(verifier, tmp_path):
    pixels = write_image(tmp_path / "a.png", size=(112, 150))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "a.png", exif=exif)
    with pytest.raises(CropError, match="112x150"):
        verifier.read(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "colour"), [("RGB", (90, 60, 30)), ("L", 0), ("RGBA", (200, 100, 50, 0)), ("RGB", (255, 255, 255))]
)
def test_a_blank_image_is_refused_and_listed(verifier, faces, tmp_path, mode, colour):
    """Its embedding would say nothing, and any two blank images would be the same person."""
    Image.new(mode, (112, 112), colour).save(tmp_path / "blank.png")
    for pair in ((faces / "0/0.png", tmp_path / "blank.png"), (tmp_path / "blank.png",) * 2):
        with pytest.raises(UnreadableImageError, match="blank.png: is blank: "):
            verifier.verify(*pair)
    shutil.copy(faces / "0/0.png", tmp_path / "face.png")
    found = verifier.embed_folder(tmp_path)
    assert found.paths == ("face.png",) and found.problems[0][0] == "blank.png"


def test_blank_pixels_are_refused_too(verifier):
    with pytest.raises(UnreadableImageError, match="the pixels are blank"):
        verifier.read(np.full((112, 112, 3), 90, np.uint8))


def test_a_crop_that_is_blank_is_refused(verifier, tmp_path):
    image = Image.new("RGB", (250, 250), (90, 60, 30))
    image.paste((0, 0, 0), (0, 0, 40, 40))  # outside of the square
    image.save(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="a.png: is blank: "):
        verifier.read(tmp_path / "a.png")


def test_a_few_pixels_are_refused_as_such_and_not_for_their_crop(verifier, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="a.png: 1x1 pixels are too few"):
        verifier.read(tmp_path / "a.png")


@pytest.mark.parametrize("pixels", [np.zeros((112, 112, 3)), np.zeros((111, 112, 3), np.uint8)])
def test_pixels_of_another_kind_are_refused(verifier, pixels):
    with pytest.raises(UnreadableImageError, match="expected uint8"):
        verifier.read(pixels)


def test_a_crop_in_pixels_is_for_images_of_one_size(verifier, tmp_path):
    """The same square shows another part of a larger image."""
    write_image(tmp_path / "a.png", size=(300, 300))
    write_image(tmp_path / "b.png", size=(600, 600))
    paths, crop = (tmp_path / "a.png", tmp_path / "b.png"), (10, 20, 200)
    expected = "found 300x300: 1, such as .*a.png; 600x600: 1, such as .*b.png: bring them"
    with pytest.raises(SizesError, match=expected):
        verifier.verify(*paths, crop=crop)
    with pytest.raises(SizesError, match=expected):
        verifier.embed_folder(tmp_path, crop)
    assert verifier.embed_folder(tmp_path, WHOLE).paths == ("a.png", "b.png")
    face = np.asarray(Image.open(tmp_path / "a.png").resize((112, 112)))
    assert verifier.verify(face, paths[1], crop=crop).score > 0  # pixels are a face already


def test_a_frame_is_of_the_size_of_the_test_frames(verifier, tmp_path, monkeypatch):
    trained = SimpleNamespace(frame=(178, 218), crop=(33, 60, 110))
    assert find_crop((178, 218), trained) == (33, 60, 110) and find_crop((112, 112), trained) == WHOLE
    assert find_crop((250, 250), trained) == DETECT
    looker = Looker(verifier.trained._replace(frame=(178, 218)))
    write_image(tmp_path / "a.png", size=(250, 250))
    with pytest.raises(CropError, match=r"250x250 pixels; where is the face\? Only 112x112 .* and 178x218 \(a frame"):
        looker.look(tmp_path / "a.png")


# folders


def test_a_folder_is_embedded_in_order_and_what_is_unreadable_left_out(verifier, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(verifier_module, "BATCH", 2)
    for place, source in (("b/2.png", "0/0.png"), ("a/1.png", "1/0.png"), ("c.png", "2/0.png")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(faces / source, tmp_path / place)
    (tmp_path / "a" / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("no image either, and not said to be one")
    write_image(tmp_path / "large.png", size=(300, 300))
    found = verifier.embed_folder(tmp_path)
    assert found.paths == ("a/1.png", "b/2.png", "c.png")
    assert [path for path, _ in found.problems] == ["a/broken.jpg", "large.png"]
    assert found.problems[1][1].startswith("300x300 pixels; where")
    expected = verifier.embed(np.stack([decode(tmp_path / path) for path in found.paths]))
    np.testing.assert_allclose(found.embeddings, expected, atol=1e-6)
    np.testing.assert_allclose(found.rareness, verifier.rareness(expected), atol=1e-6)
    assert found.rareness.min() > 0


def test_what_is_no_folder_is_told_apart(verifier, faces, tmp_path):
    with pytest.raises(UnreadableImageError, match=f"^{faces}/0/0.png is a file; expected a folder with images in"):
        verifier.embed_folder(faces / "0/0.png")
    with pytest.raises(UnreadableImageError, match=f"^{tmp_path}/nowhere does not exist; expected a folder with"):
        verifier.embed_folder(tmp_path / "nowhere")


def test_a_folder_without_readable_images_is_refused(verifier, tmp_path):
    with pytest.raises(UnreadableImageError, match="holds no image"):
        verifier.embed_folder(tmp_path)
    (tmp_path / "a.pdf").touch()
    with pytest.raises(UnreadableImageError, match=r"holds no image .*; not read: \.pdf \(1, such as a\.pdf\)$"):
        verifier.embed_folder(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match="none of 1 images can be read; a.jpg: cannot identify"):
        verifier.embed_folder(tmp_path)


def test_a_folder_is_walked_as_training_folders_are(verifier, faces, tmp_path):
    """Hidden files, links and kinds that are not read, and names of any bytes."""
    latin = os.fsdecode(b"Jos\xe9")
    for place in ("a/1.png", f"{latin}/1.png", ".hidden/1.png", "._1.png", "@eaDir/1.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(faces / "0/0.png", tmp_path / place)
    for name in ("a.pdf", "b.pdf", "c"):
        (tmp_path / name).touch()
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "nowhere.png").symlink_to("elsewhere")
    (tmp_path / "linked").symlink_to("a")
    found = verifier.embed_folder(tmp_path)
    assert found.paths == (f"{latin}/1.png", "a/1.png", "linked/1.png")
    assert found.unread == ((".pdf", 2, "a.pdf"), ("no suffix", 1, "c"))
    circles = [(path, "is a link that leads in a circle") for path in ("a/circle", "linked/circle")]
    assert found.problems == (*circles, ("nowhere.png", "is a link that leads nowhere"))


# what may be missing


@pytest.fixture
def copy(trained_root, trained_project, tmp_path, monkeypatch):
    """A copy of the trained project that a test may spoil."""
    root = tmp_path / "copy"
    shutil.copytree(trained_root, root)
    monkeypatch.setattr(config_module, "ROOT", root)
    return root


def test_a_model_that_is_not_there_is_told_with_what_to_do(copy):
    with pytest.raises(ConfigError, match="unknown profile"):
        load_trained("smock")
    with pytest.raises(MissingResultError, match="laptop.*06_training.json is missing: run .*make all"):
        load_trained("laptop")
    (copy / "data/interim/smoke/runs/best.npz").unlink()
    with pytest.raises(MissingResultError, match="best.npz is missing: run"):
        load_trained("smoke")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"thresholds"', '"other"'),
        lambda text: text.replace('"margin"', '"other"'),
        lambda text: "[]",
    ],
)
def test_results_of_another_version_are_told_with_what_to_do(copy, spoil):
    path = copy / "reports/smoke/results/06_training.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(CheckpointError, match=f"{path} .*train again with make all PROFILE=smoke"):
        load_trained("smoke")
    path.write_text(path.read_text()[:1])
    with pytest.raises(MissingResultError, match=f"{path} is damaged: run notebooks/06_training.ipynb again"):
        load_trained("smoke")


def test_where_notebook_09_has_not_been_run_the_network_scores_alone(copy, faces):
    with_both = load_trained("smoke")
    assert with_both.parts == "network and texture, normalised" and with_both.cohort is not None
    (copy / "reports/smoke/results/09_small_sets.json").unlink()
    alone = load_trained("smoke")
    assert alone.parts == "network" and alone.cohort is None and alone.fingerprint != with_both.fingerprint
    results = json.loads((copy / "reports/smoke/results/06_training.json").read_text())
    verifier = Verifier(alone)
    verdict = verifier.verify(faces / "0" / "0.png", faces / "1" / "0.png")
    embeddings = verifier.embed(np.stack([decode(faces / person / "0.png") for person in "01"]))
    assert embeddings.shape == (2, 6) and (verifier.rareness(embeddings) == 0).all()
    assert abs(verdict.score - (embeddings[0] @ embeddings[1] + 1) / 2) < 1e-6
    assert verdict.threshold == results["validation_threshold"] and verdict.parts == "network"


def test_what_was_fitted_to_another_network_is_told_with_what_to_do(copy):
    path = copy / "reports/smoke/results/09_small_sets.json"
    text = path.read_text()
    path.write_text(text.replace("runs/best.npz", "runs/other.npz"))
    with pytest.raises(CheckpointError, match=f"{path} is about another network, .*: run notebooks/09_small"):
        load_trained("smoke")
    for key, value in (("seed", 8), ("flip_average", False), ("validation_share", 0.3), ("data_digest", "of others")):
        content = json.loads(text)
        place = content["provenance"] if key == "data_digest" else content["provenance"]["config"]
        assert place[key] != value  # other people were held out, or other images
        place[key] = value
        path.write_text(json.dumps(content))
        with pytest.raises(CheckpointError, match="is about another network, or other faces, than 06_training.json"):
            load_trained("smoke")
    path.write_text(text.replace('"cohort"', '"other"'))
    with pytest.raises(CheckpointError, match=f"{path} is of another version, without cohort: run notebooks/09_small"):
        load_trained("smoke")
    path.write_text(text)
    (copy / "data/interim/smoke" / json.loads(text)["cohort"]).unlink()
    with pytest.raises(MissingResultError, match="run notebooks/09_small_sets.ipynb first"):
        load_trained("smoke")


def test_a_profile_without_small_sets_never_loads_the_package(copy):
    """Nor does one in which they were not fitted."""
    path = copy / "reports/smoke/results/06_training.json"
    text = path.read_text()
    for setting in ('"texture_share": 0.5', '"rareness_weight": 0.75'):  # of 06; 09 was run with others
        assert setting in text
        text = text.replace(setting, setting.partition(" ")[0] + " 0.0")
    path.write_text(text)
    code = (
        "import sys; from pathlib import Path; import facelib.config\n"
        f"facelib.config.ROOT = Path({str(copy)!r})\n"
        "from facelib.use.verify import Verifier; from facelib.use import commands, evaluate, export, load\n"
        "config, results = load.read_training('smoke')\n"
        "assert load.read_fitted(config, results) is None\n"
        "load.restore_model = lambda *given: None\n"  # the network of the fixture is none that is built
        "assert load.load_trained('smoke').parts == 'network'\n"
        "print(sorted(name for name in sys.modules if 'small_sets' in name))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_texture_and_cohort_are_weighted_as_notebook_09_was_run(verifier, faces):
    """Not as notebook 06, whose results say other weights."""
    trained = verifier.trained
    assert (trained.config.texture_share, trained.cohort.weight, trained.cohort.neighbours) == (0.4, 0.6, 3)
    embeddings = embed(trained.model, decode(faces / "0" / "0.png")[None], flip_average=False)
    np.testing.assert_allclose((embeddings[0, 6:] ** 2).sum(), 0.4, atol=1e-5)  # behind the numbers of the network


def test_the_fingerprint_is_of_every_file_of_the_model(copy):
    before = load_trained("smoke").fingerprint
    assert load_trained("smoke").fingerprint == before
    for path in (copy / "data/interim/smoke").rglob("*.npz"):
        content = path.read_bytes()
        path.write_bytes(content + b"\0")
        changed = load_trained("smoke").fingerprint != before
        assert changed == (path.name != "mean_face.npz")  # no part of a score
        path.write_bytes(content)


def test_the_configuration_is_that_of_the_training_not_of_the_profile(verifier):
    assert verifier.trained.config.embedding_size == 6 and verifier.trained.config.rareness_neighbours == 3
    assert verifier.trained.config.test_crop == ()


def test_the_crop_is_that_of_notebook_01(verifier):
    assert verifier.trained.frame == (250, 250) and verifier.trained.crop == CROP


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"test_crop": [', '"other": [', r"is damaged, or of another version \('test_crop'\)"),
        ('"test_frame"', '"other"', r"is damaged, or of another version \('test_frame'\)"),
        ('"data_digest": "', '"data_digest": "0', "is about other faces than 06_training.json"),
        ("    60,\n", "    160,\n", "holds no square inside of a frame"),
        ("    66,\n", "    166,\n", "holds no square inside of a frame"),
        ("    60,\n", "    -60,\n", "holds no square inside of a frame"),
        ("    130\n", "    130.5\n", "holds no square inside of a frame"),
        ("    130\n", '    "130"\n', "is damaged, or of another version"),
        ("    66,\n", "", "is damaged, or of another version"),
    ],
)
def test_a_crop_of_another_version_or_of_other_faces_is_told_with_what_to_do(copy, old, new, reason):
    path = copy / "reports/smoke/results/01_eda.json"
    content = path.read_text()
    assert content.replace(old, new, 1) != content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(CheckpointError, match=f"{path} {reason}.*: run notebooks/01_eda.ipynb again .*PROFILE=smoke"):
        load_trained("smoke")
    path.write_text(content[1:])
    with pytest.raises(MissingResultError, match="01_eda.json is damaged: run notebooks/01_eda.ipynb again"):
        load_trained("smoke")
    path.unlink()
    with pytest.raises(MissingResultError, match="01_eda.json is missing: run notebooks/01_eda.ipynb first"):
        load_trained("smoke")
