"""Augmentation: a function of seed and step, of the strength that is asked for, that leaves a face a face."""

import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from facelib.data import augmentation
from facelib.data.augmentation import augment, warp
from facelib.data.drawn import draw_face, draw_identity
from facelib.data.drawn_face import MIDDLE


def noise(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


def test_augmentation_is_a_function_of_seed_and_step():
    first = augment(noise(), 3, 10, 1.0)
    np.testing.assert_array_equal(first, augment(noise(), 3, 10, 1.0))
    for seed, step in ((3, 11), (4, 10), (10, 3)):
        assert np.abs(first - augment(noise(), seed, step, 1.0).astype(float)).mean() > 5


def test_augmented_images_are_new_images_like_the_old():
    images = noise()
    augmented = augment(images, 0, 0, 1.0)
    assert (augmented.dtype, augmented.shape) == (np.uint8, images.shape)
    np.testing.assert_array_equal(images, noise())


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.5])
def test_light_saturates_and_does_not_wrap_around(strength):
    white, black = (augment(np.full((64, 112, 112, 3), colour, np.uint8), 0, 0, strength) for colour in (255, 0))
    assert white.max() == 255 and black.min() == 0
    middle = np.s_[:, 40:-40, 40:-40]  # where nothing is uncovered
    assert white[middle].min() > 70 and black[middle].max() <= 128  # at most the covered patch


def test_strength_0_shows_each_image_or_its_mirror_image():
    images = noise(24)
    augmented = augment(images, 0, 0, 0.0)
    kept = (augmented == images).all(axis=(1, 2, 3))
    mirrored = (augmented == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 4 < kept.sum() < 20


def test_each_image_of_a_batch_is_varied_in_its_own_way():
    augmented = augment(np.repeat(noise(1), 6, axis=0), 0, 0, 1.0).astype(float)
    for i in range(6):
        for j in range(i):
            assert np.abs(augmented[i] - augmented[j]).mean() > 1


def test_an_augmented_image_is_nearest_to_its_own_original(tmp_path):
    """The order of a batch is kept, and a face stays recognisable."""
    images = np.stack([write_image(tmp_path / "a.png", seed=seed) for seed in range(8)])
    augmented = augment(images, 1, 1, 0.5).astype(float)
    both = [np.abs(augmented[:, None] - other[None]).mean(axis=(2, 3, 4)) for other in (images, images[:, :, ::-1])]
    assert np.argmin(np.minimum(*both), axis=1).tolist() == list(range(8))


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(monkeypatch, threads):
    images = noise(2 * augmentation.BLOCK + 3)  # the last block is smaller
    expected = augment(images, 3, 10, 1.0)
    monkeypatch.setattr(augmentation, "THREADS", threads)
    np.testing.assert_array_equal(augment(images, 3, 10, 1.0), expected)


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(augmentation, "_draw_slopes", lambda *_: np.zeros((1, 2), np.float32))  # for the first image
    with pytest.raises(IndexError):
        augment(noise(), 3, 10, 1.0)


def place_colours():
    """An image whose red is the column and whose green is the row, doubled: colours are places."""
    rows, columns = np.mgrid[:112, :112]
    return np.stack([2 * columns, 2 * rows, 0 * rows + 200], axis=2).astype(np.uint8)


def test_warp_is_a_function_of_seed_and_step_alone():
    images = noise()
    first = warp(images, 3, 10, 1.0)
    assert (first.dtype, first.shape) == (np.uint8, images.shape)
    np.testing.assert_array_equal(images, noise())
    np.testing.assert_array_equal(first, warp(noise(), 3, 10, 1.0))
    for seed, step in ((3, 11), (4, 10), (10, 3)):
        assert np.abs(first - warp(noise(), seed, step, 1.0).astype(float)).mean() > 5


def origins(warped):
    """Columns and rows of `place_colours` from which pixels of its warped versions come, mirror images turned back."""
    warped = warped.astype(float)
    mirrored = warped[:, 56, 86, 0] < warped[:, 56, 26, 0]
    columns = np.where(mirrored[:, None, None], 111 - warped[..., 0] / 2, warped[..., 0] / 2)
    return columns, warped[..., 1] / 2, mirrored


def test_warp_moves_pixels_and_leaves_their_colours():
    """Where no border was uncovered, the third channel is what it was, and the others tell whence a pixel came."""
    warped = warp(np.repeat(place_colours()[None], 40, axis=0), 0, 0, 1.0)
    inside = slice(32, -32)  # shift, zoom, rotation, bend and distortions uncover less than this
    assert (warped[:, inside, inside, 2] == 200).all()
    columns, rows, mirrored = origins(warped)
    assert 8 < mirrored.sum() < 32
    places = np.arange(112)[inside]
    for found, expected in ((columns, places[None, None]), (rows, places[None, :, None])):
        moved = np.abs(found[:, inside, inside] - expected)
        assert moved.max() < 0.06 * 112 + (0.11 + np.sin(np.radians(8))) * 24 * 2**0.5 + 0.15 * 28 + 4 * 0.9 + 1
        assert moved.mean(axis=(1, 2)).min() > 0.05  # each in its own way


def test_a_turned_head_is_stretched_on_one_side(monkeypatch):
    """With the bend alone the step from pixel to pixel changes along a row, evenly: x + b (x^2 - 1/2)."""
    monkeypatch.setattr(augmentation, "MESH", 16)  # the finer, the closer to the curve
    generator = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda key: Only((2, 40), generator(key)))
    columns, rows, mirrored = origins(warp(np.repeat(place_colours()[None], 40, axis=0), 0, 0, 1.0))
    assert not mirrored.any()
    x = (np.arange(112) + 0.5) / 56 - 1
    for found, largest in ((columns[:, 56, 20:92], 0.15), (rows[:, 20:92, 56], 0.08)):
        middle = x[20:92]
        bends = [np.polyfit(middle, (row + 0.5) / 56 - 1 - middle, 2)[0] for row in found]
        assert largest * 0.7 < np.abs(bends).max() < largest * 1.05 and min(bends) < 0 < max(bends)
        for row, bend in zip(found, bends, strict=True):
            np.testing.assert_allclose(row, 56 * (middle + bend * (middle**2 - 0.5) + 1) - 0.5, atol=1.0)


class Only:
    """A generator whose numbers are all neutral but for uniform ones, and of those the last of one size."""

    def __init__(self, size, generator):
        self.size, self.generator, self.seen = size, generator, 0

    def uniform(self, low, high, size):
        self.seen += size == self.size
        last = size == self.size and self.seen == 2  # shifts come first, then bends
        return self.generator.uniform(low, high, size) if last else np.zeros(size)

    def random(self, size):
        return np.ones(size)

    def normal(self, size):
        return np.zeros(size)


def test_the_cells_of_a_warp_meet_without_a_seam():
    """Neighbouring pixels come from neighbouring places, also where two cells of the mesh meet."""
    warped = warp(np.repeat(place_colours()[None], 40, axis=0), 0, 0, 1.0)
    for places in origins(warped)[:2]:
        inside = places[:, 32:-32, 32:-32]
        for axis in (1, 2):
            assert np.abs(np.diff(inside, axis=axis)).max() < 2.1


def test_warp_of_strength_0_is_each_image_or_its_mirror_image():
    images = noise(24)
    kept = (warp(images, 0, 0, 0.0) == images).all(axis=(1, 2, 3))
    mirrored = (warp(images, 0, 0, 0.0) == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 4 < kept.sum() < 20


def test_at_half_the_size_an_image_that_does_not_move_is_the_means_of_2x2_pixels():
    """Which is what the network makes of an image as it is: it sees the same faces in training and in use."""
    images = noise(24)
    means = images.reshape(24, 56, 2, 56, 2, 3).mean(axis=(2, 4))
    reduced = warp(images, 0, 0, 0.0, size=56)
    assert (reduced.dtype, reduced.shape) == (np.uint8, (24, 56, 56, 3))
    distances = np.minimum(*(np.abs(reduced - m).max(axis=(1, 2, 3)) for m in (means, means[:, :, ::-1])))
    assert distances.max() <= 1


@pytest.mark.parametrize("size", [48, 56])
def test_a_smaller_augmented_image_shows_the_same_as_the_large_one(size, monkeypatch):
    """Pose, colours, light and patch are those of the full size, reduced."""
    monkeypatch.setattr(augmentation, "_draw_widths", lambda generator, count, strength: [112] * count)
    generator = np.random.default_rng(1)
    square = (MIDDLE.real - 56, MIDDLE.imag - 56, 112)
    faces = np.stack([draw_face(draw_identity(generator), generator, 112, square) for _ in range(12)])
    large, small = augment(faces, 4, 5, 0.6), augment(faces, 4, 5, 0.6, size=size)
    assert small.shape == (len(faces), size, size, 3)
    scale = (112 / size, 0, 0, 0, 112 / size, 0)
    sampled = [
        Image.fromarray(image).transform((size, size), Image.Transform.AFFINE, scale, Image.Resampling.BILINEAR)
        for image in large
    ]
    distances = np.abs(small.astype(float) - np.stack(sampled))
    assert (
        np.median(distances) <= 1 and distances.mean() < 5
    )  # some lose their resolution at one size and not the other


def test_the_share_is_of_the_warp_alone(monkeypatch):
    strengths = []
    monkeypatch.setattr(
        augmentation, "warp", lambda images, seed, step, strength, *_: strengths.append(strength) or images.copy()
    )
    some, all_of_it = (augment(noise(), 5, 6, 0.8, share) for share in (0.5, 1.0))
    assert strengths == [0.4, 0.8]
    np.testing.assert_array_equal(some, all_of_it)
    assert np.abs(some - noise().astype(float)).mean() > 3


def test_augmentation_is_the_warp_and_then_colours_and_light(monkeypatch):
    """Each pixel is a linear function of the warped one's colour, times light that rises evenly; but for the patch."""
    monkeypatch.setattr(augmentation, "_draw_widths", lambda generator, count, strength: [112] * count)
    images = np.repeat(place_colours()[None], 12, axis=0)
    warped, augmented = warp(images, 5, 6, 0.7).astype(float), augment(images, 5, 6, 0.7).astype(float)
    assert np.abs(augmented - warped).mean() > 3
    down, across = np.mgrid[-1:1:112j, -1:1:112j]
    for before, after in zip(warped, augmented, strict=True):
        untouched = (after != 128).any(axis=2) & (before != 128).any(axis=2) & (after > 0).all(2) & (after < 255).all(2)
        colours = np.concatenate([before, np.ones((112, 112, 1))], axis=2)
        design = np.concatenate([colours, colours * across[..., None], colours * down[..., None]], axis=2)[untouched]
        residual = after[untouched] - design @ np.linalg.lstsq(design, after[untouched], rcond=None)[0]
        assert np.abs(residual).max() < 2  # rounded twice


def test_light_comes_from_one_side_and_from_every_side_in_turn():
    slopes = augmentation._draw_slopes(np.random.default_rng(0), 4000, 2.0)
    assert slopes.dtype == np.float32 and 0.44 < np.linalg.norm(slopes, axis=1).max() <= 0.46
    np.testing.assert_allclose(slopes.mean(axis=0), 0, atol=0.02)
    assert abs(np.corrcoef(slopes.T)[0, 1]) < 0.05


@pytest.mark.parametrize(("strength", "share"), [(0.0, 0.0), (1.0, 0.15), (2.0, 0.3)])
def test_some_images_lose_their_resolution(strength, share):
    widths = np.array(augmentation._draw_widths(np.random.default_rng(0), 4000, strength))
    assert abs((widths < 112).mean() - share) < 0.02
    assert {*widths} <= {*range(28, 91), 112}


def test_a_lost_resolution_shows(monkeypatch):
    sharp, blurred = [], []
    for width, shown in ((112, sharp), (28, blurred)):
        monkeypatch.setattr(augmentation, "_draw_widths", lambda generator, count, strength, w=width: [w] * count)
        shown.append(augment(noise(8), 2, 2, 0.1).astype(float))
    contrast = [np.abs(np.diff(images[0][:, 30:80, 30:80], axis=2)).mean() for images in (sharp, blurred)]
    assert contrast[1] < contrast[0] / 3


def test_a_part_of_a_batch_is_varied_as_in_the_whole():
    images = np.random.default_rng(0).integers(0, 256, (12, 112, 112, 3), dtype=np.uint8)
    whole = augment(images, 3, 5, 1.0, 0.5, 56)
    for number in range(3):
        rows = slice(4 * number, 4 * number + 4)
        np.testing.assert_array_equal(augment(images[rows], 3, 5, 1.0, 0.5, 56, (number, 3)), whole[rows])
