"""Progress with the time left: on the terminal while notebooks are executed, in the cell when run by hand."""

import os
import sys

from tqdm import tqdm

VARIABLE = "FACELIB_PROGRESS"  # a file that the executing process shows on its terminal
NOTE = "note: "  # begins what is no progress, and always shown


def say(text: str) -> None:
    """Show one line where progress is shown: it is no part of what is computed, and of no notebook's output."""
    stream = _open() or sys.stderr
    stream.write(f"{NOTE}{text}\n")
    if stream is not sys.stderr:
        stream.close()


def track(iterable, description: str, unit: str, total: int | None = None, delay: float = 0):
    """`iterable`, with a progress line, after `delay` seconds. `set_postfix_str` on the result adds figures to it."""
    stream = _open()
    return tqdm(
        iterable,
        description,
        total,
        file=stream or sys.stderr,
        unit=unit,
        delay=delay,
        mininterval=1.0,
        leave=bool(stream),
        dynamic_ncols=False,
        ncols=110,
        ascii=True,  # every terminal has these letters
    )


def _open():
    path = os.environ.get(VARIABLE)
    return open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace") if path else None
