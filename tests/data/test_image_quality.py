"""Properties of images, against their definitions."""

import numpy as np

from facelib.data.image_quality import measure_images


def slow_properties(image):
    """Pixel by pixel, from the definitions, in float64."""
    image = image.astype(np.float64)
    height, width, _ = image.shape
    grey = [[sum(image[y, x]) / 3 for x in range(width)] for y in range(height)]
    edges = [
        grey[y - 1][x] + grey[y + 1][x] + grey[y][x - 1] + grey[y][x + 1] - 4 * grey[y][x]
        for y in range(1, height - 1)
        for x in range(1, width - 1)
    ]
    spread = [max(image[y, x]) - min(image[y, x]) for y in range(height) for x in range(width)]
    mean = sum(edges) / len(edges)
    return [
        sum(spread) / len(spread),
        (sum((edge - mean) ** 2 for edge in edges) / len(edges)) ** 0.5,
        sum(map(sum, grey)) / (height * width),
    ]


def test_properties_are_those_of_the_definitions():
    images = np.random.default_rng(1).integers(0, 256, (5, 9, 7, 3), np.uint8)
    found = measure_images(images)
    assert list(found) == ["colour", "sharpness", "brightness"]
    np.testing.assert_allclose(np.transpose([*found.values()]), [slow_properties(image) for image in images], rtol=1e-5)


def test_a_flat_grey_image_has_neither_colour_nor_sharpness():
    found = measure_images(np.full((1, 8, 8, 3), 90, np.uint8))
    assert found["colour"][0] == 0 and found["sharpness"][0] == 0 and found["brightness"][0] == 90


def test_a_blurred_image_is_less_sharp():
    image = np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.float64)
    blurred = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1) + np.roll(image, (1, 1), (0, 1))) / 4
    sharp, dull = measure_images(np.stack([image, blurred]).astype(np.uint8))["sharpness"]
    assert dull < sharp / 2


def test_no_images_have_no_properties():
    assert [len(values) for values in measure_images(np.zeros((0, 8, 8, 3), np.uint8)).values()] == [0, 0, 0]
