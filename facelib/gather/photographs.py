"""Cut one face out of a photograph, so that eyes and mouth lie where they lie in the training faces."""

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from facelib.data.images import SIZE, SMALLEST
from facelib.data.similarity_transform import fit, grid, sample
from facelib.gather.detector import Face, find_faces

FIXED = (0, 1, 3, 4)  # of the landmarks: eyes and mouth corners; the nose moves with the pose of the head
LARGE = 4  # pixels of the image to a pixel of the face: above, the image is scaled down before
BEYOND = 4  # longer sides of the image: no face is larger, whatever its landmarks say
WIDE = SIZE * 3 // 2  # pixels: a square of this side holds one of `SIZE` however it is turned
# Two faces are equally large where the smaller has this share of the size of the larger. Of 174 LFW frames with several
# faces it refuses 67, and in 1 of the others the largest is not the person in the middle; 0.9 would leave 5, and 1 19.
EQUAL = 0.8
LARGEST, LEFT = "largest", "left"  # which face is taken; or its number from the left, 1 or more


class FaceError(ValueError):
    """No face, or not which one, can be taken; the message says what to do."""


class Taken(NamedTuple):
    """The face that was taken, and those beside which it was found."""

    pixels: np.ndarray  # (112, 112, 3) uint8
    faces: tuple[Face, ...]  # from left to right
    number: int  # of the one that was taken, from 1


class FaceCutter:
    """Finds the face in an image and cuts it out; can be given as the crop to `images.decode` and `images.load_images`.

    Args:
        landmarks: (5, 2) float64, where they are to lie in the face, in pixels of 112; see `landmarks`.
        which: `LARGEST`, `LEFT`, or the number of the face, from the left; a `FaceError` where it is none of these.
    """

    def __init__(self, landmarks: np.ndarray, which=LARGEST):
        if which not in (LARGEST, LEFT) and not (isinstance(which, int) and which >= 1):
            raise FaceError(f"face={which!r} is neither {LARGEST!r}, {LEFT!r} nor a number from 1")
        self._landmarks, self._which = landmarks, which
        self.several = []  # the number of faces in each image of whose several faces one was taken

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return self.take(pixels).pixels

    def __repr__(self):
        return f"FaceCutter({self._landmarks.tolist()}, {self._which!r})"

    def take(self, pixels: np.ndarray) -> Taken:
        """The face in an image (height, width, 3) uint8 RGB.

        Raises:
            FaceError: no face, no such face, two that are equally large, or one that is too small.
        """
        faces = find_faces(pixels)
        number = choose_face(faces, self._which)
        face = cut_face(pixels, faces[number - 1].landmarks, self._landmarks)
        if len(faces) > 1:
            self.several.append(len(faces))
        return Taken(face, tuple(faces), number)


def choose_face(faces: list[Face], which=LARGEST) -> int:
    """The number of the face to take, from 1.

    Args:
        faces: from left to right. which: see `FaceCutter`.

    Raises:
        FaceError: there is none, no such one, or the largest is not known.
    """
    if not faces:
        raise FaceError("no face is found; is one there, upright, lit, and not cut off?")
    if which == LEFT:
        return 1
    if which != LARGEST:
        if which > len(faces):
            found = "1 face is" if len(faces) == 1 else f"{len(faces)} faces are"
            raise FaceError(f"there is no face number {which}: {found} found")
        return which
    sizes = np.array([face.size for face in faces])
    best = np.flatnonzero(sizes >= EQUAL * sizes.max()) + 1
    if len(best) > 1:
        numbers = ", ".join(map(str, best[:4])) + " ..." * (len(best) > 4)
        raise FaceError(
            f"{len(faces)} faces are found, and number {numbers} from the left are about equally large: "
            "say which one, --face left or --face N"
        )
    return int(best[0])


def place_face(landmarks: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The similarity transform from a face of 112x112 pixels to the image that it is cut out of.

    Args:
        landmarks: (5, 2) float64 in the image. wanted: (5, 2) float64 in the face.

    Returns:
        Parameters (4,) float64, see `similarity_transform`; points are in pixels from the middle of the face.
    """
    points = wanted[FIXED, :] - (SIZE - 1) / 2
    return fit(points, landmarks[FIXED, :])


def cut_face(pixels: np.ndarray, landmarks: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The face whose `landmarks` come to lie where they are `wanted`, as closely as shift, scale and rotation can.

    The image is scaled first, as `images.decode` does it, then turned; beyond its edges the pixels at the edge follow.

    Args:
        pixels: (height, width, 3) uint8. landmarks: (5, 2) float64 in them. wanted: (5, 2) float64 in the face.

    Returns:
        (112, 112, 3) uint8.

    Raises:
        FaceError: it would be enlarged more than twice, or is far larger than the image.
    """
    a, b, right, down = place_face(landmarks, wanted)
    scale = np.hypot(1 + a, b)  # pixels of the image to a pixel of the face
    if not scale * SIZE <= BEYOND * max(pixels.shape):
        raise FaceError("the face is not where it seems to be: its landmarks lie outside of the image")
    if scale * SIZE < SMALLEST:
        side = int(scale * SIZE)
        raise FaceError(f"the face is too small: {side}x{side} pixels; at least {SMALLEST}x{SMALLEST}, better 112x112")
    if scale > LARGE:  # so that no more than a few hundred pixels a side are turned, however large the face
        height, width = pixels.shape[:2]
        size = [max(1, round(2 * length / scale)) for length in (width, height)]
        smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return cut_face(smaller, (landmarks + 0.5) * size / (width, height) - 0.5, wanted)
    corner = np.array([right, down]) + 0.5 - scale * WIDE / 2
    first = np.floor(corner).astype(int)
    length = int(np.ceil(scale * WIDE)) + 1
    columns, rows = (np.arange(start, start + length) for start in first)
    rows, columns = (
        np.clip(places, 0, size - 1) for places, size in zip((rows, columns), pixels.shape[:2], strict=True)
    )
    box = (*(corner - first), *(corner - first + scale * WIDE))
    region = Image.fromarray(pixels[rows][:, columns])
    scaled = np.asarray(region.resize((WIDE, WIDE), Image.Resampling.BILINEAR, box=box), np.float32)
    turn = np.array([[(1 + a) / scale - 1, b / scale, 0, 0]], np.float32)
    moved = np.asarray(sample(scaled[None], turn, *grid(SIZE)))
    return np.rint(moved).astype(np.uint8).reshape(SIZE, SIZE, 3)
