"""What the terminal shows while a notebook runs: its name, the progress that it reports, the seconds that it took."""

import re
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from facelib.progress import NOTE

LIVE_SECONDS = 0.2  # between two looks at the progress, on a terminal
LOG_SECONDS = 15  # between two lines, in a log


@contextmanager
def show_progress(title: str, progress: Path, stream=None):
    """Show on `stream` (standard error) what appears in the file `progress` while the body runs.

    A terminal sees every update of a progress bar; a log gets the bar's latest state, at most every 15 seconds, and
    every note (see `progress.say`).
    """
    stream = stream or sys.stderr
    progress.touch()
    finished = threading.Event()
    watch = threading.Thread(target=_watch, args=(progress, stream, finished), daemon=True)
    print(f"{title} ...", file=stream, flush=True)
    start = time.monotonic()
    watch.start()
    try:
        yield
    finally:
        finished.set()
        watch.join()
    print(f"{title} ... {time.monotonic() - start:.0f} s", file=stream, flush=True)


def _watch(progress: Path, stream, finished: threading.Event) -> None:
    live = stream.isatty()
    with open(progress, newline="", encoding="utf-8", errors="replace") as file:
        while True:
            last = finished.wait(LIVE_SECONDS if live else LOG_SECONDS)
            text = file.read()
            if live and text:
                stream.write(text)
            else:
                lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
                shown = lines if last else lines[:-1]
                shown = [line for line in shown if line.startswith(NOTE)] + ([] if last else lines[-1:])
                stream.writelines(f"    {line}\n" for line in shown)
            stream.flush()
            if last:
                return
