"""Tables and lists of notebooks."""

from IPython.display import Markdown

from facelib.folders import printable


def show_table(*rows) -> Markdown:
    """Rows of cells, each a text, as a table; the first is the heading."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return Markdown("\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]))


def print_names(rows, between: str = ", ", most: int = 20) -> None:
    """Print rows of names from outside, such as paths, a line for each; of more than `most`, how many are left out."""
    for row in rows[:most]:
        print(f"  {between.join(map(printable, row))}")
    if len(rows) > most:
        print(f"  and {len(rows) - most:,} more")
