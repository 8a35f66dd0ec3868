"""Find faces and their landmarks in a photograph, by MTCNN (Zhang et al. 2016, "Joint face detection and alignment
using multitask cascaded convolutional networks"), whose networks and weights are those of the package ``mtcnn``.
"""

import functools
import importlib
import importlib.resources
import threading
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from facelib.data.images import UnreadableImageError, decode_whole

SIDES = (1024, 2048)  # pixels, the longer side of what is searched: the second where the first shows no face
SMALLEST_FACE = 20  # pixels of what is searched
PROPOSALS = 500  # of one scale, the likeliest; the package compares all of them in pairs, in memory too
CONFIDENCE = 0.9  # of what is a face; the package's own 0.8 lets more through that is none
STAGES = {"StagePNet": "pnet.lz4", "StageRNet": "rnet.lz4", "StageONet": "onet.lz4"}
_lock = threading.Lock()  # one search at a time: a search takes memory, and uses the cores itself


class DetectorMissingError(ImportError):
    """The package that finds faces is not installed; the message says how to get it."""


class Face(NamedTuple):
    """A face in an image; places in pixels of the upright image, (0, 0) the middle of its first pixel."""

    box: tuple[float, float, float, float]  # left, top, width, height
    landmarks: np.ndarray  # (5, 2) float64: x, y of the left and right eye, nose, left and right mouth corner, as seen
    confidence: float  # in [0, 1]

    @property
    def size(self) -> float:
        """The longer side of the box, in pixels."""
        return max(self.box[2:])


def find_faces(image) -> list[Face]:
    """The faces in `image`, from left to right.

    Args:
        image: a path, see `images.decode_whole`; or pixels (height, width, 3) uint8 RGB.

    Raises:
        UnreadableImageError: the file cannot be read, or other pixels. DetectorMissingError: see there.
    """
    pixels = image if isinstance(image, np.ndarray) else decode_whole(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise UnreadableImageError(f"pixels are {pixels.dtype} {pixels.shape}; expected uint8 (height, width, 3)")
    found, longest = [], max(pixels.shape[:2])
    for number, side in enumerate(SIDES):
        if found or number and longest <= SIDES[number - 1]:
            break
        scale = min(1, side / longest)
        found = _search(pixels, scale)
    return sorted(found, key=lambda face: face.box[0])


def _search(pixels, scale):
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if min(height, width) < SMALLEST_FACE:
        return []
    with _lock:
        rows = load_detector().detect_faces(
            pixels,
            fit_to_image=False,
            box_format="xyxy",
            output_type="numpy",
            min_face_size=SMALLEST_FACE,
            threshold_onet=CONFIDENCE,
        )
    # number of the image, box, confidence, x of five landmarks, y of five
    rows = np.asarray(rows, np.float64)[:, 1:]
    rows = rows[np.isfinite(rows).all(axis=1)]
    return [_face(row, scale) for row in rows]


def _face(row, scale):
    # places of corners to places of the middles of pixels, in the whole image
    left, top, right, bottom = row[:4] / scale
    landmarks = (row[5:].reshape(2, 5).T + 0.5) / scale - 0.5
    return Face((left, top, right - left, bottom - top), landmarks, float(row[4]))


@functools.cache
def load_detector():
    """The detector of the package, with its own weights; takes a third of a second.

    Raises:
        DetectorMissingError: the package is not installed.
    """
    try:
        package = importlib.import_module("mtcnn")
    except ImportError as error:
        raise DetectorMissingError(f"faces are found by the package mtcnn ({error}): make setup installs it") from None
    weights = importlib.resources.files("mtcnn.assets.weights")
    # by their whole paths: the package would first look where the process is, for files that are run as they are read
    stages = [getattr(package.stages, name)(weights=str(weights / file)) for name, file in STAGES.items()]
    stages[0]._model = _Likeliest(stages[0].model)
    return package.MTCNN(stages=stages)


class _Likeliest:
    """The first network, of whose proposals the `PROPOSALS` likeliest are left."""

    def __init__(self, network):
        self._network = network

    def __call__(self, images):
        moves, likelihoods = self._network(images)  # (1, height, width, 4) and (1, height, width, 2): no, and yes
        faces = tf.reshape(likelihoods[..., 1], [-1])
        if len(faces) <= PROPOSALS:
            return moves, likelihoods
        best = tf.math.top_k(faces, PROPOSALS)
        faces = tf.scatter_nd(best.indices[:, None], best.values, tf.shape(faces))
        faces = tf.reshape(faces, tf.shape(likelihoods)[:3])
        return moves, tf.stack([1 - faces, faces], axis=-1)
