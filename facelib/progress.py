"""Progress with the time left: on the terminal while notebooks are executed, in the cell when run by hand."""

import functools
import os
import sys

from tqdm import tqdm

VARIABLE = "FACELIB_PROGRESS"  # a file that the executing process shows on its terminal
NOTE = "note: "  # begins what is no progress, and always shown


def say(text: str) -> None:
    """Show one line where progress is shown: it is no part of what is computed, and of no notebook's output."""
    _stream().write(f"{NOTE}{text}\n")


def track(iterable, description: str, unit: str, total: int | None = None, delay: float = 0):
    """`iterable`, with a progress line, after `delay` seconds. `set_postfix_str` on the result adds figures to it."""
    stream = _stream()
    return tqdm(
        iterable,
        description,
        total,
        file=stream,
        unit=unit,
        delay=delay,
        mininterval=1.0,
        leave=stream is not sys.stderr,
        dynamic_ncols=False,
        ncols=110,
        ascii=True,  # every terminal has these letters
    )


def advance(bar, text: str, images: int, seconds: float) -> None:
    """One step further on a `bar` of `track`, which then shows `text` and the speed of so many images in `seconds`."""
    bar.set_postfix_str(f"{text}, {images / seconds:.0f} images/s", refresh=False)
    bar.update()


def _stream():
    path = os.environ.get(VARIABLE)
    return _open(path) if path else sys.stderr


@functools.cache
def _open(path):
    # once in a process, and open until its end
    return open(path, "a", buffering=1, encoding="utf-8", errors="backslashreplace")
