"""Which face is taken, and how it is cut out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked_faces import draw_photograph, mark
from PIL import Image

from facelib.data.images import UnreadableImageError, decode, load_images
from facelib.gather import photographs
from facelib.gather.detector import Face
from facelib.gather.photographs import FaceCutter, FaceError, choose_face, cut_face, place_face

WANTED = mark(55.5, 60, 0.5)


def face(size, left=0.0):
    return Face((left, 0.0, size / 2, size), np.zeros((5, 2)), 1.0)


def test_the_largest_face_is_taken_unless_another_is_asked_for():
    faces = [face(79), face(100), face(60)]
    assert choose_face(faces) == 2 and choose_face(faces, "left") == 1
    assert [choose_face(faces, number) for number in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("sizes", "which", "reason"),
    [
        ([], "largest", "no face is found; is one there"),
        ([], "left", "no face is found"),
        ([], 1, "no face is found"),
        ([90], 2, "there is no face number 2: 1 face is found"),
        ([90, 50], 3, "there is no face number 3: 2 faces are found"),
        (
            [50, 81, 100],
            "largest",
            "3 faces are found, and number 2, 3 from the left are about equally large: say which one, --",
        ),
        (
            [50] * 30,
            "largest",
            r"30 faces are found, and number 1, 2, 3, 4 \.\.\. from the left are about equally large",
        ),
    ],
)
def test_a_face_that_cannot_be_chosen_is_told_with_what_to_do(sizes, which, reason):
    with pytest.raises(FaceError, match=reason):
        choose_face([face(size) for size in sizes], which)


@given(
    st.floats(0.6, 8), st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500)
)  # fmt: skip
def test_a_face_that_is_moved_scaled_and_turned_is_placed_exactly(scale, turn, x, y):
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    landmarks = (WANTED - 55.5) @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
    np.testing.assert_allclose(place_face(landmarks, WANTED), (cosine - 1, sine, x, y), atol=1e-9)


def test_the_nose_has_no_say_in_the_place():
    landmarks = mark(300, 200, 1)
    landmarks[2] += (25, 9)
    np.testing.assert_array_equal(place_face(landmarks, WANTED), place_face(mark(300, 200, 1), WANTED))


@pytest.mark.parametrize(("size", "turn"), [(0.5, 0), (0.7, 0.5), (1, -0.3), (3, 0.2), (6, 3.0)])
def test_landmarks_come_to_lie_where_they_are_wanted(size, turn):
    pixels = draw_photograph(1400, 1300, (700, 650, size), turn=turn)
    found = cut_face(pixels, mark(700, 650, size, turn), WANTED)
    wanted = draw_photograph(112, 112, (55.5, 60, 0.5))
    discs = np.ptp(wanted.astype(int), axis=2) > 150
    assert np.abs(found.astype(int) - wanted)[discs].mean() < 25


def test_an_upright_face_is_cut_as_a_square_is():
    """The same pixels as the decoder's, but for the place of the last rounding."""
    pixels = draw_photograph(500, 400, (240, 200, 1))
    left, top, side = 128, 80, 224  # the square whose landmarks come to lie at WANTED
    square = Image.fromarray(pixels).resize(
        (112, 112), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    landmarks = (WANTED + 0.5) * 2 - 0.5 + (left, top)
    assert np.abs(cut_face(pixels, landmarks, WANTED).astype(int) - np.asarray(square)).max() <= 1


def test_beyond_the_edges_the_pixels_at_the_edge_follow():
    pixels = draw_photograph(300, 300)
    found = cut_face(pixels, mark(0, 0, 1), WANTED)
    assert found.shape == (112, 112, 3) and np.ptp(found[:50, :45].astype(int), axis=(0, 1)).max() <= 1
    assert cut_face(pixels, mark(-9000, 1e5, 1), WANTED).shape == (112, 112, 3)


def test_a_face_of_any_size_takes_little_memory(monkeypatch):
    """Landmarks of a detector that has gone wrong could ask for more pixels than there is memory."""
    shapes, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda one, *args, **more: shapes.append(one.size) or resize(one, *args, **more)
    )
    for size in (1, 9, 15):
        assert cut_face(draw_photograph(900, 700), mark(450, 350, size), WANTED).shape == (112, 112, 3)
    assert np.max(shapes) < 800
    for size in (30, 1e9):
        with pytest.raises(FaceError, match="its landmarks lie outside of the image"):
            cut_face(draw_photograph(900, 700), mark(450, 350, size), WANTED)


def test_a_face_that_is_too_small_is_refused():
    pixels = draw_photograph(300, 300)
    assert cut_face(pixels, mark(150, 150, 0.26), WANTED).shape == (112, 112, 3)
    with pytest.raises(FaceError, match="the face is too small: 53x53 pixels; at least 56x56, better 112x112"):
        cut_face(pixels, mark(150, 150, 0.24), WANTED)
    with pytest.raises(FaceError, match="the face is too small: 0x0"):
        cut_face(pixels, np.full((5, 2), 90.0), WANTED)


def test_a_cutter_is_a_crop_of_the_decoder(tmp_path, monkeypatch):
    pixels = draw_photograph(500, 400, (240, 200, 1))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:300]).save(tmp_path / "b.png")
    found = [Face((9, 9, 90, 90), mark(240, 200, 1), 0.9), Face((200, 9, 40, 40), mark(240, 200, 1), 0.9)]
    monkeypatch.setattr(photographs, "find_faces", lambda pixels: found if len(pixels) == 400 else [])
    cutter = FaceCutter(WANTED)
    taken = cutter.take(pixels)
    assert taken.faces == tuple(found) and taken.number == 1 and cutter.several == [2]
    np.testing.assert_array_equal(decode(tmp_path / "a.png", cutter), taken.pixels)
    with pytest.raises(UnreadableImageError, match="b.png: no face is found"):
        decode(tmp_path / "b.png", cutter)
    images = load_images(tmp_path, ("a.png", "b.png"), tmp_path / "cache", cutter)
    np.testing.assert_array_equal(images.pixels[0], taken.pixels)
    assert images.readable.tolist() == [True, False] and images.problems[0][1].startswith("no face is found")
    assert repr(cutter) != repr(FaceCutter(WANTED + 1)) and repr(cutter) != repr(FaceCutter(WANTED, "left"))


@pytest.mark.parametrize("which", [0, -1, "right", "1", 1.5, None])
def test_a_face_that_nobody_can_mean_is_refused(which):
    with pytest.raises(FaceError, match="is neither 'largest', 'left' nor a number from 1"):
        FaceCutter(WANTED, which)
