import numpy as np

from facelib.show.batch_figures import draws_figure, masks_figure, positives_figure


def heights(bars):
    return {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in bars if bar.get_height()}


def test_random_batches_are_counted_beside_those_by_design():
    pairs, partnered = positives_figure([3.0, 4.0, 4.0], [6, 8, 8], 12.0, 16, "4 x 4").axes
    assert heights(pairs.containers[0]) == {3: 1, 4: 2} and heights(partnered.containers[0]) == {6: 1, 8: 2}
    assert pairs.lines[0].get_xdata() == [12, 12] and partnered.lines[0].get_xdata() == [16, 16]
    legend = [text.get_text() for text in pairs.get_legend().get_texts()]
    assert legend == ["3 random batches of 16", "every 4 x 4 batch"]


def test_draws_are_counted_identity_by_identity():
    (axes,) = draws_figure(np.array([5, 5, 6]), np.array([2, 6, 8]), 4).axes
    assert [heights(bars) for bars in axes.containers] == [{2: 1, 6: 1, 8: 1}, {5: 2, 6: 1}]
    assert axes.get_title() == "How often 4 batches drew each of 3 identities"


def test_masks_are_shown_with_the_names_of_the_images():
    masks = {"one": np.eye(3, dtype=bool), "other": np.ones((3, 3), bool)}
    panels = masks_figure(masks, ["A1", "A2", "B1"]).axes
    for panel, (title, mask) in zip(panels, masks.items(), strict=True):
        assert panel.get_title() == title
        np.testing.assert_array_equal(panel.images[0].get_array(), mask)
        assert [label.get_text() for label in panel.get_xticklabels()] == ["A1", "A2", "B1"]
