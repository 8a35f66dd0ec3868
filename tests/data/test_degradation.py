"""Worse photographs of the same faces."""

import numpy as np
import pytest

from facelib.data.degradation import CHANGES, degrade
from facelib.data.image_quality import measure_images


@pytest.fixture
def pixels():
    generator = np.random.default_rng(4)
    coarse = generator.integers(40, 256, (3, 14, 14, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((1, 8, 8, 1), np.uint8))


@pytest.mark.parametrize("change", CHANGES)
def test_images_stay_images_and_the_same_ones_give_the_same(pixels, change):
    before = pixels.copy()
    found = degrade(pixels, change)
    assert found.dtype == np.uint8 and found.shape == pixels.shape and (found != pixels).any()
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(degrade(pixels[1:], change), found[1:])  # each by itself


def test_each_change_does_what_its_name_says(pixels):
    as_it_was = measure_images(pixels)
    for change in CHANGES:
        found = measure_images(degrade(pixels, change))
        darker = found["brightness"] / as_it_was["brightness"]
        sharper = found["sharpness"] / as_it_was["sharpness"]
        if change == "darker":
            np.testing.assert_allclose(darker, 0.35, atol=0.01)
        else:
            np.testing.assert_allclose(darker, 1, atol=0.03)
        assert (sharper < 0.5).all() or change == "compressed"


def test_red_stays_red_when_compressed():
    red = np.full((1, 112, 112, 3), (200, 30, 20), np.uint8)
    np.testing.assert_allclose(degrade(red, "compressed")[0, 50, 50], (200, 30, 20), atol=12)


def test_smaller_leaves_24_pixels_a_side(pixels):
    stripes = np.zeros((1, 112, 112, 3), np.uint8)
    stripes[:, :, ::2] = 255  # finer than 24 pixels can show
    assert np.ptp(degrade(stripes, "smaller")[:, :, 8:-8].astype(int)) < 40
