"""Use of the trained model: do two images show the same person, and what is that answer worth?"""

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.data.images import SIZE, SMALLEST, UnreadableImageError, decode, is_blank, measure
from facelib.data.pair_images import measure_frame
from facelib.folders import SUFFIXES, Unread, explain, list_images, printable
from facelib.learn.embedding import build_embedder, pair_scores
from facelib.progress import track
from facelib.use.load import Trained, find_threshold, load_trained

WHOLE = "whole"  # instead of a crop: the whole image is the face, cropped as the training images are
BATCH = 256  # images decoded at once


class CropError(UnreadableImageError):
    """An image of which it is not known where the face is; the message says how to tell."""


class Basis(NamedTuple):
    """What a threshold was chosen on: pairs of people who were held out from training."""

    data: str  # "real" or "drawn" faces
    data_digest: str  # of the training folder's decoded images
    identities: int
    pairs: int  # that the threshold was chosen on
    mismatched_pairs: int  # all pairs of two of these people, on which false accepts were counted


class Verdict(NamedTuple):
    """The answer for two images."""

    same: bool  # whether the score is at least the threshold
    score: float  # in [0, 1], higher for the same person
    threshold: float
    far: float | None  # the false accept rate that the threshold was made for; None: for the best accuracy
    validation_far: float  # the share of the mismatched pairs that it accepts
    basis: Basis
    model: str  # fingerprint of the files that hold the model
    parts: str  # what the score is made of: "network", or what was fitted beside it too


class Embedded(NamedTuple):
    """The images of a folder that can be read."""

    paths: tuple[str, ...]  # relative to the folder, sorted
    embeddings: np.ndarray  # (n, d) float32, unit norm
    rareness: np.ndarray  # (n,) float64, see `score_normalization.Cohort`; 0 without a cohort
    problems: tuple[tuple[str, str], ...]  # path and reason of each image left out
    unread: tuple[Unread, ...]  # files of kinds that are not read


class Verifier:
    """A trained model, ready to answer.

    Args:
        traced: trace the network once, for batches of any size, when the first image comes; that takes a second or two.
            False is faster for two images, and ten times slower for many.
    """

    def __init__(self, trained: Trained, traced: bool = True):
        self.trained = trained
        self._traced = traced

    @functools.cached_property
    def _embedder(self):
        return build_embedder(self.trained.model, self.trained.config.flip_average, traced=self._traced)

    def read(self, image, crop=None) -> np.ndarray:
        """An image as the network takes it, (112, 112, 3) uint8, by the decoder of training.

        Args:
            image: a path; or pixels, (112, 112, 3) uint8, which are taken as they are.
            crop: (left, top, side) of the face in pixels, or `WHOLE`. None: images of 112x112 pixels are taken whole,
                of those of the size of the test frames (LFW: 250x250) the square that the test used.

        Raises:
            UnreadableImageError: see `images.decode`. CropError: another size, and no `crop`.
        """
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.shape != (SIZE, SIZE, 3):
                raise UnreadableImageError(f"pixels are {image.dtype} {image.shape}; expected uint8 (112, 112, 3)")
            if is_blank(image):
                raise UnreadableImageError("the pixels are blank, all alike: there is no face in them")
            return image
        size = measure(image) if crop is None else None
        if crop == WHOLE or size == (SIZE, SIZE):
            return decode(image)
        if size and min(size) >= SMALLEST:
            crop = find_crop(size, self.trained, image)
        return decode(image, crop)

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings (n, d) float32, unit norm, of images (n, 112, 112, 3) uint8; a ValueError where they are none."""
        return self._embedder(pixels)

    def embed_folder(self, folder: Path, crop=None) -> Embedded:
        """Embeddings of the JPEG and PNG files in and below `folder`; see `read` for the `crop`.

        Raises:
            UnreadableImageError: no such folder, no images in it, or none of them can be read.
            SizesError: a crop in pixels, and images of several sizes.
        """
        folder = Path(folder)
        if not folder.is_dir():
            found = "is a file" if folder.exists() else "does not exist"
            raise UnreadableImageError(f"{printable(folder)} {found}; expected a folder with images in or below it")
        listing = paths, unread, found = list_images(folder)
        if not paths:
            raise UnreadableImageError(f"{printable(folder)} holds no image ({', '.join(SUFFIXES)}){explain(listing)}")
        if crop not in (None, WHOLE):
            measure_frame(folder, paths)

        def attempt(path):
            try:
                return self.read(folder / path, crop)
            except UnreadableImageError as error:
                return str(error).removeprefix(f"{folder / path}: ")

        readable, problems, embeddings = [], [*found], []
        with ThreadPoolExecutor() as pool:
            for start in track(range(0, len(paths), BATCH), "embedding", f"batches of {BATCH} images"):
                names = paths[start : start + BATCH]
                images = [*zip(names, pool.map(attempt, names), strict=True)]
                problems += [(name, reason) for name, reason in images if isinstance(reason, str)]
                good = [(name, pixels) for name, pixels in images if not isinstance(pixels, str)]
                readable += [name for name, _ in good]
                if good:
                    embeddings.append(self.embed(np.stack([pixels for _, pixels in good])))
        if not readable:
            path, reason = problems[0]
            raise UnreadableImageError(
                f"{printable(folder)}: none of {len(paths)} images can be read; {printable(path)}: {reason}"
            )
        embeddings = np.concatenate(embeddings)
        return Embedded(tuple(readable), embeddings, self.rareness(embeddings), tuple(problems), unread)

    def rareness(self, embeddings: np.ndarray) -> np.ndarray:
        """How rare each face is in the cohort, (n,) float64; 0 where the scores do not ask for it."""
        cohort = self.trained.cohort
        return cohort.rareness(embeddings) if cohort else np.zeros(len(embeddings))

    def scores(self, embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Scores (pairs,) float64 in [0, 1]; `first` and `second` (pairs,) are rows of `embeddings`."""
        cohort = self.trained.cohort
        return (cohort.pair_scores if cohort else pair_scores)(embeddings, first, second)

    def verify(self, image_a, image_b, far: float | None = None, crop=None) -> Verdict:
        """Whether two images, see `read`, show the same person.

        Args:
            far: take the threshold for this false accept rate, not that with the best accuracy.

        Raises:
            UnreadableImageError, CropError: an image. SizesError: a crop in pixels, and images of two sizes.
            UnsupportedRateError: there is no threshold for `far`.
        """
        threshold, basis = self.threshold(far)
        if crop not in (None, WHOLE):
            measure_frame(Path(), [image for image in (image_a, image_b) if not isinstance(image, np.ndarray)])
        pixels = np.stack([self.read(image, crop) for image in (image_a, image_b)])
        score = float(self.scores(self.embed(pixels), np.array([0]), np.array([1]))[0])
        value, share = threshold["threshold"], threshold["false_accepts"] / max(basis.mismatched_pairs, 1)
        return Verdict(score >= value, score, value, far, share, basis, self.trained.fingerprint, self.trained.parts)

    def threshold(self, far: float | None = None) -> tuple[dict, Basis]:
        """A row of `operating_points.choose_thresholds`, for a false accept rate or the accuracy, and its basis."""
        results = self.trained.results
        thresholds = results["thresholds"]
        row = thresholds["accuracy"] if far is None else find_threshold(thresholds, far)
        mismatched = thresholds["mismatched_pairs"]
        pairs = results["validation_pairs"] if far is None else mismatched
        data = results["data"], results["provenance"]["data_digest"]
        return row, Basis(*data, thresholds["people"], pairs, mismatched)


def find_crop(size: tuple[int, int], trained: Trained, place) -> tuple | None:
    """The crop of images of `size` (width, height), where it is known: None of a face, ``trained.crop`` of a frame.

    Raises:
        CropError: another size; the message names `place`.
    """
    if size == (SIZE, SIZE):
        return None
    if size == trained.frame:
        return trained.crop
    raise CropError(
        f"{place}: {size[0]}x{size[1]} pixels; where is the face? Only {SIZE}x{SIZE} (a face, as it is) and "
        f"{trained.frame[0]}x{trained.frame[1]} (a frame of the test, as LFW's) are known: "
        "give --crop left,top,side in pixels, or --whole where the whole image is a closely cropped face"
    )


@functools.lru_cache(maxsize=2)
def load_verifier(profile: str = "laptop", traced: bool = True) -> Verifier:
    """The verifier of what was trained for `profile`, loaded once in a process; see `load.load_trained`."""
    return Verifier(load_trained(profile), traced)
