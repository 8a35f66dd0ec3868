"""Where the face is in a test frame: found again where it was put, by images alone, and clear messages where not."""

import dataclasses
import functools
from itertools import product

import numpy as np
import pytest
import reference
from conftest import write_image
from PIL import Image

from facelib.config import PAIRS_FILE, TEST_FOLDER, Config
from facelib.data import drawn, test_crop
from facelib.data.images import decode
from facelib.data.pair_images import SizesError
from facelib.data.pair_list import PairsError
from facelib.data.test_crop import AlignmentError, align, correlate, cut, edges, find_test_crop, mean_face, mean_frame

COUNT = 150  # drawn people, of whom a mean face is that of anybody: the means of 30 are off by 3 pixels
VARIED = ("roll",)  # light and backdrop as well would ask for hundreds of images more


def draw(count, size, square, start=0):
    """Drawn faces of `count` people: that square of their frames, (count, size, size, 3) uint8."""
    people = [drawn.draw_identity(np.random.default_rng(number)) for number in range(start, start + count)]
    return np.stack(
        [drawn.draw_face(face, np.random.default_rng((n, 1)), size, square, VARIED) for n, face in enumerate(people)]
    )


@functools.cache
def frames():
    return draw(COUNT, 250, (0, 0, 250), start=1000)


def mean(images):
    return np.mean(images, axis=(0, 3), dtype=np.float64)


def write_test_set(folder, images, suffix="jpg"):
    """Test images and a list of pairs of one person, in the layout of LFW."""
    for number, pixels in enumerate(images):
        path = folder / TEST_FOLDER / f"P{number:03d}" / f"P{number:03d}_0001.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=95)
    pairs = [f"P{number:03d} 1 P{number + 1:03d} 1" for number in range(len(images) - 1)]
    (folder / PAIRS_FILE).write_text("\n".join(["1\t0", *pairs]))
    return Config(profile="tiny", data=str(folder))


@pytest.fixture
def noise():
    return np.random.default_rng(5)


# the parts, against their definitions


def test_a_cut_is_the_square_scaled_by_the_definition(noise):
    image = noise.uniform(0, 255, (70, 64))
    for square in ((0, 0, 64), (3, 5, 57), (2, 9, 30)):
        expected = reference.scale_square(image, *square, 112)
        np.testing.assert_allclose(cut(image, square), expected, atol=2e-3)


def test_a_cut_of_the_mean_is_the_mean_of_what_the_decoder_cuts(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        write_image(path, number, (150, 140))
    square = (13, 7, 121)
    found = cut(mean_frame(tmp_path, [path.name for path in paths]), square)
    np.testing.assert_allclose(found, mean([decode(path, square) for path in paths]), atol=0.5)


def test_edges_and_correlation_are_those_of_the_definitions(noise):
    first, second = noise.uniform(0, 255, (2, 20, 23))
    found = edges(first)
    assert found.shape == (2, 14, 17)
    np.testing.assert_allclose(found.ravel(), reference.differences(first, test_crop.GAP))
    assert correlate(first, second) == pytest.approx(reference.pearson(first, second), abs=1e-12)
    assert correlate(first, 3 * first + 5) == pytest.approx(1) and correlate(first, -first) == pytest.approx(-1)


def test_nothing_correlates_with_a_flat_image(noise):
    assert correlate(noise.uniform(size=(9, 9)), np.ones((9, 9))) == 0


def test_a_mean_face_is_the_mean_of_evenly_chosen_images(noise, monkeypatch):
    pixels = noise.integers(0, 256, (23, 112, 112, 3), np.uint8)
    monkeypatch.setattr(test_crop, "BLOCK", 4)
    np.testing.assert_allclose(mean_face(pixels), mean(pixels))
    np.testing.assert_allclose(mean_face(pixels, 8), mean(pixels[::3]))
    np.testing.assert_allclose(mean_face(pixels, 1), mean(pixels[:1]))


def test_a_mean_frame_is_that_of_evenly_chosen_images_that_can_be_read(tmp_path):
    written = [write_image(tmp_path / f"{n}.png", n, (150, 140)) for n in range(6)]
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:3000])
    (tmp_path / "none.png").write_text("no image")
    paths = [f"{n}.png" for n in range(len(written))] + ["none.png"]
    np.testing.assert_allclose(mean_frame(tmp_path, paths), mean([written[n] for n in (0, 1, 2, 4, 5)]))
    np.testing.assert_allclose(mean_frame(tmp_path, paths[1:], 3), mean([written[n] for n in (1, 5)]))


def test_a_turned_frame_is_averaged_upright(tmp_path):
    pixels = write_image(tmp_path / "a.png", size=(150, 140))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "b.png", exif=exif)
    np.testing.assert_allclose(mean_frame(tmp_path, ["a.png", "b.png"]), mean([pixels]))


def test_no_readable_frame_is_said_with_the_first_reason(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("no image")
    with pytest.raises(AlignmentError, match=rf"no test frame can be read.*: {tmp_path}/a.png: cannot identify"):
        mean_frame(tmp_path, ["a.png", "b.png"])


# the square


def test_no_square_is_better_than_the_one_that_is_found(noise):
    """Among all squares of a small frame, each by the slow definition of what is compared."""
    face = cut(noise.uniform(0, 255, (7, 7)), (0, 0, 7))  # smooth, as a mean face is
    frame = np.full((72, 66), 100.0)
    frame[6:68, 3:65] = np.asarray(Image.fromarray(face.astype(np.float32)).resize((62, 62), Image.Resampling.BILINEAR))
    found = align(frame, face)
    squares = [
        (left, top, side) for side in range(56, 67) for left, top in product(range(66 - side + 1), range(72 - side + 1))
    ]
    fits = [correlate(edges(cut(frame, square)), edges(face)) for square in squares]
    assert found.crop == squares[int(np.argmax(fits))] == (3, 6, 62)
    slow = reference.scale_square(frame, *found.crop, 112)
    gap = test_crop.GAP
    expected = reference.pearson(reference.differences(slow, gap), reference.differences(face, gap))
    assert found.correlation == pytest.approx(expected, abs=1e-4)
    best = {
        side: max(fit for fit, square in zip(fits, squares, strict=True) if square[2] == side) for _, _, side in squares
    }
    assert [side for side, _ in found.sides] == sorted({*range(56, 66, 3), 62, 66})
    assert all(fit == pytest.approx(best[side], abs=1e-9) for side, fit in found.sides)


@pytest.mark.parametrize("square", [(61, 64, 128), (70, 48, 120), (40, 52, 160), (75, 80, 100)])
def test_the_square_of_drawn_faces_is_found_again(square):
    found = align(mean(frames()), mean(draw(COUNT, 112, square)))
    assert np.abs(np.subtract(found.crop, square)).max() <= 1 and found.correlation > 0.9


def test_the_square_is_found_in_oblong_frames_in_a_corner_and_at_full_size():
    frame = mean(frames())
    for square in ((0, 0, 120), (110, 130, 120), (0, 20, 200)):
        assert align(frame[:, :200] if square[2] == 200 else frame, cut(frame, square)).crop == square


def test_shade_does_not_move_the_square():
    frame = mean(frames())
    rows, columns = np.mgrid[:112, :112]
    face = cut(frame, (61, 64, 128))
    assert align(frame, 0.4 * face + 0.6 * rows - 0.9 * columns).crop == (61, 64, 128)
    assert correlate(face, 0.4 * face + 0.6 * rows - 0.9 * columns) < 0.5  # by which it would have been lost


def test_frames_that_are_too_small_or_flat_are_refused(noise):
    face = noise.uniform(0, 255, (112, 112))
    with pytest.raises(AlignmentError, match="frames of 70x55 pixels are too small: a crop has at least 56 a side"):
        align(noise.uniform(0, 255, (55, 70)), face)
    with pytest.raises(AlignmentError, match="mean of the test frames is one flat grey"):
        align(np.full((250, 250), 99.3), face)
    with pytest.raises(AlignmentError, match="mean of the training faces is one flat grey"):
        align(noise.uniform(0, 255, (250, 250)), np.full((112, 112), 99.3))


# of a configuration


def test_the_crop_of_a_configuration_is_found_unless_it_is_given(tmp_path):
    config = write_test_set(tmp_path, frames())
    training = draw(COUNT, 112, (66, 60, 132))
    framing = find_test_crop(config, training)
    assert np.abs(np.subtract(framing.crop, (66, 60, 132))).max() <= 1
    assert framing.crop == framing.found.crop == find_test_crop(config, training).crop
    np.testing.assert_allclose(framing.frame, mean(frames()), atol=3)  # JPEG
    np.testing.assert_allclose(framing.face, mean(training))
    given = find_test_crop(dataclasses.replace(config, test_crop=(1, 2, 200)), training)
    assert given.crop == (1, 2, 200) and given.found == framing.found
    with pytest.raises(AlignmentError, match=r"test_crop=\(100, 64, 151\) does not lie in the frames of 250x250"):
        find_test_crop(dataclasses.replace(config, test_crop=(100, 64, 151)), training)


def test_names_and_pairs_have_no_say(tmp_path):
    config = write_test_set(tmp_path, frames()[:20])
    training = draw(20, 112, (61, 64, 128))
    expected = find_test_crop(config, training).crop
    lines = [f"P{number:03d} 1 P{19 - number:03d} 1" for number in range(10)]
    (tmp_path / PAIRS_FILE).write_text("\n".join(["1\t0", *lines[::-1]]))
    assert find_test_crop(config, training).crop == expected


def test_frames_of_several_sizes_are_refused(tmp_path):
    """Of any of them, also of one that no sample of the frames would hold."""
    config = write_test_set(tmp_path, frames()[:8])
    write_image(tmp_path / TEST_FOLDER / "P006" / "P006_0001.jpg", size=(500, 500))
    with pytest.raises(SizesError, match="found 250x250: 7, such as .*P000_0001.jpg; 500x500: 1, such as .*P006_0001"):
        find_test_crop(config, draw(2, 112, (61, 64, 128)))


def test_faces_without_a_frame_are_taken_whole(tmp_path):
    config = write_test_set(tmp_path, draw(5, 112, (61, 64, 128)))
    framing = find_test_crop(config, draw(5, 112, (71, 74, 108)))
    assert framing.crop == (0, 0, 112) and framing.found.sides == ((112, framing.found.correlation),)
    assert 0 < framing.found.correlation < 1
    path = tmp_path / TEST_FOLDER / "P000" / "P000_0001.jpg"
    np.testing.assert_array_equal(decode(path, framing.crop), decode(path))


def test_test_images_that_are_missing_or_broken_are_named(tmp_path):
    config = write_test_set(tmp_path, frames()[:3])
    training = draw(2, 112, (61, 64, 128))
    for path in (tmp_path / TEST_FOLDER).rglob("*.jpg"):
        path.write_text("no image")
    with pytest.raises(AlignmentError, match="no test frame can be read.*P000_0001.jpg: cannot identify"):
        find_test_crop(config, training)
    path.unlink()
    with pytest.raises(PairsError, match=f"{path.name} missing"):
        find_test_crop(config, training)
