import numpy as np
import pytest

from facelib.measure.power_law import fit_power_law
from facelib.show.forecast_figure import forecast_figure, forecast_in_words

SIZES = [100, 100, 200, 200, 400, 400]
WRONG = np.arange(200) < 200 * np.array([[0.4], [0.36], [0.3], [0.28], [0.2], [0.22]])
ACCURACIES = [*(1 - WRONG.mean(axis=1))]


def test_runs_are_points_and_the_line_is_dashed_where_nothing_was_measured():
    law = fit_power_law(SIZES, WRONG)
    figure = forecast_figure({"alone": (SIZES, ACCURACIES, law), "both": (SIZES, ACCURACIES, None)}, 3200, (0.98, 0.99))
    (panel,) = figure.axes
    points = panel.lines[0]
    assert points.get_ydata() == pytest.approx(100 - 100 * np.array(ACCURACIES)) and points.get_linestyle() == "None"
    solid, dashed = (next(line for line in panel.lines if line.get_linestyle() == style) for style in ("-", "--"))
    assert solid.get_xdata().max() <= 400 < dashed.get_xdata().max() == pytest.approx(3200)
    assert dashed.get_ydata()[-1] == pytest.approx(100 * law.error_at(3200).value)
    assert [label.get_text() for label in panel.get_legend().texts] == ["alone", "both", "published networks"]
    assert "not measured" in panel.get_title() and panel.get_xscale() == panel.get_yscale() == "log"
    assert [text.get_text() for text in panel.get_xticklabels()] == ["100", "200", "400", "3,200"]


def test_without_networks_of_others_there_is_no_mark_for_them():
    (panel,) = forecast_figure({"alone": (SIZES, ACCURACIES, fit_power_law(SIZES, WRONG))}, 3200, None).axes
    assert [label.get_text() for label in panel.get_legend().texts] == ["alone"]


def test_words_have_the_numbers():
    runs = [dict(identities=size, a_accuracy=accuracy) for size, accuracy in zip(SIZES, ACCURACIES, strict=True)]
    kind = dict(name="network alone", accuracy=dict(value=0.9, lower=0.8, upper=0.95))
    text = forecast_in_words(dict(identities=3200, runs=runs, kinds=dict(a=kind)))
    assert "6 trainings on 100 to 400 identities" in text and "a forecast to 3,200, which was not measured" in text
    assert text.endswith("network alone, from 0.620 to 0.790, forecast 0.900, interval 0.800 to 0.950.")
