"""Use of the trained model: do two images show the same person, and what is that answer worth?"""

import functools
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.data.images import UnreadableImageError
from facelib.data.pair_images import measure_frame
from facelib.folders import SUFFIXES, Unread, explain, list_images, printable
from facelib.gather.photographs import LARGEST
from facelib.learn.embedding import build_embedder, pair_scores
from facelib.progress import say, track
from facelib.use.load import Trained, find_threshold, load_trained
from facelib.use.look import DETECT, WHOLE, Looker, Seen

BATCH = 256  # images decoded, or embedded, at once


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
    cohort: int | None = None  # photographs that the threshold was carried over to; None: it is as it was chosen


class Embedded(NamedTuple):
    """The images of a folder that can be read."""

    paths: tuple[str, ...]  # relative to the folder, sorted
    embeddings: np.ndarray  # (n, d) float32, unit norm
    rareness: np.ndarray  # (n,) float64, see `score_normalization.Cohort`; 0 without a cohort
    problems: tuple[tuple[str, str], ...]  # path and reason of each image left out
    unread: tuple[Unread, ...]  # files of kinds that are not read
    several: tuple[str, ...]  # paths of images that show several faces, of which one was taken


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

    @functools.cached_property
    def looker(self) -> Looker:
        """Reads images as the network takes them."""
        return Looker(self.trained)

    def read(self, image, crop=None, face=LARGEST) -> np.ndarray:
        """An image as the network takes it, (112, 112, 3) uint8; see `Looker.look`."""
        return self.looker.look(image, crop, face).pixels

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings (n, d) float32, unit norm, of images (n, 112, 112, 3) uint8; a ValueError where they are none."""
        return self._embedder(pixels)

    def embed_all(self, pixels) -> np.ndarray:
        """As `embed`, with progress; images (n, 112, 112, 3) uint8, n at least 1, of which some are read at a time."""
        starts = track(range(0, len(pixels), BATCH), "embedding", f"batches of {BATCH} images")
        return np.concatenate([self.embed(pixels[start : start + BATCH]) for start in starts])

    def embed_folder(self, folder: Path, crop=None, face=LARGEST) -> Embedded:
        """Embeddings of the image files in and below `folder`; see `Looker.look` for `crop` and `face`.

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
        if crop not in (None, WHOLE, DETECT):
            measure_frame(folder, paths)

        def attempt(path):
            try:
                return path, self.looker.look(folder / path, crop, face)
            except UnreadableImageError as error:
                return path, str(error).removeprefix(f"{folder / path}: ")

        seen, problems, several, faces, embeddings = [], [*found], [], [], []
        with ThreadPoolExecutor() as pool:
            blocks = (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))
            attempts = chain.from_iterable(pool.map(attempt, block) for block in blocks)
            for path, result in track(attempts, "embedding", "images", len(paths)):
                if not isinstance(result, Seen):
                    problems.append((path, result))
                    continue
                seen.append(path)
                faces.append(result.pixels)
                several += [path] if len(result.faces) > 1 else []
                if len(faces) == BATCH:
                    embeddings.append(self.embed(np.stack(faces)))
                    faces.clear()
        if faces:
            embeddings.append(self.embed(np.stack(faces)))
        if not seen:
            path, reason = problems[0]
            raise UnreadableImageError(
                f"{printable(folder)}: none of {len(paths)} images can be read; {printable(path)}: {reason}"
            )
        embeddings = np.concatenate(embeddings)
        rareness = self.rareness(embeddings)
        return Embedded(tuple(seen), embeddings, rareness, tuple(problems), unread, tuple(several))

    def rareness(self, embeddings: np.ndarray) -> np.ndarray:
        """How rare each face is in the cohort, (n,) float64; 0 where the scores do not ask for it."""
        cohort = self.trained.cohort
        return cohort.rareness(embeddings) if cohort else np.zeros(len(embeddings))

    def scores(self, embeddings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Scores (pairs,) float64 in [0, 1]; `first` and `second` (pairs,) are rows of `embeddings`."""
        cohort = self.trained.cohort
        return (cohort.pair_scores if cohort else pair_scores)(embeddings, first, second)

    def verify(self, image_a, image_b, far: float | None = None, crop=None, face=LARGEST) -> Verdict:
        """Whether two images, see `Looker.look`, show the same person.

        Args:
            face: see `look_at`.
            far: take the threshold for this false accept rate, not that with the best accuracy.

        Raises:
            UnreadableImageError, CropError: an image. SizesError: a crop in pixels, and images of two sizes.
            UnsupportedRateError: there is no threshold for `far`.
        """
        self.threshold(far)  # whether there is one is known at once
        return self.decide(*self.look_at((image_a, image_b), crop, face), far)

    def look_at(self, images, crop=None, face=LARGEST) -> list[Seen]:
        """What the network sees of each image, see `Looker.look`; a note says which of several faces was taken.

        Args:
            face: see `photographs.FaceCutter`; for all images, or a tuple with one for each.

        Raises:
            UnreadableImageError, CropError, SizesError: see `verify`.
        """
        if crop not in (None, WHOLE, DETECT):
            measure_frame(Path(), [image for image in images if not isinstance(image, np.ndarray)])
        which = face if isinstance(face, tuple) else (face,) * len(images)
        if len(which) != len(images):
            raise ValueError(
                f"face={face!r} names {len(which)} faces for {len(images)} images: one for each, or for all"
            )
        found = [self.looker.look(image, crop, one) for image, one in zip(images, which, strict=True)]
        for image, seen, asked in zip(images, found, which, strict=True):
            name = "pixels" if isinstance(image, np.ndarray) else printable(image)
            if asked != LARGEST and not seen.faces:
                say(f"{name}: is taken as its size says, and no face is looked for: --face needs --detect")
            if len(seen.faces) > 1:
                say(f"{name}: of {len(seen.faces)} faces number {seen.number} from the left is taken; "
                    "--face takes another")  # fmt: skip
        return found

    def decide(self, first: Seen, second: Seen, far: float | None = None) -> Verdict:
        """The answer for two faces; arguments and errors as in `verify`."""
        threshold, basis = self.threshold(far)
        pixels = np.stack([first.pixels, second.pixels])
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


@functools.lru_cache(maxsize=2)
def load_verifier(profile: str = "laptop", traced: bool = True) -> Verifier:
    """The verifier of what was trained for `profile`, loaded once in a process; see `load.load_trained`."""
    return Verifier(load_trained(profile), traced)
