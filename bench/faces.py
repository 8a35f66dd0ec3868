"""Drawn faces for the benchmark: JPEG files in a temporary folder, and batches of them."""

from pathlib import Path

import numpy as np
from PIL import Image

from facelib.data.drawn import draw_face, draw_identity
from facelib.data.identities import Faces, read_identities
from facelib.data.images import load_images
from facelib.data.sampler import Sampler

SQUARE = (62, 65, 126)  # of the frame, around the head


def write_faces(folder: Path, identities: int, images: int) -> None:
    """Draw ``folder/faces/<identity>/<image>.jpeg``, 112x112, of quality 85."""
    for identity in range(identities):
        face = draw_identity(np.random.default_rng(identity))
        place = folder / "faces" / str(identity)
        place.mkdir(parents=True)
        for image in range(images):
            pixels = draw_face(face, np.random.default_rng((identity, image)), 112, SQUARE)
            Image.fromarray(pixels).save(place / f"{image:03d}.jpeg", quality=85)


def read_faces(folder: str) -> tuple[Faces, np.ndarray]:
    """The table of what `write_faces` drew, and the pixels (n, 112, 112, 3) uint8 from facelib's decoded cache."""
    table = read_identities(Path(folder, "faces")).faces
    return table, load_images(Path(folder, "faces"), table.paths, Path(folder, "cache")).pixels


def build_sampler(table: Faces, identities_per_batch: int, images_per_identity: int) -> Sampler:
    """facelib's sampler over all of the faces."""
    return Sampler(table.labels, identities_per_batch, images_per_identity, seed=7)
