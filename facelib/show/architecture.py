"""What notebook 04 shows of networks: their summaries, and where their work and their parameters are."""

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from facelib.learn.networks import count_multiply_adds, layer_multiply_adds
from facelib.show.plots import COLOURS
from facelib.show.tables import show_table


def show_layers(model: keras.Model) -> Markdown:
    """A table of the layers of `model`: name, kind, what it gives for an image, parameters, and what it takes."""
    rows: list[tuple[str, ...]] = [("layer", "kind", "output", "parameters", "of")]
    for layer in model.layers:
        given = layer.output[0] if isinstance(layer.output, list) else layer.output
        shape = "x".join("any" if side is None else str(side) for side in given.shape[1:])
        taken = layer.input if isinstance(layer.input, list) else [layer.input]
        before = [tensor._keras_history.operation.name for tensor in taken]
        names = ", ".join(name for name in before if name != layer.name)
        rows.append((layer.name, type(layer).__name__, shape, f"{layer.count_params():,}", names))
    rows.append(("**all**", "", "", f"**{model.count_params():,}**", ""))
    return show_table(*rows)


def describe(title: str, model: keras.Model, published: str) -> tuple[str, ...]:
    """A row of a table of networks: how many numbers it gives, stores and learns, and what it computes for an image."""
    learned = sum(math.prod(weights.shape) for weights in model.trainable_weights)
    last = model.get_layer("embedding").count_params()
    counts = (model.output_shape[-1], model.count_params(), learned, count_multiply_adds(model), last)
    return (title, *(f"{count:,}" for count in counts), published)


def stages(model: keras.Model) -> dict[str, dict]:
    """Multiply-adds and parameters of each stage that has any, and the map that it leaves; all of the stem are one.

    A stage is what the names of its layers begin with, see `learn.networks`.
    """
    found: dict[str, dict] = {}
    for layer in model.layers:
        name = layer.name.split("_")[0].rstrip("12" if "stem" in layer.name else "")
        stage = found.setdefault(name, {"multiply_adds": 0, "parameters": 0, "map": ""})
        stage["multiply_adds"] += layer_multiply_adds(layer)
        stage["parameters"] += layer.count_params()
        if len(layer.output.shape) == 4:
            stage["map"] = "x".join(map(str, layer.output.shape[1:]))
    return {name: stage for name, stage in found.items() if stage["parameters"]}


def draw_stages(networks: dict[str, dict[str, dict]]) -> plt.Figure:
    """Bars of what each stage of a network computes and stores.

    Args:
        networks: title -> the `stages` of a network.
    """
    figure, axes = plt.subplots(len(networks), 2, figsize=(10, 2.4 * len(networks)), sharex="col", squeeze=False)
    for panels, (title, parts) in zip(axes, networks.items(), strict=True):
        labels = [f"{stage} ({total['map'] or 'vector'})" for stage, total in parts.items()]
        for panel, key, colour in zip(panels, ("multiply_adds", "parameters"), ("matched", "mismatched"), strict=True):
            values = np.array([total[key] for total in parts.values()]) / 1e6
            bars = panel.barh(labels, values, color=COLOURS[colour])
            panel.bar_label(bars, [f"{value / values.sum():.0%}" for value in values], padding=3, fontsize=8)
            panel.set(title=f"{title}: {values.sum():.1f} million {key.replace('_', '-')}")
            panel.margins(x=0.12)
            panel.invert_yaxis()
        panels[0].set_ylabel("stage (map it leaves)")
        panels[1].set_yticklabels([])
    axes[-1, 0].set_xlabel("million multiply-adds for an image")
    axes[-1, 1].set_xlabel("million parameters")
    return figure


def stages_in_words(networks: dict[str, dict[str, dict]]) -> str:
    """What `draw_stages` shows, for who cannot see it."""
    texts = []
    for title, parts in networks.items():
        for key, name in (("multiply_adds", "multiply-adds"), ("parameters", "parameters")):
            whole = sum(total[key] for total in parts.values())
            most = max(parts, key=lambda stage: parts[stage][key])
            share = parts[most][key] / whole
            texts.append(f"of the {whole / 1e6:.1f} million {name} of the {title} network {share:.0%} are in {most}")
    return f"Bars for each stage of each network; {'; '.join(texts)}."
