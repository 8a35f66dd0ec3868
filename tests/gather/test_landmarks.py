"""Where landmarks lie in the training faces: found once, kept, and never believed blindly."""

import numpy as np
import pytest
from marked_faces import MarkedFaces, draw_photograph, mark
from PIL import Image

from facelib.checkpoint import CheckpointError
from facelib.config import Config
from facelib.data import crop_check
from facelib.data.images import load_images
from facelib.gather import detector, landmarks
from facelib.gather.landmarks import INSIGHTFACE, LandmarksError, find_decoded, find_landmarks, keep_landmarks
from facelib.results import MissingResultError

CENTRES = [(55.5 + i % 3, 60 - i % 2, 0.5 + 0.01 * (i % 2)) for i in range(60)]


@pytest.fixture
def faces(monkeypatch):
    """60 faces (60, 112, 112, 3) with their landmarks at `CENTRES`, which are found."""
    monkeypatch.setattr(detector, "load_detector", MarkedFaces)
    return np.stack([draw_photograph(112, 112, centre) for centre in CENTRES])


@pytest.fixture
def config(project, faces, tmp_path, monkeypatch):
    """The configuration of a training on `faces`, decoded by an earlier run; and their digest."""
    monkeypatch.setattr(crop_check, "LEAST", 100)  # so many are compared, which takes a second
    config = Config("smoke")
    for number, pixels in enumerate(faces):
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    paths = [f"{number:02d}.png" for number in range(len(faces))]
    load_images(tmp_path, paths[:3], config.interim / "cache")
    digest = load_images(tmp_path, paths, config.interim / "cache").digest
    crop_check.write_mean_face(config, crop_check.measure_faces(faces))
    return config, digest


def test_they_are_the_mean_of_those_that_are_found(faces):
    found, images = find_landmarks(faces, crop_check.measure_faces(faces))
    expected = np.mean([mark(*centre) for centre in CENTRES], axis=0)
    np.testing.assert_allclose(found, expected, atol=0.3)
    assert images == 60 and np.abs(INSIGHTFACE - 56).max() < 40


def test_a_sample_of_the_faces_is_enough(faces, monkeypatch):
    monkeypatch.setattr(landmarks, "IMAGES", 25)
    assert find_landmarks(faces, crop_check.measure_faces(faces))[1] == 20  # every third


def test_they_are_kept_and_made_again_where_they_are_damaged(config, monkeypatch, capsys):
    config, digest = config
    first = keep_landmarks(config, "real", digest)
    (path,) = (config.interim / "landmarks").iterdir()
    content = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(landmarks, "find_landmarks", lambda *_: pytest.fail("found again"))
        np.testing.assert_array_equal(keep_landmarks(config, "real", digest), first)
    for damaged in (content[:-9], b""):
        path.write_bytes(damaged)
        np.testing.assert_array_equal(keep_landmarks(config, "real", digest), first)
        assert path.read_bytes() == content and f"{path} is damaged: it is made again" in capsys.readouterr().err


def test_drawn_faces_have_none(config):
    with pytest.raises(LandmarksError, match="the model was trained on drawn faces"):
        keep_landmarks(config[0], "drawn", config[1])
    assert not (config[0].interim / "landmarks").exists()


def test_faces_that_are_gone_or_others_are_told_with_what_to_do(config):
    config, digest = config
    training, cache = crop_check.read_mean_face(config), config.interim / "cache"
    (cache / "other.npy").write_bytes(b"no pixels")
    assert len(find_decoded(cache, digest, training)) == 60
    assert len(find_decoded(cache, "of a part", training)) == 60  # by the mean face; that of three is another one
    other = training._replace(face=training.face[::-1])
    for folder in ("cache", "nowhere"):
        with pytest.raises(LandmarksError, match=f"{folder} no longer holds the training faces: run notebooks/01_eda"):
            find_decoded(config.interim / folder, "of others", other)
    (largest,) = [path for path in cache.glob("*.npy") if path.stat().st_size > 2_000_000]
    content = bytearray(largest.read_bytes())
    content[5000] ^= 255
    largest.write_bytes(content)
    with pytest.raises(LandmarksError, match="no longer holds"):
        find_decoded(cache, digest, training)
    (config.interim / "mean_face.npz").unlink()
    with pytest.raises(MissingResultError, match="run notebooks/01_eda.ipynb first"):
        keep_landmarks(config, "real", digest)
    (config.interim / "mean_face.npz").write_bytes(b"no face")
    with pytest.raises(CheckpointError, match="mean_face.npz is damaged"):
        keep_landmarks(config, "real", digest)


def test_what_cannot_be_right_is_refused(faces):
    training = crop_check.measure_faces(faces)
    none = np.concatenate([faces[:29], np.full((31, 112, 112, 3), 90, np.uint8)])
    with pytest.raises(LandmarksError, match="landmarks are found in 29 of 60 training faces: too few"):
        find_landmarks(none, training)
    other = crop_check.measure_faces(np.stack([draw_photograph(112, 112, (55.5, 60, 0.4)) for _ in CENTRES]))
    with pytest.raises(LandmarksError, match="training faces, cut by their landmarks: faces in the test images are 2"):
        find_landmarks(faces, other)
