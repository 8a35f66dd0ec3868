"""Figures on another list of pairs, with thresholds that it has no say in."""

import json
import os
import shutil
import tempfile

import numpy as np
import pytest
from conftest import CROP, write_image
from pack_files import python2_pack
from PIL import Image

from facelib.data import crop_check
from facelib.data.images import UnreadableImageError, decode
from facelib.data.packs import read_pack
from facelib.data.pair_images import SizesError
from facelib.data.pair_list import PairsError
from facelib.measure import metrics
from facelib.use.evaluate import evaluate
from facelib.use.look import WHOLE, CropError

PAIRS = """1\t0
anna 1 2
bert 1 2
anna 1 bert 1
anna 2 bert 2
anna 2 cara 1
"""


@pytest.fixture
def images(trained_root, tmp_path):
    """Three people in the layout of LFW; of each person the same picture, saved twice."""
    folder = tmp_path / "images"
    for person, name in enumerate(("anna", "bert", "cara")):
        for number in (1, 2):
            write_image(folder / name / f"{name}_{number:04d}.jpg", person, quality=80 + 5 * number)
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return folder


def test_figures_are_those_of_the_scores(verifier, images, tmp_path):
    found = evaluate(verifier, tmp_path / "pairs.txt", images)
    pixels = {path.stem: decode(path) for path in images.rglob("*.jpg")}
    pairs = [("anna_0001", "anna_0002"), ("bert_0001", "bert_0002"), ("anna_0001", "bert_0001"),
             ("anna_0002", "bert_0002"), ("anna_0002", "cara_0001")]  # fmt: skip
    scores = np.array([verifier.verify(pixels[a], pixels[b]).score for a, b in pairs])
    matched = np.array([True, True, False, False, False])
    assert found["pairs"] == 5 and found["matched_pairs"] == 2 and found["people"] == 3 and found["images"] == 5
    assert found["roc_auc"] == metrics.roc_auc(scores, matched)
    accuracy, wanted = found["thresholds"]
    assert accuracy["far"] is None and wanted["far"] == 0.1
    for row in (accuracy, wanted):
        accepted = scores >= row["threshold"]
        assert row["threshold"] == verifier.threshold(row["far"])[0]["threshold"]
        assert row["accuracy"] == (accepted == matched).mean()
        assert row["false_accept_rate"] == accepted[~matched].mean()
        assert row["true_accept_rate"] == accepted[matched].mean() == 1
    assert found["best_accuracy"] == 1 and found["crop"] is None and found["model"] == verifier.trained.fingerprint


def test_intervals_and_folds_are_those_of_the_protocols(verifier, images, tmp_path):
    (tmp_path / "pairs.txt").write_text("2 1\nanna 1 2\nanna 1 bert 1\nbert 1 2\nanna 2 cara 1\n")
    found = evaluate(verifier, tmp_path / "pairs.txt", images)
    summary = found["summary"]
    assert summary["roc_auc"]["lower"] <= found["roc_auc"] == summary["roc_auc"]["value"] <= summary["roc_auc"]["upper"]
    assert len(summary["cross_validation"]["accuracies"]) == 2
    assert summary["validation_accuracy"]["value"] == found["thresholds"][0]["accuracy"]
    assert json.loads(json.dumps(found)) == found


def test_a_list_of_one_kind_is_named(verifier, images, tmp_path):
    (tmp_path / "pairs.txt").write_text("1\nanna 1 2\nbert 1 2\n")
    with pytest.raises(PairsError, match=r"pairs\.txt: only one kind of pair"):
        evaluate(verifier, tmp_path / "pairs.txt", images)


def test_frames_are_cropped_as_configured_and_other_sizes_as_told(verifier, images, tmp_path):
    face = evaluate(verifier, tmp_path / "pairs.txt", images)
    for number, path in enumerate(sorted(images.rglob("*.jpg"))):
        write_image(path, number, size=(250, 250))
    frames = evaluate(verifier, tmp_path / "pairs.txt", images)
    assert frames["crop"] == list(CROP) and frames["data_digest"] != face["data_digest"]
    assert evaluate(verifier, tmp_path / "pairs.txt", images, CROP) == frames
    assert evaluate(verifier, tmp_path / "pairs.txt", images, WHOLE)["data_digest"] != frames["data_digest"]
    write_image(images / "anna" / "anna_0001.jpg", size=(112, 112))
    for crop in (None, CROP):
        with pytest.raises(SizesError, match="found 250x250: 4, such as .*; 112x112: 1, such as .*anna_0001.jpg: "):
            evaluate(verifier, tmp_path / "pairs.txt", images, crop)
    assert evaluate(verifier, tmp_path / "pairs.txt", images, WHOLE)["images"] == 5
    for path in images.rglob("*.jpg"):
        write_image(path, len(path.name), size=(500, 500))
    with pytest.raises(CropError, match=r"images: 500x500 pixels; where is the face\?"):
        evaluate(verifier, tmp_path / "pairs.txt", images)


def test_images_that_are_not_like_the_training_faces_are_warned_of(verifier, images, tmp_path, monkeypatch):
    config = verifier.trained.config
    (few,) = evaluate(verifier, tmp_path / "pairs.txt", images)["warnings"]
    assert few.startswith("5 images are too few")
    monkeypatch.setattr(crop_check, "LEAST", 5)
    found = evaluate(verifier, tmp_path / "pairs.txt", images, (6, 6, 100))
    paths = ("anna_0001", "anna_0002", "bert_0001", "bert_0002", "cara_0001")
    pixels = np.stack([decode(images / path[:4] / f"{path}.jpg", (6, 6, 100)) for path in paths])
    expected = crop_check.compare(crop_check.read_mean_face(config), crop_check.measure_faces(pixels))
    assert found["warnings"] == list(expected.warnings) != [] and found["scale"] == expected.scale


def test_an_unreadable_image_is_left_out_with_its_pairs(verifier, images, tmp_path):
    (images / "cara" / "cara_0001.jpg").write_bytes(b"no image")
    found = evaluate(verifier, tmp_path / "pairs.txt", images)
    assert found["pairs"] == 4 and found["pairs_left_out"] == 1
    assert [path for path, _ in found["unreadable"]] == ["cara/cara_0001.jpg"]
    for path in images.rglob("*.jpg"):
        path.write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match="no pair has two images that can be read"):
        evaluate(verifier, tmp_path / "pairs.txt", images)


def test_a_fold_that_unreadable_images_leave_with_one_kind_is_named(verifier, images, tmp_path):
    (tmp_path / "pairs.txt").write_text("2 1\nanna 1 2\nanna 1 bert 1\nbert 1 2\nanna 2 cara 1\n")
    (images / "cara" / "cara_0001.jpg").write_bytes(b"no image")
    with pytest.raises(PairsError, match=r"pairs\.txt: only one kind of pair in fold 2 of 2: 1 matched and 0 mism"):
        evaluate(verifier, tmp_path / "pairs.txt", images)


def test_a_blank_image_is_left_out_with_its_pairs(verifier, images, tmp_path):
    Image.new("RGB", (112, 112), (90, 60, 30)).save(images / "cara" / "cara_0001.jpg")
    found = evaluate(verifier, tmp_path / "pairs.txt", images)
    assert found["pairs_left_out"] == 1
    ((path, reason),) = found["unreadable"]
    assert path == "cara/cara_0001.jpg" and reason.startswith("is blank: ")


def test_nothing_of_the_images_is_left_behind(verifier, images, tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(place))
    before = sorted(verifier.trained.config.interim.rglob("*"))
    evaluate(verifier, tmp_path / "pairs.txt", images)
    assert os.listdir(place) == [] and sorted(verifier.trained.config.interim.rglob("*")) == before


@pytest.mark.parametrize("line", ["../x 1 2", "anna 1 ../../etc 1", "/etc 1 2", ".. 1 2"])
def test_a_list_that_climbs_out_of_its_folder_is_refused(verifier, images, tmp_path, line):
    shutil.copytree(images / "anna", tmp_path / "x")
    (tmp_path / "pairs.txt").write_text(f"1\t0\n{line}\n")
    with pytest.raises(PairsError, match="line 2: .* is no name of a person's folder"):
        evaluate(verifier, tmp_path / "pairs.txt", images)


def test_a_pack_gives_the_figures_of_its_images_and_a_list(verifier, images, tmp_path):
    """Images are decoded from the pack; figures are those of the list, but for names of people and images."""
    files = {path.stem: path.read_bytes() for path in images.rglob("*.jpg")}
    pairs = [line.split() for line in PAIRS.splitlines()[1:]]
    listed = [(row[0], row[1], row[-2] if len(row) == 4 else row[0], row[-1]) for row in pairs]
    contents = [files[f"{name}_000{number}"] for row in listed for name, number in (row[:2], row[2:])]
    (tmp_path / "lfw.bin").write_bytes(python2_pack(contents, [len(row) == 3 for row in pairs]))
    pack = read_pack(tmp_path / "lfw.bin")
    of_pack = evaluate(verifier, pack.file, pack)
    of_list = evaluate(verifier, tmp_path / "pairs.txt", images)
    assert of_pack.pop("data_digest") != of_list.pop("data_digest")
    assert of_pack == of_list


def test_images_of_a_pack_that_cannot_be_used_are_named(verifier, images, tmp_path):
    files = [path.read_bytes() for path in sorted(images.rglob("*.jpg"))]
    (tmp_path / "lfw.bin").write_bytes(python2_pack([*files[:4], files[0], files[2], b"no", files[3]], [1, 1, 0, 0]))
    pack = read_pack(tmp_path / "lfw.bin")
    [[path, reason]] = evaluate(verifier, pack.file, pack)["unreadable"]
    assert path == "person_000003/person_000003_0001.jpg" and reason.startswith("cannot identify image file")
    (tmp_path / "lfw.bin").write_bytes(python2_pack([b"a", b"b", b"c", b"d"], [1, 0]))
    pack = read_pack(tmp_path / "lfw.bin")
    with pytest.raises(
        UnreadableImageError, match=f"^{tmp_path}/lfw.bin: no pair has two images that can be read; per"
    ):
        evaluate(verifier, pack.file, pack, WHOLE)
