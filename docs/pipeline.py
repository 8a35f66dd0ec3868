"""Draw docs/pipeline.png, the picture in the README: from a folder of faces to a decision. All faces in it are drawn.

Usage: make picture
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from facelib.config import Config
from facelib.data.augmentation import augment
from facelib.data.drawn import draw_face, draw_identity
from facelib.show import plots

SQUARE = (61, 64, 128)  # the crop of a face in its frame
PEOPLE, IMAGES = 4, 4
VARY = "shift_x shift_y zoom roll yaw pitch smile mouth_open gaze glasses hat comb scene_seed red blue slope".split()
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]


def main():
    plots.use_style()
    generator = np.random.default_rng(12)
    people = [draw_identity(generator) for _ in range(PEOPLE)]
    faces = np.array([[np.asarray(draw_face(p, generator, 112, SQUARE, VARY)) for _ in range(IMAGES)] for p in people])

    figure, axes = plt.subplots(
        1, 5, figsize=(15, 3.6), width_ratios=[1, 1, 0.75, 1, 1.15], constrained_layout={"w_pad": 0.12}
    )
    heading = {"fontsize": 12, "fontweight": "bold", "pad": 10}
    mosaic(axes[0], faces)
    axes[0].set_title("1  faces, a folder per person", **heading)
    mosaic(
        axes[1],
        np.stack([augment(row, 1, step, Config.augmentation, Config.warp_share) for step, row in enumerate(faces)]),
    )
    axes[1].set_title("2  a P x K batch, varied", **heading)
    network(axes[2])
    axes[2].set_title("3  the network", **heading)
    sphere(axes[3], generator)
    axes[3].set_title("4  unit vectors; a triplet", **heading)
    scores(axes[4], generator)
    axes[4].set_title("5  a score, a threshold, a decision", **heading)
    figure.canvas.draw()  # lays the panels out, so that the arrows find the gaps between them
    for left, right in zip(axes[:-1], axes[1:], strict=True):
        x = (left.get_position().x1 + right.get_position().x0) / 2
        figure.text(
            x, 0.47, "\N{RIGHTWARDS ARROW}", fontsize=22, ha="center", va="center", color=plots.COLOURS["neutral"]
        )
    figure.savefig(Path(__file__).with_name("pipeline.png"), dpi=90, metadata={"Software": None})


def mosaic(axes, faces):
    axes.imshow(np.concatenate([np.concatenate(row, axis=1) for row in faces], axis=0))
    for number, colour in enumerate(COLOURS):
        axes.add_patch(
            plt.Rectangle((1, number * 112 + 1), 4 * 112 - 3, 110, fill=False, edgecolor=colour, linewidth=2.5)
        )
    axes.set_axis_off()


def network(axes):
    sizes = [(0.9, 0.05), (0.66, 0.09), (0.46, 0.14), (0.3, 0.2), (0.1, 0.05)]
    left = 0.0
    for (height, width), text in zip(sizes, ("112", "56", "28", "14", "d"), strict=True):
        axes.add_patch(
            plt.Rectangle((left, 0.5 - height / 2), width, height, color=plots.COLOURS["triplet"], alpha=0.75)
        )
        axes.text(left + width / 2, 0.5 - height / 2 - 0.06, text, ha="center", va="top", fontsize=9)
        left += width + 0.06
    axes.set(xlim=(-0.02, left), ylim=(-0.1, 1.05))
    axes.set_axis_off()


def sphere(axes, generator):
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color=plots.COLOURS["neutral"], linewidth=1))
    centres = np.radians([35, 125, 215, 310])
    for colour, centre in zip(COLOURS, centres, strict=True):
        angles = centre + generator.normal(0, 0.17, IMAGES)
        axes.plot(np.cos(angles), np.sin(angles), "o", color=colour, markersize=9)
    a, p, n = np.radians([16, 52, 103])
    for end, style, label in ((p, "-", "$s_p$"), (n, "--", "$s_n$")):
        axes.plot([np.cos(a), np.cos(end)], [np.sin(a), np.sin(end)], style, color="black", linewidth=1.5)
        axes.text(*(0.72 * np.array([np.cos(a) + np.cos(end), np.sin(a) + np.sin(end)]) / 2 - 0.05), label, fontsize=12)
    for angle, name, colour in ((a, "anchor", COLOURS[0]), (p, "positive", COLOURS[0]), (n, "negative", COLOURS[1])):
        axes.plot(np.cos(angle), np.sin(angle), "o", color=colour, markersize=11, markeredgecolor="black")
        axes.text(
            1.13 * np.cos(angle), 1.13 * np.sin(angle), name, fontsize=9, ha="left" if np.cos(angle) > 0 else "right"
        )
    axes.set(xlim=(-1.35, 1.7), ylim=(-1.2, 1.3), aspect="equal")
    axes.set_axis_off()


def scores(axes, generator):
    bins = np.linspace(0.35, 1, 45)
    for name, mean in (("mismatched", 0.56), ("matched", 0.78)):
        axes.hist(generator.normal(mean, 0.06, 4000), bins, color=plots.COLOURS[name], alpha=0.6, label=name)
    axes.axvline(0.67, color="black", linestyle="--", label="threshold")
    axes.set(xlabel="score (cos + 1) / 2 (sketch)", yticks=[])
    axes.legend(loc="upper left", fontsize=8)


if __name__ == "__main__":
    main()
