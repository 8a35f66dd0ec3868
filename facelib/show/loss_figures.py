"""The losses of notebook 03: the triplet loss as a limit, the surface over two similarities, the pull on each."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.show.plots import COLOURS


def convergence_figure(x, curves: dict, hinge, largest: list[float], bounds: list[float]) -> plt.Figure:
    """The circle loss with constant weights closing in on the triplet loss, and its largest excess beside the bound.

    Args:
        x: (points,). curves: the circle loss (points,) by gamma. hinge: (points,) the triplet loss.
        largest, bounds: for each gamma.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for gamma, shade in zip(curves, plt.colormaps["cividis"](np.linspace(0.9, 0.1, len(curves))), strict=True):
        left.plot(x, curves[gamma], color=shade, label=rf"circle loss, $\gamma$ = {gamma}")
    left.plot(x, hinge, color=COLOURS["triplet"], linestyle="--", linewidth=2, label="triplet loss, max(0, x)")
    left.set(title="Constant weights: the triplet loss as a limit", xlim=(-0.6, 0.6), ylim=(-0.03, 1))
    left.set(xlabel=r"$x = d^2(a, p) - d^2(a, n) + m$ (squared distance)", ylabel="loss (squared distance)")
    left.legend(fontsize=8)
    right.loglog([*curves], bounds, color=COLOURS["neutral"], label=r"bound, $\log(2)/\gamma$")
    right.loglog([*curves], largest, "o", color=COLOURS["circle"], label="largest excess on the grid")
    right.set(title="The bound is attained", xlabel=r"scale $\gamma$", ylabel="excess (squared distance)")
    right.legend()
    return figure


def surface_figure(panels: dict, points: dict, corner: tuple[float, float]) -> plt.Figure:
    """Losses over s_p and s_n, with arrows down the gradient and the decision boundary.

    Args:
        panels: by title, a function of s_p and s_n to the loss and its step in either, and one that is 0 on the
            boundary. points: places (s_p, s_n) to mark, by name. corner: a place that gets a star.
    """
    p, n = np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201))
    coarse = np.meshgrid(np.linspace(0.05, 0.95, 10), np.linspace(0.05, 0.95, 10))
    figure, axes = plt.subplots(1, len(panels), figsize=(10, 4.6), sharey=True)
    for panel, (title, (descend, boundary)) in zip(axes, panels.items(), strict=True):
        surface = panel.contourf(p, n, descend(p, n)[0], levels=np.linspace(0, 2, 21))
        panel.quiver(*coarse, *descend(*coarse)[1:], color="white", angles="xy", scale=18, width=0.004)
        panel.contour(p, n, boundary(p, n), levels=[0], colors=COLOURS["mismatched"], linewidths=2.5)
        panel.plot([], [], color=COLOURS["mismatched"], linewidth=2.5, label="decision boundary")
        panel.plot(*corner, "*", color=COLOURS["mismatched"], ms=14, mec="white", label="$(1 - m, m)$")
        for name, place in points.items():
            panel.text(*place, name, ha="center", va="center", bbox=dict(boxstyle="circle", fc="white"))
        panel.set(title=title, xlabel="$s_p$, scaled cosine of anchor and positive", aspect="equal")
    axes[0].set_ylabel("$s_n$, scaled cosine of anchor and negative")
    axes[0].legend(loc="upper left", fontsize=8, frameon=True)
    figure.colorbar(surface, ax=axes, label="loss (scaled cosine)")
    return figure


def pulls_figure(similarities, pulls: dict, margins: dict, other: float) -> plt.Figure:
    """The size of the gradient over one similarity, where the other one stays.

    Args:
        similarities: (points,). pulls: for "n" and "p", the gradients (points,) with the weights constant, and with
            the weights differentiated too. margins: likewise, what the similarity should reach. other: the other one.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
    for panel, (letter, (constant, full)) in zip(axes, pulls.items(), strict=True):
        panel.plot(similarities, constant, color=COLOURS["circle"], label="weights constant (eq. 9, 10; facelib)")
        panel.plot(similarities, full, color=COLOURS["mismatched"], linestyle="--", label="weights differentiated too")
        margin = rf"$s_{letter} = \Delta_{letter}$"
        panel.axvline(margins[letter], color=COLOURS["neutral"], linestyle=":", label=margin)
        panel.set(title=f"Pull on $s_{letter}$ where the other similarity is {other}")
        panel.set_xlabel(f"$s_{letter}$, scaled cosine")
        panel.legend(fontsize=8)
    axes[0].set_ylabel(r"$|\partial L / \partial s|$ (no unit)")
    return figure
