"""P x K batches of decoded faces as a `tf.data.Dataset` of (identities, images)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from facelib.data.augmentation import augment
from facelib.data.images import SIZE
from facelib.data.sampler import Sampler


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
    pixels,
    labels,
    sampler: Sampler,
    first_step=0,
    augmentation=0.0,
    warp_share=1.0,
    size: int = SIZE,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Endless batches from `first_step` on, as training takes them: (identities, images, rows).

    Batch `step` is the same whenever it is drawn: its images are those of `sampler.batch(step)`, its augmentation is
    keyed by the sampler's seed and the step. Batches therefore differ from epoch to epoch.

    Args:
        pixels: (n, 112, 112, 3) uint8, may be memory-mapped. labels: (n,) int32.
        augmentation, warp_share: strength of `augmentation.augment`, of which 0 leaves the images as they are, and the
            share of it for its `warp`.
        size: pixels a side to which augmentation reduces images; 112 where nothing is augmented.
        part: number, from 0, and count of the equal parts into which each batch is cut; this one is drawn.

    Returns:
        Dataset with element_spec (identities (N,) int32, images (N, size, size, 3) float32 in [0, 255], rows (N,) int32
        of `pixels`), N = P * K / parts.

    Raises:
        ValueError: another size without augmentation, which would have to reduce them; parts that are not equal.
    """
    if not augmentation and size != SIZE:
        raise ValueError(f"images that are not augmented keep their {SIZE} pixels a side, and {size} were asked for")
    number, parts = part
    count, left = divmod(sampler.identities_per_batch * sampler.images_per_identity, parts)
    if left:
        raise ValueError(f"a batch of {count * parts + left} images cannot be cut into {parts} equal parts")

    def draw(step):
        rows = sampler.batch(step)[number * count : (number + 1) * count]
        images = pixels[rows]
        if augmentation:
            images = augment(images, sampler.seed, step, augmentation, warp_share, size, part)
        return labels[rows], images, rows.astype(np.int32)

    ahead = _Ahead(draw)

    def batch(step):
        identities, images, rows = tf.numpy_function(ahead, [step], (tf.int32, tf.uint8, tf.int32))
        identities.set_shape((count,))
        images.set_shape((count, size, size, 3))
        rows.set_shape((count,))
        return identities, tf.cast(images, tf.float32), rows

    return tf.data.Dataset.counter(first_step).map(batch)


class _Ahead:
    # A function of a step that begins to compute the next two as well. TensorFlow's prefetch would call Python from a
    # thread of its own, for which the end of the program waits for good.
    def __init__(self, function):
        self.function, self.begun = function, {}
        self.pool = ThreadPoolExecutor(1)

    def __call__(self, step):
        step, begun = int(step), self.begun
        steps = range(step, step + 3)
        self.begun = {one: begun.get(one) or self.pool.submit(self.function, one) for one in steps}
        return self.begun.pop(step).result()
