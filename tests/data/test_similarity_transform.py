import numpy as np
import pytest
import reference
import tensorflow as tf
from PIL import Image

from facelib.data.similarity_transform import fit, grid, sample, undo

SHIFTED, LARGER, TURNED = (0, 0, 0.25, -0.5), (-0.1, 0, 0, 0), (0, 0.3, 0, 0)
MOTIONS = [(0, 0, 0, 0), SHIFTED, LARGER, TURNED, (0.1, -0.2, 0.05, 0.1), (0.3, 0.1, -0.9, 0.8)]


def picture(size=12, channels=1, seed=0):
    return np.random.default_rng(seed).normal(size=(1, size, size, channels)).astype(np.float32)


def move(images, parameters):
    size = images.shape[1]
    parameters = np.tile(np.float32(parameters), (len(images), 1))
    return sample(images, parameters, *grid(size)).numpy().reshape(images.shape)


def test_places_are_centres_of_pixels_from_the_middle():
    x, y = grid(4)
    assert x.reshape(4, 4)[0].tolist() == y.reshape(4, 4)[:, 0].tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert x.dtype == np.float32


@pytest.mark.parametrize("parameters", MOTIONS)
def test_a_moved_image_is_its_twin(parameters):
    image = picture()
    expected = reference.moved(image[0, :, :, 0].astype(np.float64), parameters)
    np.testing.assert_allclose(move(image, parameters)[0, :, :, 0], expected, atol=1e-5)


def test_nothing_moves_by_zeros_and_channels_move_alike():
    image = picture(channels=3)
    np.testing.assert_allclose(move(image, MOTIONS[0]), image, atol=1e-6)
    together = move(image, MOTIONS[4])
    for channel in range(3):
        np.testing.assert_array_equal(together[..., channel], move(image[..., [channel]], MOTIONS[4])[..., 0])


def test_directions():
    """u and v fetch pixels from the right and from below; positive b turns what is seen against the clock."""
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert move(image, (0, 0, 0.5, 0))[0, 0, :, 0].tolist() == [1, 2, 3, 3]
    assert move(image, (0, 0, 0, 0.5))[0, :, 0, 0].tolist() == [4, 8, 12, 12]
    quarter = move(image, (-1, 1, 0, 0))[0, :, :, 0]  # x' = -y, y' = x
    np.testing.assert_allclose(quarter, np.rot90(image[0, :, :, 0], 1), atol=1e-5)


def test_a_turned_image_is_pillows():
    size, angle = 40, 12
    image = np.asarray(
        Image.fromarray(picture(5)[0, :, :, 0]).resize((size, size), Image.Resampling.BICUBIC), np.float32
    )
    expected = Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    found = move(image[None, :, :, None], (cosine - 1, sine, 0, 0))[0, :, :, 0]
    middle = slice(8, -8)
    np.testing.assert_allclose(found[middle, middle], np.asarray(expected)[middle, middle], atol=1e-3)


def test_each_image_has_parameters_of_its_own():
    images = np.concatenate([picture(seed=seed) for seed in range(len(MOTIONS))])
    together = sample(images, np.float32(MOTIONS), *grid(12)).numpy().reshape(images.shape)
    for row, parameters in enumerate(MOTIONS):
        np.testing.assert_array_equal(together[row], move(images[row : row + 1], parameters)[0])


@pytest.mark.parametrize("step", MOTIONS)
def test_undoing_a_step_is_the_product_with_its_inverse(step):
    for parameters in MOTIONS:
        found = undo(tf.constant([parameters], tf.float32), tf.constant([step], tf.float32))[0]
        expected = reference.motion(parameters) @ np.linalg.inv(reference.motion(step))
        np.testing.assert_allclose(reference.motion(found.numpy()), expected, atol=1e-6)


@pytest.mark.parametrize("noise", [0, 3])
def test_a_fit_is_the_least_squares_solution(noise):
    generator = np.random.default_rng(4)
    points, parameters = generator.normal(size=(7, 2)) * 30, (0.7, -0.4, 12.0, -90.0)
    x, y = points.T
    ones, zeros = np.ones(7), np.zeros(7)
    system = np.concatenate([np.stack([x, -y, ones, zeros], 1), np.stack([y, x, zeros, ones], 1)])
    targets = system @ (np.array(parameters) + (1, 0, 0, 0)) + noise * generator.normal(size=14)
    expected = np.linalg.lstsq(system, targets)[0] - (1, 0, 0, 0)
    found = fit(points, targets.reshape(2, 7).T)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    if not noise:
        np.testing.assert_allclose(found, parameters, atol=1e-9)
