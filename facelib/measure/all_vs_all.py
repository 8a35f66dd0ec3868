"""Scores of all pairs of some images, in blocks: what a list of pairs is too short for, small false accept rates."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

BLOCK = 2**22  # scores that are computed at once


class AllPairs(NamedTuple):
    """Pairs of images, each once; `labels[rows]` are their people."""

    scores: np.ndarray  # (pairs,) float32, higher for the same person
    rows: np.ndarray  # (pairs, 2) int32, the first below the second
    matched: np.ndarray  # (pairs,) bool


class Block(NamedTuple):
    """The scores of some images with all that follow them; each pair of images is in one block."""

    rows: np.ndarray  # (r,) int
    others: np.ndarray  # (o,) int
    scores: np.ndarray  # (r, o) float32
    matched: np.ndarray  # (r, o) bool, whether it is a pair of one person, and here for the first time
    mismatched: np.ndarray  # (r, o) bool, likewise of two people


def build_score(embeddings: np.ndarray):
    """Function from rows (r,) and (o,) int of `embeddings` to the scores (r, o) of all their pairs.

    The scores are those of `embedding.pair_scores`, but for the rounding of float32.
    """
    return lambda rows, others: np.clip((embeddings[rows] @ embeddings[others].T + 1) / 2, 0, 1)


def score_all_pairs(score, labels: np.ndarray) -> AllPairs:
    """All pairs of n images, matched ones first; 13 bytes stay for each, so that n is some thousands at most.

    Args:
        score: function from two arrays of rows to the scores of all their pairs, see `build_score`.
        labels: (n,), who is on each image.

    Raises:
        ValueError: see `score_blocks`.
    """
    parts: tuple[list, list] = [], []
    for rows, others, scores, *kinds in score_blocks(score, labels):
        for part, chosen in zip(parts, kinds, strict=True):
            first, second = np.nonzero(chosen)
            part.append((scores[chosen], np.stack([rows[first], others[second]], axis=1).astype(np.int32)))
    scores, rows = (np.concatenate(column) for column in zip(*parts[0], *parts[1], strict=True))
    return AllPairs(scores, rows, np.arange(len(scores)) < sum(len(part) for part, _ in parts[0]))


def score_blocks(score, labels: np.ndarray) -> Iterator[Block]:
    """All pairs of n images in blocks of at most `BLOCK` scores (n, where that is more), so that memory is bounded.

    Args:
        score, labels: as in `score_all_pairs`.

    Raises:
        ValueError: images of one person only, or no two of the same; scores of another shape, or that are not finite.
    """
    labels = np.asarray(labels)
    names, people = np.unique(labels, return_inverse=True)
    if not 1 < len(names) < len(labels):
        raise ValueError(
            f"{len(labels)} images of {len(names)} people: expected two people, and two images of one of them"
        )
    start = 0
    while start < len(labels):
        rows = np.arange(start, min(start + max(BLOCK // (len(labels) - start), 1), len(labels)))
        others = np.arange(start, len(labels))
        scores = _checked(score(rows, others), rows, others)
        later, same = others > rows[:, None], people[rows, None] == people[others]
        yield Block(rows, others, scores, later & same, later & ~same)
        start += len(rows)


def _checked(scores, rows, others):
    scores = np.asarray(scores, np.float32)
    if scores.shape != (len(rows), len(others)):
        raise ValueError(
            f"{scores.shape} scores of {len(rows)} rows and {len(others)} others: expected one of each pair"
        )
    if not np.isfinite(scores).all():
        row, other = np.argwhere(~np.isfinite(scores))[0]
        place = f"images {rows[row]} and {others[other]}"
        raise ValueError(f"the score of {place} is {scores[row, other]}: mend their embeddings, or leave them out")
    return scores
