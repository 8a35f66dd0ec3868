"""Errors over training identities, and the line that is carried beyond what was measured."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.show.plots import COLOURS

STYLES = (("o", COLOURS["matched"]), ("^", COLOURS["training"]))  # as in the figure over minutes
TICKS = (0.5, 1, 2, 5, 10, 20, 50)  # percent


def forecast_figure(kinds: dict, ahead: int, published: tuple[float, float] | None) -> plt.Figure:
    """Runs as points; their line, dashed where nothing was measured, with its 95 % interval; the forecast as a mark.

    Args:
        kinds: name -> training identities (runs,), accuracies (runs,), and the `power_law.PowerLaw`, or None.
        ahead: identities of the forecast.
        published: least and most accuracy of networks that others trained on about as many identities.
    """
    figure, panel = plt.subplots(figsize=(5.4, 2.2))
    for (name, (identities, accuracies, law)), (marker, colour) in zip(kinds.items(), STYLES, strict=False):
        panel.plot(identities, 100 * (1 - np.array(accuracies)), marker, color=colour, markersize=5, label=name)
        if law is None:
            continue
        least, most = min(identities), max(identities)
        grid = np.geomspace(least, ahead, 60)
        value, lower, upper = 100 * np.array([law.error_at(each) for each in grid]).T
        panel.fill_between(grid, lower, upper, color=colour, alpha=0.15, linewidth=0)
        for where, style in ((grid <= most, "-"), (grid >= most * 0.95, "--")):
            panel.plot(grid[where], value[where], style, color=colour, linewidth=1.4)
        place = ahead * (0.97 if marker == "o" else 1.03)  # side by side
        reach = [[value[-1] - lower[-1]], [upper[-1] - value[-1]]]
        options = dict(fmt=marker, color=colour, markerfacecolor="white", markersize=7, capsize=3)
        panel.errorbar(place, value[-1], reach, **options)
    if published:
        ends = [100 * (1 - accuracy) for accuracy in published]
        bar = dict(
            color=COLOURS["validation"], linewidth=7, solid_capstyle="butt", alpha=0.7, label="published networks"
        )
        panel.plot([ahead, ahead], ends, **bar)
    panel.axvline(ahead, color=COLOURS["neutral"], linestyle=":", linewidth=1)
    panel.set(xscale="log", yscale="log", xlabel="training identities", ylabel="errors, %")
    panel.set_title("Errors on the test pairs; dashed: a forecast, not measured")
    sizes = sorted({*(size for identities, *_ in kinds.values() for size in identities), ahead})
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    low, high = panel.get_ylim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.minorticks_off()
    panel.legend(fontsize=8, loc="lower left")
    return figure


def forecast_in_words(found: dict) -> str:
    """What `forecast_figure` shows, for who cannot see it.

    Args:
        found: what `forecast.forecast` of the study returns.
    """
    sizes = sorted({run["identities"] for run in found["runs"]})
    texts = []
    for kind, each in found["kinds"].items():
        least, most = ([run for run in found["runs"] if run["identities"] == size] for size in (sizes[0], sizes[-1]))
        ends = [np.mean([run[f"{kind}_accuracy"] for run in runs]) for runs in (least, most)]
        ahead = "{value:.3f}, interval {lower:.3f} to {upper:.3f}".format(**each["accuracy"])
        texts.append(f"{each['name']}, from {ends[0]:.3f} to {ends[1]:.3f}, forecast {ahead}")
    return (
        f"Errors on the test pairs over training identities, both on logarithmic axes: {len(found['runs'])} trainings"
        f" on {sizes[0]:,} to {sizes[-1]:,} identities as points, lines through them, and beyond, dashed and in a band,"
        f" a forecast to {found['identities']:,}, which was not measured. Mean accuracies: {'; '.join(texts)}."
    )
