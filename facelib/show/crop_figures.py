"""How the test images are cropped, and whether they then look like the training images."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.data.test_crop import Framing
from facelib.show.plots import COLOURS
from facelib.show.survey import Survey


def crop_figure(framing: Framing, configured: bool) -> plt.Figure:
    """The square in the mean test frame, and the likeness of the best squares by their sides.

    Args:
        configured: whether the square is the configuration's, and not the one that was found.
    """
    left, top, side = framing.crop
    figure, (frame, curve) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=(1, 1.5))
    frame.imshow(framing.frame, cmap="gray")
    style = dict(fill=False, color=COLOURS["validation"], lw=2)
    frame.add_patch(plt.Rectangle((left - 0.5, top - 0.5), side, side, **style))
    frame.set(title="Mean test frame, and the square", xlabel="column (pixel)", ylabel="row (pixel)")
    frame.grid(False)
    curve.plot(*np.transpose(framing.found.sides), marker=".", label="best place for each side")
    curve.plot(framing.found.crop[2], framing.found.correlation, "o", color=COLOURS["validation"], label="found")
    if configured:
        curve.axvline(side, color=COLOURS["neutral"], linestyle="--", label="configured")
    curve.set(title="Likeness to the mean training face", xlabel="side of the square (pixel)")
    curve.set_ylabel("correlation of the edges")
    curve.legend()
    return figure


def mean_faces_figure(training: Survey, test: Survey, warn: bool) -> plt.Figure:
    """The mean training face, the mean test face, and how much lighter the latter is, pixel by pixel.

    Args:
        warn: whether to say above them that the two are not alike.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6))
    for panel, looked_at, name in zip(axes, (training, test), ("training", "test"), strict=False):
        panel.imshow(np.rint(looked_at.mean).astype(np.uint8))
        panel.set_title(f"Mean {name} face ({len(looked_at.colour):,} images)")
    difference = (test.mean - training.mean).mean(axis=2)
    limit = max(1.0, float(np.abs(difference).max()))
    shades = axes[2].imshow(difference, cmap="PuOr", vmin=-limit, vmax=limit)
    axes[2].set_title("Test minus training")
    figure.colorbar(shades, ax=axes[2], label="brightness (levels of 255)", shrink=0.8)
    middle, end = training.mean.shape[1] // 2, training.mean.shape[1] - 1
    for panel in axes:
        panel.set(xlabel="column (pixel)", xticks=(0, middle, end), yticks=(0, middle, end))
        panel.grid(False)
    axes[0].set_ylabel("row (pixel)")
    if warn:
        figure.suptitle("Training and test are NOT alike: see the warning", color=COLOURS["validation"])
    return figure
