import numpy as np
import pytest

from facelib.show import survey as module
from facelib.show.survey import survey


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_survey_is_that_of_the_definitions_however_many_are_read_at_once(monkeypatch, size):
    monkeypatch.setattr(module, "CHUNK", size)
    images = np.random.default_rng(0).integers(0, 256, (5, 9, 6, 3), np.uint8)
    found = survey(images)
    kept = [[image[y, x].astype(int) for y in (0, 4, 8) for x in (0, 4)] for image in images]
    np.testing.assert_allclose(found.colour, [np.mean([max(p) - min(p) for p in places]) for places in kept])
    np.testing.assert_allclose(found.brightness, [image.astype(float).mean() for image in images])
    np.testing.assert_allclose(found.mean, images.astype(float).mean(axis=0))


def test_a_grey_image_has_no_colour():
    found = survey(np.full((2, 8, 8, 3), 90, np.uint8))
    assert (found.colour == 0).all() and (found.brightness == 90).all() and (found.mean == 90).all()
