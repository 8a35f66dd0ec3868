"""The pairs of a list, with their images decoded: each image once, rows of it for every pair."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.images import Images, UnreadableImageError, load_images
from facelib.lfw import Pair, read_pairs


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


def load_pairs(pairs_file: Path, images_dir: Path, cache_folder: Path, crop=None) -> DecodedPairs:
    """Read `pairs_file` (see `lfw.read_pairs`) and decode its images (see `images.load_images`).

    Raises:
        PairsError: a pairs file that cannot be used, or images that are missing.
        UnreadableImageError: no pair has two readable images.
    """
    listed = read_pairs(pairs_file, images_dir)
    paths = tuple(sorted({path for pair in listed for path in (pair.first, pair.second)}))
    images = load_images(images_dir, paths, cache_folder, crop)
    readable = tuple(path for path, good in zip(paths, images.readable, strict=True) if good)
    rows = {path: row for row, path in enumerate(readable)}
    pairs = [pair for pair in listed if pair.first in rows and pair.second in rows]
    if not pairs:
        path, reason = images.problems[0]
        raise UnreadableImageError(f"{images_dir}: no pair has two images that can be read; {path}: {reason}")
    first, second = np.array([(rows[pair.first], rows[pair.second]) for pair in pairs]).T
    return DecodedPairs(
        listed, paths, images, readable, pairs, first, second, np.array([pair.matched for pair in pairs])
    )
