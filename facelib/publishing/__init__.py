"""Publishing: execute notebooks, export pages, compile the report, pack the hand-in. Nothing here knows about faces."""

import contextlib
import errno
import os
import sys
import traceback
from pathlib import Path

from facelib.config import ConfigError
from facelib.folders import printable
from facelib.startup import print_any_name

TRACE = "FACELIB_TRACE"  # set, it shows the whole trace of an error
PACKAGE = Path(__file__).parents[1]
REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "choose another place",
    errno.EACCES: "allow it, or choose another place",
    errno.EPERM: "allow it, or choose another place",
}


class PublishingError(Exception):
    """Something that cannot be published; the message says what, where and what to do."""


def run(main) -> None:
    """Run a command's `main`; an error ends it with one message and exit code 1, never a stack trace.

    What is no mistake of a user's has no message of ours: then kind and place of the error are said too, and how to see
    the whole trace.
    """
    print_any_name()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get(TRACE):
            raise
        sys.exit("\n".join(map(printable, f"error: {describe(error)}".split("\n"))))


def describe(error: Exception) -> str:
    """What to say about `error`: its message; of an unexpected one on one line, with its kind and place."""
    known = isinstance(error, PublishingError | ConfigError)
    if not known and not (isinstance(error, OSError) and (error.errno is None or error.filename is not None)):
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
        place = f"{Path(own[-1].filename).relative_to(PACKAGE.parent)}:{own[-1].lineno}, " if own else ""
        message = ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
        return f"{message}{_remedy(error)} ({place}{TRACE}=1 shows the whole trace)"
    return f"{error}{_remedy(error)}"


def _remedy(error):
    remedy = REMEDIES.get(getattr(error, "errno", None))
    return f"; {remedy}" if remedy else ""


@contextlib.contextmanager
def naming(path: Path):
    """Let an error of the system that names no file, such as that of a full disk, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
