"""Load the faces of a folder: decoded, without duplicates, within the limits of the configuration; and align them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from facelib.data.duplicates import Duplicates, Side, name_duplicates, resolve
from facelib.data.exclusion import read_exclusion
from facelib.data.identities import Faces, NoFacesError, read_identities, take
from facelib.data.images import SIZE, load_images
from facelib.data.pixels import checksum, keep_pixels, write_pixels
from facelib.data.records import open_images
from facelib.folders import printable
from facelib.progress import track
from facelib.provenance import digest

BATCH = 64  # images aligned at once


class ChosenRows:
    """Some rows of decoded images as a read-only array whose rows are copied only when they are indexed.

    Args:
        parts: arrays (images, 112, 112, 3) uint8, memory-mapped. rows: (n,) int, of the parts one after the other.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, parts, rows: np.ndarray):
        self._parts, self._rows = parts, rows
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (len(rows), SIZE, SIZE, 3)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index) -> np.ndarray:
        """As an array's, for an int, a slice, or an array of ints or booleans."""
        rows = np.asarray(self._rows[index])
        pixels = np.empty((*rows.shape, *self.shape[1:]), np.uint8)
        numbers = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(numbers):
            part, here = self._parts[number], numbers == number
            pixels[here] = part[rows[here] - (self._ends[number] - len(part))]
        return pixels


Pixels = np.ndarray | ChosenRows


class DecodedFaces(NamedTuple):
    """The readable faces of a folder without duplicates: the table and the pixels, row by row."""

    table: Faces
    pixels: Pixels  # (n, 112, 112, 3) uint8, memory-mapped
    contents: np.ndarray  # (n, 16) uint8, digests of the pixels
    files: np.ndarray  # (n, 16) uint8, digests of the files
    problems: tuple[tuple[str, str], ...]  # path and reason of what cannot be read, left out above
    duplicates: Duplicates  # left out above as well
    excluded: int  # images that the exclusion list leaves out
    digest: str  # of the content of all that was decoded, and of which of it is excluded

    def side(self, name: str, mask=slice(None)) -> Side:
        """The images of `mask` (n,), or all, as `duplicates.require_disjoint` takes them."""
        paths = np.array(self.table.paths, object)[mask]
        return Side(name, paths, (self.contents[mask], self.files[mask]))


def load_faces(
    folder: Path, cache_folder: Path, identities_limit=None, images_limit=None, exclude: Path | str = ""
) -> DecodedFaces:
    """Read ``folder/<identity>/<image>``, or records, and decode them, or take them from the cache in `cache_folder`.

    What cannot be read is left out, then what is excluded, then duplicates (see `duplicates.resolve`), then what
    exceeds the limits; so the limits count images that are used. All images of the identities up to the last one that
    is needed are decoded, excluded ones too: another list takes the same cache.

    Args:
        identities_limit: number of identities to choose, the first in order. images_limit: most images of each.
        exclude: file of the exclusion list, see `exclusion.read_exclusion`; none where it is empty.

    Raises:
        NoFacesError: the folder is missing, empty, or none of its images can be used.
        RecordsError: it holds records that cannot be used.
        ExclusionError: the exclusion list cannot be used.
    """
    listed, _, problems = read_identities(folder)
    wanted = ~read_exclusion(exclude, folder, listed.paths) if exclude else np.ones(len(listed.paths), bool)
    limit = identities_limit or len(listed.names)
    parts, places, contents, found = _decode(folder, cache_folder, listed, wanted, limit)
    rows = np.flatnonzero(np.concatenate([part.readable for part in parts]))[places]
    problems += tuple(problem for part in parts for problem in part.problems)
    if not found.kept.any():
        reason = "used; all occur under two identities" + (", or are excluded" if exclude else "")
        if not len(rows) and problems:
            reason = "read; " + ": ".join(map(printable, problems[0]))
        raise NoFacesError(f"{printable(folder)}: none of {len(listed.paths)} images can be {reason}")
    kept = np.flatnonzero(found.kept)
    kept = kept[_place(listed.labels[rows[kept]]) < (images_limit or len(kept))]
    chosen = np.zeros(len(listed.paths), bool)
    chosen[rows[kept]] = True
    table = take(listed, chosen)
    pixels = [part.pixels for part in parts]
    whole = len(parts) == 1 and len(kept) == len(parts[0].pixels)
    excluded = [listed.paths[row] for row in np.flatnonzero(~wanted)]
    return DecodedFaces(
        table,
        pixels[0] if whole else ChosenRows(pixels, places[kept]),
        contents[kept],
        np.concatenate([part.files for part in parts])[places[kept]],
        problems,
        name_duplicates(found, [listed.paths[row] for row in rows], listed.names),
        len(excluded),
        parts[0].digest if len(parts) == 1 and not excluded else digest([part.digest for part in parts], *excluded),
    )


def _decode(folder, cache_folder, listed, wanted, limit):
    # Decodes identities until `limit` of them have an image that stays. Gives their images in one or more parts; the
    # places in those of what is `wanted`, (n,), with the contents (n, 16); and what stays of that.
    ends = np.cumsum(np.bincount(listed.labels))  # of the rows of each identity
    images = open_images(folder)
    limit = missing = min(limit, len(ends))
    parts, done = [], 0
    while missing:
        start, done = ends[done - 1] if done else 0, min(done + missing, len(ends))
        parts.append(load_images(images, listed.paths[start : ends[done - 1]], cache_folder))
        rows = np.flatnonzero(np.concatenate([part.readable for part in parts]))
        places = np.flatnonzero(wanted[rows])
        rows, contents = rows[places], np.concatenate([part.contents for part in parts])[places]
        found = resolve(listed.labels[rows], contents)
        missing = min(limit - len(np.unique(listed.labels[rows[found.kept]])), len(ends) - done)
    return parts, places, contents, found


def _place(labels):
    # of each row among those of its label: 0, 1, ...; equal labels stand next to each other
    return np.arange(len(labels)) - np.searchsorted(labels, labels)


def align_faces(layer, pixels: Pixels, path: Path) -> np.ndarray:
    """Images (n, 112, 112, 3) uint8 aligned by `layer` (a `face_alignment.FaceAlignment`), uint8 too, memory-mapped.

    Args:
        path: ``.npy`` file of an earlier call with the same arguments, or gets written; see `pixels.keep_pixels`.

    Raises:
        UnwritableError: the disk is full.
    """

    def aligned():
        align = tf.function(layer, input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8)], autograph=False)
        for start in track(range(0, len(pixels), BATCH), "aligning", f"batches of {BATCH} images"):
            for image in align(pixels[start : start + BATCH]).numpy().astype(np.uint8):
                yield image, checksum(image)

    return keep_pixels(path, lambda path: write_pixels(path, len(pixels), aligned()), len(pixels))[0]
