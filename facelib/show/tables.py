"""Tables of notebooks."""

from IPython.display import Markdown


def show_table(*rows) -> Markdown:
    """Rows of cells, each a text, as a table; the first is the heading."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return Markdown("\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]))
