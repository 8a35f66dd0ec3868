"""Alignment of faces: against its twin, on faces that were moved on purpose, and what is kept of it."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from facelib.checkpoint import CheckpointError
from facelib.data import face_alignment
from facelib.data import faces as faces_module
from facelib.data.drawn import draw_face, draw_identity
from facelib.data.face_alignment import (
    INSIDE,
    LIKENESS,
    MOST,
    PRIOR,
    STEPS,
    FaceAlignment,
    align_first,
    fit_alignment,
    normalise_contrast,
    restore_alignment,
)
from facelib.data.faces import align_faces
from facelib.data.similarity_transform import grid, sample

ROUNDING = 2e-5  # of parameters in float32, after some steps


def assert_same_images(one, two):
    """But for a few values that lie half between two whole numbers."""
    difference = np.abs(np.asarray(one, np.float64) - two)
    assert difference.max() <= 1 and difference.mean() < 1e-3


@pytest.fixture(scope="module")
def faces():
    """(60, 112, 112, 3) uint8: drawn faces of 20 people."""
    people = [draw_identity(np.random.default_rng((3, person))) for person in range(20)]
    return np.stack([draw_face(people[i // 3], np.random.default_rng((4, i)), 112, (61, 64, 128)) for i in range(60)])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("alignments") / "mean.npz"


@pytest.fixture(scope="module")
def alignment(faces, file):
    """The alignment onto the mean of all but the last ten faces."""
    return fit_alignment(faces, np.arange(60) < 50, file)


def find(alignment, images):
    return alignment.find(normalise_contrast(np.asarray(images, np.float32))).numpy()


def move(images, parameters):
    parameters = np.tile(np.float32(parameters), (len(images), 1))
    return sample(np.float32(images), parameters, *grid(112)).numpy().reshape(images.shape)


def test_normalised_faces_are_grey_of_equal_contrast(faces):
    image = faces[0].astype(np.float64).mean(axis=2).reshape(56, 2, 56, 2).mean(axis=(1, 3))

    def blurred(values, deviation):
        kernel = np.exp(-(np.arange(-56, 57) ** 2) / (2 * deviation**2))
        for _ in range(2):
            padded = np.pad(values, ((0, 0), (56, 56)), "symmetric")
            values = np.array([np.convolve(row, kernel / kernel.sum(), "valid") for row in padded]).T
        return values

    fine = blurred(image, face_alignment.BLUR[0])
    fine -= blurred(fine, face_alignment.BLUR[1])
    expected = fine / (np.sqrt(blurred(fine**2, face_alignment.BLUR[1])) + face_alignment.NOISE)
    np.testing.assert_allclose(normalise_contrast(faces[:1].astype(np.float32))[0, :, :, 0], expected, atol=2e-3)


def test_places_of_faces_are_their_twins(alignment, faces):
    normalised = normalise_contrast(faces[50:54].astype(np.float32)).numpy()[..., 0]
    face = alignment.get_weights()[0].reshape(56, 56).astype(np.float64)
    found = find(alignment, faces[50:54])
    for each, parameters in zip(normalised, found, strict=True):
        place = reference.find_face(each.astype(np.float64), face, INSIDE, STEPS, PRIOR, LIKENESS, MOST)
        whole = reference.motion(place) @ np.linalg.inv(reference.motion(alignment.get_weights()[3]))
        np.testing.assert_allclose(reference.motion(parameters), whole, atol=ROUNDING)
    assert np.abs(found).max() > 0.002


def test_faces_that_were_moved_are_moved_back(faces, tmp_path):
    """One face at 40 places: the motions that were made, and those that undo them, differ by the same for all."""
    generator = np.random.default_rng(5)
    made = np.float32(generator.normal(0, [0.04, 0.06, 0.04, 0.04], (40, 4)))
    images = sample(np.repeat(np.float32(faces[:1]), 40, 0), made, *grid(112)).numpy().reshape(-1, 112, 112, 3)
    images = np.uint8(np.clip(images + generator.normal(0, 6, images.shape), 0, 255))
    found = find(fit_alignment(images, np.ones(40, bool), tmp_path / "mean.npz"), images)
    whole = [reference.motion(p) @ reference.motion(q) for p, q in zip(made, found, strict=True)]
    left = np.array([(m[0, 0], m[1, 0], m[0, 2], m[1, 2]) for m in whole]).std(axis=0)
    assert (left < 0.35 * made.std(axis=0)).all(), left / made.std(axis=0)


def test_aligned_faces_are_more_like_their_mean(alignment, faces):
    def likeness(images):
        normalised = normalise_contrast(np.float32(images)).numpy().reshape(len(images), -1)[:, INSIDE]
        return np.mean([np.corrcoef(each, normalised.mean(axis=0))[0, 1] for each in normalised])

    assert likeness(alignment(faces)) > likeness(faces) + 0.04
    face = alignment.get_weights()[0][INSIDE]
    held_out = [
        normalise_contrast(np.float32(images[50:])).numpy().reshape(10, -1)[:, INSIDE]
        for images in (faces, alignment(faces))
    ]
    before, after = (np.mean([np.corrcoef(each, face)[0, 1] for each in normalised]) for normalised in held_out)
    assert after > before


def test_on_average_faces_stay_where_they_are(alignment, faces):
    middle = find(alignment, faces[:50]).mean(axis=0)
    assert np.abs(middle[[0, 3]]).max() < 0.01  # the mirror images take away the rest of the others


def test_a_mirror_image_is_moved_alike(alignment, faces):
    found, mirrored = find(alignment, faces), find(alignment, faces[:, :, ::-1])
    np.testing.assert_allclose(mirrored * [1, -1, -1, 1], found, atol=2 * ROUNDING)
    face = alignment.get_weights()[0].reshape(56, 56)
    np.testing.assert_allclose(face, face[:, ::-1], atol=1e-6)


def test_what_shows_no_face_stays_where_it_is(alignment, faces):
    """But for what undoes the mean of all: that moves every image alike."""
    flat = np.full((1, 112, 112, 3), 90, np.uint8)
    middle = alignment.get_weights()[3]
    undone = np.linalg.inv(reference.motion(middle))
    np.testing.assert_allclose(reference.motion(find(alignment, flat)[0]), undone, atol=ROUNDING)
    np.testing.assert_array_equal(alignment(flat), flat)


def test_without_a_face_nothing_moves(faces):
    layer = FaceAlignment()
    layer.build(None)
    layer.set_face(np.zeros(56 * 56, np.float32))
    np.testing.assert_array_equal(layer(faces[:3]), faces[:3])


def test_a_face_is_moved_alike_whatever_else_is_in_the_batch(alignment, faces):
    found, moved = find(alignment, faces), alignment(faces)
    for row in (0, 7):
        np.testing.assert_allclose(find(alignment, faces[row : row + 1])[0], found[row], atol=ROUNDING)
    of_any_number = tf.function(alignment, [tf.TensorSpec((None, 112, 112, 3), tf.uint8)], autograph=False)
    alone = np.concatenate([of_any_number(faces[row : row + 1]) for row in range(len(faces))])
    same = (alone == moved.numpy()).all(axis=(1, 2, 3))  # to the last pixel, but for a face in some hundreds
    assert same.mean() > 0.9
    assert len(np.unique(found[:, 0])) > 40


def test_aligned_images_are_whole_numbers_of_float32(alignment, faces):
    for images in (faces[:2], faces[:2].astype(np.float32)):
        aligned = alignment(images).numpy()
        assert (aligned.shape, aligned.dtype) == ((2, 112, 112, 3), np.float32)
        np.testing.assert_array_equal(aligned, np.rint(aligned))
        assert aligned.min() >= 0 and aligned.max() <= 255
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        assert FaceAlignment().compute_dtype == "float32"
    finally:
        keras.mixed_precision.set_global_policy("float32")


# what is kept


def test_nobody_who_is_held_out_is_in_the_mean_face(alignment, faces, tmp_path):
    others = faces.copy()
    others[50:] = 255 - others[50:]
    again = fit_alignment(others, np.arange(60) < 50, tmp_path / "a.npz")
    for one, two in zip(again.get_weights(), alignment.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    different = fit_alignment(faces, np.arange(60) >= 30, tmp_path / "b.npz")
    assert np.abs(different.get_weights()[0] - alignment.get_weights()[0]).max() > 0.01


def test_at_most_some_images_evenly_chosen_are_used(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(face_alignment, "FACES", 30)
    some = fit_alignment(faces, np.ones(60, bool), tmp_path / "a.npz")
    every_second = fit_alignment(faces[::2], np.ones(30, bool), tmp_path / "b.npz")
    np.testing.assert_array_equal(some.get_weights()[0], every_second.get_weights()[0])


def test_a_fit_is_made_once_and_then_restored(alignment, faces, file, monkeypatch):
    monkeypatch.setattr(face_alignment, "normalise_contrast", lambda *_: pytest.fail("fitted again"))
    for again in (fit_alignment(faces, np.arange(60) < 50, file), restore_alignment(file)):
        for one, two in zip(again.get_weights(), alignment.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_damaged_file_is_made_again_and_a_missing_one_named(alignment, faces, file, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(file.read_bytes()[:100])
    fit_alignment(faces, np.arange(60) < 50, broken)
    assert broken.read_bytes() == file.read_bytes()
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        restore_alignment(tmp_path / "none.npz")


def test_aligned_faces_are_those_of_the_layer_and_are_kept(alignment, faces, tmp_path, monkeypatch):
    path = tmp_path / "new" / "faces.npy"
    aligned = align_faces(alignment, faces, path)
    assert (aligned.dtype, aligned.shape) == (np.uint8, faces.shape) and isinstance(aligned, np.memmap)
    assert_same_images(aligned, alignment(faces))
    assert np.abs(aligned.astype(int) - faces).mean() > 1
    assert [each.name for each in path.parent.iterdir()] == ["faces.npy"]
    monkeypatch.setattr(FaceAlignment, "call", lambda *_: pytest.fail("aligned again"))
    np.testing.assert_array_equal(align_faces(alignment, faces, path), aligned)


def test_kept_faces_that_are_damaged_or_others_are_aligned_again(alignment, faces, tmp_path, capsys):
    path = tmp_path / "faces.npy"
    expected = align_faces(alignment, faces[:4], path).copy()
    content = path.read_bytes()
    for damaged in (b"", content[:1000], content[:-1], bytes([255 - content[0]]) + content[1:]):
        path.write_bytes(damaged)
        np.testing.assert_array_equal(align_faces(alignment, faces[:4], path), expected)
        assert f"{path} is damaged (" in capsys.readouterr().err and path.read_bytes() == content
    assert len(align_faces(alignment, faces[:5], path)) == 5
    assert f"{path} is damaged (4 images for 5)" in capsys.readouterr().err


def test_aligning_that_was_cut_short_starts_anew(alignment, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(faces_module, "BATCH", 25)

    def interrupted(*arguments):
        yield 0
        raise KeyboardInterrupt

    path = tmp_path / "faces.npy"
    with monkeypatch.context() as patch:
        patch.setattr(faces_module, "track", interrupted)
        with pytest.raises(KeyboardInterrupt):
            align_faces(alignment, faces, path)
    assert not path.exists()
    assert_same_images(align_faces(alignment, faces, path), alignment(faces))


def test_a_model_of_aligned_faces_takes_them_as_they_are_decoded(alignment, faces):
    inputs = keras.Input((112, 112, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.AveragePooling2D(28)(inputs)), name="small")
    whole = align_first(alignment, model)
    np.testing.assert_allclose(whole(faces), model(alignment(faces)), rtol=1e-6)
    assert whole.trainable_variables == [] and whole.name == "aligned_small"
    assert align_first(None, model) is model
