import keras
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from keras import layers

from facelib.learn.layers import FusedBatchNormalization
from facelib.learn.networks import build_residual_network, count_multiply_adds, layer_multiply_adds
from facelib.show import architecture


@pytest.fixture(scope="module")
def small():
    """6x6 images, a stem of two convolutions, a block, and a dense layer; sizes that can be counted by hand."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="valid", name="stem1_conv")(inputs)  # 4x4x4
    x = layers.Conv2D(2, 1, name="stem2_conv")(x)  # 4x4x2
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(5, 3, 2, padding="same", use_bias=False, name="block1_conv")(x)  # 2x2x5
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, layers.Dense(7, name="embedding")(x))


STAGES = {
    "stem": {"multiply_adds": 16 * 27 * 4 + 16 * 4 * 2, "parameters": 27 * 4 + 4 + 4 * 2 + 2, "map": "4x4x2"},
    "block1": {"multiply_adds": 4 * 18 * 5, "parameters": 18 * 5, "map": "2x2x5"},
    "embedding": {"multiply_adds": 20 * 7, "parameters": 20 * 7 + 7, "map": ""},
}


def test_stages_hold_the_work_and_the_parameters_of_their_layers(small):
    assert architecture.stages(small) == STAGES
    assert list(architecture.stages(small)) == list(STAGES)


@pytest.mark.parametrize("local_contrast", [True, False])
def test_layers_and_stages_add_up_to_the_network(local_contrast):
    model = build_residual_network(8, 32, local_contrast)
    parts = architecture.stages(model).values()
    assert sum(map(layer_multiply_adds, model.layers)) == count_multiply_adds(model)
    assert sum(part["multiply_adds"] for part in parts) == count_multiply_adds(model)
    assert sum(part["parameters"] for part in parts) == model.count_params()
    norms = [layer for layer in model.layers if isinstance(layer, FusedBatchNormalization)]
    learned = model.count_params() - 2 * sum(norm.scale.shape[0] for norm in norms)
    counts = (8, model.count_params(), learned, count_multiply_adds(model), 1024 * 8 + 8)
    row = architecture.describe("residual", model, "as others say")
    assert row == ("residual", *(f"{count:,}" for count in counts), "as others say")


def test_the_table_of_layers_is_whole(small):
    heading, rule, *rows = architecture.show_layers(small).data.splitlines()
    assert heading == "| layer | kind | output | parameters | of |" and len(rows) == len(small.layers) + 1
    assert rows[1] == f"| stem1_conv | Conv2D | 4x4x4 | 112 | {small.layers[0].name} |"
    assert rows[-2] == "| embedding | Dense | 7 | 147 | flatten |" and rows[-1] == "| **all** |  |  | **359** |  |"


def test_layers_of_several_inputs_name_all_and_open_sides_are_any():
    rows = architecture.show_layers(build_residual_network(8, 32)).data.splitlines()
    assert rows[2].startswith("| images | InputLayer | anyxanyx3 |")
    (joined,) = (row for row in rows if row.startswith("| block1_add |"))
    assert joined.endswith("| block1_2_norm, block1_shortcut_norm |") or joined.count(", ") == 1


def test_each_stage_has_its_bars_and_the_text_names_the_longest():
    figure = architecture.draw_stages({"one": STAGES, "two": STAGES})
    assert len(figure.axes) == 4
    for axes, key in zip(figure.axes, ("multiply_adds", "parameters") * 2, strict=True):
        lengths = [bar.get_width() * 1e6 for bar in axes.containers[0]]
        assert lengths == pytest.approx([stage[key] for stage in STAGES.values()])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["stem (4x4x2)", "block1 (2x2x5)", "embedding (vector)"]
    assert architecture.stages_in_words({"one": STAGES}) == (
        "Bars for each stage of each network; of the 0.0 million multiply-adds of the one network 79% are in stem; of"
        " the 0.0 million parameters of the one network 41% are in embedding."
    )
    plt.close(figure)
