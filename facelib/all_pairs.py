"""Scores of all pairs of some images, in blocks: what a list of pairs is too short for, small false accept rates."""

from typing import NamedTuple

import numpy as np

from facelib.cohort import Cohort, combine, rareness

BLOCK = 2**22  # scores that are computed at once


class AllPairs(NamedTuple):
    """Pairs of images, each once; `labels[rows]` are their people."""

    scores: np.ndarray  # (pairs,) float32, higher for the same person
    rows: np.ndarray  # (pairs, 2) int32, the first below the second
    matched: np.ndarray  # (pairs,) bool
    mismatched: int  # how many mismatched pairs there are, listed or not


def build_score(embeddings: np.ndarray, cohort: Cohort | None = None):
    """Function from rows (r,) and (o,) int of `embeddings` to the scores (r, o) of all their pairs.

    The scores are those of `embedding.pair_scores`, but for the rounding of float32.
    """
    rare = rareness(embeddings, cohort).astype(np.float32)

    def score(rows, others):
        similarities = np.clip((embeddings[rows] @ embeddings[others].T + 1) / 2, 0, 1)
        return combine(similarities, rare[rows, None], rare[others], cohort)

    return score


def score_all_pairs(score, labels: np.ndarray, share: float = 1.0) -> AllPairs:
    """All matched pairs of n images, and the `share` of the mismatched ones with the highest scores.

    At most `BLOCK` scores are computed at once (n, where that is more); 13 bytes stay for each pair in the result.
    Intervals need all pairs; `verification.tar_at_far`, told `mismatched`, only those with the highest scores.

    Args:
        score: function from two arrays of rows to the scores of all their pairs, see `build_score`.
        labels: (n,), who is on each image.

    Raises:
        ValueError: images of one person only, or no two of the same; a share outside (0, 1]; scores of another shape,
            or that are not finite.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share {share}: expected more than 0 and at most 1")
    labels = np.asarray(labels)
    images = len(labels)
    _, people, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    mismatched = int(images**2 - np.sum(sizes**2)) // 2
    if not mismatched or images == len(sizes):
        raise ValueError(f"{images} images of {len(sizes)} people: expected two people, and two images of one of them")
    keep = min(int(share * mismatched) + 1, mismatched)  # one more than may be accepted, to know where to stop
    genuine, impostors, waiting = [], [], 0
    for rows in _blocks(images):
        others = np.arange(rows[0], images)
        scores = _checked(score(rows, others), rows, others)
        later, same = others > rows[:, None], people[rows, None] == people[others]
        genuine.append(_chosen(scores, rows, others, later & same))
        impostors.append(_chosen(scores, rows, others, later & ~same))
        waiting += len(impostors[-1][0])
        if waiting > 2 * keep:
            impostors, waiting = [_highest(impostors, keep)], keep
    genuine, impostors = _joined(genuine), _highest(impostors, keep)
    scores, rows = _joined([genuine, impostors])
    return AllPairs(scores, rows, np.arange(len(scores)) < len(genuine[0]), mismatched)


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


def _chosen(scores, rows, others, chosen):
    first, second = np.nonzero(chosen)
    return scores[chosen], np.stack([rows[first], others[second]], axis=1).astype(np.int32)


def _blocks(images):
    start = 0
    while start < images:
        end = min(start + max(BLOCK // (images - start), 1), images)
        yield np.arange(start, end)
        start = end


def _joined(parts):
    scores, rows = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(rows)


def _highest(parts, keep):
    scores, rows = _joined(parts)
    if len(scores) <= keep:
        return scores, rows
    highest = np.argpartition(scores, len(scores) - keep)[-keep:]
    return scores[highest], rows[highest]
