"""TeX formulas in notebooks as MathML, which browsers show without a script and without the network."""

import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from facelib.publish import PublishingError

COMMAND = re.compile(r"\\[A-Za-z]*")
ALIGNED = re.compile(r"(\\(?:begin|end))\{(?:aligned|split)\}")  # the converter knows align*, which means the same here


def to_mathml(tex: str, display: bool) -> str:
    """The TeX formula `tex`, without its dollar signs, as a ``<math>`` element, which has it as its alternative.

    Raises:
        PublishingError: a command that the converter does not know (it would be shown as text), or broken TeX.
    """
    source = ALIGNED.sub(r"\1{align*}", tex.strip())
    try:
        result = convert(source, display="block" if display else "inline")
        element = ElementTree.fromstring(result)
    except Exception as error:  # the converter has one exception class for each kind of mistake, and no common one
        raise PublishingError(f"cannot turn ${tex.strip()}$ into MathML: {type(error).__name__} {error}") from error
    unknown = COMMAND.search(" ".join(element.itertext()))
    if unknown:
        raise PublishingError(f"{unknown[0]} in ${tex.strip()}$ has no MathML; write it in another way")
    alternative = html.escape(" ".join(tex.split()))
    return result.replace("<math ", f'<math alttext="{alternative}" ', 1)


def latex_to_html(output: str) -> str:
    """A notebook output of type ``text/latex``, such as a SymPy expression, as a ``<math>`` element."""
    tex = output.strip()
    for mark in ("$$", "$"):
        if tex.startswith(mark) and tex.endswith(mark):
            tex = tex[len(mark) : -len(mark)]
    return to_mathml(tex, display=True)


class _Renderer(IPythonRenderer):
    def block_math(self, body):
        return to_mathml(html.unescape(body), display=True)

    def inline_math(self, body):
        return to_mathml(html.unescape(body), display=False)

    def latex_environment(self, name, body):
        return to_mathml(f"\\begin{{{name}}}{html.unescape(body)}\\end{{{name}}}", display=True)


def markdown_to_html(source: str) -> str:
    """A markdown cell as HTML, its formulas as MathML; headings get no anchors here."""
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)
