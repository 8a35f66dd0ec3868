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


EPOCH_HEADING = "epoch  steps    loss    s_p    s_n  active  rate      ROC AUC  accuracy"


def epoch_line(record: dict) -> str:
    """The record of an epoch of training, see `training.train`, under EPOCH_HEADING; an alarm comes below."""
    line = (
        "{epoch:5d} {steps:6d}  {loss:.4f}  {s_p:.3f}  {s_n:.3f}  {active_share:6.1%}  {learning_rate:.2e}  "
        "{validation_roc_auc:.4f}   {validation_accuracy:.4f}"
    ).format(**record)
    return f"{line}\n       {record['alarm']}" if record["alarm"] else line
