"""Training variations of uint8 images, drawn anew for every step: geometry, light, colour, a covered patch."""

import numpy as np
from PIL import Image

from facelib.images import GREY, SIZE


def augment(images: np.ndarray, seed: int, step: int, strength: float) -> np.ndarray:
    """Training variations: those of `warp`, then light, contrast, colour, grey, a covered patch.

    Every number comes from `seed` and `step`, so that a resumed run sees what an uninterrupted one would.

    Args:
        images: (N, 112, 112, 3) uint8. strength: 1 is meant for training; near 0 only the mirror image is left.

    Returns:
        (N, 112, 112, 3) uint8.
    """
    result = warp(images, seed, step, strength)
    generator = np.random.default_rng((seed, 6, step))
    colours = _draw_colours(generator, len(images), strength)
    patches = _draw_patches(generator, len(images), strength)
    for row, image in enumerate(result):
        result[row] = Image.fromarray(image).convert("RGB", colours[row])
        top, left, bottom, right = patches[row]
        result[row, top:bottom, left:right] = GREY
    return result


def warp(images: np.ndarray, seed: int, step: int, strength: float) -> np.ndarray:
    """Mirror image, shift, zoom and rotation; arguments and result as of `augment`."""
    geometry = _draw_geometry(np.random.default_rng((seed, 7, step)), len(images), strength)
    result = np.empty_like(images)
    for row, image in enumerate(images):
        result[row] = Image.fromarray(image).transform(
            (SIZE, SIZE), Image.Transform.AFFINE, geometry[row], Image.Resampling.BILINEAR, fillcolor=GREY
        )
    return result


def _draw_geometry(generator, count, strength):
    # (count, 6): from output to input pixels. Zoom to +-8 %, aspect +-3 %, rotation +-8 degrees, shift +-6 %.
    zoom, aspect, turn = generator.uniform(-1, 1, (3, count)) * strength * [[0.08], [0.03], [np.radians(8)]]
    mirrored = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    shifts = generator.uniform(-1, 1, (2, count)) * strength * 0.06 * SIZE
    across, down = 1 + zoom + aspect, 1 + zoom - aspect
    a, b = mirrored * across * np.cos(turn), -down * np.sin(turn)
    d, e = mirrored * across * np.sin(turn), down * np.cos(turn)
    centre = SIZE / 2
    c, f = centre + shifts[0] - (a + b) * centre, centre + shifts[1] - (d + e) * centre
    return np.stack([a, b, c, d, e, f], axis=1).tolist()


def _draw_colours(generator, count, strength):
    # (count, 12): three rows of a colour matrix, each with its offset. Gain +-25 % about mid-grey, offset +-25,
    # channels +-6 %; 15 % of the images become grey.
    gains = 1 + 0.25 * strength * generator.uniform(-1, 1, (count, 1))
    channels = gains * (1 + 0.06 * strength * generator.uniform(-1, 1, (count, 3)))
    offsets = GREY[0] * (1 - gains) + 25 * strength * generator.uniform(-1, 1, (count, 1))
    grey = generator.random(count) < 0.15 * strength
    matrices = np.where(grey[:, None, None], 1 / 3, np.eye(3)) * channels[:, :, None]
    return (
        np.concatenate([matrices, np.broadcast_to(offsets[:, :, None], (count, 3, 1))], axis=2)
        .reshape(count, 12)
        .tolist()
    )


def _draw_patches(generator, count, strength):
    # (count, 4): top, left, bottom, right of what is covered in half of the images (random erasing, Zhong et al. 2020)
    sides = generator.uniform(0.1, 0.4, (count, 2)) * (generator.random((count, 1)) < 0.5 * strength)
    corners = generator.random((count, 2))
    return (np.concatenate([corners, corners + sides], axis=1) * SIZE).round().astype(int)
