"""Faces are found by a package: what it is given, what comes back, and what it must not do."""

import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from conftest import REAL_FACES, write_image
from marked_faces import MarkedFaces, draw_photograph, mark
from mtcnn.utils import bboxes
from PIL import Image

import facelib
from facelib.data.images import UnreadableImageError
from facelib.gather import detector
from facelib.gather.detector import DetectorMissingError, find_faces


@pytest.fixture
def marked(monkeypatch):
    """Marked faces are found."""
    found = MarkedFaces()
    monkeypatch.setattr(detector, "load_detector", lambda: found)
    return found


def test_places_are_those_of_the_photograph_however_large_it_is(marked):
    for width, height, size in ((300, 260, 1), (2500, 1600, 6), (1200, 1500, 4)):
        faces = find_faces(draw_photograph(width, height, (width / 2, height / 2, size)))
        np.testing.assert_allclose(faces[0].landmarks, mark(width / 2, height / 2, size), atol=width / 1024)
        left, top, across, down = faces[0].box
        assert left < faces[0].landmarks[:, 0].min() and top + down > faces[0].landmarks[:, 1].max()
        assert faces[0].confidence == 0.99 and faces[0].size == max(across, down)
        assert max(marked.searched.pop()) == min(1024, max(width, height))


def test_faces_come_from_left_to_right(marked):
    faces = find_faces(draw_photograph(900, 300, (700, 150, 1), (150, 150, 1.2), (400, 160, 0.8)))
    assert [round(face.landmarks[2, 0] / 10) for face in faces] == [15, 40, 70]


def test_where_none_is_found_a_large_photograph_is_searched_in_more_detail(marked, monkeypatch):
    monkeypatch.setattr(detector, "SIDES", (128, 256))
    assert find_faces(draw_photograph(120, 70)) == [] and marked.searched == [(120, 70)]
    marked.searched.clear()
    assert find_faces(draw_photograph(500, 250)) == [] and marked.searched == [(128, 64), (256, 128)]
    marked.searched.clear()
    assert len(find_faces(draw_photograph(500, 250, (110, 110, 2)))) == 1 and marked.searched == [(128, 64)]


def test_a_file_is_turned_upright_first(marked, tmp_path):
    upright = draw_photograph(400, 300, (150, 140, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(tmp_path / "a.png", exif=exif)
    (face,) = facelib.find_faces(tmp_path / "a.png")
    np.testing.assert_allclose(face.landmarks, mark(150, 140, 1), atol=0.5)
    (tmp_path / "b.png").write_text("no image")
    with pytest.raises(UnreadableImageError, match="b.png: cannot identify"):
        facelib.find_faces(tmp_path / "b.png")


def test_what_is_no_number_is_no_face(marked, monkeypatch):
    monkeypatch.setattr(marked, "detect_faces", lambda *_, **__: np.array([[0, 1, 1, 9, 9, 1, *[np.nan] * 10]]))
    assert find_faces(draw_photograph(300, 300)) == []


@pytest.mark.parametrize("pixels", [np.zeros((9, 9, 3)), np.zeros((9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8)])
def test_pixels_of_another_kind_are_refused(marked, pixels):
    with pytest.raises(UnreadableImageError, match=r"pixels are .*; expected uint8 \(height, width, 3\)"):
        find_faces(pixels)


# the package itself


@pytest.mark.parametrize("kind", ["noise", "grey", "thin", "stripes"])
def test_where_no_face_is_none_is_found(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 240, 3), np.uint8)
    if kind == "grey":
        pixels[:] = 128
    elif kind == "thin":
        pixels = pixels[:5]
    elif kind == "stripes":
        pixels[:] = np.where(np.arange(240) // 7 % 2, 20, 230)[:, None]
    assert find_faces(pixels) == []


def test_likely_places_are_bounded_whatever_a_photograph_shows():
    """The package compares them in pairs: 25,000 of a photograph of many small faces would take 40 GB."""

    def everywhere(images):
        shape = (1, images.shape[1] // 2, images.shape[2] // 2)
        return tf.zeros((*shape, 4)), tf.fill((*shape, 2), 0.99)

    moves, likelihoods = detector._Likeliest(everywhere)(np.zeros((1, 400, 300, 3)))
    assert likelihoods.shape == (1, 200, 150, 2)
    assert len(bboxes.generate_bounding_box(moves, likelihoods, 0.6)) == detector.PROPOSALS
    assert isinstance(detector.load_detector().stages[0].model, detector._Likeliest)
    few = everywhere(np.zeros((1, 20, 20, 3)))
    np.testing.assert_array_equal(detector._Likeliest(lambda _: few)(None)[1], few[1])


def test_weights_in_the_folder_that_one_is_in_are_not_read(tmp_path, monkeypatch):
    """The package would look there first, and reading them runs what they say."""
    for name in detector.STAGES.values():
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    monkeypatch.chdir(tmp_path)
    detector.load_detector.__wrapped__()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(detector.STAGES.values())


def test_a_package_that_is_missing_is_told_with_what_to_do(monkeypatch, tmp_path):
    detector.load_detector.cache_clear()
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    write_image(tmp_path / "a.png", size=(300, 300))
    with pytest.raises(DetectorMissingError, match="found by the package mtcnn .*: make setup installs it"):
        find_faces(tmp_path / "a.png")


@pytest.mark.skipif(not REAL_FACES.exists(), reason="no photographs here")
def test_the_face_in_a_frame_is_found():
    frames = sorted((REAL_FACES / "labeled-faces-in-the-wild").glob("*/*.jpg"))[:3]
    for frame in frames:
        faces = find_faces(frame)
        middle = min(np.abs(face.landmarks.mean(axis=0) - 125).max() for face in faces)
        assert middle < 25
    large = cv2.resize(cv2.cvtColor(cv2.imread(str(frames[0])), cv2.COLOR_BGR2RGB), (3000, 3000))
    small, large = (max(find_faces(image), key=lambda face: face.size) for image in (frames[0], large))
    np.testing.assert_allclose(large.landmarks, 12 * small.landmarks + 5.5, atol=60)
