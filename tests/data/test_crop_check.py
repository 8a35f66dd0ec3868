"""Faces that are cropped alike, and those that are not: figures and words."""

import re

import numpy as np
import pytest
from conftest import write_image
from PIL import Image
from test_test_crop import COUNT, draw, frames, mean

from facelib.checkpoint import CheckpointError, save_checkpoint
from facelib.config import load_config
from facelib.data import crop_check
from facelib.data.crop_check import MeanFace, compare, measure_faces, read_mean_face, write_mean_face
from facelib.data.image_quality import measure_images
from facelib.data.test_crop import correlate, cut
from facelib.results import MissingResultError

SQUARE = (61, 64, 128)


def crop(change=0, right=0, down=0):
    """The mean of drawn frames, cut by a square that is so much wider on each side, and so much further."""
    left, top, side = SQUARE
    square = (left - change + right, top - change + down, side + 2 * change)
    return MeanFace(cut(mean(frames()), square), 10.0, COUNT)


@pytest.fixture(scope="module")
def training():
    return MeanFace(mean(draw(COUNT, 112, SQUARE)), 10.0, COUNT)  # of other people


def test_faces_that_are_cropped_alike_give_no_warning(training):
    for test in (training, crop()):
        found = compare(training, test)
        assert found.warnings == () and found.scale == pytest.approx(1, abs=0.021)
        assert abs(found.right) <= 1 and abs(found.down) <= 1 and found.sharpness == 1
        assert found.correlation == correlate(training.face, test.face)
    assert compare(training, training).likeness == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "words"), [(8, "11% smaller"), (16, "20% smaller"), (-8, "14% larger"), (-16, "3[2-4]% larger")]
)
def test_another_scale_is_measured_and_named(training, change, words):
    expected = SQUARE[2] / (SQUARE[2] + 2 * change)
    for one in (crop(), training):
        found = compare(one, crop(change))
        assert found.scale == pytest.approx(expected, rel=0.02)
        (warning,) = found.warnings
        assert re.match(f"faces in the test images are {words} than in training: set another test_crop", warning)


def test_a_frame_that_was_not_cropped_at_all_is_known_by_its_scale(training):
    found = compare(training, MeanFace(cut(mean(frames()), (0, 0, 250)), 10.0, COUNT))
    assert found.scale == pytest.approx(128 / 250, rel=0.02) and "48% smaller" in found.warnings[0]


def test_the_scale_of_one_to_the_other_is_the_inverse_of_the_other_way_round():
    one, other = compare(crop(), crop(14)), compare(crop(14), crop())
    assert one.scale * other.scale == pytest.approx(1) and one.likeness == other.likeness


def test_a_difference_within_the_tolerance_is_measured_and_not_named():
    found = compare(crop(), crop(2))
    assert 0.95 < found.scale < 1 and found.warnings == ()


@pytest.mark.parametrize(
    ("right", "down", "words"),
    [(7, 0, "6 of 112 pixels further left"), (-7, 0, "6 of 112 pixels further right"),
     (0, 7, "6 of 112 pixels further up"), (0, -7, "6 of 112 pixels further down"), (3, -3, "")],
)  # fmt: skip
def test_another_place_is_measured_and_named(right, down, words):
    found = compare(crop(), crop(0, right, down))
    assert found.right == pytest.approx(-right * 112 / 128, abs=1.1)
    assert found.down == pytest.approx(-down * 112 / 128, abs=1.1)
    assert [warning.partition(": ")[0] for warning in found.warnings] == (
        [f"faces in the test images lie {words}"] if words else []
    )


def test_mean_faces_that_are_not_alike_are_named_as_such(training):
    faces = {"negative": 255 - training.face, "flat": np.full((112, 112), 100.0)}
    faces["noise"] = np.random.default_rng(3).uniform(0, 255, (112, 112))
    for face in faces.values():
        (warning,) = compare(training, MeanFace(face, 10.0, 100)).warnings
        assert warning.startswith("the mean faces are not alike at any scale and place (correlation 0.")
    found = compare(training, MeanFace(faces["flat"], 10.0, 100))
    assert found[:6] == (0, 0, 1, 0, 0, 1)
    assert compare(MeanFace(faces["flat"], 10.0, 100), training)[:6] == found[:6]


def test_images_that_were_enlarged_are_more_blurred_and_the_other_way_round():
    sharp = draw(60, 112, SQUARE)
    dull = np.stack([np.asarray(Image.fromarray(image).resize((40, 40)).resize((112, 112))) for image in sharp])
    one, other = measure_faces(sharp), measure_faces(dull)
    found = compare(one, other)
    assert found.sharpness == other.sharpness / one.sharpness < 0.5
    (warning,) = found.warnings
    assert warning.startswith(f"test images are more blurred: their median sharpness is {found.sharpness:.2f} times")
    assert compare(other, one).warnings[0].startswith("test images are sharper: ")
    assert compare(one._replace(sharpness=0.0), other).sharpness == 1


def test_few_images_are_said_to_be_too_few_and_nothing_else(training):
    few = crop(16)._replace(images=crop_check.LEAST - 1)
    for pair in ((training, few), (few, training)):
        assert compare(*pair).warnings == ("49 images are too few to tell whether they are cropped alike",)


def test_faces_are_measured_by_their_mean_and_their_median_sharpness(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 112, 112, 3), np.uint8)
    pixels[::2] //= 4
    monkeypatch.setattr(crop_check, "IMAGES", 5)
    found = measure_faces(pixels)
    np.testing.assert_allclose(found.face, mean(pixels))
    assert found.sharpness == np.median(measure_images(pixels[::2])["sharpness"]) and found.images == 9


# the file that use reads


def test_the_mean_face_comes_back_from_its_file(project, training):
    config = load_config("smoke")
    with pytest.raises(MissingResultError, match="mean_face.npz is missing: run notebooks/01_eda.ipynb first"):
        read_mean_face(config)
    path = write_mean_face(config, training)
    assert path == config.interim / "mean_face.npz"
    found = read_mean_face(config)
    np.testing.assert_array_equal(found.face, training.face)
    assert found[1:] == training[1:]
    content = path.read_bytes()
    assert write_mean_face(config, training).read_bytes() == content


def test_a_mean_face_that_is_damaged_or_another_thing_is_refused(project, training):
    config = load_config("smoke")
    path = write_mean_face(config, training)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=f"{path} is damaged"):
        read_mean_face(config)
    save_checkpoint(path, {"face": [np.zeros((5, 5))]}, {"sharpness": 1.0, "images": 3})
    with pytest.raises(CheckpointError, match=f"{path} holds no mean face: run notebooks/01_eda.ipynb again"):
        read_mean_face(config)
    save_checkpoint(path, {"face": [training.face]}, {})
    with pytest.raises(CheckpointError, match="holds no mean face"):
        read_mean_face(config)
    write_image(path.with_suffix(".png"))
    path.write_bytes(path.with_suffix(".png").read_bytes())
    with pytest.raises(CheckpointError, match="is damaged"):
        read_mean_face(config)
