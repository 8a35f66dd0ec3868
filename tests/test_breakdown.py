"""Properties of images, and figures of the pairs by them."""

import numpy as np
import pytest

from facelib import breakdown
from facelib.breakdown import compare_thirds, measure_images
from facelib.intervals import accuracy_interval, roc_auc_interval


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


def test_properties_are_those_of_the_definitions(monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (5, 9, 7, 3), np.uint8)
    monkeypatch.setattr(breakdown, "BLOCK", 2)
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


def some_pairs(count=90):
    generator = np.random.default_rng(3)
    people = generator.integers(0, 12, (count, 2))
    people[::2, 1] = people[::2, 0]
    return generator.normal(people[:, 0] == people[:, 1], 0.7), people, generator.normal(size=count)


def test_every_pair_is_in_the_third_of_its_rank():
    scores, people, values = some_pairs()
    parts = compare_thirds(scores, people, values, 0.5)
    ordered = np.sort(values)
    assert [(part.third, part.pairs) for part in parts] == [(0, 30), (1, 30), (2, 30)]
    assert [part.lower for part in parts] == list(ordered[::30])
    assert [part.upper for part in parts] == list(ordered[29::30])
    inside = values <= parts[0].upper
    assert parts[0].accuracy == accuracy_interval(scores[inside], people[inside], 0.5)
    assert parts[0].roc_auc == roc_auc_interval(scores[inside], people[inside])


def test_equal_values_stay_together():
    scores, people, _ = some_pairs()
    assert [part.pairs for part in compare_thirds(scores, people, np.zeros(90), 0.5)] == [90]


@pytest.mark.parametrize("kind", [True, False])
def test_a_part_of_one_kind_is_left_out(kind):
    scores, people, _ = some_pairs()
    values = np.where((people[:, 0] == people[:, 1]) == kind, 0, np.arange(1, 91))
    assert 0 not in [part.third for part in compare_thirds(scores, people, values, 0.5)]
