"""Faces aligned to their mean face by a similarity transform, before network and texture features see them.

Congealing (Learned-Miller 2006, "Data driven image models through continuous joint alignment"; for faces Huang et al.
2007, "Unsupervised joint alignment of complex images") needs no labels and no landmarks: each image is moved to be like
the mean, and the mean becomes sharper as they move. A face is moved by the inverse compositional algorithm (Baker &
Matthews 2004, "Lucas-Kanade 20 years on", sec. 3.2) with the contrast of Evangelidis & Psarakis 2008 ("Parametric image
alignment using enhanced correlation coefficient maximization", eq. 8).
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from facelib.checkpoint import keep_checkpoint, restore_checkpoint
from facelib.data.faces import Pixels
from facelib.data.images import SIZE
from facelib.data.similarity_transform import grid, sample, undo
from facelib.progress import track

WIDTH = SIZE // 2  # pixels: faces are compared at half of their resolution
STEPS = 10  # of the search for the place of a face, from where it is
ROUNDS = 6  # of the search for the mean face
FACES = 4000  # images in the mean face, at most
PRIOR = 0.1  # weight of staying where it is, where the weight of what is seen is 1
LIKENESS = 0.5  # correlation with the mean face below which contrast is amplified no further, since noise would be
FAINT = 0.01  # correlation with the mean face below which an image is not moved
MOST = np.array([0.15, 0.2, 0.15, 0.15], np.float32)  # of each parameter, see `similarity_transform`
OVAL = (0.62, 0.75, 0.02)  # the ellipse that is compared: half of its width, of its height, shift of its middle down
BLUR = (1.0, 5.0)  # pixels of standard deviation: of what is too fine to guide, of what is light and shade
NOISE = 4.0  # levels of 255: less contrast than that is not raised to that of a face
BATCH = 64  # images at once


def _blurring(deviation):
    # matrix (WIDTH, WIDTH) that blurs one direction of an image; what lies outside is taken from the mirrored image
    places = np.arange(WIDTH)
    kernel = sum(
        np.exp(-((places[:, None] - mirrored) ** 2) / (2 * deviation**2))
        for mirrored in (places, -1 - places, 2 * WIDTH - 1 - places)
    )
    return (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)


X, Y = grid(WIDTH)
RIGHT, DOWN = 2 * X / WIDTH, 2 * Y / WIDTH  # -1 and 1 at the edges
INSIDE = np.flatnonzero((RIGHT / OVAL[0]) ** 2 + ((DOWN - OVAL[2]) / OVAL[1]) ** 2 < 1)  # shape (m,)


@keras.saving.register_keras_serializable("facelib")
class FaceAlignment(layers.Layer):
    """Images (N, 112, 112, 3) in [0, 255] to the same with each face on the mean face: float32, whole numbers.

    A face is moved by the four parameters of a similarity transform, see `similarity_transform`. The weights follow
    from the mean face, see `set_face`.
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32", "trainable": False})

    def build(self, _):
        for name, shape in (
            ("face", (WIDTH * WIDTH,)),
            ("descent", (len(INSIDE), 4)),
            ("pull", (4, 4)),
            ("middle", (4,)),
        ):
            setattr(self, name, self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False))

    def set_face(self, face: np.ndarray) -> None:
        """Set the mean face (56 * 56,) float32, of images of `normalise_contrast`; zeros leave images where they are.

        With J the derivatives of the face for the four parameters, a step is ``(J'J + R)^-1 (J' r + R p)``: r is what
        the image differs by, p where it has been moved to, R the pull back to where it was.
        """
        down, across = (slope.ravel() * WIDTH / 2 for slope in np.gradient(face.reshape(WIDTH, WIDTH)))
        slopes = np.stack([across * RIGHT + down * DOWN, down * RIGHT - across * DOWN, across, down], axis=1)[INSIDE]
        slopes = (slopes - slopes.mean(axis=0)).astype(np.float64)
        hessian = slopes.T @ slopes
        prior = PRIOR * np.trace(hessian) / 4 * np.eye(4)
        inverse = np.linalg.pinv(hessian + prior)
        self.set_weights([face, slopes @ inverse, prior @ inverse, np.zeros(4)])

    def call(self, images):
        images = tf.cast(images, tf.float32)
        # how sums round depends on the processor and on the other images; whole 4096ths of half an image seldom do
        parameters = tf.round(self.find(normalise_contrast(images)) * 4096) / 4096
        moved = sample(images, parameters, *grid(SIZE))
        return tf.reshape(tf.round(moved), (-1, SIZE, SIZE, 3))

    def find(self, normalised):
        """Parameters (N, 4) float32 that align images (N, 56, 56, 1) of `normalise_contrast`."""
        expected = tf.gather(self.face.value, INSIDE)
        expected -= tf.reduce_mean(expected)

        def step(number, parameters):
            seen = sample(normalised, parameters, X[INSIDE], Y[INSIDE])[:, :, 0]  # shape (N, m)
            seen -= tf.reduce_mean(seen, axis=1, keepdims=True)
            # 1 is little beside the sum over a face, and much beside that over a flat image
            scale = tf.sqrt(tf.reduce_sum(expected**2) / (tf.reduce_sum(seen**2, axis=1, keepdims=True) + 1))
            likeness = scale * tf.linalg.matvec(seen, expected)[:, None] / tf.reduce_sum(expected**2)
            differs = scale / tf.maximum(likeness, LIKENESS) * seen - expected
            differs = tf.where(likeness > FAINT, differs, 0.0)
            steps = tf.matmul(differs, self.descent.value) + tf.matmul(parameters, self.pull.value)
            return number + 1, tf.clip_by_value(undo(parameters, steps), -MOST, MOST)

        # a loop in the graph, which is traced and optimised once instead of ten times
        start = (0, tf.zeros((tf.shape(normalised)[0], 4)))
        _, parameters = tf.while_loop(lambda number, _: number < STEPS, step, start)
        return undo(parameters, self.middle.value[None])

    def compute_output_shape(self, shape):
        return (shape[0], SIZE, SIZE, 3)

    def get_config(self):
        return super().get_config()


def normalise_contrast(images):
    """Images (N, 112, 112, 3) to what is aligned: (N, 56, 56, 1), grey, blurred, with local contrast normalised."""
    grey = tf.reduce_mean(tf.reshape(images, (-1, WIDTH, 2, WIDTH, 2, 3)), axis=(2, 4, 5))
    fine, coarse = (_blurring(deviation) for deviation in BLUR)

    def blurred(values, kernel):
        return tf.einsum("ih,nhw,jw->nij", kernel, values, kernel)

    grey = blurred(grey, fine)
    grey -= blurred(grey, coarse)
    contrast = tf.sqrt(tf.maximum(blurred(grey**2, coarse), 0.0)) + NOISE
    return (grey / contrast)[..., None]


def fit_alignment(pixels: Pixels, training: np.ndarray, path: Path) -> FaceAlignment:
    """Fit the alignment to the mean training face, or restore what an earlier call saved in `path`.

    The mean face is symmetric, so that an image and its mirror image are moved alike. Nobody who is held out is in it.

    Args:
        pixels: (n, 112, 112, 3) uint8. training: (n,) bool; at most `FACES` of them are used.
    """
    layer = _empty()
    keep_checkpoint(path, {"alignment": layer.variables}, lambda: _congeal(layer, pixels, np.flatnonzero(training)))
    return layer


def restore_alignment(path: Path) -> FaceAlignment:
    """Restore the alignment that `fit_alignment` saved in `path`.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    layer = _empty()
    restore_checkpoint(path, {"alignment": layer.variables})
    return layer


def _congeal(layer, pixels, rows):
    prepare = tf.function(lambda images: normalise_contrast(tf.cast(images, tf.float32)), autograph=False)
    normalised = _in_batches(prepare, pixels[rows[:: -(-len(rows) // FACES)]])
    find = tf.function(layer.find, reduce_retracing=True, autograph=False)
    parameters = np.zeros((len(normalised), 4), np.float32)
    for _ in track(range(ROUNDS), "mean face", "rounds"):
        face = _in_batches(lambda *batch: sample(*batch, X, Y), normalised, parameters)
        face = face.mean(axis=(0, 2), dtype=np.float64).reshape(WIDTH, WIDTH)
        layer.set_face(((face + face[:, ::-1]) / 2).ravel())
        parameters = _in_batches(find, normalised)
        middle = parameters.mean(axis=0) * np.float32([1, 0, 0, 1])  # faces and their mirror images, on average
        layer.middle.assign(middle)  # is undone, so that on average they stay where they are
        parameters = np.asarray(undo(parameters, middle[None]))


def _empty():
    layer = FaceAlignment(name="alignment")
    layer.build(None)
    return layer


def _in_batches(function, *arrays):
    starts = range(0, len(arrays[0]), BATCH)
    return np.concatenate([function(*(array[start : start + BATCH] for array in arrays)) for start in starts])


def align_first(layer: FaceAlignment | None, model: keras.Model) -> keras.Model:
    """`model` with `layer`, where there is one, before it: its input is decoded images that are not aligned yet."""
    if layer is None:
        return model
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    return keras.Model(inputs, model(layer(inputs)), name=f"aligned_{model.name}")
