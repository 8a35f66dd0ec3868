"""How commands, and `facelib.verify`, start: any name can be printed, and TensorFlow is imported without a word."""

import contextlib
import importlib
import io
import os
import sys


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
