"""Names from outside in figures, where some signs mean something and others have no picture."""

import functools
import unicodedata

from matplotlib import font_manager, ft2font

from facelib.folders import printable

FONT = "DejaVu Sans"  # comes with matplotlib, so that a figure is the same on every machine


def figure_text(name: str, most: int | None = None) -> str:
    r"""`name`, which comes from outside, as text that a figure shows as it is: in a title, a legend or a label.

    Signs that `FONT` lacks become their compatible form (NFKD), or else their code, such as ``\u4e2d``. A dollar sign
    starts no mathematics, and a name that begins with ``_`` keeps its entry in a legend.

    Args:
        most: signs to show; of a longer name the last one is an ellipsis.
    """
    shown = [_with_glyphs(sign) for sign in printable(name)]
    if most is not None and sum(map(len, shown)) > most:
        while sum(map(len, shown)) >= most:
            shown.pop()
        shown.append("…")
    text = "".join(shown).replace("$", r"\$")
    return f"\u200b{text}" if text.startswith("_") else text


def _with_glyphs(sign):
    if ord(sign) in _glyphs():
        return sign
    plain = unicodedata.normalize("NFKD", sign)
    if plain != sign and all(ord(part) in _glyphs() for part in plain):
        return plain
    return f"\\u{ord(sign):04x}"


@functools.cache
def _glyphs():
    return frozenset(ft2font.FT2Font(font_manager.findfont(FONT)).get_charmap())
