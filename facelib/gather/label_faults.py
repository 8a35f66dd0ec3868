"""Faults of labels that the embeddings of a trained network show: wrong ones, identities of two people, two of one.

An identity is compared by its centroid: the sum of its embeddings, of unit norm. Products are formed in blocks, so that
memory is bounded by images x dimensions.
"""

from typing import NamedTuple

import numpy as np

from facelib.progress import track

BLOCK = 2**24  # products that are computed at once; twice as many of all pairs
FEW, MANY = 4, 256  # images: an identity of fewer cannot hold two people with two each; of more, so many are looked at
ROUNDS = 20  # of 2-means, at most


class Fit(NamedTuple):
    """How well each image fits its label."""

    own: np.ndarray  # (n,) float32, cosine with the centroid of the others of its identity; NaN where there are none
    other: np.ndarray  # (n,) float32, cosine with the centroid of the most similar other identity
    nearest: np.ndarray  # (n,) int64, that identity

    @property
    def suspicion(self) -> np.ndarray:
        """(n,) float32: how much better another identity fits; NaN for the only image of an identity."""
        return self.other - self.own


class Nearest(NamedTuple):
    """The most similar of some identities, for each of others."""

    cosine: np.ndarray  # (k,) float32, of the centroids
    which: np.ndarray  # (k,) int64


class Mixture(NamedTuple):
    """An identity whose images fall into two groups."""

    label: int
    cosine: float  # of the centroids of the two groups; low where they show two people
    rows: np.ndarray  # (r,) int64
    second: np.ndarray  # (r,) bool: of the smaller group


def find_centroids(labels: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Centroids (k, d) float32 of unit norm; labels (n,) int are dense, embeddings (n, d) float32 of unit norm."""
    return _unit(_sums(labels, embeddings))


def measure_fit(labels: np.ndarray, embeddings: np.ndarray) -> Fit:
    """How well each image fits its label and the nearest other one; arguments as in `find_centroids`."""
    sums = _sums(labels, embeddings)
    rest = _unit(sums[labels] - embeddings)
    own = np.einsum("nd,nd->n", embeddings, rest)
    own[np.bincount(labels)[labels] == 1] = np.nan
    other = _find_nearest(embeddings, _unit(sums), labels)
    return Fit(own, other.cosine, other.which)


def find_nearest(embeddings: np.ndarray, centroids: np.ndarray) -> Nearest:
    """For each of the embeddings or centroids (n, d), the most similar of `centroids` (k, d)."""
    return _find_nearest(embeddings, centroids, None)


def find_twins(centroids: np.ndarray) -> Nearest:
    """For each of `centroids` (k, d), at least two of them, the most similar other one."""
    return _find_nearest(centroids, centroids, np.arange(len(centroids)))


def _find_nearest(embeddings, centroids, left_out):
    # left_out: (n,) a centroid that does not count, or None
    cosine, which = np.empty(len(embeddings), np.float32), np.empty(len(embeddings), np.int64)
    size = max(BLOCK // len(centroids), 1)
    for start in track(range(0, len(embeddings), size), "comparing identities", "blocks", delay=1):
        products = embeddings[start : start + size] @ centroids.T
        rows = np.arange(len(products))
        if left_out is not None:
            products[rows, left_out[start : start + size]] = -2
        which[start : start + size] = best = products.argmax(axis=1)
        cosine[start : start + size] = products[rows, best]
    return Nearest(cosine, which)


def find_mixtures(labels: np.ndarray, embeddings: np.ndarray) -> list[Mixture]:
    """Every identity of at least `FEW` images that 2-means parts into groups of at least two, the most doubtful first.

    2-means begins with the sides of the direction in which the embeddings vary most. A group of one image is no second
    person but a doubtful label, see `measure_fit`. Arguments as in `find_centroids`.
    """
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels))
    found = []
    for label, end in enumerate(track(ends, "parting identities", "identities", delay=1)):
        rows = order[ends[label - 1] if label else 0 : end][:MANY]
        if len(rows) >= FEW:
            second = _part(embeddings[rows])
            if 2 <= second.sum() <= len(rows) - 2:
                one, other = _unit(np.stack([embeddings[rows[side]].sum(axis=0) for side in (~second, second)]))
                found.append(Mixture(label, float(one @ other), rows, second))
    return sorted(found, key=lambda mixture: mixture.cosine)


def _part(embeddings):
    # the smaller of two groups, (r,) bool
    centred = embeddings - embeddings.mean(axis=0)
    second = centred @ np.linalg.svd(centred, full_matrices=False)[2][0] > 0
    for _ in range(ROUNDS):
        if second.all() or not second.any():
            break
        one, other = _unit(np.stack([embeddings[side].sum(axis=0) for side in (~second, second)]))
        before, second = second, embeddings @ other > embeddings @ one
        if (before == second).all():
            break
    return second if 2 * second.sum() <= len(second) else ~second


def find_alike(labels: np.ndarray, embeddings: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` pairs of images of two labels with the highest cosines: rows (m, 2) int64, cosines (m,) float32.

    Every pair is compared, in blocks; arguments as in `find_centroids`, labels need not be dense.
    """
    pairs, cosines, floor = np.zeros((0, 2), np.int64), np.zeros(0, np.float32), -1.5
    size = max(2 * BLOCK // max(len(embeddings), 1), 1)
    for start in track(range(0, len(embeddings), size), "comparing faces", "blocks", delay=1):
        products = embeddings[start : start + size] @ embeddings[start:].T
        if start == 0:  # for a first floor; a pair can be there twice
            products[labels[:size, None] == labels] = -2
            if products.size > 2 * count:
                floor = max(floor, np.partition(products, -2 * count, axis=None)[-2 * count])
        rows, others = np.nonzero(products >= floor)
        kept = (others > rows) & (labels[start + rows] != labels[start + others])
        rows, others = rows[kept], others[kept]
        pairs = np.concatenate([pairs, np.stack([rows, others], axis=1) + start])
        cosines = np.concatenate([cosines, products[rows, others]])
        if len(cosines) > count:
            best = np.argpartition(-cosines, count - 1)[:count]
            pairs, cosines = pairs[best], cosines[best]
            floor = cosines.min()
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -cosines))
    return pairs[order], cosines[order]


def _sums(labels, embeddings):
    sums = np.zeros((labels.max() + 1, embeddings.shape[1]), np.float32)
    np.add.at(sums, labels, embeddings)
    return sums


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
