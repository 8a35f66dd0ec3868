"""What batches hold: positive pairs, draws of identities, which pairs are positive."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.show.plots import COLOURS


def positives_figure(pairs, partnered, pairs_by_design: float, size: int, name: str) -> plt.Figure:
    """Positive pairs, and images that are in one, in random batches beside those of every batch made by design.

    Args:
        pairs, partnered: (batches,) numbers in random batches. size: images of a batch. name: of those by design.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for panel, values, by_design in zip(axes, (pairs, partnered), (pairs_by_design, size), strict=True):
        bins = np.arange(min(values), max(values) + 2, 1 + (max(values) - min(values)) // 30) - 0.5
        panel.hist(values, bins, color=COLOURS["neutral"], label=f"{len(values):,} random batches of {size}")
        panel.axvline(by_design, color=COLOURS["positive"], linewidth=2, label=f"every {name} batch")
        panel.set(xlim=(-1, None), ylim=(0, 1.3 * panel.get_ylim()[1]))  # leaves room for the legend
        panel.legend(fontsize=8, loc="upper left")
    axes[0].set(title="Positive pairs", xlabel="positive pairs in a batch", ylabel="batches per bin")
    axes[1].set(title="Images with a positive partner", xlabel=f"images of a batch (of {size})")
    axes[1].set(ylabel="batches per bin")
    return figure


def draws_figure(in_passes: np.ndarray, independent: np.ndarray, batches: int) -> plt.Figure:
    """How often each identity was drawn for so many batches, (identities,) int: in passes, and independently."""
    figure, axes = plt.subplots(figsize=(7, 3.4))
    low, high = (choose(choose(in_passes), choose(independent)) for choose in (min, max))
    bins = np.arange(low, high + 2, max(1, (high - low) // 40)) - 0.5
    axes.hist(independent, bins, color=COLOURS["neutral"], alpha=0.6, label="independent draws")
    axes.hist(in_passes, bins, color=COLOURS["training"], alpha=0.8, label="the sampler's passes")
    axes.set(title=f"How often {batches:,} batches drew each of {len(in_passes):,} identities")
    axes.set(xlabel="draws of an identity", ylabel="identities per bin")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure


def masks_figure(masks: dict[str, np.ndarray], names: list[str]) -> plt.Figure:
    """Which pairs are positive, by masks (N, N) bool with their titles; `names` (N,) of the images."""
    figure, axes = plt.subplots(1, len(masks), figsize=(4 * len(masks), 4), squeeze=False)
    for panel, (title, mask) in zip(axes[0], masks.items(), strict=True):
        panel.imshow(mask, cmap="Blues", vmin=0, vmax=1.3)
        panel.set(title=title, xlabel="positive", ylabel="anchor")
        panel.set_xticks(range(len(names)), names)
        panel.set_yticks(range(len(names)), names)
        panel.grid(False)
    figure.suptitle("Which pairs are positive")
    return figure
