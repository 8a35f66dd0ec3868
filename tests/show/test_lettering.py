"""Names from outside in figures: drawn as they are, without a warning and without mathematics."""

import os
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.show.lettering import figure_text

NAMES = [
    "Ann", "a$b$c", "$", "$$", r"a\$b$", "$\\frac$", "\\frac{1}{2}", "^_{}", "#%&", "_hidden", "__", "中文",
    "عربي", "한글", "🧑 😀", "é e\u0301", "ﬁＡ", "a\nb", "\u202eabc", os.fsdecode(b"Jos\xe9"),
]  # fmt: skip


def draw(texts):
    """A figure with `texts` in a title, a label, a tick and a legend, drawn with warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, axes = plt.subplots()
        for text in texts:
            axes.plot([0, 1], label=text)
        axes.set(title=texts[0], xlabel=texts[0], xticks=[0], xticklabels=[texts[0]])
        legend = axes.legend()
        figure.canvas.draw()
        plt.close(figure)
    return [entry.get_text() for entry in legend.get_texts()]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_drawn_without_a_warning_and_has_its_entry_in_a_legend(name):
    assert draw([figure_text(name)]) == [figure_text(name)]


@given(st.text(max_size=12))
def test_no_text_is_read_as_mathematics_or_lacks_a_glyph(name):
    text = figure_text(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plt.figure()
        drawn = figure.text(0, 0, text)
        shown, mathematics = drawn._preprocess_math(text)
        figure.canvas.draw()
        plt.close(figure)
    assert mathematics is False
    assert shown.lstrip("\u200b") == text.replace(r"\$", "$").lstrip("\u200b")


def test_signs_without_a_glyph_are_replaced_and_others_stay():
    assert figure_text("Ann_Lee é") == "Ann_Lee é"
    assert figure_text("李a") == r"\u674ea"
    assert figure_text("Ａnn") == "Ann"  # full width
    assert figure_text("🧑") == r"\u1f9d1"
    assert figure_text("a$b") == r"a\$b"


def test_long_names_are_cut_between_signs():
    assert figure_text("a" * 17, 17) == "a" * 17
    assert figure_text("a" * 18, 17) == "a" * 16 + "…"
    assert figure_text("李李李", 17) == r"\u674e\u674e…"
    assert figure_text("$" * 18, 4) == r"\$\$\$…"
