"""Figures: their data, labels and bytes; the note that marks drawn faces."""

import base64
import dataclasses
import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from facelib import config as configuration
from facelib.measure.intervals import RocBand
from facelib.show import plots

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
HISTORY = [
    dict(
        loss=0.6,
        s_p=0.7,
        s_n=0.65,
        similarity=0.59,
        active_share=0.9,
        learning_rate=1e-3,
        validation_roc_auc=0.6,
        validation_accuracy=0.55,
    ),
    dict(
        loss=0.5,
        s_p=0.8,
        s_n=0.6,
        similarity=0.58,
        active_share=0.8,
        learning_rate=5e-4,
        validation_roc_auc=None,
        validation_accuracy=None,
    ),
    dict(
        loss=0.4,
        s_p=0.9,
        s_n=0.55,
        similarity=0.57,
        active_share=0.7,
        learning_rate=1e-4,
        validation_roc_auc=0.7,
        validation_accuracy=0.65,
    ),
]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A configuration with drawn faces whose reports land in a temporary folder."""
    monkeypatch.setattr(configuration, "ROOT", tmp_path)
    return configuration.Config(profile="smoke")


@pytest.fixture
def photographed(drawn):
    return dataclasses.replace(drawn, data="somewhere")


@pytest.fixture(autouse=True)
def close_figures():
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def histogram():
    scores, matched = np.array([0.2, 0.3, 0.4, 0.8, 0.9]), np.array([False, False, True, True, True])
    return plots.score_histogram(scores, matched, {"best": 0.5, "fixed": 0.6})


def roc():
    return plots.roc({"network (area 0.9)": ([0, 0.1, 1], [0, 0.9, 1])})


ALT = "A curve that rises from the lower left to the upper right"


def saved(figure, config, name="figure"):
    plots.save(figure, config, name, ALT)
    return (config.reports / "figures" / f"{name}.svg").read_text()


@pytest.mark.parametrize("build", [histogram, roc, lambda: plots.training_curves(HISTORY)])
def test_saved_bytes_do_not_depend_on_the_run(build, drawn):
    first, second = saved(build(), drawn, "first"), saved(build(), drawn, "second")
    assert first == second
    assert "<dc:date>" not in first


def test_saved_bytes_do_not_depend_on_the_salt_of_the_caller(drawn):
    first = saved(histogram(), drawn)
    plt.rcParams["svg.hashsalt"] = "another"
    assert saved(histogram(), drawn) == first


def test_a_figure_is_shown_with_its_text_and_closed(drawn, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda *given, **options: shown.append((*given, options)))
    before = plt.get_fignums()
    saved(roc(), drawn)
    ((picture, options),) = shown
    assert options == {"raw": True, "metadata": {"image/png": {"alt": ALT}}} and picture["text/plain"] == ALT
    with Image.open(io.BytesIO(base64.b64decode(picture["image/png"]))) as image:
        assert image.format == "PNG" and min(image.size) > 200
    assert plt.get_fignums() == before
    assert f"<dc:description>{ALT}</dc:description>" in (drawn.reports / "figures" / "figure.svg").read_text()


@pytest.mark.parametrize("alt", ["", " \n", "Receiver operating characteristic", "Receiver operating characteristic."])
def test_a_figure_has_a_text_that_says_more_than_its_title(drawn, alt):
    with pytest.raises(ValueError, match="figure curve: alt=.* does not say what the figure shows"):
        plots.save(roc(), drawn, "curve", alt)


def test_only_drawn_faces_are_noted_in_the_figure(drawn, photographed):
    # glyphs are drawn as paths, with the text in a comment before them
    assert plots.DRAWN_NOTE in saved(roc(), drawn)
    assert plots.DRAWN_NOTE not in saved(roc(), photographed)


def test_a_figure_about_other_faces_than_those_of_the_run_says_so(drawn, photographed):
    for config, about_drawn in ((drawn, False), (photographed, True)):
        plots.save(roc(), config, "other", ALT, drawn=about_drawn)
        text = (config.reports / "figures" / "other.svg").read_text()
        assert (plots.DRAWN_NOTE in text) == about_drawn


@pytest.mark.parametrize(
    "build", [histogram, roc, lambda: plots.face_grid(np.zeros((3, 8, 8, 3)), columns=2, title="t")]
)
def test_note_lies_inside_the_figure_and_clear_of_the_axes(build, drawn):
    figure = build()
    plots.save(figure, drawn, "figure", ALT)
    (note,) = [text for text in figure.texts if text.get_text() == plots.DRAWN_NOTE]
    box = note.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figure.bbox.y0 <= box.y0
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(box.y1 <= axes.get_tightbbox(renderer).y0 for axes in figure.axes if axes.axison)


def test_banner_tells_drawn_faces_from_photographs(drawn, photographed):
    assert "Drawn faces" in plots.banner(drawn).data
    assert plots.banner(photographed) is None


def test_colours_are_okabe_and_itos_and_differ_within_a_figure():
    assert {colour.upper() for name, colour in plots.COLOURS.items() if name != "neutral"} <= OKABE_ITO
    for together in (
        ("matched", "mismatched", "threshold"),
        ("training", "validation"),
        ("anchor", "positive", "negative"),
    ):
        assert len({plots.COLOURS[name] for name in together}) == len(together)


@pytest.mark.parametrize("build", [histogram, roc, lambda: plots.training_curves(HISTORY)])
def test_every_panel_has_title_units_and_legend(build):
    figure = build()
    columns = {axes.get_subplotspec().colspan.start for axes in figure.axes}
    for axes in figure.axes:
        assert axes.get_title() and axes.get_ylabel() and axes.get_legend()
    labelled = {axes.get_subplotspec().colspan.start for axes in figure.axes if axes.get_xlabel()}
    assert labelled == columns


def test_face_grid_shows_every_image_once_in_order():
    images = np.random.default_rng(0).uniform(-20, 280, (5, 6, 7, 3))
    titles, colours = list("abcde"), ["red", "green", "blue", "black", "grey"]
    figure = plots.face_grid(images, titles, columns=2, title="five", colours=colours)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(figure.axes) == 6 and len(shown) == 5
    for axes, image, title, colour in zip(shown, images, titles, colours, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), np.clip(np.rint(image), 0, 255))
        assert axes.get_title() == title and axes.title.get_color() == colour
    assert not any(axes.axison for axes in figure.axes)


def test_face_grid_shows_images_of_different_sizes():
    images = [np.full((side, side, 3), side, np.uint8) for side in (112, 48)]
    shown = [axes.images[0].get_array() for axes in plots.face_grid(images).axes]
    assert [image.shape for image in shown] == [(112, 112, 3), (48, 48, 3)] and (shown[1] == 48).all()


def test_face_grid_is_no_wider_than_its_images():
    assert len(plots.face_grid(np.zeros((3, 8, 8, 3), np.uint8), columns=8).axes) == 3


@pytest.mark.parametrize(
    ("count", "titles", "colours"), [(0, None, None), (2, ["one"], None), (2, None, ["red"]), (2, list("abc"), None)]
)
def test_face_grid_refuses_counts_that_differ(count, titles, colours):
    with pytest.raises(ValueError, match=f"grid of {count} images"):
        plots.face_grid(np.zeros((count, 8, 8, 3), np.uint8), titles, colours=colours)


def test_score_histogram_counts_each_pair_under_its_name():
    axes = histogram().axes[0]
    heights = {bars[0].get_label(): [bar.get_height() for bar in bars] for bars in axes.containers if len(bars) == 50}
    assert sum(heights["mismatched (2 pairs)"]) == 2
    assert sum(heights["matched (3 pairs)"]) == 3
    edges = [[bar.get_x() for bar in bars] for bars in axes.containers if len(bars) == 50]
    np.testing.assert_array_equal(edges[0], edges[1])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "threshold best: 0.500" in legend and "threshold fixed: 0.600" in legend


def test_score_histogram_takes_equal_scores():
    assert plots.score_histogram(np.full(4, 0.7), [True, True, False, False]).axes


def test_score_histogram_in_words():
    scores, matched = [0.2, 0.3, 0.4, 0.8, 0.9], [False, False, True, True, True]
    assert plots.scores_in_words(scores, matched, {"best": 0.5}) == (
        "Two histograms of scores over each other: matched pairs from 0.400 to 0.900, mean 0.700; mismatched pairs from"
        " 0.200 to 0.300, mean 0.250. A line marks the threshold best at 0.500."
    )
    assert "threshold" not in plots.scores_in_words(scores, matched)


def test_probability_curve_rises_with_the_score_and_marks_the_pairs():
    scores, matched = np.array([0.8, 0.2, 0.5]), np.array([True, False, True])
    (axes,) = plots.probability_curve(scores, matched, np.array([0.9, 0.1, 0.6]), 0.4).axes
    curve, mismatched, matching, threshold = axes.lines
    np.testing.assert_array_equal(curve.get_xydata(), [[0.2, 0.1], [0.5, 0.6], [0.8, 0.9]])
    np.testing.assert_array_equal(mismatched.get_xydata(), [[0.2, 0]])
    np.testing.assert_array_equal(matching.get_xydata(), [[0.8, 1], [0.5, 1]])
    assert list(threshold.get_xdata()) == [0.4, 0.4]
    assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel() and axes.get_legend()


def test_roc_draws_the_rates_and_chance():
    axes = roc().axes[0]
    curve, chance = axes.lines
    assert curve.get_label() == "network (area 0.9)" and chance.get_label() == "chance"
    np.testing.assert_array_equal(curve.get_xydata(), [[0, 0], [0.1, 0.9], [1, 1]])
    np.testing.assert_array_equal(chance.get_xydata(), [[0, 0], [1, 1]])


def test_roc_draws_the_band_where_there_is_one():
    band = RocBand(*np.array([[0.1, 0.5], [0.6, 0.4], [0.8, 0.9], [0.02, 0.01], [0.7, 0.85], [0.9, 0.95]]))
    axes = plots.roc({"network": ([0, 0.1, 1], [0, 0.9, 1])}, band=band).axes[0]
    corners = {tuple(point) for point in axes.collections[0].get_paths()[0].vertices}
    assert corners == {(0.1, 0.7), (0.1, 0.9), (0.5, 0.85), (0.5, 0.95)}
    assert "95 % interval at each rate" in [text.get_text() for text in axes.get_legend().get_texts()]
    assert not roc().axes[0].collections


def test_training_curves_draw_every_key_over_epochs_from_one():
    figure = plots.training_curves(HISTORY)
    lines = [line for axes in figure.axes for line in axes.lines]
    drawn_values = sorted(tuple(np.nan_to_num(line.get_ydata(), nan=-1)) for line in lines)
    assert drawn_values == sorted(tuple(-1 if r[key] is None else r[key] for r in HISTORY) for key in HISTORY[0])
    assert all(list(line.get_xdata()) == [1, 2, 3] for line in lines)


def test_training_curves_leave_a_gap_where_nothing_was_measured():
    panel = next(axes for axes in plots.training_curves(HISTORY).axes if axes.get_title() == "Validation ROC AUC")
    assert list(np.isnan(panel.lines[0].get_ydata())) == [False, True, False]


def test_training_curves_need_an_epoch():
    with pytest.raises(ValueError, match="no epoch"):
        plots.training_curves([])


def test_training_curves_in_words_leave_out_what_was_not_measured():
    text = plots.training_in_words(HISTORY)
    assert text.startswith("Curves over 3 epochs") and "loss of the triplets 0.600 and 0.400" in text
    assert "validation ROC AUC 0.600 and 0.700" in text
    assert "validation" not in plots.training_in_words(HISTORY[:2])
