"""One style and one colour scheme for every figure, and the figures that two notebooks or the report use."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.ticker import MaxNLocator

from facelib.config import Config
from facelib.results import publish
from facelib.show.lettering import FONT, figure_text

# Okabe and Ito 2008, "Color universal design": told apart with every common kind of colour vision
COLOURS = {
    "matched": "#0072B2",
    "mismatched": "#E69F00",
    "training": "#009E73",
    "validation": "#D55E00",
    "anchor": "#000000",
    "positive": "#0072B2",
    "negative": "#D55E00",
    "circle": "#CC79A7",
    "triplet": "#56B4E9",
    "threshold": "#000000",
    "neutral": "#666666",
}
STYLE = {
    "axes.grid": True,
    "axes.prop_cycle": plt.cycler(color=["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": FONT,
    "font.size": 10,
    "grid.alpha": 0.3,
    "image.cmap": "cividis",
    "image.interpolation": "none",  # pixels as they are, also in SVG
    "legend.frameon": False,
}
SVG = {"svg.hashsalt": "facelib", "svg.fonttype": "path"}  # fixed ids, and glyphs that need no font
DRAWN_NOTE = "Run on drawn faces, not photographs"


def use_style() -> None:
    """Give all figures that follow the project's style."""
    plt.rcParams.update(STYLE)


def banner(config: Config) -> Markdown | None:
    """What a notebook says first where its faces are drawn; None for photographs."""
    if not config.drawn:
        return None
    return Markdown(
        "> **Drawn faces.** This run was given no photographs, so `facelib.data.drawn` drew its faces. What follows"
        " shows that every step works; its numbers say nothing about people. `data/README.md` tells where"
        " photographs come from, and `make all DATA=path` runs on them."
    )


def save(figure: plt.Figure, config: Config, name: str, alt: str, drawn: bool | None = None) -> None:
    """Write ``reports/<profile>/figures/<name>.svg``, the same bytes on every run, then show the figure and close it.

    The note on drawn faces takes the place of the figure's common x label.

    Args:
        alt: what the figure shows, for who cannot see it: kind of picture, what is on its axes, what is to be seen.
        drawn: where a figure is about other faces than those of `config`, whether these are drawn.

    Raises:
        ValueError: no `alt`, or one that says no more than a title of the figure.
    """
    alt = " ".join(alt.split())
    titles = {figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)}
    if not alt or alt.strip(" .") in titles:
        raise ValueError(f"figure {name}: alt={alt!r} does not say what the figure shows to who cannot see it")
    if config.drawn if drawn is None else drawn:
        figure.supxlabel(DRAWN_NOTE, x=0.995, ha="right", fontsize=8, style="italic", color=COLOURS["neutral"])
    content = io.BytesIO()
    with plt.rc_context(SVG):
        figure.savefig(content, format="svg", metadata={"Date": None, "Description": alt})
    publish(config, config.reports / "figures" / f"{name}.svg", content.getvalue())
    _show(figure, alt)


def _show(figure, alt):
    # as the inline backend would at the end of the cell, but with the text
    content = io.BytesIO()
    figure.savefig(content, format="png")
    plt.close(figure)
    picture = {"image/png": base64.b64encode(content.getvalue()).decode(), "text/plain": alt}
    display(picture, raw=True, metadata={"image/png": {"alt": alt}})


def face_grid(images, titles=None, columns: int = 8, title: str = "", colours=None) -> plt.Figure:
    """Faces in rows of `columns`.

    Args:
        images: n of (height, width, 3) in [0, 255], uint8 or float, of any size. titles: n strings, above the faces.
        colours: n colours of the titles, such as ``COLOURS["anchor"]``.

    Raises:
        ValueError: no images, or a number of titles or colours that differs from theirs.
    """
    images = [np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in images]
    titles = [""] * len(images) if titles is None else titles
    colours = ["black"] * len(images) if colours is None else colours
    if not images or len(titles) != len(images) or len(colours) != len(images):
        raise ValueError(f"a grid of {len(images)} images got {len(titles)} titles and {len(colours)} colours")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    face_height = 1.2 + 0.18 * (1 + max(text.count("\n") for text in titles)) * any(titles)
    size = (1.2 * columns, face_height * rows + 0.35 * bool(title))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for panel, image, text, colour in zip(axes.flat, images, titles, colours, strict=False):
        panel.imshow(image)
        panel.set_title(text, fontsize=8, color=colour)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def score_histogram(
    scores, matched, thresholds=None, title: str = "Scores of matched and mismatched pairs"
) -> plt.Figure:
    """Histograms over the same 50 bins of the scores of matched and of mismatched pairs.

    Args:
        scores: (pairs,) in [0, 1]. matched: (pairs,) bool.
        thresholds: scores to mark, by their name in the legend, such as ``{"best on validation pairs": 0.71}``.
    """
    scores, matched = np.asarray(scores), np.asarray(matched, dtype=bool)
    bins = np.histogram_bin_edges(scores, bins=50)
    figure, axes = plt.subplots(figsize=(7, 3))
    for name, group in (("mismatched", scores[~matched]), ("matched", scores[matched])):
        axes.hist(group, bins, color=COLOURS[name], alpha=0.55, label=f"{name} ({len(group):,} pairs)")
        axes.hist(group, bins, color=COLOURS[name], histtype="step", linewidth=1.2)
    for style, (name, threshold) in zip(("--", ":", "-."), (thresholds or {}).items(), strict=False):
        axes.axvline(
            threshold,
            color=COLOURS["threshold"],
            linestyle=style,
            label=f"threshold {figure_text(name)}: {threshold:.3f}",
        )
    axes.set(title=title, xlabel="score (0 to 1, higher for the same person)", ylabel="pairs per bin")
    axes.margins(y=0.25)  # room for the legend above the bars
    axes.legend(loc="upper center", ncols=2, fontsize=8, frameon=True, framealpha=1, edgecolor="none")
    return figure


def scores_in_words(scores, matched, thresholds=None) -> str:
    """What `score_histogram` shows, for who cannot see it; arguments as there."""
    scores, matched = np.asarray(scores), np.asarray(matched, dtype=bool)
    groups = [(name, scores[matched == (name == "matched")]) for name in ("matched", "mismatched")]
    texts = [
        f"{name} pairs from {group.min():.3f} to {group.max():.3f}, mean {group.mean():.3f}" for name, group in groups
    ]
    lines = [f" A line marks the threshold {name} at {value:.3f}." for name, value in (thresholds or {}).items()]
    return f"Two histograms of scores over each other: {'; '.join(texts)}.{''.join(lines)}"


def roc(curves: dict, title: str = "Receiver operating characteristic", band=None) -> plt.Figure:
    """ROC curves by their name in the legend, each a pair of arrays: false and true positive rates.

    Args:
        band: `intervals.RocBand` of the first curve: its true positive rates, each with an interval of its own.
    """
    figure, axes = plt.subplots(figsize=(4.8, 4.4))
    if band is not None:
        shown = dict(color=COLOURS["matched"], alpha=0.2, linewidth=0, label="95 % interval at each rate")
        axes.fill_between(band.far, band.lower, band.upper, **shown)
    for name, (false_positive_rates, true_positive_rates) in curves.items():
        axes.plot(false_positive_rates, true_positive_rates, label=figure_text(name))
    axes.plot([0, 1], [0, 1], color=COLOURS["neutral"], linestyle=":", label="chance")
    axes.set(title=title, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(
        xlabel="false positive rate (share of mismatched pairs)", ylabel="true positive rate (share of matched pairs)"
    )
    axes.legend(loc="lower right")
    return figure


def probability_curve(scores, matched, probabilities, threshold) -> plt.Figure:
    """The probabilities that a calibration gives to scores, and the scores of both kinds of pair, at 0 and at 1.

    Args:
        scores: (pairs,). matched: (pairs,) bool. probabilities: (pairs,), of the scores.
        threshold: the score of best accuracy.
    """
    order = np.argsort(scores)
    figure, axes = plt.subplots(figsize=(7, 3.4))
    axes.plot(scores[order], probabilities[order], color=COLOURS["validation"], label="fitted to validation pairs")
    for name, height in (("mismatched", 0), ("matched", 1)):
        values = scores[matched == height]
        axes.plot(values, np.full(len(values), height), "|", color=COLOURS[name], alpha=0.5, label=f"{name} pairs")
    axes.axvline(threshold, linestyle="--", color=COLOURS["threshold"], label="threshold of best accuracy")
    axes.set(title="Score and probability", xlabel="score (0 to 1, higher for the same person)")
    axes.set_ylabel("probability of the same person")
    axes.legend(loc="center right", fontsize=8)
    return figure


def training_curves(history: list[dict], title: str = "Training") -> plt.Figure:
    """How a run went, epoch by epoch.

    Args:
        history: one dict per epoch with `loss`, `s_p`, `s_n`, `active_share`, `learning_rate`, `validation_roc_auc`
            and `validation_accuracy`; a value that was not measured is missing or None and leaves a gap.

    Raises:
        ValueError: an empty history.
    """
    if not history:
        raise ValueError("the history holds no epoch; train at least one")
    epochs = np.arange(1, len(history) + 1)
    figure, axes = plt.subplots(2, 3, figsize=(10, 4), sharex=True)

    def draw(panel, key, colour, label, linestyle="-"):
        values = [np.nan if record.get(key) is None else record[key] for record in history]
        panel.plot(epochs, values, linestyle, color=COLOURS[colour], label=label, marker=".")

    draw(axes[0, 0], "loss", "training", "training")
    draw(axes[0, 1], "s_p", "positive", "anchor and positive, $s_p$")
    draw(axes[0, 1], "s_n", "negative", "anchor and negative, $s_n$", "--")
    draw(axes[0, 1], "similarity", "neutral", "all pairs", ":")
    draw(axes[0, 2], "active_share", "training", "training")
    draw(axes[1, 0], "validation_roc_auc", "validation", "validation")
    draw(axes[1, 1], "validation_accuracy", "validation", "validation")
    draw(axes[1, 2], "learning_rate", "neutral", "optimizer")
    panels = (
        ("Loss", "mean over\nthe triplets"),
        ("Similarities in the batch", "scaled cosine\nsimilarity"),
        ("Pairs with a triplet", "share of anchor-\npositive pairs"),
        ("Validation ROC AUC", "area under\nthe curve"),
        ("Validation accuracy", "share of\nthe pairs"),
        ("Learning rate", "per step"),
    )
    for panel, (heading, unit) in zip(axes.flat, panels, strict=True):
        panel.set(title=heading, ylabel=unit)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.legend(fontsize=8)
    for panel in axes[1]:
        panel.set_xlabel("epoch")
    figure.suptitle(title, fontsize=12)
    return figure


def training_in_words(history: list[dict]) -> str:
    """What `training_curves` shows, for who cannot see it: from where to where each curve goes."""
    names = {
        "loss": "loss of the triplets",
        "s_p": "similarity of anchor and positive",
        "s_n": "of anchor and negative",
        "active_share": "share of pairs with a triplet",
        "validation_roc_auc": "validation ROC AUC",
        "validation_accuracy": "validation accuracy",
    }
    ends = [(name, history[0].get(key), history[-1].get(key)) for key, name in names.items()]
    texts = [f"{name} {start:.3f} and {end:.3f}" for name, start, end in ends if None not in (start, end)]
    return f"Curves over {len(history)} epochs, in six panels. In the first and in the last epoch: {'; '.join(texts)}."
