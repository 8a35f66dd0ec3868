"""Find the file that a list means: by the number of an image, with any suffix, and with letters in any Unicode form."""

import functools
import os
import re
import unicodedata
from pathlib import Path

from facelib.data.pair_lines import Numbered
from facelib.folders import SUFFIXES, is_visible

NUMBERED = re.compile(r"(.+)_(\d{1,18})", re.ASCII | re.DOTALL)  # name and number; 1 and 0001 are the same


class ListedImages:
    """The images below `folder`, each of whose folders is read once."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._names = functools.cache(self._read_names)
        self._numbers = functools.cache(self._read_numbers)

    def find(self, image: Numbered | str) -> str:
        """The path of `image` below the folder, as the disk has it; the listed one where the disk has none.

        Raises:
            ValueError: several files can be meant.
        """
        if isinstance(image, str):
            return functools.reduce(self._step, image.split("/"), "")
        name, number = image
        person = self._step("", name)
        files = self._numbers(person).get((_composed(name), number))
        return f"{person}/{_only(person, files)}" if files else f"{person}/{name}_{number:04d}.jpg"

    def _step(self, folder, name):
        names = self._names(folder).get(_composed(name))
        return os.path.join(folder, _only(folder, names) if names else name)

    def _read_names(self, folder):
        try:
            names = sorted(filter(is_visible, os.listdir(self._folder / folder)))
        except OSError:  # who opens the image learns why
            names = []
        return _group(names, _composed)

    def _read_numbers(self, folder):
        names = [name for names in self._names(folder).values() for name in names]
        return _group((name for name in names if name.lower().endswith(SUFFIXES)), _number)


def _group(names, key):
    groups = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return groups


def _number(name):
    match = NUMBERED.fullmatch(os.path.splitext(name)[0])
    return match and (_composed(match[1]), int(match[2]))


def _composed(name):
    # macOS writes e and an accent where others write one letter
    return unicodedata.normalize("NFC", name)


def _only(folder, names):
    if len(names) > 1:
        alike = len({*map(_composed, names)}) < len(names)  # on the screen too
        both = " and ".join(os.path.join(folder, ascii(name) if alike else name) for name in names)
        raise ValueError(f"{both} can both be meant: remove or rename one")
    return names[0]
