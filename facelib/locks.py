"""Locks between processes that work on the same files."""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

from facelib.files import UnwritableError
from facelib.folders import printable
from facelib.progress import say

LOCK = ".lock"  # the name of a lock file, in the folder that it is for
HELD = "FACELIB_LOCK"  # the lock that this process has from its parent


@contextmanager
def hold(path: Path, purpose: str):
    """Hold the lock file `path` while the body runs; wait for whoever holds it, and say for whom.

    The lock goes with its process, however that ends. Processes that a holder starts have it by `HELD`.

    Raises:
        UnwritableError: there can be no lock.
    """
    path = Path(os.path.abspath(path))
    if os.environ.get(HELD) == str(path):
        yield
        return
    with _lock(path, purpose) as file:
        yield
        file.truncate(0)


def keep(path: Path, purpose: str) -> None:
    """Hold the lock file `path`, see `hold`, until this process and all that it starts have ended."""
    file = _lock(Path(os.path.abspath(path)), purpose)
    os.set_inheritable(os.dup(file.fileno()), True)
    os.environ[HELD] = os.path.abspath(path)


def _lock(path, purpose):
    file = _wait(path)
    file.truncate(0)
    file.write(f"process {os.getpid()} ({printable(purpose)})")
    file.flush()
    return file


def _wait(path):
    # the opened file, once it is ours and still the one at `path`
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                say(f"waiting for {file.read(200) or 'another process'}, which holds {path}")
                fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()  # removed meanwhile
        except OSError as error:
            raise UnwritableError(f"{path} cannot be locked: {error.strerror}; choose another place") from None
