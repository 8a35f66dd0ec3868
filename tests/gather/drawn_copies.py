"""Drawn faces, and copies of them as they come about: saved again, shifted, brightened."""

import io

import numpy as np
from PIL import Image

from facelib.data.drawn import draw_face, draw_identity


def draw(people, images, seed=5):
    """Faces (people * images, 112, 112, 3) uint8, and who is on each, (n,) int."""
    generator = np.random.default_rng(seed)
    drawn = [draw_identity(generator) for _ in range(people)]
    faces = [draw_face(face, generator, 112, (61, 64, 128)) for face in drawn for _ in range(images)]
    return np.stack([np.asarray(face) for face in faces]), np.repeat(np.arange(people), images)


def copy(pixels, quality=90, shift=(0, 0), gain=1.0, offset=0):
    """A face (112, 112, 3) moved down and right, with other levels, and saved again as JPEG."""
    moved = np.roll(np.pad(pixels, ((8, 8), (8, 8), (0, 0)), "edge"), shift, (0, 1))[8:-8, 8:-8]
    content = io.BytesIO()
    Image.fromarray(np.clip(moved * gain + offset, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


COPIES = {
    "recompressed": {"quality": 30},
    "shifted": {"shift": (3, -2)},
    "brightened": {"gain": 1.15, "offset": 10},
    "all three": {"quality": 50, "shift": (-2, -3), "gain": 0.8},
}
