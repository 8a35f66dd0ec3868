"""TensorFlow, imported in half the time and without a word; for commands, and for `facelib.verify`."""

import contextlib
import importlib
import os
import sys


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
