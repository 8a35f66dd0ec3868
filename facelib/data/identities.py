"""The identity of each image: the sorted table of a folder, or of its records, and splits by identity."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.data.records import Records, open_images
from facelib.folders import SUFFIXES, Unread, explain, list_images, printable


class Faces(NamedTuple):
    """Images and their identities, sorted by identity, then by file name."""

    paths: tuple[str, ...]  # relative to the folder, with forward slashes
    labels: np.ndarray  # (n,) int32, dense: 0 to the number of identities - 1
    names: tuple[str, ...]  # folder name of each label


class ListedFaces(NamedTuple):
    """What a folder of identities holds."""

    faces: Faces
    unread: tuple[Unread, ...]  # files of kinds, and images in places, that are not read
    problems: tuple[tuple[str, str], ...]  # path and reason of links and folders that lead nowhere


class NoFacesError(ValueError):
    """A folder that holds no usable faces, or fewer than a batch needs; the message says what was expected."""


def read_identities(folder: Path) -> ListedFaces:
    """List ``folder/<identity>/<image>``, or the records in `folder`; the order does not depend on the machine.

    Integer folder names are sorted as numbers, before all others. Folders without images are left out, and so is what
    `folders.is_visible` does not see.

    Raises:
        NoFacesError: `folder` is missing, or no folder in it holds an image.
        RecordsError: it holds records that cannot be used, see `records.open_images`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        expected = "expected one folder per identity there, with its images inside"
        raise NoFacesError(f"no folder {printable(folder)}; {expected}")
    held = open_images(folder)
    if isinstance(held, Records):
        return ListedFaces(Faces(held.paths, held.labels, held.names), (), ())
    listing = images, unread, problems = list_images(folder, by_identity=True)
    if not images:
        expected = f"expected folders with images ({', '.join(SUFFIXES)}) in it"
        raise NoFacesError(f"{printable(folder)} holds no identity: {expected}{explain(listing)}")
    groups = {name: [*paths] for name, paths in itertools.groupby(images, lambda path: path.partition("/")[0])}
    names = sorted(groups, key=_numbers_first)
    labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(groups[name]) for name in names])
    paths = tuple(itertools.chain.from_iterable(groups[name] for name in names))
    return ListedFaces(Faces(paths, labels, tuple(names)), unread, problems)


def _numbers_first(name: str):
    # numbers by their digits, since a name may have more than int() takes; 045 comes next to 45
    if name.isascii() and name.isdecimal():
        digits = name.lstrip("0")
        return 0, len(digits), digits, name
    return 1, 0, "", name


def take(faces: Faces, mask: np.ndarray) -> Faces:
    """The images of `faces` where `mask` (n,) is true; identities left without one are dropped."""
    rows = np.flatnonzero(mask)
    labels = dense_labels(faces.labels, mask)[rows]
    names = tuple(faces.names[label] for label in np.unique(faces.labels[rows]))
    return Faces(tuple(faces.paths[row] for row in rows), labels, names)


def dense_labels(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Labels (n,) int32 counted from 0 without gaps where `mask` (n,) is true, -1 elsewhere."""
    dense = np.full(len(labels), -1, np.int32)
    dense[mask] = np.unique(labels[mask], return_inverse=True)[1]
    return dense


def draw_identities(labels: np.ndarray, mask: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Mask (n,) of the images of `count` identities, drawn at random from those of `mask` (n,) bool.

    More identities of one seed hold those that are drawn when there are fewer.
    """
    drawn = np.random.default_rng((seed, 10)).permutation(np.unique(labels[mask]))[:count]
    return mask & np.isin(labels, drawn)


def split_identities(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n,) of the training and the validation images; no identity is in both.

    A `share` of the identities, drawn at random whatever their number of images, is held out for validation.

    Raises:
        NoFacesError: fewer than two identities are left to train on.
    """
    identities = int(labels.max()) + 1
    count = max(1, round(share * identities))
    if identities - count < 2:
        raise NoFacesError(
            f"validation_share={share:g} holds out {count} of {identities} identities, and of those left to train on "
            "there must be two at least: lower it, or add identities"
        )
    held_out = np.random.default_rng((seed, 1)).permutation(identities)[:count]
    validation = np.isin(labels, held_out)
    return ~validation, validation
