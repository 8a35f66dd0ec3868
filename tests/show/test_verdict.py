"""The picture of a verdict: what is on it, and the same bytes on every run."""

import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from marked_faces import draw_photograph, mark
from PIL import Image

from facelib.data.images import UnreadableImageError
from facelib.gather.detector import Face
from facelib.show import verdict as verdict_module
from facelib.show.verdict import describe_verdict, draw_verdict

FACE = draw_photograph(112, 112, (55.5, 60, 0.5))
SAME = SimpleNamespace(same=True, score=0.71234, threshold=0.6, far=None, validation_far=0.0123)
OTHER = SimpleNamespace(same=False, score=0.5, threshold=0.6, far=0.01, validation_far=0.009)


def seen(crop=None, *faces, number=0):
    return SimpleNamespace(pixels=FACE, crop=crop, faces=faces, number=number)


def test_both_photographs_are_drawn_with_faces_and_crops(tmp_path, monkeypatch):
    Image.fromarray(draw_photograph(3000, 2000, (900, 1000, 5), (2200, 900, 4))).save(tmp_path / "a $b$.png")
    faces = [
        Face((700.0, 780.0, 400.0, 450.0), mark(900, 1000, 5), 0.9),
        Face((2000.0, 700.0, 380.0, 400.0), mark(2200, 900, 4), 0.9),
    ]
    figures = []
    monkeypatch.setattr(verdict_module.plt, "close", figures.append)
    images = tmp_path / "a $b$.png", FACE
    content = draw_verdict(images, [seen(None, *faces, number=2), seen((10, 12, 80))], OTHER)
    assert Image.open(io.BytesIO(content)).size == (800, 800)
    (photograph, face), (pixels, _) = np.reshape(figures[0].axes, (2, 2))
    assert [patch.get_bbox().bounds for patch in photograph.patches] == [face.box for face in faces]
    assert max(photograph.images[0].get_array().shape) == 900 and photograph.images[0].get_extent()[1] == 2999.5
    np.testing.assert_array_equal(photograph.collections[1].get_offsets(), faces[1].landmarks)
    np.testing.assert_array_equal(face.images[0].get_array(), FACE)
    assert pixels.patches[0].get_bbox().bounds == (9.5, 11.5, 80, 80) and pixels.get_title() == "pixels (112x112)"
    assert figures[0].get_suptitle() == describe_verdict(OTHER)
    assert draw_verdict(images, [seen(None, *faces, number=2), seen((10, 12, 80))], OTHER) == content
    monkeypatch.undo()
    plt.close("all")


def test_the_answer_has_score_threshold_and_rate():
    assert describe_verdict(SAME) == (
        "the same person: score 0.7123, threshold 0.6000\n"
        "chosen for the best accuracy; it accepts 1.23% of pairs of two people held out"
    )
    assert describe_verdict(OTHER).startswith(
        "different people: score 0.5000, threshold 0.6000\nchosen for a false acc"
    )


def test_an_image_that_is_gone_leaves_no_figure_open(tmp_path):
    with pytest.raises(UnreadableImageError, match="gone.png: No such file"):
        draw_verdict((tmp_path / "gone.png", FACE), [seen(), seen()], SAME)
    assert plt.get_fignums() == []
