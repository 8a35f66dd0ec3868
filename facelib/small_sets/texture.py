"""Handcrafted texture features of a face: histograms of binary patterns, cosine signs and gradients in cells; colour.

With a small training set these features, projected by LDA (see `discriminant`), verify as well as a convolutional
network trained on it, and fail on other pairs.
"""

import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from facelib.checkpoint import restore_checkpoint
from facelib.data.images import SIZE
from facelib.learn.layers import UnitNorm

# intensity, red against green, yellow against blue; whole weights of R, G, B and their divisor
CHANNELS = (((1, 1, 1), 3), ((1, -1, 0), 1), ((1, 1, -2), 2))
CELL = 10  # pixels
# channel, width of the image it is reduced to, radius of the pattern, offset of the cells, all in pixels
PATTERNS = ((0, 80, 1, 0), (0, 80, 2, 0), (0, 56, 1, 0), (0, 80, 2, CELL // 2), (1, 80, 2, 0), (2, 80, 2, 0))
COSINES = ((56, 5), (56, 7), (56, 11))  # width of the image, of the patch around each pixel, in pixels
COSINE_CELL = 7  # pixels
FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))  # half waves down and across a patch
GRADIENTS = ((112, 10), (80, 8), (56, 8))  # width of the image, of a cell, in pixels
ORIENTATIONS = 18
EQUAL = 1e-3  # of 255: values that differ by less are equal
COLOURS = ((1, 14), (2, 14))  # channel, width of the image whose values are taken as they are


def uniform_patterns() -> np.ndarray:
    """(256,) int32, the bin of each 8-bit pattern: 0 to 57 for the uniform ones, with at most two changes around the
    circle, 58 for all others.

    Ojala et al. 2002, "Multiresolution gray-scale and rotation invariant texture classification", sec. 2.4.
    """
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum()).astype(np.int32)


def block_sizes() -> list[int]:
    """Number of features in each block of `TextureFeatures`, in order."""
    sizes = [((size - 2 * radius - offset) // CELL) ** 2 * 59 for _, size, radius, offset in PATTERNS]
    sizes += [((size - width + 1) // COSINE_CELL) ** 2 * 2 ** len(FREQUENCIES) for size, width in COSINES]
    sizes += [(size // cell - 1) ** 2 * 4 * ORIENTATIONS for size, cell in GRADIENTS]
    return sizes + [width**2 for _, width in COLOURS]


@keras.saving.register_keras_serializable("facelib")
class TextureFeatures(layers.Layer):
    """(N, 112, 112, 3) images in [0, 255] to (N, sum of `block_sizes`) float32 features; nothing in it is trained.

    - Histograms of uniform local binary patterns in cells (Ahonen et al. 2006, "Face description with local binary
      patterns"), for several channels, resolutions and radii; square roots of the shares, so that Euclidean distances
      are Hellinger distances.
    - Histograms in cells of the signs of the lowest frequencies of a cosine transform around each pixel, in the manner
      of local phase quantization (Ojansivu & Heikkilä 2008, "Blur insensitive texture classification using local phase
      quantization") and of the filters of Kannala & Rahtu 2012 ("BSIF: binarized statistical image features").
    - Histograms of oriented gradients in cells, normalised over 2x2 cells (Dalal & Triggs 2005, "Histograms of oriented
      gradients for human detection"), square roots.
    - The colours of a coarse image.
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32", "trainable": False})

    def call(self, images):
        colours = tf.unstack(tf.cast(images, tf.float32), axis=3)
        needed = {(c, s) for c, s, *_ in PATTERNS + COLOURS} | {(0, s) for s, _ in COSINES + GRADIENTS}
        reduced = {key: _reduce(colours, CHANNELS[key[0]], key[1]) for key in sorted(needed)}
        blocks = [_patterns(reduced[c, size], radius, offset) for c, size, radius, offset in PATTERNS]
        blocks += [_cosine_signs(reduced[0, size], width) for size, width in COSINES]
        blocks += [_gradients(reduced[0, size], cell) for size, cell in GRADIENTS]
        blocks += [tf.reshape(reduced[key], (-1, key[1] ** 2)) for key in COLOURS]
        return tf.concat(blocks, axis=1)

    def compute_output_shape(self, shape):
        return (shape[0], sum(block_sizes()))

    def get_config(self):
        return super().get_config()


def build_texture_network(components: int) -> keras.Model:
    """`TextureFeatures`, a linear projection that is not trained by gradients, unit norm.

    Returns:
        Model from (N, 112, 112, 3) float32 in [0, 255] to (N, q = components) float32, unit norm.
    """
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    x = TextureFeatures(name="features")(inputs)
    x = layers.Dense(components, dtype="float32", trainable=False, name="projection")(x)
    return keras.Model(inputs, UnitNorm(name="unit_norm")(x), name="texture")


def restore_texture_network(path: Path, components: int) -> keras.Model:
    """The texture network whose variables `fusion.fit_texture` left in the file `path`.

    Raises:
        CheckpointError: the file is missing, damaged, or of another number of `components`.
    """
    model = build_texture_network(components)
    restore_checkpoint(path, {"texture": model.variables})
    return model


def join(network: keras.Model, texture: keras.Model, share: float) -> keras.Model:
    """One model of two: its scores are their scores' mean, that of `texture` with weight `share`, 0 < share < 1.

    Returns:
        Model from images to (N, d + q) float32, unit norm.
    """
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    parts = [network(inputs) * math.sqrt(1 - share), texture(inputs) * math.sqrt(share)]
    return keras.Model(inputs, layers.Concatenate(dtype="float32", name="joined")(parts), name="network_and_texture")


def _reduce(colours, channel, size):
    """A channel of the three `colours` (N, 112, 112) at another size: (N, size, size) float32.

    Of whole numbers the sums are exact in float64, in whatever order a processor takes them, so that none of the
    comparisons to come depends on how it rounds.
    """
    weights, divisor = channel
    image = sum(weight * colour for weight, colour in zip(weights, colours, strict=True) if weight)
    if size < SIZE:
        rows = _triangles(size)
        image = tf.einsum("ih,nhw,jw->nij", rows, tf.cast(image, tf.float64), rows)
    return tf.cast(image * (1 / divisor), tf.float32)  # a graph would make a product of a quotient


def _triangles(size):
    # (size, 112) float64: Pillow's bilinear filter, a triangle as wide as the reduction; multiples of 2^-20, sums of 1
    scale = SIZE / size
    centres = (np.arange(size)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(SIZE) + 0.5 - centres) / scale)
    weights = np.rint(weights / weights.sum(1, keepdims=True) * 2**20)
    weights[np.arange(size), weights.argmax(1)] += 2**20 - weights.sum(1)
    return weights / 2**20


def _cells(values, cell):
    # (N, height, width) to (N * cells, pixels of a cell), and the number of cells down and across
    down, across = values.shape[1] // cell, values.shape[2] // cell
    values = tf.reshape(values[:, : down * cell, : across * cell], (-1, down, cell, across, cell))
    return tf.reshape(tf.transpose(values, (0, 1, 3, 2, 4)), (-1, cell * cell)), down, across


def _patterns(images, radius, offset):
    images = images[:, offset:, offset:]
    inner = images.shape[1] - 2 * radius
    centre = images[:, radius:-radius, radius:-radius]
    code = tf.zeros_like(centre)  # float32, since a GPU leaves int32 to the processor
    around = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    for bit, (down, across) in enumerate(around):
        top, left = radius * (1 + down), radius * (1 + across)
        higher = images[:, top : top + inner, left : left + inner] >= centre - EQUAL
        code += tf.cast(higher, tf.float32) * 2**bit
    return _histograms(tf.gather(uniform_patterns(), tf.cast(code, tf.int32)), CELL, 59)


def _cosine_signs(images, width):
    # Quarters of a level as whole numbers: the sums stay below 2^24, and are exact. With 0.6 instead of a half, none of
    # the fractions that a reduction to half the width leaves is a border.
    quarters = tf.floor(4 * images + 0.6)[..., None]
    sums = tf.nn.conv2d(quarters, cosine_filters(width)[:, :, None], 1, "VALID")
    # of no images the convolution's result has a wrong shape, which reshaping mends
    bits = tf.reshape(tf.cast(sums > 0.5, tf.float32), (-1, len(FREQUENCIES)))
    codes = tf.linalg.matvec(bits, 2.0 ** np.arange(len(FREQUENCIES), dtype=np.float32))
    places = images.shape[1] - width + 1
    return _histograms(tf.reshape(codes, (-1, places, places)), COSINE_CELL, 2 ** len(FREQUENCIES))


def cosine_filters(width: int) -> np.ndarray:
    """(width, width, 8) float32, the waves of FREQUENCIES over a patch of odd width: whole numbers with a sum of 0."""
    waves = np.rint(8 * np.cos(np.pi * np.outer(np.arange(3), np.arange(width) + 0.5) / width))
    waves[1:, width // 2] -= waves[1:].sum(axis=1)
    return np.stack([np.outer(waves[down], waves[across]) for down, across in FREQUENCIES], axis=2).astype(np.float32)


def _histograms(codes, cell, bins):
    # square roots of the shares of each code in each cell
    cells, down, across = _cells(codes, cell)
    counts = _sums(tf.ones_like(cells, tf.float32), cells, bins)
    return tf.reshape(tf.sqrt(counts) / cell, (-1, down * across * bins))


def _sums(values, codes, bins):
    # (rows, bins) float32: the sum of the values (rows, pixels) at each code below `bins` in every row. TensorFlow
    # refuses tf.math.bincount on a GPU where results must be the same each time. In float64 the sums are exact, in
    # whatever order a processor takes them: float32 values of 0 or from 0.001 to 400 are multiples of 2^-33.
    rows = tf.shape(codes, tf.int64)[0]
    places = tf.cast(codes, tf.int64) + bins * tf.range(rows)[:, None]
    sums = tf.math.unsorted_segment_sum(tf.cast(values, tf.float64), places, rows * bins)
    return tf.cast(tf.reshape(sums, (-1, bins)), tf.float32)


def _gradients(images, cell):
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1)), "SYMMETRIC")
    down, across = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1], padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    turns = tf.math.atan2(down, across) / (2 * math.pi)
    # an eighth of a bin on, so that neither axes nor diagonals, on which many gradients lie, are borders
    bins = tf.math.floormod(tf.floor(turns * ORIENTATIONS + 0.125), ORIENTATIONS)
    sizes = tf.sqrt(down**2 + across**2)
    sizes = tf.where(sizes < EQUAL, 0.0, sizes)
    (bins, rows, columns), (sizes, _, _) = _cells(bins, cell), _cells(sizes, cell)
    sums = tf.reshape(_sums(sizes, bins, ORIENTATIONS), (-1, rows, columns, ORIENTATIONS))
    blocks = tf.concat([sums[:, :-1, :-1], sums[:, 1:, :-1], sums[:, :-1, 1:], sums[:, 1:, 1:]], axis=3)
    blocks /= tf.norm(blocks, axis=3, keepdims=True) + 1e-3 * cell * cell
    return tf.reshape(tf.sqrt(blocks), (-1, (rows - 1) * (columns - 1) * 4 * ORIENTATIONS))
