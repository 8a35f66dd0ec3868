"""Load the images of a pairs list for evaluation: each image is decoded once, and a pair is two rows of them."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.config import PAIRS_FILE, TEST_FOLDER, Config
from facelib.data.duplicates import Side
from facelib.data.images import Images, UnreadableImageError, load_images, measure
from facelib.data.packs import Pack
from facelib.data.pair_checks import name_people
from facelib.data.pair_lines import PairsError
from facelib.data.pair_list import Pair, read_pairs
from facelib.folders import printable


class DecodedPairs(NamedTuple):
    """The pairs whose images can be read, and those images."""

    listed: list[Pair]  # all of the list
    paths: tuple[str, ...]  # of all images in them, sorted, relative to the images' folder
    images: Images
    readable: tuple[str, ...]  # path of each row of `images.pixels`
    pairs: list[Pair]  # without those of an unreadable image
    first: np.ndarray  # (pairs,) int, rows of `images.pixels`
    second: np.ndarray
    matched: np.ndarray  # (pairs,) bool
    names: dict[str, str]  # who is on each of `paths`

    @property
    def people(self) -> np.ndarray:
        """(pairs, 2) str: who is on both images of each pair."""
        return np.array([[self.names[path] for path in pair[:2]] for pair in self.pairs])

    @property
    def folds(self) -> np.ndarray:
        """(pairs,) int: the fold of each pair, always 0 where the list names no folds."""
        return np.array([pair.fold for pair in self.pairs])

    @property
    def image_people(self) -> np.ndarray:
        """Who is on each row of `images.pixels`, str."""
        return np.array([self.names[path] for path in self.readable])

    def side(self, name: str) -> Side:
        """The images as `duplicates.require_disjoint` takes them."""
        return Side(name, np.array(self.readable, object), (self.images.contents, self.images.files))


class SizesError(ValueError):
    """Images of several sizes, or of another than expected; the message lists the sizes and says what to do."""


def load_test_pairs(config: Config, crop, frame=None) -> DecodedPairs:
    """The test pairs among the faces of `config`, decoded into its cache; arguments and errors as in `load_pairs`."""
    return load_pairs(config.faces / PAIRS_FILE, config.faces / TEST_FOLDER, config.interim / "cache", crop, frame)


def list_pairs(pairs_file: Path, images_dir: Path | Pack) -> list[Pair]:
    """The pairs that `pairs_file` lists, see `pair_list.read_pairs`; of a pack its own, whose images are there."""
    return list(images_dir.pairs) if isinstance(images_dir, Pack) else read_pairs(pairs_file, images_dir)


def load_pairs(pairs_file: Path, images_dir: Path | Pack, cache_folder: Path, crop=None, frame=None) -> DecodedPairs:
    """Read `pairs_file` (see `list_pairs`), decode its images (see `images.load_images`), and check that
    figures can be had from them.

    Args:
        crop: (left, top, side) of the square in every image; None takes the whole images, of whatever sizes; or a
            function that cuts out a face, see `images.decode`.
        frame: width and height of every image; None: with a crop they are alike, whatever their size.

    Raises:
        PairsError: a pairs file that cannot be used, images that are missing, or no pair of one of the kinds among
            those that can be read, in a fold or in all; a pair of two images, or a pair listed twice, with the same
            content under other names.
        SizesError: a crop of images of several sizes, or of another size than `frame`.
        UnreadableImageError: no pair has two readable images.
    """
    listed = list_pairs(pairs_file, images_dir)
    paths = tuple(sorted({path for pair in listed for path in (pair.first, pair.second)}))
    if crop is not None and not callable(crop):
        measure_frame(images_dir, paths, frame)
    images = load_images(images_dir, paths, cache_folder, crop)
    readable = tuple(path for path, good in zip(paths, images.readable, strict=True) if good)
    rows = {path: row for row, path in enumerate(readable)}
    pairs = [pair for pair in listed if pair.first in rows and pair.second in rows]
    if not pairs:
        path, reason = images.problems[0]
        raise UnreadableImageError(f"{images_dir}: no pair has two images that can be read; {path}: {reason}")
    _check_kinds(pairs_file, listed, pairs)
    _check_contents(pairs_file, pairs, rows, images.contents)
    first, second = np.array([(rows[pair.first], rows[pair.second]) for pair in pairs]).T
    matched = np.array([pair.matched for pair in pairs])
    return DecodedPairs(listed, paths, images, readable, pairs, first, second, matched, name_people(listed))


def _check_contents(pairs_file, pairs, rows, contents):
    # copies of a file: `read_pairs` compares names only
    numbers = np.unique(contents, axis=0, return_inverse=True)[1].ravel()
    seen = {}
    for pair in pairs:
        key = frozenset(int(numbers[rows[path]]) for path in pair[:2])
        names = f"{pair.first} and {pair.second}"
        if len(key) == 1:
            raise PairsError(f"{pairs_file}: {printable(names)} have the same content: remove this pair, or one image")
        if key in seen:
            other = " and ".join(seen[key][:2])
            raise PairsError(
                f"{pairs_file}: {printable(names)} have the same contents as {printable(other)}; a pair counts once:"
                " remove one of the lines"
            )
        seen[key] = pair


def measure_frame(images_dir: Path | Pack, paths, frame=None) -> tuple[int, int] | None:
    """Width and height of those of the images `paths` that can be read; None where none can.

    A square in pixels shows the face in images of one size only.

    Raises:
        SizesError: they are of several sizes, or of another than `frame`.
    """
    sizes = measure_sizes(images_dir, paths)
    if len(sizes) > 1 or (frame and sizes.keys() - {tuple(frame)}):
        found = sorted(sizes.items(), key=lambda item: -len(item[1]))
        rows = [f"{w}x{h}: {len(names):,}, such as {images_dir / names[0]}" for (w, h), names in found]
        more = f"; and {len(rows) - 9} more sizes" if len(rows) > 9 else ""
        wanted = "{}x{} pixels".format(*frame) if frame else "one size"
        raise SizesError(
            f"expected images of {wanted}, out of which one square is cut; found {'; '.join(rows[:9])}{more}: "
            "bring them to one size with the face in one place, or cut the faces out, 112x112 pixels each"
        )
    return next(iter(sizes), None)


def measure_sizes(images_dir: Path | Pack, paths) -> dict[tuple[int, int], list[str]]:
    """Those of the images `paths` that can be read, by width and height."""
    sizes = {}
    for path in paths:
        try:
            sizes.setdefault(measure(images_dir / path), []).append(path)
        except UnreadableImageError:  # left out and listed when it is decoded
            continue
    return sizes


def _check_kinds(pairs_file, listed, pairs):
    # every fold of the list, and so the whole of it, needs a matched and a mismatched pair
    counts = Counter((pair.fold, pair.matched) for pair in pairs)
    folds = sorted({pair.fold for pair in listed})
    for fold in folds:
        matched, mismatched = counts[fold, True], counts[fold, False]
        if matched and mismatched:
            continue
        lost = len(listed) - len(pairs)
        raise PairsError(
            f"{pairs_file}: only one kind of pair{f' in fold {fold + 1} of {len(folds)}' if len(folds) > 1 else ''}: "
            f"{matched:,} matched and {mismatched:,} mismatched, and figures need both; "
            f"{lost:,} pairs of the list have an image that cannot be read: mend those images, or change the list"
        )
