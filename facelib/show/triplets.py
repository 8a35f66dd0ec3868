"""What notebook 05 shows of triplets: how many of each kind there are, and which ones a method chooses."""

import matplotlib.pyplot as plt
import numpy as np

from facelib.show.plots import COLOURS, face_grid

KINDS = ("easy", "semi-hard", "hard")


def draw_similarities(similarities, positives, negatives, each: int) -> plt.Figure:
    """The similarities of a batch: of the images of its first identities as shades, of all pairs as histograms.

    Args:
        similarities: (B, B), the images of an identity side by side. positives, negatives: (B, B) bool.
        each: images of each identity.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), width_ratios=(1.15, 1))
    shown = min(len(similarities), 12 * each)  # identities beyond the twelfth would be too small to see
    shades = left.imshow(similarities[:shown, :shown], vmin=similarities[negatives].min(), vmax=1)
    left.set_xticks(np.arange(0, shown + 1, each) - 0.5, [""] * (shown // each + 1))
    left.set_yticks(np.arange(0, shown + 1, each) - 0.5, [""] * (shown // each + 1))
    left.grid(color="white", alpha=0.8, linewidth=0.6)
    left.set(title=f"The first {shown // each} identities, {each} images each")
    left.set(xlabel="image, by identity", ylabel="image, by identity")
    figure.colorbar(shades, ax=left, label="scaled cosine similarity", shrink=0.9)
    bins = np.histogram_bin_edges(similarities[positives | negatives], bins=40)
    for name, mask in (("negative", negatives), ("positive", positives)):
        right.hist(similarities[mask], bins, density=True, color=COLOURS[name], alpha=0.55, label=f"{name} pairs")
    right.set(title="All pairs of the batch", xlabel="scaled cosine similarity", ylabel="density")
    right.legend()
    return figure


def draw_kinds(by_margin: dict[float, dict[str, int]], title: str) -> plt.Figure:
    """For each margin a bar of the shares of the KINDS of triplets.

    Args:
        by_margin: margin -> kind -> triplets.
    """
    figure, axes = plt.subplots(figsize=(7, 3.6))
    bottom = np.zeros(len(by_margin))
    for kind, colour in zip(KINDS, ("training", "mismatched", "validation"), strict=True):
        shares = np.array([kinds[kind] / sum(kinds.values()) for kinds in by_margin.values()])
        bars = axes.bar(range(len(shares)), shares, bottom=bottom, color=COLOURS[colour], label=kind)
        texts = [f"{share:.0%}" if share > 0.03 else "" for share in shares]
        axes.bar_label(bars, texts, label_type="center", fontsize=8)
        bottom += shares
    axes.set_xticks(range(len(by_margin)), by_margin)
    axes.set(title=title, ylabel="share of the valid triplets")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_methods(similarities, triplets: dict[str, list], margin: float, low: float, seed: int) -> plt.Figure:
    """For each method its triplets as points, at most 4,000, by the similarities of anchor and positive, and negative.

    Args:
        similarities: (B, B). triplets: method -> (anchor, positive, negative) tuples.
        low: where both axes begin. seed: of the choice of points.
    """
    figure, axes = plt.subplots(1, len(triplets), figsize=(11, 3.9), sharex=True, sharey=True)
    generator = np.random.default_rng(seed)
    for panel, (method, chosen) in zip(axes, triplets.items(), strict=True):
        rows = np.array(chosen, int).reshape(-1, 3)
        a, p, n = rows[generator.permutation(len(rows))[:4000]].T
        panel.plot([low, 1], [low, 1], color="black", linewidth=1, label="$s_n = s_p$")
        panel.plot([low, 1], [low - margin, 1 - margin], color="black", linestyle="--", linewidth=1, label="margin")
        points = dict(s=5, alpha=0.4, color=COLOURS["negative"], linewidths=0)
        panel.scatter(similarities[a, p], similarities[a, n], **points)
        panel.set(title=f"{method}: {len(rows):,} triplets", xlabel="$s_p$ (scaled cosine)")
        panel.set(xlim=(low, 1), ylim=(low, 1))
    axes[0].set_ylabel("$s_n$ (scaled cosine)")
    axes[0].legend(fontsize=8)
    return figure


def draw_triplets(images, similarities, rows) -> plt.Figure:
    """Faces of triplets, five in a row, under their role and their similarity to the anchor.

    Args:
        images: (B, height, width, 3) in [0, 255]. similarities: (B, B).
        rows: tuples of role, anchor and the other image, which is None where the role has no image.
    """
    titles, colours, faces = [], [], []
    for role, anchor, other in rows:
        symbol = "$s_p$" if role == "positive" else "$s_n$"
        second_line = "none" if other is None else f"{symbol} = {similarities[anchor, other]:.4f}"
        titles.append(role if role == "anchor" else f"{role}\n{second_line}")
        colours.append(COLOURS[role if role in ("anchor", "positive") else "negative"])
        faces.append(np.full(images[0].shape, 255.0) if other is None else images[other])
    return face_grid(faces, titles, 5, "Triplets of each method, and similarities to the anchor", colours)
