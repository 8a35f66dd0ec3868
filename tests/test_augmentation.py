import numpy as np
import pytest
from conftest import write_image

from facelib.augmentation import augment, warp


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
    assert white.max() == 255
    assert white.min() > 60
    assert black.min() == 0
    assert black.max() < 195


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


# warp


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


def test_warp_moves_pixels_and_leaves_their_colours():
    """Where no border was uncovered, the third channel is what it was, and the others tell whence a pixel came."""
    warped = warp(np.repeat(place_colours()[None], 40, axis=0), 0, 0, 1.0).astype(float)
    inside = warped[:, 20:-20, 20:-20]  # at most 6 % of shift, 11 % of zoom and 8 degrees uncover less than this
    assert (inside[..., 2] == 200).all()
    mirrored = inside[:, 36, -1, 0] < inside[:, 36, 0, 0]
    assert 8 < mirrored.sum() < 32
    columns = np.where(mirrored[:, None, None], 111 - inside[..., 0] / 2, inside[..., 0] / 2)
    rows = inside[..., 1] / 2
    for found, expected in ((columns, np.arange(20, 92)[None, None]), (rows, np.arange(20, 92)[None, :, None])):
        assert np.abs(found - expected).max() < 0.06 * 112 + 0.11 * 56 + np.sin(np.radians(8)) * 56 + 1
        assert np.abs(found - expected).mean(axis=(1, 2)).min() > 0.05  # each in its own way


def test_warp_of_strength_0_is_each_image_or_its_mirror_image():
    images = noise(24)
    kept = (warp(images, 0, 0, 0.0) == images).all(axis=(1, 2, 3))
    mirrored = (warp(images, 0, 0, 0.0) == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 4 < kept.sum() < 20


def test_augmentation_is_the_warp_and_then_colours():
    """Each pixel is a linear function of the warped one's colour, the same all over an image; but for the patch."""
    images = np.repeat(place_colours()[None], 12, axis=0)
    warped, augmented = warp(images, 5, 6, 0.7).astype(float), augment(images, 5, 6, 0.7).astype(float)
    assert np.abs(augmented - warped).mean() > 3
    for before, after in zip(warped, augmented, strict=True):
        untouched = (after != 128).any(axis=2) & (before != 128).any(axis=2) & (after > 0).all(2) & (after < 255).all(2)
        design = np.concatenate([before[untouched], np.ones((untouched.sum(), 1))], axis=1)
        residual = after[untouched] - design @ np.linalg.lstsq(design, after[untouched], rcond=None)[0]
        assert np.abs(residual).max() < 1.5  # a colour matrix and an offset explain each pixel, up to rounding
