"""Move each image by a similarity transform of its own: shift, scale and rotation.

The parameters (a, b, u, v) take the pixel at (x, y) from ((1 + a) x - b y + u, b x + (1 + a) y + v); zeros move
nothing. Here places are -1 and 1 at the edges of an image, so that the same parameters move it at any resolution.
"""

import numpy as np
import tensorflow as tf


def grid(width: int) -> tuple[np.ndarray, np.ndarray]:
    """x (to the right) and y (down) of the pixels of a square image, from its middle, in pixels: (width^2,) float32."""
    places = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    return np.tile(places, width), np.repeat(places, width)


def sample(images, parameters, x, y):
    """Sample images at moved points: (N, m, channels) float32, bilinear; beyond an edge the value at the edge.

    Args:
        images: (N, width, width, channels) float32. parameters: (N, 4). x, y: the points (m,), as those of `grid`.
    """
    a, b, u, v = (parameters[:, i : i + 1] for i in range(4))
    width, channels = images.shape[2:]
    middle = (width - 1) / 2
    right = (1 + a) * x - b * y + u * (width / 2) + middle  # pixels, shape (N, m)
    below = b * x + (1 + a) * y + v * (width / 2) + middle
    right, below = (tf.clip_by_value(place, 0.0, width - 1.0) for place in (right, below))
    left, top = (tf.minimum(tf.floor(place), width - 2.0) for place in (right, below))
    right, below = (right - left)[:, :, None], (below - top)[:, :, None]
    rows = tf.cast(top * width + left, tf.int32) + tf.range(tf.shape(parameters)[0])[:, None] * width**2
    flat = tf.reshape(images, (-1, channels))
    corners = [tf.gather(flat, rows + offset) for offset in (0, 1, width, width + 1)]
    upper = corners[0] + right * (corners[1] - corners[0])
    lower = corners[2] + right * (corners[3] - corners[2])
    return upper + below * (lower - upper)


def undo(parameters, steps):
    """Parameters of first undoing `steps`, then moving by `parameters`; all (N, 4)."""
    a, b, u, v = (steps[:, i] for i in range(4))
    size = (1 + a) ** 2 + b**2
    scale, turn = (1 + a) / size, -b / size  # the inverse: x -> M x - M (u, v)
    u, v = turn * v - scale * u, -turn * u - scale * v
    c, d, s, t = (parameters[:, i] for i in range(4))
    c = 1 + c
    moved = [c * scale - d * turn - 1, d * scale + c * turn, c * u - d * v + s, d * u + c * v + t]
    return tf.stack(moved, axis=1)


def fit(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The parameters (4,) float64 that move `points` closest to `targets`, both (n, 2) of x and y, n at least 2.

    They have the least sum of squared distances (Umeyama 1991, "Least-squares estimation of transformation parameters
    between two point patterns", eq. 40 to 42, without reflections); u and v are in the unit of the points.
    """
    points, targets = (places @ (1, 1j) for places in (points, targets))  # as complex numbers
    spread = points - points.mean()
    turn = np.vdot(spread, targets) / np.vdot(spread, spread)
    shift = targets.mean() - turn * points.mean()
    return np.array([turn.real - 1, turn.imag, shift.real, shift.imag])
