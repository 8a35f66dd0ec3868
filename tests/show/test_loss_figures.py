import numpy as np

from facelib.show.loss_figures import convergence_figure, pulls_figure, surface_figure


def test_convergence_shows_each_gamma_beside_its_bound():
    x = np.linspace(-1, 1, 5)
    curves = {2: x + 1, 8: x + 2}
    left, right = convergence_figure(x, curves, np.maximum(0, x), [0.3, 0.1], [0.4, 0.2]).axes
    for line, expected in zip(left.lines, [*curves.values(), np.maximum(0, x)], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), expected)
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == [r"circle loss, $\gamma$ = 2", r"circle loss, $\gamma$ = 8", "triplet loss, max(0, x)"]
    bounds, largest = (line.get_xydata().tolist() for line in right.lines)
    assert bounds == [[2, 0.4], [8, 0.2]] and largest == [[2, 0.3], [8, 0.1]]


def test_the_surface_has_arrows_boundary_and_points():
    panels = {
        "one": (lambda p, n: (n, p, -n), lambda p, n: n - p),
        "other": (lambda p, n: (p, 0 * p, n), lambda p, n: n - 0.5),
    }
    one, other, _ = surface_figure(panels, {"A": (0.2, 0.3)}, (0.75, 0.25)).axes
    for panel, title, boundary in ((one, "one", lambda p, n: n - p), (other, "other", lambda p, n: n - 0.5)):
        assert panel.get_title() == title and [text.get_text() for text in panel.texts] == ["A"]
        assert panel.texts[0].get_position() == (0.2, 0.3)
        assert panel.lines[-1].get_xydata().tolist() == [[0.75, 0.25]]
        _, arrows, zero = panel.collections
        assert len(arrows.U) == 100
        (line,) = [path.vertices for path in zero.get_paths() if len(path.vertices)]
        np.testing.assert_allclose(boundary(*line.T), 0, atol=1e-9)
    np.testing.assert_allclose(one.collections[1].U, np.tile(np.linspace(0.05, 0.95, 10), 10))
    np.testing.assert_allclose(one.collections[1].V, -np.repeat(np.linspace(0.05, 0.95, 10), 10))


def test_pulls_stand_beside_their_margins():
    s = np.linspace(0, 1, 3)
    axes = pulls_figure(s, {"n": (s, 2 * s), "p": (3 * s, 4 * s)}, {"n": 0.25, "p": 0.75}, 0.5).axes
    for panel, letter, factors, margin in zip(axes, "np", ((1, 2), (3, 4)), (0.25, 0.75), strict=True):
        constant, full, line = panel.lines
        np.testing.assert_array_equal([constant.get_ydata(), full.get_ydata()], [factor * s for factor in factors])
        assert line.get_xdata() == [margin, margin]
        assert panel.get_title() == f"Pull on $s_{letter}$ where the other similarity is 0.5"
