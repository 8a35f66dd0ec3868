"""Find duplicate images: within an identity, under two identities, and in both training and test data.

Contents are compared by digests of 16 bytes; two of 10^9 different ones agree with a probability below 1e-20.
"""

from typing import NamedTuple

import numpy as np

from facelib.folders import printable

NAMED = 5  # pairs of files that an error names


class SharedImagesError(ValueError):
    """Images with the same content where none may be shared; the message names files and says what to do."""


class Resolution(NamedTuple):
    """Which images are kept when no content may occur twice, and why the others are not."""

    kept: np.ndarray  # (n,) bool
    repeated: np.ndarray  # (r, 2) int64: row of an image that repeats one of its identity, and row of that one
    merged: np.ndarray  # (m, 2) int64: label that goes, and label of the identity that holds all of its contents
    contradictions: tuple[np.ndarray, ...]  # rows of each content that stays under no identity


class Duplicates(NamedTuple):
    """A `Resolution` with paths and identity names instead of rows and labels."""

    repeated: tuple[tuple[str, str], ...]  # path that is left out, and path of the same content that stays
    merged: tuple[tuple[str, str], ...]  # identity that is left out, and identity that holds all of its contents
    contradictions: tuple[tuple[str, ...], ...]  # paths of each content that is left out
    left_out: int  # images in all


class Side(NamedTuple):
    """One of two sets of images that must have no image in common, such as training and test."""

    name: str
    paths: np.ndarray  # (n,) str
    digests: tuple[np.ndarray, ...]  # kinds of digest, each (n, 16) uint8: of the contents, of the files


def resolve(labels: np.ndarray, contents: np.ndarray) -> Resolution:
    """Leave out images until every content occurs once.

    Within an identity the first image of a content stays. An identity whose contents all occur under another one goes:
    it is merged into the largest such identity, the first in order among equals. A content that is then still under two
    identities contradicts itself, and all of its images go.

    Args:
        labels: (n,) int, dense. contents: (n, 16) uint8, a digest of each image's content.
    """
    _, content = np.unique(_as_items(contents), return_inverse=True)
    key = labels.astype(np.int64) * (content.max(initial=0) + 1) + content
    _, first_rows, occurrence = np.unique(key, return_index=True, return_inverse=True)
    first_of = first_rows[occurrence]  # (n,): the row of the same content and identity that stays
    first = first_of == np.arange(len(labels))
    merged = _merge(labels[first], content[first])
    stays = first & ~np.isin(labels, merged[:, 0])
    contradictory = (np.bincount(content[stays], minlength=len(content)) > 1)[content]
    rows = np.flatnonzero(contradictory)
    rows = rows[np.argsort(content[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(content[rows])) + 1) if len(rows) else []
    repeats = np.flatnonzero(~first)
    return Resolution(
        stays & ~contradictory,
        np.stack([repeats, first_of[repeats]], axis=1),
        merged,
        tuple(sorted(groups, key=lambda group: group[0])),
    )


def _merge(labels, content):
    # (m, 2): each identity whose contents another one holds, and that one; the rows of an identity differ in content
    size = np.bincount(labels)
    rank = np.empty(len(size), np.int64)  # the largest identity first, the first in order among equals
    rank[np.lexsort((np.arange(len(size)), -size))] = np.arange(len(size))
    holders = np.bincount(content)[content]  # (rows,): how many identities hold this content
    shared = np.bincount(labels, weights=holders > 1)
    by_content = np.lexsort((rank[labels], content))
    by_label = np.lexsort((content, labels))
    content_starts, label_starts = (np.cumsum([0, *np.bincount(values)]) for values in (content, labels))

    def rows_of(label):
        return by_label[label_starts[label] : label_starts[label + 1]]

    merged = []
    for label in np.flatnonzero((shared == size) & (size > 0)):
        own = rows_of(label)
        rarest = content[own[np.argmin(holders[own])]]
        others = labels[by_content[content_starts[rarest] : content_starts[rarest + 1]]]
        for other in others[rank[others] < rank[label]]:
            if np.isin(content[own], content[rows_of(other)], assume_unique=True).all():
                merged.append((label, other))
                break
    return np.array(merged, np.int64).reshape(-1, 2)


def name_duplicates(found: Resolution, paths, names) -> Duplicates:
    """`found` with the `paths` (n,) of the images and the `names` of the identities."""
    return Duplicates(
        tuple((paths[row], paths[first]) for row, first in found.repeated),
        tuple((names[label], names[other]) for label, other in found.merged),
        tuple(tuple(paths[row] for row in group) for group in found.contradictions),
        int((~found.kept).sum()),
    )


def require_disjoint(one: Side, other: Side) -> None:
    """Raise SharedImagesError where an image of `one` has a digest of an image of `other`."""
    shared = set()
    for digests, others in zip(one.digests, other.digests, strict=True):
        values, rows = np.unique(_as_items(digests), return_index=True)
        other_values, other_rows = np.unique(_as_items(others), return_index=True)
        _, places, other_places = np.intersect1d(values, other_values, assume_unique=True, return_indices=True)
        shared |= {(one.paths[rows[a]], other.paths[other_rows[b]]) for a, b in zip(places, other_places, strict=True)}
    if shared:
        named = "; ".join(f"{printable(a)} and {printable(b)}" for a, b in sorted(shared)[:NAMED])
        more = f" and {len(shared) - NAMED:,} more" if len(shared) > NAMED else ""
        raise SharedImagesError(
            f"{len(shared):,} images are among {one.name} and among {other.name}, which makes figures worthless: "
            f"{named}{more}. Remove each from one of the two, then run again"
        )


def _as_items(digests):
    # (n, 16) uint8 as (n,) items that NumPy sorts as a whole
    return np.ascontiguousarray(digests).view(f"V{digests.shape[1]}").reshape(-1)
