"""Find and align the faces in a folder of photographs: 112x112 pixels each, as training takes them."""

import io
import os
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from facelib.data.images import UnreadableImageError, decode
from facelib.folders import printable
from facelib.gather.detector import load_detector
from facelib.gather.intake import Entry, IntakeError, Source, Taken, check_outside, list_source, take_in
from facelib.gather.landmarks import INSIGHTFACE
from facelib.gather.photographs import LARGEST, FaceCutter
from facelib.progress import say


def align_folder(folder: Path, output: Path, landmarks: np.ndarray = INSIGHTFACE, which=LARGEST) -> Taken:
    """Write ``output/<path>.png`` (112x112) for every photograph ``folder/<path>.<suffix>`` that shows a face.

    Args:
        output: a new folder, whole or not at all; see `intake.take_in`.
        landmarks: (5, 2), where they are to lie in a face. which: of several faces, see `FaceCutter`.

    Raises:
        IntakeError: no folder, no images in it, none with a face, or see `intake.take_in`.
        UnwritableError: the disk is full. DetectorMissingError: mtcnn is not installed.
    """
    load_detector()
    check_outside(output, folder)
    if not folder.is_dir():
        raise IntakeError(f"{printable(folder)} is no folder")
    listing = list_source(folder)
    cutter = FaceCutter(landmarks, which)

    def read(path):
        try:
            face = decode(folder / path, cutter)
        except UnreadableImageError as error:
            raise UnreadableImageError(str(error).removeprefix(f"{folder / path}: ")) from None
        content = io.BytesIO()
        Image.fromarray(face).save(content, "PNG")
        return content.getvalue()

    names = name_faces(listing.images)
    entries = (Entry(name, lambda path=path: read(path), path) for path, name in names.items())
    settings = {"landmarks": landmarks.tolist(), "face": which}
    source = Source("photographs", folder, tuple(folder / path for path in names), settings)
    taken = take_in(output, source, entries, len(names))
    if cutter.several:
        say(f"{len(cutter.several):,} photographs show several faces; of each one is taken: {which}")
    return taken._replace(problems=(*listing.problems, *taken.problems))


def name_faces(paths) -> dict[str, str]:
    """What the face in each photograph is called: ``a/b.png``, or ``a/b.jpg.png`` where there is an ``a/b.heic``."""
    stems = {path: path[: -len(os.path.splitext(path)[1])] for path in paths}
    count = Counter(stems.values())
    return {path: f"{stem if count[stem] == 1 else path}.png" for path, stem in stems.items()}
