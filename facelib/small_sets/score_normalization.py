"""Score normalisation: what a similarity is worth, judged by how similar both faces are to a cohort.

A blurred, dark or average face is similar to everybody; that two such faces are similar says little. The cohort shows
it: images of the training identities. Nobody in it is held out for validation; whether somebody in it is in a test pair
is known only where both bear names.

Subtracting the mean similarity to the nearest of a cohort is the score normalisation of speaker verification without
its division (Matejka et al. 2017, "Analysis of score normalisation in multilingual speaker recognition", adaptive
cohort), and the local scaling of nearest-neighbour search (Conneau et al. 2018, "Word translation without parallel
data", sec. 2.3).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from facelib.files import note_made
from facelib.learn.embedding import pair_scores
from facelib.measure.all_vs_all import build_score
from facelib.provenance import digest

BLOCK = 1024  # embeddings whose similarities to the whole cohort are in memory at once


class Cohort(NamedTuple):
    """Embeddings of the cohort, and its weight in a score."""

    embeddings: np.ndarray  # (c, d) float32, unit norm
    neighbours: int  # so many of them, the nearest, are looked at
    weight: float  # of the rareness of each face, where their similarity has weight 1

    def rareness(self, embeddings: np.ndarray) -> np.ndarray:
        """1 minus the mean scaled similarity to the nearest of the cohort: (n,) float64 in [0, 1], high where rare.

        Args:
            embeddings: (n, d), unit norm. Where the cohort is smaller than its `neighbours`, all of it is looked at.
        """
        nearest = min(self.neighbours, len(self.embeddings))
        result = np.empty(len(embeddings))
        for start in range(0, len(embeddings), BLOCK):
            products = embeddings[start : start + BLOCK] @ self.embeddings.T
            highest = np.partition(products, -nearest, axis=1)[:, -nearest:]
            result[start : start + BLOCK] = (1 - highest.mean(axis=1, dtype=np.float64)) / 2
        return np.clip(result, 0.0, 1.0)

    def normalise(self, similarities, rare_first, rare_second):
        """Scores: the weighted mean (s + w r1 + w r2) / (1 + 2 w) of similarity and rareness.

        Args:
            similarities: scaled, s in [0, 1].
            rare_first, rare_second: `rareness` r of both faces; any shapes that broadcast.
        """
        return (similarities + self.weight * (rare_first + rare_second)) / (1 + 2 * self.weight)

    def pair_scores(self, embeddings: np.ndarray, first, second) -> np.ndarray:
        """`embedding.pair_scores`, normalised."""
        rare = self.rareness(embeddings)
        return self.normalise(pair_scores(embeddings, first, second), rare[first], rare[second])

    def build_score(self, embeddings: np.ndarray):
        """`all_vs_all.build_score`, normalised."""
        score, rare = build_score(embeddings), self.rareness(embeddings).astype(np.float32)
        return lambda rows, others: self.normalise(score(rows, others), rare[rows, None], rare[others])


def choose_cohort(labels: np.ndarray, seed: int) -> np.ndarray:
    """Rows (identities,) int, rising: one image of each label that is not negative, drawn from `seed`."""
    rows = np.flatnonzero(labels >= 0)
    rows = np.random.default_rng((seed, 9)).permutation(rows)
    _, places = np.unique(labels[rows], return_index=True)
    return np.sort(rows[places])


def save_cohort(cohort: Cohort, folder: Path) -> Path:
    """Write the embeddings of `cohort` to a file of `folder` that is named by them, and return its path."""
    path = folder / f"{digest(cohort.embeddings.tobytes().hex())}.npz"
    save_checkpoint(path, {"cohort": [cohort.embeddings]}, {})
    return note_made(path)


def restore_cohort(path: Path, size: int, neighbours: int, weight: float) -> Cohort:
    """The cohort that `save_cohort` wrote, of embeddings of `size` numbers.

    Raises:
        CheckpointError: the file is missing, damaged, or of another model.
    """
    embeddings = read_checkpoint(path)[1].get("cohort/0", np.zeros(0))
    if embeddings.dtype != np.float32 or embeddings.shape[1:] != (size,) or not len(embeddings):
        found = f"{embeddings.dtype} {embeddings.shape}"
        raise CheckpointError(f"{path} does not fit: it holds {found}, expected float32 (c, {size}): fit it again")
    return Cohort(embeddings, neighbours, weight)
