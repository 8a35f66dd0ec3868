import numpy as np
import pytest

from facelib.data.test_crop import Alignment, Framing
from facelib.show.crop_figures import crop_figure, mean_faces_figure
from facelib.show.survey import survey


@pytest.mark.parametrize("configured", [False, True])
def test_the_square_lies_where_it_is_cut_out(configured):
    crop = (10, 20, 50) if configured else (30, 35, 60)
    found = Alignment((30, 35, 60), 0.8, ((40, 0.5), (60, 0.8), (100, 0.3)))
    frame, curve = crop_figure(Framing(crop, found, np.eye(100), np.eye(112)), configured).axes
    (square,) = frame.patches
    assert (*square.get_xy(), square.get_width(), square.get_height()) == (crop[0] - 0.5, crop[1] - 0.5, *crop[2:] * 2)
    best, peak = curve.lines[:2]
    np.testing.assert_array_equal(best.get_xydata(), found.sides)
    np.testing.assert_array_equal(peak.get_xydata(), [(60, 0.8)])
    assert [text.get_text() for text in curve.get_legend().get_texts()][2:] == ["configured"] * configured


@pytest.mark.parametrize("warn", [False, True])
def test_mean_faces_stand_beside_their_difference(warn):
    images = np.random.default_rng(0).integers(0, 256, (7, 112, 112, 3), np.uint8)
    training, test = survey(images[:4]), survey(images[4:])
    figure = mean_faces_figure(training, test, warn)
    shown = [axes.images[0].get_array() for axes in figure.axes[:3]]
    for found, looked_at in zip(shown, (training, test), strict=False):
        np.testing.assert_array_equal(found, np.rint(looked_at.mean))
    np.testing.assert_allclose(shown[2], (test.mean - training.mean).mean(axis=2))
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["Mean training face (4 images)", "Mean test face (3 images)"]
    assert ("NOT alike" in figure.get_suptitle()) == warn
