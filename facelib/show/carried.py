"""What carrying thresholds over gains: a table and a figure."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.measure.carried_thresholds import Carried
from facelib.measure.lfw_protocol import as_text
from facelib.show.plots import COLOURS

WAYS = {
    "validation": "threshold of validation",
    "quantile": "carried over: quantile matching",
    "normalised": "carried over: score normalisation",
}


def tabulate(carried: dict[tuple[str, str], Carried], threshold: float) -> list[tuple[str, ...]]:
    """Rows of cells, the heading first, of figures by the kind of the pairs and the change of their images.

    Args:
        threshold: that of validation.
    """
    heading = ("pairs", "images", "best threshold moved by", "accuracy, threshold of validation")
    rows = [(*heading, "quantile matching", "score normalisation", "best on these pairs")]
    for (kind, change), found in carried.items():
        gains = (as_text(found.gains[way]) for way in ("quantile", "normalised", "best"))
        moved = f"{found.best_threshold - threshold:+.4f}"
        rows.append((kind, change, moved, f"{found.accuracy.value:.4f}", *gains))
    return rows


def draw_losses(carried: dict[tuple[str, str], Carried]):
    """A figure of the accuracy that each way loses to the threshold that is best on the pairs."""
    kinds = list(dict.fromkeys(kind for kind, _ in carried))
    figure, panels = plt.subplots(1, len(kinds), figsize=(8, 3.4), sharey=True, squeeze=False)
    colours = ("threshold", "matched", "validation")
    for panel, kind in zip(panels[0], kinds, strict=True):
        own = {change: found.gains for (name, change), found in carried.items() if name == kind}
        for place, (way, colour) in enumerate(zip(WAYS, colours, strict=True)):
            losses = [gains["best"].value - (gains[way].value if way in gains else 0.0) for gains in own.values()]
            where = np.arange(len(own)) + 0.26 * (place - 1)
            panel.bar(where, 100 * np.array(losses), 0.24, color=COLOURS[colour], label=WAYS[way])
        panel.axhline(0, color="black", linewidth=0.8)
        panel.set_xticks(range(len(own)), list(own), fontsize=8)
        panel.set(title=f"{kind.capitalize()} pairs", xlabel="images")
    panels[0, 0].set_ylabel("accuracy lost (points)")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return figure


def losses_in_words(carried: dict[tuple[str, str], Carried]) -> str:
    """What `draw_losses` shows, for who cannot see it."""
    lines = []
    for (kind, change), found in carried.items():
        best = found.gains["best"].value
        losses = (best - (found.gains[way].value if way in found.gains else 0.0) for way in WAYS)
        lines.append(f"{kind} pairs, {change}: {', '.join(f'{100 * loss:.1f}' for loss in losses)}")
    return (
        "Bars of the points of accuracy that are lost to the best threshold, by the threshold of validation, by "
        f"quantile matching and by score normalisation. {'; '.join(lines)}."
    )


def in_words(row: dict) -> str:
    """A row of the results: images, how far the threshold moved, and what quantile matching gains."""
    return f"{row['images']} {row['moved']:+.4f}, {as_text(row['gains']['quantile'])}"
