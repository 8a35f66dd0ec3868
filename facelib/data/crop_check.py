"""Compare the crop of two sets of faces by their mean faces and sharpness, and warn where they differ.

The mean face of some hundred people shows where eyes, nose and mouth usually are, and no single person.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from facelib.config import Config
from facelib.data.image_quality import measure_images
from facelib.data.images import SIZE
from facelib.data.test_crop import FLAT, align, correlate, cut, mean_face
from facelib.files import note_made
from facelib.results import require, run_lock

IMAGES = 2000  # of a set whose sharpness is measured, at most; 2 s
MIDDLE = (6, 6, 100)  # the part of one mean face that is looked for in the other: it can lie 6 pixels off, and no more
SMALLEST = MIDDLE[2] // 3  # side in pixels of what may match it: faces are found up to three times as large or small

# What is said to differ. `augmentation` varies scale by 8 % and place by 6.7 pixels at its strength 1, to either side:
# a mean that is off by more than about half of that leaves many faces where training shows few.
LEAST = 50  # images; of so many LFW images, drawn at random, the scale is off by 2 %, of so many drawn faces by 8 %
LIKENESS = 0.5  # 0.95 for LFW, 0.60 for 98 drawn faces; LFW's faces upside down 0.46, as a negative 0.49
SCALE = 0.05
SHIFT = 4.0  # pixels of 112
SHARPNESS = 2.0  # times; photographs that are reduced to 64x64 pixels and blown up again lose half of theirs


class MeanFace(NamedTuple):
    """Mean face and sharpness of a set of faces."""

    face: np.ndarray  # (112, 112) float64 in [0, 255], the mean of the images and of their channels
    sharpness: float  # the median of the images', see `image_quality.measure_images`
    images: int


class CropComparison(NamedTuple):
    """How test faces differ from training faces."""

    correlation: float  # of the mean faces as they are
    likeness: float  # correlation of the edges of one's middle with those of the other, at the best scale and place
    scale: float  # of test faces to training faces; 1.12: they are 12 % larger
    right: float  # by which the middle of a test face lies further right, in pixels of 112; 6 stands for more as well
    down: float
    sharpness: float  # of test faces to training faces
    warnings: tuple[str, ...]  # what is outside the tolerances above, in words


def measure_faces(pixels: np.ndarray) -> MeanFace:
    """The mean face and the sharpness of images (n, 112, 112, 3) uint8, n at least 1; may be memory-mapped."""
    some = pixels[:: -(-len(pixels) // IMAGES)]
    return MeanFace(mean_face(pixels), float(np.median(measure_images(some)["sharpness"])), len(pixels))


def compare(training: MeanFace, test: MeanFace) -> CropComparison:
    """Measure how test faces differ from training faces in crop and sharpness, with warnings where it matters.

    Where one of the two mean faces is flat, the likeness is 0, the scale 1 and the shift 0.
    """
    if min(np.ptp(training.face), np.ptp(test.face)) < FLAT:
        likeness, scale, right, down = 0.0, 1.0, 0.0, 0.0
    else:
        likeness, scale, right, down = _place(training.face, test.face)
    sharpness = test.sharpness / training.sharpness if training.sharpness else 1.0
    found = CropComparison(correlate(training.face, test.face), likeness, scale, right, down, sharpness, ())
    few = min(training.images, test.images)
    if few < LEAST:
        return found._replace(warnings=(f"{few} images are too few to tell whether they are cropped alike",))
    return found._replace(warnings=tuple(_warn(found)))


def _place(training, test):
    # the middle of either face is looked for in the other; the better match counts
    middle = SIZE / 2
    (left, top, side), likeness, _ = align(test, cut(training, MIDDLE), SMALLEST)
    scale = side / MIDDLE[2]
    ways = [(likeness, scale, left + side / 2 - middle, top + side / 2 - middle)]
    (left, top, side), likeness, _ = align(training, cut(test, MIDDLE), SMALLEST)
    scale = MIDDLE[2] / side
    ways.append((likeness, scale, scale * (middle - left - side / 2), scale * (middle - top - side / 2)))
    return max(ways, key=lambda way: way[0])


def _warn(found):
    remedy = "set another test_crop, or crop the training images alike (in use: --crop)"
    if found.likeness < LIKENESS:
        yield f"the mean faces are not alike at any scale and place (correlation {found.likeness:.2f}): {remedy}"
        return
    if not 1 / (1 + SCALE) <= found.scale <= 1 + SCALE:
        word = "larger" if found.scale > 1 else "smaller"
        yield f"faces in the test images are {abs(found.scale - 1):.0%} {word} than in training: {remedy}"
    for shift, ways in ((found.right, ("right", "left")), (found.down, ("down", "up"))):
        if abs(shift) > SHIFT:
            way = ways[shift < 0]
            yield f"faces in the test images lie {abs(shift):.0f} of {SIZE} pixels further {way}: {remedy}"
    if not 1 / SHARPNESS <= found.sharpness <= SHARPNESS:
        word = "sharper" if found.sharpness > 1 else "more blurred"
        yield (
            f"test images are {word}: their median sharpness is {found.sharpness:.2f} times that of the training "
            "images; have one of the two been enlarged, or saved in a small size?"
        )


def write_mean_face(config: Config, training: MeanFace) -> Path:
    """Write `training`, with which `facelib.use` compares images, to ``data/interim/<profile>/mean_face.npz``."""
    path = _file(config)
    state = {"sharpness": training.sharpness, "images": training.images}
    with run_lock(config):
        save_checkpoint(path, {"face": [training.face]}, state)
    return note_made(path)


def read_mean_face(config: Config) -> MeanFace:
    """Read back what `write_mean_face` wrote.

    Raises:
        MissingResultError: notebook 01 has not been run for this profile. CheckpointError: the file is damaged.
    """
    path = _file(config)
    require(path, "01_eda")
    state, arrays = read_checkpoint(path)
    face = arrays.get("face/0", np.zeros(0))
    if face.shape != (SIZE, SIZE) or not {"sharpness", "images"} <= state.keys():
        raise CheckpointError(f"{path} holds no mean face: run notebooks/01_eda.ipynb again (or `make all`)")
    return MeanFace(face, float(state["sharpness"]), int(state["images"]))


def _file(config):
    return config.interim / "mean_face.npz"
