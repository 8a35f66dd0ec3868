"""The table and the figure of thresholds that are carried over."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from facelib.measure.carried_thresholds import Carried
from facelib.measure.intervals import Difference, Interval
from facelib.measure.lfw_protocol import as_data
from facelib.show.carried import draw_losses, in_words, losses_in_words, tabulate


def found(quantile, normalised, best):
    gains = {
        name: Difference(value, 0.01, value - 0.02, value + 0.02, 0.5)
        for name, value in (("quantile", quantile), ("normalised", normalised), ("best", best))
    }
    return Carried(0.75, 0.9, Interval(0.7, 0.01, 0.68, 0.72), 0.74, gains)


CARRIED = {
    ("validation", "as they are"): found(0.0, 0.0, 0.0), ("validation", "darker"): found(0.1, 0.12, 0.11),
    ("test", "as they are"): found(-0.01, 0.01, 0.02), ("test", "darker"): found(0.15, 0.21, 0.2),
}  # fmt: skip


def test_the_table_has_a_row_for_each_change_with_all_differences():
    heading, *rows = tabulate(CARRIED, 0.64)
    assert len(rows) == 4 and all(len(row) == len(heading) for row in rows)
    assert rows[-1][:4] == ("test", "darker", "+0.1100", "0.7000")
    assert rows[-1][4:] == (
        "+0.1500 [+0.1300, +0.1700]",
        "+0.2100 [+0.1900, +0.2300]",
        "+0.2000 [+0.1800, +0.2200]",
    )


def test_bars_are_what_is_lost_to_the_best_threshold():
    figure = draw_losses(CARRIED)
    heights = [[bar.get_height() for bar in panel.patches] for panel in figure.axes]
    np.testing.assert_allclose(heights, [[0, 11, 0, 1, 0, -1], [2, 20, 3, 5, 1, -1]], atol=1e-9)
    assert [panel.get_title() for panel in figure.axes] == ["Validation pairs", "Test pairs"]
    plt.close(figure)


def test_words_hold_the_same_numbers():
    assert "test pairs, darker: 20.0, 5.0, -1.0." in losses_in_words(CARRIED)
    row = {"images": "darker", "moved": 0.11, **as_data(CARRIED["test", "darker"])}
    assert in_words(row) == "darker +0.1100, +0.1500 [+0.1300, +0.1700]"


@pytest.mark.parametrize("kind", ["validation", "test"])
def test_one_kind_of_pairs_is_one_panel(kind):
    figure = draw_losses({key: value for key, value in CARRIED.items() if key[0] == kind})
    assert len(figure.axes) == 1
    plt.close(figure)
