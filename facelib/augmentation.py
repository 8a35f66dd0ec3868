"""Training variations of images: pose, light, colour, resolution, a covered patch. All of it uint8.

Every number comes from a seed and a step, so that a resumed run sees what an uninterrupted one would. The strength 1 is
one at which a face looks natural; each amount is proportional to the strength, each probability as well.
"""

import numpy as np
from PIL import Image

from facelib.images import GREY, SIZE

MESH = 4  # cells across and down, in which an image is warped


def augment(
    images: np.ndarray, seed: int, step: int, strength: float, warp_share: float = 1.0, size: int = SIZE
) -> np.ndarray:
    """Training variations: those of `warp`, then contrast, colour, grey, resolution, light, a covered patch.

    Args:
        images: (N, 112, 112, 3) uint8. strength: near 0 only the mirror image is left. warp_share: of the strength,
            for those of `warp`. size: pixels a side of the result, see `warp`.

    Returns:
        (N, size, size, 3) uint8.
    """
    result = warp(images, seed, step, strength * warp_share, size)
    generator = np.random.default_rng((seed, 6, step))
    colours = _draw_colours(generator, len(images), strength)
    patches = _draw_patches(generator, len(images), strength, size)
    widths = _draw_widths(generator, len(images), strength)
    slopes = _draw_slopes(generator, len(images), strength)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)[:, None]  # from one edge of an image to the opposite one
    for row, image in enumerate(result):
        picture = Image.fromarray(image).convert("RGB", colours[row])
        if widths[row] < size:
            for width in (widths[row], size):
                picture = picture.resize((width, width), Image.Resampling.BILINEAR)
        light = 1 + slopes[row, 0] * ramp + slopes[row, 1] * ramp[:, None]  # shape (size, size, 1)
        result[row] = np.clip(picture * light + 0.5, 0, 255)
        top, left, bottom, right = patches[row]
        result[row, top:bottom, left:right] = GREY
    return result


def warp(images: np.ndarray, seed: int, step: int, strength: float, size: int = SIZE) -> np.ndarray:
    """Mirror image, shift, zoom, rotation, a turned head, small distortions; arguments and result as of `augment`.

    A `size` below 112, a multiple of MESH, also reduces the images, by the interpolation that moves them: where nothing
    moves, to 56 pixels by taking the means of 2x2.
    """
    quadrilaterals = _draw_mesh(np.random.default_rng((seed, 7, step)), len(images), strength)
    edges = np.linspace(0, size, MESH + 1).astype(int).tolist()
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    cells = [(left, top, right, bottom) for top, bottom in spans for left, right in spans]
    result = np.empty((len(images), size, size, 3), np.uint8)
    for row, image in enumerate(images):
        mesh = list(zip(cells, quadrilaterals[row], strict=True))
        result[row] = Image.fromarray(image).transform(
            (size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor=GREY
        )
    return result


def _draw_mesh(generator, count, strength):
    # (count, cells, 8): where in the input, in pixels, the corners of each cell lie: upper left, lower left, lower
    # right, upper right. Zoom to +-8 %, aspect +-3 %, rotation +-8 degrees, shift +-6 %.
    zoom, aspect, turn = generator.uniform(-1, 1, (3, count)) * strength * [[0.08], [0.03], [np.radians(8)]]
    mirrored = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    shifts = generator.uniform(-1, 1, (2, count)) * strength * 0.12
    # A head that turns or nods is stretched on one side: to first order x + b (x^2 - 1/2), as a cylinder's surface.
    bends = generator.uniform(-1, 1, (2, count)) * strength * [[0.15], [0.08]]
    jitter = generator.normal(size=(2, count, MESH + 1, MESH + 1)) * strength * 0.016
    down, across = np.mgrid[-1 : 1 : (MESH + 1) * 1j, -1 : 1 : (MESH + 1) * 1j]
    x, y = (
        place + bend[:, None, None] * (place**2 - 0.5) + noise
        for place, bend, noise in zip((across, down), bends, jitter, strict=True)
    )
    a, b = mirrored * (1 + zoom + aspect) * np.cos(turn), -(1 + zoom - aspect) * np.sin(turn)
    d, e = mirrored * (1 + zoom + aspect) * np.sin(turn), (1 + zoom - aspect) * np.cos(turn)
    a, b, c, d, e, f = (value[:, None, None] for value in (a, b, shifts[0], d, e, shifts[1]))
    corners = np.stack([a * x + b * y + c, d * x + e * y + f], axis=3) * SIZE / 2 + SIZE / 2
    around = [corners[:, :-1, :-1], corners[:, 1:, :-1], corners[:, 1:, 1:], corners[:, :-1, 1:]]
    return np.concatenate(around, axis=3).reshape(count, MESH * MESH, 8).tolist()


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


def _draw_patches(generator, count, strength, size):
    # (count, 4): top, left, bottom, right of what is covered in half of the images (random erasing, Zhong et al. 2020)
    sides = generator.uniform(0.1, 0.4, (count, 2)) * (generator.random((count, 1)) < 0.5 * strength)
    corners = generator.random((count, 2))
    return (np.concatenate([corners, corners + sides], axis=1) * size).round().astype(int)


def _draw_widths(generator, count, strength):
    # (count,): the width in pixels to which 15 % of the images are reduced for a moment; those that are smaller already
    # stay as they are
    widths = generator.integers(28, 91, count)
    return np.where(generator.random(count) < 0.15 * strength, widths, SIZE).tolist()


def _draw_slopes(generator, count, strength):
    # (count, 2) float32: how light rises to the right and downwards; up to 23 % more at one edge and less at the other
    amounts, angles = generator.uniform(0, 0.23 * strength, count), generator.uniform(0, 2 * np.pi, count)
    return (amounts * [np.cos(angles), np.sin(angles)]).T.astype(np.float32)
