"""Equations of notebooks."""

import sympy
from IPython.display import Markdown, display


def show_equation(*sides) -> None:
    """Display sides that are equal, each an expression of SymPy or LaTeX already."""
    sides = [side if isinstance(side, str) else sympy.latex(side, order="none") for side in sides]
    display(Markdown(f"$${' = '.join(sides)}$$"))
