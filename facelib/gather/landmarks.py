"""Where eyes, nose and mouth lie in the faces that a model was trained on."""

from pathlib import Path

import numpy as np

from facelib.checkpoint import DamagedCheckpointError, read_checkpoint, save_checkpoint
from facelib.config import Config
from facelib.data import crop_check
from facelib.data.images import SIZE
from facelib.data.pixels import DamagedPixelsError, read_pixels, read_record
from facelib.data.test_crop import correlate, mean_face
from facelib.gather.detector import find_faces
from facelib.gather.photographs import FaceError, cut_face
from facelib.progress import say, track
from facelib.provenance import digest
from facelib.results import run_lock

IMAGES = 200  # of the training set; their landmarks vary by 4 pixels, their mean by 0.3
ALIKE = 0.998  # correlation of mean faces, of one set of faces and of nearly all of it; of LFW and CASIA it is 0.987
LEAST = 0.5  # share of them in which a face is to be found

# of the 112x112 faces that InsightFace ships and cuts (its face_align.py): CASIA-WebFace, MS1M and the packs among them
INSIGHTFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


class LandmarksError(ValueError):
    """It is not known where landmarks lie in the training faces; the message says why, and what to do."""


def keep_landmarks(config: Config, data: str, data_digest: str) -> np.ndarray:
    """Mean landmarks of the training faces, (5, 2) float64 in pixels of 112: those of an earlier call, or found now.

    Args:
        config: of the training. data: "real" or "drawn" faces. data_digest: of the training faces.

    Raises:
        LandmarksError: drawn faces; the decoded faces are gone; or what is found in them cannot be right.
        MissingResultError, CheckpointError: the mean training face, see `crop_check.read_mean_face`.
    """
    if data == "drawn":
        raise LandmarksError("the model was trained on drawn faces, which have no landmarks to find")
    path = config.interim / "landmarks" / f"{digest(data_digest, IMAGES)}.npz"
    if path.exists():
        try:
            return _read(path)
        except DamagedCheckpointError:
            say(f"{path} is damaged: it is made again")
    training = crop_check.read_mean_face(config)
    landmarks, images = find_landmarks(find_decoded(config.interim / "cache", data_digest, training), training)
    with run_lock(config):
        save_checkpoint(path, {"landmarks": [landmarks]}, {"images": images})
    return landmarks


def _read(path):
    landmarks = read_checkpoint(path)[1].get("landmarks/0", np.zeros(0))
    if landmarks.shape != (5, 2) or not np.isfinite(landmarks).all():
        raise DamagedCheckpointError(f"{path} holds no landmarks")
    return landmarks


def find_decoded(cache: Path, data_digest: str, training: crop_check.MeanFace) -> np.ndarray:
    """The decoded training faces (n, 112, 112, 3) uint8 that a run left in the folder `cache`.

    Args:
        data_digest: of the faces. Of those that lie in several files, or of which some were left out, a file has
            another; it is told by its mean face.
        training: their mean face.

    Raises:
        LandmarksError: they are not there.
    """
    digests = {}
    for path in sorted(cache.glob("*.npy")):
        try:
            digests[path] = read_record(path).get("digest")
        except (DamagedPixelsError, OSError):
            continue
    for path in sorted(digests, key=lambda path: digests[path] != data_digest):
        try:
            pixels = read_pixels(path)[0]
        except DamagedPixelsError:
            continue
        same = digests[path] == data_digest
        if same or len(pixels) and correlate(mean_face(pixels), training.face) >= ALIKE:
            return pixels
    raise LandmarksError(f"{cache} no longer holds the training faces: run notebooks/01_eda.ipynb again (or make all)")


def find_landmarks(pixels: np.ndarray, training: crop_check.MeanFace) -> tuple[np.ndarray, int]:
    """The mean landmarks of at most `IMAGES` faces, evenly chosen, and the number of faces that they were found in.

    Args:
        pixels: (n, 112, 112, 3) uint8, n at least 1. training: their mean face.

    Raises:
        LandmarksError: too few are found, or faces that are cut by them are not like `training`.
    """
    chosen, found = pixels[:: -(-len(pixels) // IMAGES)], []
    for image in track(chosen, "landmarks of the training faces", "faces", delay=1):
        faces = find_faces(np.asarray(image))
        if len(faces) == 1 and np.abs(faces[0].landmarks - SIZE / 2).max() < SIZE / 2:
            found.append((np.asarray(image), faces[0].landmarks))
    if len(found) < LEAST * len(chosen):
        raise LandmarksError(f"landmarks are found in {len(found)} of {len(chosen)} training faces: too few")
    landmarks = np.mean([place for _, place in found], axis=0)
    try:
        again = np.stack([cut_face(image, places, landmarks) for image, places in found])
    except FaceError as error:
        raise LandmarksError(f"landmarks of the training faces: {error}") from None
    if len(found) >= crop_check.LEAST and (wrong := crop_check.compare(training, crop_check.measure_faces(again))[-1]):
        raise LandmarksError(f"training faces, cut by their landmarks: {wrong[0]}")
    return landmarks, len(found)
