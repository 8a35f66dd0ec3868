"""Which images show whom: the sorted table of a folder, splits by identity, P x K batches, validation pairs."""

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


class Sampler:
    """P x K batches of indices, each a function of the seed and the step alone, so that resuming needs one integer.

    Identities come in passes, each a fresh permutation: every identity is drawn once before any is drawn twice, and
    never twice in one batch. (With fewer than 2 P identities a pass is shorter than two batches; then each batch is an
    independent draw.) The K images of an identity are distinct where it has K; otherwise all of its images come before
    any is repeated.

    Args:
        labels: (n,) int, dense; images labelled -1 are never drawn.
        identities_per_batch, images_per_identity: P and K.
        repeat_images: whether identities with 2 to K-1 images take part.
        replayed_batches: draw so many batches and begin again with the first; 0 never does.

    Raises:
        NoFacesError: fewer than P identities have enough images; the message says the largest P.
    """

    def __init__(
        self,
        labels,
        identities_per_batch: int,
        images_per_identity: int,
        seed: int,
        repeat_images: bool = False,
        replayed_batches: int = 0,
    ):
        needed = 2 if repeat_images else images_per_identity
        self.groups = [group for group in _groups(labels) if len(group) >= needed]
        if len(self.groups) < identities_per_batch:
            sizes = sorted(map(len, _groups(labels)), reverse=True)[identities_per_batch - 1 :]
            ways = [f"identities_per_batch can be {len(self.groups)} at most"] if self.groups else []
            if not repeat_images and sizes and sizes[0] >= 2:
                ways.append(f"images_per_identity can be {sizes[0]} at most")
            raise NoFacesError(
                f"a batch of {identities_per_batch} identities needs as many with at least {needed} readable images;"
                f" there are {len(self.groups)}: {', or '.join(ways) or 'nothing to draw from'}"
            )
        self.identities_per_batch, self.images_per_identity = identities_per_batch, images_per_identity
        self.seed, self.replayed_batches = seed, replayed_batches

    def batch(self, step: int) -> np.ndarray:
        """Indices (P * K,) int64 of the images of batch `step` (from 0), the K of an identity next to each other."""
        if self.replayed_batches:
            step %= self.replayed_batches
        generator = np.random.default_rng((self.seed, 2, step))
        drawn = [self._images(self.groups[group], generator) for group in self._identities(step)]
        return np.concatenate(drawn)

    def _images(self, group, generator):
        repeats = -(-self.images_per_identity // len(group))
        return np.concatenate([generator.permutation(group) for _ in range(repeats)])[: self.images_per_identity]

    def _identities(self, step):
        n, size = len(self.groups), self.identities_per_batch
        if n < 2 * size:
            return np.random.default_rng((self.seed, 3, step)).permutation(n)[:size]
        number, start = divmod(step * size, n)
        drawn = self._pass(number)[start : start + size]
        return np.concatenate([drawn, self._pass(number + 1)[: size - len(drawn)]])

    def _pass(self, number):
        # A batch that straddles two passes takes the tail of the one before: what that tail holds must not come first
        # here. Only places before the last P change, so each pass's tail is that of its raw permutation.
        order = self._permutation(number)
        taken = number * len(order) % self.identities_per_batch
        if taken == 0:
            return order
        tail = self._permutation(number - 1)[-taken:]
        head, rest = order[: -self.identities_per_batch], order[-self.identities_per_batch :]
        late = np.isin(head, tail)
        return np.concatenate([head[~late], head[late], rest])

    def _permutation(self, number):
        return np.random.default_rng((self.seed, 4, number)).permutation(len(self.groups))


def _groups(labels):
    order = np.argsort(labels, kind="stable")[(labels < 0).sum() :]
    return np.split(order, np.cumsum(np.bincount(labels[order]))[:-1])


def validation_pairs(labels: np.ndarray, images_limit: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every matched pair among at most `images_limit` images of each identity, and as many mismatched ones.

    Returns:
        first, second: (pairs,) int64 indices into `labels` (images labelled -1 are in no pair).
        matched: (pairs,) bool. Mismatched pairs are drawn at random without repetition; there are fewer of them where
        the identities do not allow as many.
    """
    generator = np.random.default_rng((seed, 5))
    groups = [np.sort(generator.permutation(group)[:images_limit]) for group in _groups(labels)]
    matched = [(a, b) for group in groups for i, a in enumerate(group) for b in group[i + 1 :]]
    images = np.concatenate(groups)
    possible = len(images) * (len(images) - 1) // 2 - len(matched)
    mismatched = {}  # keeps the order of drawing
    while len(mismatched) < min(len(matched), possible):
        a, b = np.sort(generator.choice(images, 2, replace=False))
        if labels[a] != labels[b]:
            mismatched[a, b] = None
    pairs = np.array(matched + list(mismatched), dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.arange(len(pairs)) < len(matched)
