"""How commands, and `facelib.verify`, start: any name can be printed, and TensorFlow is imported without a word."""

import contextlib
import errno
import importlib
import io
import os
import sys
import traceback
from pathlib import Path

from facelib.files import REMEDIES
from facelib.folders import printable

TRACE = "FACELIB_TRACE"  # set, it shows the whole trace of an error
PACKAGE = Path(__file__).parent
REFUSED = dict.fromkeys((errno.EACCES, errno.EPERM), "allow it, or choose another place")


def run_command(main, expected: tuple) -> int:
    """Run a command's `main` and return its exit code; an error is one message and code 1, never a stack trace.

    What is no mistake of a user's has no message of ours: then kind and place of the error are said too, and how to see
    the whole trace.

    Args:
        expected: the kinds of exception whose message says all.
    """
    print_any_name()
    try:
        main()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get(TRACE):
            raise
        print("\n".join(map(printable, f"error: {_describe(error, expected)}".split("\n"))), file=sys.stderr)
        return 1
    return 0


def _describe(error, expected):
    remedy = (REMEDIES | REFUSED).get(getattr(error, "errno", None))
    remedy = f"; {remedy}" if remedy else ""
    says_all = isinstance(error, OSError) and (error.errno is None or error.filename is not None)
    if says_all or isinstance(error, expected):
        return f"{error}{remedy}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    place = f"{Path(own[-1].filename).relative_to(PACKAGE.parent)}:{own[-1].lineno}, " if own else ""
    message = ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
    return f"{message}{remedy} ({place}{TRACE}=1 shows the whole trace)"


def print_any_name() -> None:
    """Let the terminal show \\x.. for a letter of a name that it has not, where printing would be an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where somebody caught the output
            stream.reconfigure(errors="backslashreplace")


def load_tensorflow() -> None:
    """Import TensorFlow without its chatter, and without what only wrappers and pictures of Keras need.

    Keras would import scikit-learn and matplotlib, which takes a third of the time; whoever needs them later gets them.
    """
    if "tensorflow" in sys.modules:
        return
    hidden = {name: None for name in ("matplotlib", "sklearn") if name not in sys.modules}
    sys.modules.update(hidden)
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        kept = os.dup(2)
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, 2)
        os.dup2(nowhere.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        finally:
            for name in hidden:
                del sys.modules[name]
