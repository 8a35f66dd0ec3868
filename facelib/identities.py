"""Which images show whom: the sorted table of a folder, and splits by identity."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = (".jpeg", ".jpg", ".png")


class Faces(NamedTuple):
    """Images and whom they show, sorted by identity, then by file name."""

    paths: tuple[str, ...]  # relative to the folder, with forward slashes
    labels: np.ndarray  # (n,) int32, dense: 0 to the number of identities - 1
    names: tuple[str, ...]  # folder name of each label


class NoFacesError(ValueError):
    """A folder that holds no usable faces, or fewer than a batch needs; the message says what was expected."""


def read_identities(folder: Path, identities_limit: int | None = None, images_limit: int | None = None) -> Faces:
    """List ``folder/<identity>/<image>``; the order does not depend on the machine.

    Integer folder names are sorted as numbers, before all others. Folders without images are left out; of the rest the
    first `identities_limit` are kept, with their first `images_limit` images.

    Raises:
        NoFacesError: `folder` is missing, or no folder in it holds an image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NoFacesError(f"no folder {folder}; expected one folder per identity there, with its images inside")
    names, files = [], []
    for name in sorted((entry.name for entry in folder.iterdir() if entry.is_dir()), key=_numbers_first):
        images = sorted(entry.name for entry in (folder / name).iterdir() if entry.suffix.lower() in SUFFIXES)
        if images:
            names.append(name)
            files.append(images[:images_limit])
    if not names:
        raise NoFacesError(f"{folder} holds no identity: expected folders with images ({', '.join(SUFFIXES)}) in it")
    names, files = names[:identities_limit], files[:identities_limit]
    paths = tuple(f"{name}/{image}" for name, images in zip(names, files, strict=True) for image in images)
    labels = np.repeat(np.arange(len(names), dtype=np.int32), [len(images) for images in files])
    return Faces(paths, labels, tuple(names))


def _numbers_first(name: str):
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


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


def split_identities(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks (n,) of the training and the validation images; no identity is in both.

    A `share` of the identities, drawn at random whatever their number of images, is held out for validation.
    """
    identities = int(labels.max()) + 1
    held_out = np.random.default_rng((seed, 1)).permutation(identities)[: max(1, round(share * identities))]
    validation = np.isin(labels, held_out)
    return ~validation, validation
