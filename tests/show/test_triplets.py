import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from facelib.show import triplets

LABELS = np.repeat(np.arange(14), 2)
SIMILARITIES = np.random.default_rng(0).uniform(0.4, 1, (28, 28))
SIMILARITIES = (SIMILARITIES + SIMILARITIES.T) / 2
SAME = LABELS[:, None] == LABELS
POSITIVES, NEGATIVES = SAME & ~np.eye(28, dtype=bool), ~SAME


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_similarities_of_twelve_identities_are_shaded_and_all_pairs_are_counted():
    left, right, *_ = triplets.draw_similarities(SIMILARITIES, POSITIVES, NEGATIVES, 2).axes
    np.testing.assert_array_equal(left.images[0].get_array(), SIMILARITIES[:24, :24])
    areas = [sum(bar.get_height() * bar.get_width() for bar in bars) for bars in right.containers]
    assert areas == pytest.approx([1, 1])
    assert [bars[0].get_label() for bars in right.containers] == ["negative pairs", "positive pairs"]


def test_the_shares_of_the_kinds_fill_each_bar():
    by_margin = {0.1: {"easy": 2, "semi-hard": 1, "hard": 1}, 0.2: {"easy": 0, "semi-hard": 3, "hard": 1}}
    (axes,) = triplets.draw_kinds(by_margin, "kinds").axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert heights == {"easy": [0.5, 0], "semi-hard": [0.25, 0.75], "hard": [0.25, 0.25]}
    assert [bar.get_y() for bar in axes.containers[2]] == [0.75, 0.75]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "0.2"]
    assert {text.get_text() for text in axes.texts} == {"50%", "25%", "75%", ""}


def test_each_triplet_is_a_point_of_its_method():
    chosen = {"semi-hard": [], "hard": [(0, 1, 5), (2, 3, 9)]}
    none, hard = triplets.draw_methods(SIMILARITIES, chosen, 0.1, 0.3, 0).axes
    assert len(none.collections[0].get_offsets()) == 0
    expected = {(SIMILARITIES[0, 1], SIMILARITIES[0, 5]), (SIMILARITIES[2, 3], SIMILARITIES[2, 9])}
    assert {tuple(point) for point in hard.collections[0].get_offsets()} == expected
    assert (none.get_title(), hard.get_title()) == ("semi-hard: 0 triplets", "hard: 2 triplets")
    np.testing.assert_allclose(hard.lines[1].get_xydata(), [[0.3, 0.2], [1, 0.9]])


def test_a_role_without_an_image_is_blank():
    images = np.random.default_rng(1).integers(0, 256, (28, 5, 5, 3))
    rows = [("anchor", 0, 0), ("positive", 0, 1), ("semi-hard", 0, None), ("hard", 0, 7), ("all", 0, 9)]
    axes = triplets.draw_triplets(images, SIMILARITIES, rows).axes
    for panel, (_, _, other) in zip(axes, rows, strict=True):
        np.testing.assert_array_equal(panel.images[0].get_array(), 255 if other is None else images[other])
    titles = [panel.get_title() for panel in axes]
    assert titles[0] == "anchor" and titles[2] == "semi-hard\nnone"
    assert titles[1] == f"positive\n$s_p$ = {SIMILARITIES[0, 1]:.4f}"
    assert titles[3] == f"hard\n$s_n$ = {SIMILARITIES[0, 7]:.4f}"
