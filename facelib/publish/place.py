"""The temporary folder of an execution: where it lies, and how those of killed executions go."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from facelib.files import is_alive, temporary_folder
from facelib.publish import PublishingError

PREFIX = "facelib-"  # then the owner's process id, and 8 letters
NAME = re.compile(rf"{PREFIX}([1-9][0-9]{{0,6}})-[a-z0-9_]{{8}}")
SOCKET = f"{PREFIX}1234567-12345678/k-ipc-10"  # the longest path of a kernel's socket below the place
SOCKET_PATH = 107  # bytes that the path of a socket can have (unix(7), sun_path)
SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # where it is put if the folder for temporary files lies too deep


@contextlib.contextmanager
def temporary_place():
    """A new folder for an execution, removed after it; those that killed executions have left are removed before it."""
    _sweep()
    options = {"prefix": f"{PREFIX}{os.getpid()}-", "dir": _find_place(), "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**options) as name:
        yield Path(name)


def _places():
    return (temporary_folder(), *map(Path, SHORT))


def _find_place() -> Path:
    """A folder that can be written to, in which the path of a kernel's socket is short enough."""
    places = _places()
    for place in places:
        if len(os.fsencode(place / SOCKET)) <= SOCKET_PATH and os.access(place, os.W_OK | os.X_OK):
            return place
    raise PublishingError(f"{places[0]} is too long a path for sockets: set TMPDIR to a folder nearer to the root")


def _sweep() -> None:
    """Remove the folders of executions that are no more, wherever they can have been put.

    Everybody can write there: what goes is a folder of that very name that belongs to this user, never what a link
    leads to, and nothing while a process has the number in its name.
    """
    for place in _places():
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if _is_left_over(entry):
                    shutil.rmtree(entry.path, ignore_errors=True)  # which follows no link either


def _is_left_over(entry: os.DirEntry) -> bool:
    name = NAME.fullmatch(entry.name)
    if not name or not entry.is_dir(follow_symlinks=False):
        return False
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid() and not is_alive(int(name[1]))
    except OSError:  # it is gone already
        return False
