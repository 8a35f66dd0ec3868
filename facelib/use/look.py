"""What of an image the network sees: a face as it is, a square of it, or a face that is found."""

import threading
from typing import NamedTuple

import numpy as np

from facelib.data.images import SIZE, SMALLEST, UnreadableImageError, decode, is_blank, measure
from facelib.gather.detector import DetectorMissingError, Face, load_detector
from facelib.gather.landmarks import LandmarksError, keep_landmarks
from facelib.gather.photographs import LARGEST, FaceCutter
from facelib.use.load import Trained

# instead of a square: the whole image is the face, cropped as the training images are; or the face is found in it
WHOLE, DETECT = "whole", "detect"


class CropError(UnreadableImageError):
    """An image of which it is not known where the face is; the message says how to tell."""


class Seen(NamedTuple):
    """A face as the network sees it, and where it was in its image."""

    pixels: np.ndarray  # (112, 112, 3) uint8
    crop: tuple[int, int, int] | None = None  # left, top and side of the square, where one was cut out
    faces: tuple[Face, ...] = ()  # that were found, from left to right, where one was looked for
    number: int = 0  # of the one that was taken, from 1


class Looker:
    """Reads images as the network of `trained` takes them."""

    def __init__(self, trained: Trained):
        self._trained = trained
        self._landmarks, self._lock = None, threading.Lock()  # images are read by several threads

    def look(self, image, crop=None, face=LARGEST) -> Seen:
        """What the network sees of an image, by the decoder of training.

        Args:
            image: a path; or pixels, (112, 112, 3) uint8, which are taken as they are.
            crop: (left, top, side) of the face in pixels, `WHOLE` or `DETECT`. None: images of 112x112 pixels are taken
                whole, of those of the size of the test frames (LFW: 250x250) the square that the test used, and in
                others the face is found.
            face: which one where there are several, see `photographs.FaceCutter`.

        Raises:
            UnreadableImageError: see `images.decode`; no face, or not which one: see `photographs.FaceCutter`.
            CropError: the face can not be looked for.
        """
        if isinstance(image, np.ndarray):
            return Seen(check_pixels(image))
        size = measure(image) if crop in (None, DETECT) else None
        if crop is None:
            crop = find_crop(size, self._trained)
        if crop == WHOLE or size and min(size) < SMALLEST:
            return Seen(decode(image))
        if crop != DETECT:
            return Seen(decode(image, crop), crop)
        taken = []
        cutter = self.cutter("{}: {}x{} pixels".format(image, *size), face)

        def take(pixels):
            taken.append(cutter.take(pixels))
            return taken[0].pixels

        return Seen(decode(image, take), None, *taken[0][1:])

    def cutter(self, place, face=LARGEST) -> FaceCutter:
        """What finds faces and cuts them out as the network of this model takes them.

        Raises:
            CropError: it cannot be had; the message begins with `place`.
        """
        landmarks = self._find_landmarks()
        if isinstance(landmarks, Exception):
            width, height = self._trained.frame
            raise CropError(
                f"{place}; where is the face? Only {SIZE}x{SIZE} (a face, as it is) and {width}x{height} (a frame of "
                "the test, as LFW's) are known: give --crop left,top,side in pixels, or --whole where the whole image "
                f"is a closely cropped face; it cannot be looked for: {landmarks}"
            )
        return FaceCutter(landmarks, face)

    def _find_landmarks(self):
        # where they lie in the training faces; or the error, which is the same for every image; found once
        results = self._trained.results
        with self._lock:
            if self._landmarks is None:
                try:
                    load_detector()
                    digest = results["provenance"]["data_digest"]
                    self._landmarks = keep_landmarks(self._trained.config, results["data"], digest)
                except (DetectorMissingError, LandmarksError) as error:
                    self._landmarks = error
        return self._landmarks


def check_pixels(pixels: np.ndarray) -> np.ndarray:
    """`pixels`, which have to be those of a face.

    Raises:
        UnreadableImageError: they are not (112, 112, 3) uint8, or blank.
    """
    if pixels.dtype != np.uint8 or pixels.shape != (SIZE, SIZE, 3):
        raise UnreadableImageError(f"pixels are {pixels.dtype} {pixels.shape}; expected uint8 (112, 112, 3)")
    if is_blank(pixels):
        raise UnreadableImageError("the pixels are blank, all alike: there is no face in them")
    return pixels


def find_crop(size: tuple[int, int], trained: Trained):
    """The crop of images of `size` (width, height): `WHOLE` of a face, ``trained.crop`` of a frame, else `DETECT`."""
    if size == (SIZE, SIZE):
        return WHOLE
    return trained.crop if size == trained.frame else DETECT
