"""One side of a comparison, in a process of its own, with a limit on its memory and on the time of a call."""

import importlib
import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench import machine

PREPARATION_LIMIT = 600  # seconds
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
GIB = 2**30


class Measurement(NamedTuple):
    """What one call took."""

    seconds: float
    peak: int  # bytes: the highest resident set during the call, less the one before it


class LimitError(RuntimeError):
    """A side needed more memory or time than it had; the message is what the table says of it."""


class SideError(RuntimeError):
    """A side failed for another reason."""


class Side:
    """A function in a fresh process; calling the object calls it there and returns a `Measurement`.

    The process loads what the function needs while others work; the first call waits for that, untimed. Use it as a
    context manager: the process ends with it.

    Args:
        prepare: ``module:function``; called in the process with `arguments`, it returns the function to measure.
        seconds_limit: of a call. memory_limit: bytes of the process, as far as the system holds it to that; None: 12
            GiB, or three quarters of what the machine has.

    Raises (a call):
        LimitError: the call passed a limit. SideError: it failed otherwise.
    """

    def __init__(self, prepare: str, *arguments, seconds_limit: float = 600, memory_limit: int | None = None):
        memory_limit = memory_limit or int(min(12 * GIB, 0.75 * machine.memory()))
        self.prepare, self.seconds_limit, self.memory_limit = prepare, seconds_limit, memory_limit
        self.ready = False
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, prepare, arguments, memory_limit), daemon=True)
        self.process.start()
        other.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()  # ends the process when it asks for the next call
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def __call__(self, *arguments) -> Measurement:
        if not self.ready:
            self._receive(PREPARATION_LIMIT)
            self.ready = True
        try:
            self.connection.send(arguments)
        except OSError:
            raise SideError(f"{self.prepare} has ended already") from None
        return self._receive(self.seconds_limit)

    def _receive(self, seconds):
        if not self.connection.poll(seconds):
            self.process.kill()
            raise LimitError(f"more than {seconds:g} s")
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):  # std::bad_alloc and the system's memory killer leave no answer
            self.process.join()
            raise LimitError(f"killed (exit {self.process.exitcode}) at {self.memory_limit / GIB:.3g} GiB") from None
        if isinstance(answer, MemoryError):
            raise LimitError(f"more than {self.memory_limit / GIB:.3g} GiB")
        if isinstance(answer, str):
            raise SideError(f"{self.prepare}: {answer}")
        return answer


def _serve(connection, prepare, arguments, memory_limit):
    with open(os.devnull, "w") as nowhere:  # TensorFlow's chatter; errors go through the connection
        os.dup2(nowhere.fileno(), 2)
    try:
        if sys.platform == "linux":  # what is written to, not what is merely reserved
            resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        module, _, name = prepare.partition(":")
        run = getattr(importlib.import_module(module), name)(*arguments)
        connection.send(None)
        while True:
            call = connection.recv()
            before, start = _restart_peak(), time.perf_counter()
            run(*call)
            seconds = time.perf_counter() - start
            connection.send(Measurement(seconds, _peak() - before))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception as error:
        connection.send(MemoryError() if _is_out_of_memory(error) else f"{type(error).__name__}: {error}")


def _is_out_of_memory(error):
    # NumPy, TensorFlow and PyTorch each say it in their own way
    said = "allocate memory" in str(error) or type(error).__name__ == "ResourceExhaustedError"
    return said or isinstance(error, MemoryError)


def _restart_peak() -> int:
    """Set the peak to what is resident now, where the system lets us, and return it.

    Where not, the peak so far is returned, and what a call adds to that is a lower bound.
    """
    try:
        CLEAR_REFS.write_text("5")  # proc(5): resets VmHWM
    except OSError:
        pass
    return _peak()


def _peak() -> int:
    if STATUS.exists():
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
