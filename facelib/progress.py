"""Progress with the time left: on the terminal while notebooks are executed, in the cell when run by hand."""

import os
import sys

from tqdm import tqdm

VARIABLE = "FACELIB_PROGRESS"  # a file that the executing process shows on its terminal


def track(iterable, description: str, unit: str, total: int | None = None):
    """`iterable`, with a progress line. `set_postfix_str` on the result adds figures to the line."""
    path = os.environ.get(VARIABLE)
    stream = open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace") if path else sys.stderr
    return tqdm(
        iterable,
        description,
        total,
        file=stream,
        unit=unit,
        mininterval=1.0,
        leave=bool(path),
        dynamic_ncols=False,
        ncols=110,
        ascii=True,  # every terminal has these letters
    )
