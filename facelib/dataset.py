"""Decoded faces of a folder, and P x K batches of them as a `tf.data.Dataset` of (identities, images)."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from facelib.augmentation import augment
from facelib.checkpoint import CheckpointError
from facelib.identities import Faces, NoFacesError, read_identities, take
from facelib.images import SIZE, load_images
from facelib.progress import track
from facelib.sampling import Sampler

BATCH = 64  # images aligned at once


class DecodedFaces(NamedTuple):
    """The readable faces of a folder: the table and, row by row, the pixels."""

    table: Faces
    pixels: np.ndarray  # (n, 112, 112, 3) uint8, memory-mapped
    problems: tuple[tuple[str, str], ...]  # path and reason of each unreadable image, left out above
    digest: str  # of the content


def load_faces(folder: Path, cache_folder: Path, identities_limit=None, images_limit=None) -> DecodedFaces:
    """Read ``folder/<identity>/<image>`` and decode it, or take it from the cache in `cache_folder`.

    Args:
        identities_limit: number of identities to choose, the first in order. images_limit: most images of each.

    Raises:
        NoFacesError: the folder is missing, empty, or none of its images can be read.
    """
    table = read_identities(folder, identities_limit=identities_limit, images_limit=images_limit)
    images = load_images(folder, table.paths, cache_folder)
    if not images.readable.any():
        path, reason = images.problems[0]
        raise NoFacesError(f"{folder}: none of {len(table.paths)} images can be read; {path}: {reason}")
    return DecodedFaces(take(table, images.readable), images.pixels, images.problems, images.digest)


def align_faces(layer, pixels: np.ndarray, path: Path) -> np.ndarray:
    """Images (n, 112, 112, 3) uint8 as `layer` (a `congealing.FaceAlignment`) aligns them, uint8 too, memory-mapped.

    Args:
        path: ``.npy`` file of an earlier call with the same arguments, or gets written, whole or not at all.

    Raises:
        CheckpointError: the file is damaged, or of other images.
    """
    if not path.exists():
        align = tf.function(layer, input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8)])
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.npy")
        aligned = np.lib.format.open_memmap(unfinished, "w+", np.uint8, pixels.shape)
        for start in track(range(0, len(pixels), BATCH), "aligning", f"batches of {BATCH} images"):
            aligned[start : start + BATCH] = align(pixels[start : start + BATCH])
        aligned.flush()
        unfinished.replace(path)
    try:
        aligned = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): remove it, and faces are aligned again") from None
    if (aligned.shape, aligned.dtype) != (pixels.shape, pixels.dtype):
        raise CheckpointError(f"{path} is of other images: remove it, and faces are aligned again")
    return aligned


def build_dataset(
    pixels, labels, sampler: Sampler, first_step=0, augmentation=0.0, warp_share=1.0, size: int = SIZE
) -> tf.data.Dataset:
    """Endless batches from `first_step` on: pairs of (identities, images), in that order.

    They are those of `build_batches`, which takes the same arguments, without the rows.

    Returns:
        Dataset with element_spec (identities (N,) int32, images (N, size, size, 3) float32 in [0, 255]), N = P * K.

    Raises:
        ValueError: see `build_batches`.
    """
    batches = build_batches(pixels, labels, sampler, first_step, augmentation, warp_share, size)
    return batches.map(lambda identities, images, rows: (identities, images))


def build_batches(
    pixels, labels, sampler: Sampler, first_step=0, augmentation=0.0, warp_share=1.0, size: int = SIZE
) -> tf.data.Dataset:
    """Endless batches from `first_step` on, as training takes them: (identities, images, rows).

    Batch `step` is the same whenever it is drawn: its images are those of `sampler.batch(step)`, its augmentation is
    keyed by the sampler's seed and the step. Batches therefore differ from epoch to epoch.

    Args:
        pixels: (n, 112, 112, 3) uint8, may be memory-mapped. labels: (n,) int32.
        augmentation, warp_share: strength of `augmentation.augment`, of which 0 leaves the images as they are, and the
            share of it for its `warp`.
        size: pixels a side to which augmentation reduces images; 112 where nothing is augmented.

    Returns:
        Dataset with element_spec (identities (N,) int32, images (N, size, size, 3) float32 in [0, 255], rows (N,) int32
        of `pixels`), N = P * K.

    Raises:
        ValueError: another size without augmentation, which would have to reduce them.
    """
    if not augmentation and size != SIZE:
        raise ValueError(f"images that are not augmented keep their {SIZE} pixels a side, and {size} were asked for")
    count = sampler.identities_per_batch * sampler.images_per_identity

    def draw(step):
        rows = sampler.batch(int(step))
        images = pixels[rows]
        if augmentation:
            images = augment(images, sampler.seed, int(step), augmentation, warp_share, size)
        return labels[rows], images, rows.astype(np.int32)

    def batch(step):
        identities, images, rows = tf.numpy_function(draw, [step], (tf.int32, tf.uint8, tf.int32))
        identities.set_shape((count,))
        images.set_shape((count, size, size, 3))
        rows.set_shape((count,))
        return identities, tf.cast(images, tf.float32), rows

    return tf.data.Dataset.counter(first_step).map(batch, num_parallel_calls=1).prefetch(2)
