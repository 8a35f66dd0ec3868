"""Read lists, strings, numbers and NumPy arrays out of a pickle, and run nothing that it names.

A pickle is a program (``pickletools`` in Python's library describes it) that can call whatever it names. Here the
instructions that build plain data are followed, and the few names of NumPy that arrays need lead to stand-ins, which
keep what they are given. Memory is taken for what the pickle holds, never for what it claims to hold.
"""

import io
import math
import pickle
from typing import NamedTuple

import numpy as np

from facelib.folders import printable

INSTRUCTIONS_LIMIT = 5_000_000  # each makes an object of at most some 100 bytes, beside the strings; an array takes 20
# what the reader below does not follow: classes and their attributes, names by number, numbers with a point
REFUSED = (
    "PERSID BINPERSID FLOAT BINFLOAT DICT EMPTY_DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET EXT1 EXT2 EXT4 INST "
    "OBJ NEWOBJ NEWOBJ_EX NEXT_BUFFER READONLY_BUFFER"
).split()


class PickledError(ValueError):
    """A pickle that is none, is damaged, or holds something else; the message does not name the file."""


class Array:
    """A pickled NumPy array that is not made yet: nothing of it is checked."""

    def __init__(self, content=None, kind=None, shape=(), order="C"):
        self.content, self.kind, self.shape, self.order = content, kind, shape, order

    def build(self, state):
        """Take the state that NumPy gives an array: version, shape, type, whether columns come first, content."""
        _, self.shape, self.kind, columns, self.content = state
        self.order = "F" if columns else "C"

    def make(self, kinds: tuple) -> np.ndarray | None:
        """The array, where its type is one of `kinds` (NumPy's short names of types of one byte) and its parts fit."""
        shape, content = self.shape, self.content
        if not (isinstance(self.kind, Kind) and self.kind.name in kinds and isinstance(content, bytes)):
            return None
        if not (isinstance(shape, tuple) and len(shape) <= 3):
            return None
        if not all(type(length) is int and 0 <= length <= len(content) for length in shape):
            return None
        if math.prod(shape) != len(content):
            return None
        return np.frombuffer(content, self.kind.name).reshape(shape, order="F" if self.order == "F" else "C")


class Kind(NamedTuple):
    """The type of an array's items, by NumPy's short name, such as ``u1``."""

    name: str

    def build(self, state):
        """Nothing of the state (byte order, alignment) matters to items of one byte."""


def read_pickle(content: bytes):
    """What the pickle `content` holds, of any protocol, written by Python 2 or 3; strings of Python 2 as bytes.

    Returns:
        lists, tuples, bytes, str, int, bool, None and `Array`. Scalars of NumPy are arrays of the shape ().

    Raises:
        PickledError: it is damaged, or holds something else; a name that it asks for is named.
    """
    try:
        return _Reader(content).load()
    except PickledError:
        raise
    except Exception as error:  # whatever a wrong instruction leads to
        reason = f"is no pickle, or damaged ({type(error).__name__} while it was read): copy it from its source again"
        raise PickledError(reason) from None


class _Instructions(dict):
    # what each instruction does; counts those that are followed
    left = INSTRUCTIONS_LIMIT

    def __getitem__(self, code):
        self.left -= 1
        if self.left < 0:
            raise PickledError(f"has more than {INSTRUCTIONS_LIMIT:,} instructions: too many for a list of images")
        return super().__getitem__(code)


class _Reader(pickle._Unpickler):  # that in Python: the other reserves memory for what a pickle claims
    dispatch = {**pickle._Unpickler.dispatch}

    def __init__(self, content):
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._room = len(content)
        self.dispatch = _Instructions(self.dispatch)

    def find_class(self, module, name):
        place = module.replace("numpy._core", "numpy.core")
        if (place, name) not in self._names:
            raise PickledError(
                f"asks for {printable(f'{module}.{name}'[:100])}, which no list of images needs: it was not run; get "
                "the file from a source that you trust"
            )
        return getattr(self, self._names[place, name])

    _names = {
        ("numpy", "ndarray"): "_marker",
        ("numpy", "dtype"): "_kind",
        ("numpy.core.multiarray", "_reconstruct"): "_empty",
        ("numpy.core.multiarray", "scalar"): "_scalar",
        ("numpy.core.numeric", "_frombuffer"): "_array",
        ("_codecs", "encode"): "_encode",
    }

    def _marker(self):
        raise PickledError("makes an array in a way that is not known")

    def _kind(self, name, *_):
        return Kind(name.decode("ascii") if isinstance(name, bytes) else name)

    def _empty(self, *_):
        return Array()

    def _scalar(self, kind, content):
        return Array(content, kind)

    def _array(self, content, kind, shape, order):
        return Array(content, kind, shape, order)

    def _encode(self, text, encoding):
        # bytes of Python 3 in a pickle for Python 2; the same text could be asked for again and again
        self._room -= len(text)
        if self._room < 0 or encoding not in ("latin1", "latin-1", b"latin1", b"latin-1"):
            raise PickledError("encodes text in a way that is not known")
        return text.encode("latin-1")

    def load_build(self):
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Array | Kind):
            raise PickledError("gives attributes to what can have none")
        self.stack[-1].build(state)

    def load_refused(self):
        raise PickledError("is no pickle, or one of other things than lists and strings")

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BYTEARRAY8[0]] = pickle._Unpickler.load_binbytes8  # reads what is there, and reserves nothing
    for _name in REFUSED:
        dispatch[getattr(pickle, _name)[0]] = load_refused
