"""One photograph saved twice: pairs of images that a perceptual hash or a network finds alike, compared by pixels."""

from typing import NamedTuple

import numpy as np

from facelib.data.pixels import SIZE
from facelib.gather.perceptual_hash import find_medians, find_near, hash_images
from facelib.progress import track

# Likeness, among 5,926 photographs of 1,200 people: of two of one person 0.23 in the median, in 99 of 100 pairs below
# 0.56; of two people at most 0.48 in 4,000 pairs; of a copy that was recompressed, brightened or shifted by up to 4
# pixels 0.97 at least; the highest of two photographs of one moment is 0.82.
SAME, ALIKE = 0.84, 0.65  # one photograph; to look at, such as two of a second
HALF = SIZE // 2
REACH = 3  # in halves of the size: shifts that are tried, so up to 6 pixels in each direction
WORTH = 0.4  # correlation from which on odd shifts are tried as well
BATCH = 64  # pairs compared at once


class NearDuplicates(NamedTuple):
    """Pairs of images that look alike, the most alike first."""

    pairs: np.ndarray  # (m, 2) int64, rows, the first below the second
    likeness: np.ndarray  # (m,) float32, at least `ALIKE`


class Copies(NamedTuple):
    """Pairs of images that are one photograph, each (m, 2) int64, the most alike first."""

    tested: np.ndarray  # a training and a test image
    of_two: np.ndarray  # under two identities
    of_one: np.ndarray  # under one


def find_near_duplicates(pixels, further=None) -> NearDuplicates:
    """Pairs among images (n, 112, 112, 3) uint8, which may be memory-mapped, with a likeness of at least `ALIKE`.

    Compared are the pairs that `perceptual_hash.find_near` gives, and `further` ones (m, 2) int, if any.
    """
    pairs = find_near(hash_images(pixels, find_medians(pixels)))
    if further is not None:
        pairs = np.unique(np.concatenate([pairs, np.sort(further, axis=1)]), axis=0)
    starts = track(range(0, len(pairs), BATCH), "comparing pixels", f"batches of {BATCH} pairs", delay=1)
    parts = [measure_likeness(*(pixels[column] for column in pairs[start : start + BATCH].T)) for start in starts]
    likeness = np.concatenate([np.zeros(0, np.float32), *parts])
    order = np.argsort(-likeness, kind="stable")
    order = order[likeness[order] >= ALIKE]
    return NearDuplicates(pairs[order], likeness[order])


def measure_likeness(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How alike two images are, (n,) float32 in [-1, 1]: the correlation of their edges at the best of some shifts.

    Edges are differences of grey levels across two pixels of the image at half its size; brightness and contrast do not
    change it.

    Args:
        images, others: (n, 112, 112, 3) uint8.
    """
    one = _edges(images)
    best = _correlate(one, _edges(others))
    close = np.flatnonzero(best >= WORTH)
    for step in ((0, 1), (1, 0), (1, 1)):  # by one pixel, which is half a pixel at half the size
        moved = _edges(np.roll(others[close], step, axis=(1, 2)))
        best[close] = np.maximum(best[close], _correlate(one[close], moved))
    return best


def _correlate(one, other):
    side = one.shape[1] - 2 * REACH
    middle = one[:, REACH : REACH + side, REACH : REACH + side]
    norms, best = _dot(middle, middle), np.full(len(one), -1, np.float32)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            part = other[:, down : down + side, right : right + side]
            correlation = _dot(middle, part) / np.sqrt(np.maximum(norms * _dot(part, part), 1e-6))
            best = np.maximum(best, correlation)
    return best


def _edges(pixels):
    grey = pixels.astype(np.float32).sum(axis=3).reshape(-1, HALF, 2, HALF, 2).sum(axis=(2, 4))
    return np.stack([grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]], axis=3)


def _dot(one, other):
    return np.einsum("nyxc,nyxc->n", one, other)


def sort_copies(labels: np.ndarray, found: NearDuplicates) -> Copies:
    """The pairs with a likeness of at least `SAME` by whom they show; those of two test images are left out.

    Args:
        labels: (n,) int, identity of each training image; rows from n on are test images.
    """
    pairs = found.pairs[found.likeness >= SAME]
    training = pairs < len(labels)
    inside, tested = pairs[training.all(axis=1)], pairs[training[:, 0] & ~training[:, 1]]
    same = labels[inside[:, 0]] == labels[inside[:, 1]]
    return Copies(tested, inside[~same], inside[same])


def find_repeats(labels: np.ndarray, found: NearDuplicates) -> dict[int, tuple[int, float]]:
    """Rows that repeat another row of their identity, each with the one that stays and the likeness that says so.

    Of photographs that are connected by a likeness of at least `SAME` the first row stays.

    Args:
        labels: (n,) int, identity of each training image; rows from n on are not looked at.
    """
    first: dict[int, int] = {}
    told: dict[int, float] = {}

    def root(row):
        while row in first:
            row = first[row]
        return row

    for (one, other), likeness in zip(found.pairs.tolist(), found.likeness.tolist(), strict=True):
        if likeness >= SAME and other < len(labels) and labels[one] == labels[other]:
            low, high = sorted((root(one), root(other)))
            if low != high:
                first[high], told[high] = low, likeness
    return {row: (root(row), told[row]) for row in first}
