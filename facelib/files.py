"""Files that are whole or not there: written beside their place, forced to the disk, moved into it."""

import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

JOURNAL = "FACELIB_JOURNAL"  # a file to list in what is made, where a run asks for it
UNFINISHED = re.compile(r"\.(\d+)-[0-9a-f]{8}\.unfinished")  # of the process that is at work on it
# what the disk says when it is full, broken or read-only, and what helps; the file is not named then
REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room, or choose another disk")
REMEDIES |= dict.fromkeys((errno.EIO, errno.EROFS), "choose another disk")


class UnwritableError(OSError):
    """A place that cannot be written to; the message names it and says why."""


@contextmanager
def unfinished(path: Path):
    """A path beside `path`, for the body to make a file or a folder there; it takes the place of `path` afterwards.

    Where the body fails, nothing is left of it. What a killed process leaves is found by `sweep`.

    Raises:
        UnwritableError: the disk is full or broken.
    """
    path = Path(path)
    partial, old = _beside(path), _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if partial.is_dir() and path.is_dir():  # a folder is not replaced in one step
            os.rename(path, old)
        os.replace(partial, path)
        _sync(path.parent)
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        raise UnwritableError(f"{path} cannot be written: {error.strerror}; {REMEDIES[error.errno]}") from None
    finally:
        for leftover in (partial, old):
            _remove(leftover)


@contextmanager
def writing(path: Path, size: int = 0):
    """A binary file for the body to write, which takes the place of `path` afterwards; see `unfinished`.

    Args:
        size: bytes that are reserved first, so that a full disk is known before the work.
    """
    with unfinished(path) as partial, open(partial, "xb", buffering=2**22) as file:
        if size:
            _reserve(file, size)
        yield file
        file.truncate()  # what was reserved and not needed
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write the whole file or nothing, see `unfinished`."""
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(path: Path) -> None:
    """Refuse a file that `write_atomically` could not write, before the work that leads to it; leaves nothing behind.

    Raises:
        UnwritableError: it is a folder, a pipe or a device, or its folder cannot be made or written to.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise OSError(None, "is a folder; name a file" if path.is_dir() else "is a pipe or a device; name a file")
        beside = _beside(path)
        folder = next(folder for folder in beside.absolute().parents if os.path.lexists(folder))
        trial = folder / beside.name
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UnwritableError(f"{path} cannot be written: {error.strerror}; choose another place") from None


def read_limited(path: Path, most: int, what: str) -> bytes:
    """The content of a file that comes from outside, never more than `most` bytes.

    Args:
        what: what it should be, for messages: "an image".

    Raises:
        ValueError: it is no regular file, or larger; the message does not name it. OSError: it cannot be read.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device read without end
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "pipe or a device"
        raise ValueError(f"is a {kind}, not {what}")
    if status.st_size > most:
        raise ValueError(f"{status.st_size:,} bytes are too many for {what}: at most {most:,}")
    with open(path, "rb", buffering=0) as file:
        return file.read(status.st_size)


def temporary_folder() -> Path:
    """The folder for temporary files: TMPDIR where that is set, else the system's.

    Raises:
        UnwritableError: nothing can be written to TMPDIR, where Python would take another folder without a word.
    """
    wanted = os.environ.get("TMPDIR")
    if not wanted:
        return Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=wanted) as file:
            file.write(b"full?")
            file.flush()
    except OSError as error:
        remedy = REMEDIES.get(error.errno, "name a folder that can be written to, or unset TMPDIR")
        raise UnwritableError(f"TMPDIR={wanted} cannot be written to: {error.strerror}; {remedy}") from None
    return Path(os.path.abspath(wanted))


def note_made(path: Path) -> Path:
    """List `path` among what this run stands on, where somebody asks for that (see `publish.manifest`)."""
    if journal := os.environ.get(JOURNAL):
        with open(journal, "a") as file:
            file.write(json.dumps(os.path.abspath(path)) + "\n")
    return path


def sweep(folder: Path) -> list[Path]:
    """Remove what processes that are no more were writing anywhere below `folder`, and return the paths."""
    found = []
    for parent, folders, names in os.walk(folder):
        left = [
            name for name in (*folders, *names) if (match := UNFINISHED.fullmatch(name)) and not is_alive(int(match[1]))
        ]
        found += [Path(parent, name) for name in left]
        folders[:] = [name for name in folders if name not in left]
    for path in found:
        _remove(path)
    return found


def is_alive(process: int) -> bool:
    """Whether there is a process of this number, whoever's it is."""
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _beside(path):
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.unfinished")


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _reserve(file, size):
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that cannot
            raise


def _sync(folder):
    # so that the new name outlives a loss of power
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
