"""Read the packs of pairs that face recognition is tested on: ``lfw.bin``, ``cfp_fp.bin``, ``agedb_30.bin`` and so on.

A pack (InsightFace, ``lfw2pack.py``) is a pickle of two lists: images, each as a file would hold it, and of each two of
them whether they show the same person. Some hold NumPy arrays: of those bytes, or of pixels (height, width, 3). Nobody
is named: images with the same content are one, and images that matched pairs link show one person.
"""

import hashlib
import io
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facelib.data.image_files import BYTES_LIMIT, PIXELS_LIMIT, Stored
from facelib.data.pair_checks import link
from facelib.data.pair_list import Pair
from facelib.data.pickled import Array, PickledError, read_pickle
from facelib.files import read_limited
from facelib.folders import printable

PACK_LIMIT = 2**30  # bytes of a file
PAIRS_LIMIT = 10**5
ANSWERS = "b1", "i1", "u1"  # types of items that can say true or false


class PackError(ValueError):
    """A pack that cannot be used; the message names the file and the place in it."""


class Pack(NamedTuple):
    """Images and pairs of a pack; ``pack / path`` is one of the images."""

    file: Path
    images: dict[str, bytes]  # by the path of each: <person>/<person>_<number>.jpg, in whichever format the image is
    pairs: tuple[Pair, ...]
    folds: int  # of as many matched as mismatched pairs each, in this order; 0: there are none
    left_out: tuple[tuple[str, str], ...]  # pair and reason

    def __str__(self):
        return str(self.file)

    def __truediv__(self, path: str) -> Stored:
        content = self.images[path]
        return Stored(f"{self.file}, {path}", (hashlib.sha256(content).hexdigest(),), lambda: content)


def read_pack(file: Path) -> Pack:
    """The images and pairs of the pack in `file`.

    A pair of an image with itself, a pair that comes again, and a pair of two people that matched pairs make one are
    left out, and there are no folds then.

    Raises:
        PackError: it cannot be read, is no pack, asks for what no pack needs, its lists do not fit, or nothing is left.
    """
    file = Path(file)
    try:
        contents, matched = _read_lists(read_pickle(read_limited(file, PACK_LIMIT, "a pack")))
    except OSError as error:
        raise PackError(f"{printable(file)}: {error.strerror}") from None
    except ValueError as error:
        raise PackError(f"{printable(file)}: {printable(error)}") from None
    paths = _name_images([digest for digest, _ in contents], matched)
    pairs, left_out = _choose_pairs([paths[digest] for digest, _ in contents], matched)
    if not pairs:
        raise PackError(f"{printable(file)}: none of its {len(matched):,} pairs can be used: {': '.join(left_out[0])}")
    folds = 0 if left_out else _count_folds(matched)
    size = len(pairs) // max(folds, 1)
    pairs = tuple(pair._replace(fold=row // size) for row, pair in enumerate(pairs))
    images = {paths[digest]: content for digest, content in contents}
    return Pack(file, images, pairs, folds, tuple(left_out))


def _read_lists(found):
    # digest and content of each image, and whether each two of them match
    if not (isinstance(found, list | tuple) and len(found) == 2):
        raise PickledError("is no pack: expected a list of images and a list of answers")
    images, answers = found
    if isinstance(answers, Array) and (made := answers.make(ANSWERS)) is not None and made.ndim == 1:
        answers = made.tolist()
    if not (isinstance(images, list | tuple) and isinstance(answers, list | tuple)):
        raise PickledError("is no pack: expected a list of images and a list of answers")
    if not 0 < len(answers) <= PAIRS_LIMIT:
        raise PickledError(f"holds {len(answers):,} pairs; expected at least one, and at most {PAIRS_LIMIT:,}")
    if len(images) != 2 * len(answers):
        raise PickledError(
            f"{len(images):,} images for {len(answers):,} pairs, which need {2 * len(answers):,}: it is damaged, or no "
            "list of pairs; copy it from its source again"
        )
    return _read_contents(images), [_read_answer(number, answer) for number, answer in enumerate(answers, 1)]


def _read_answer(number, answer):
    if isinstance(answer, Array) and (made := answer.make(ANSWERS)) is not None and made.ndim == 0:
        answer = made.item()
    if not (isinstance(answer, int) and answer in (0, 1)):
        raise PickledError(f"pair {number:,}: expected true or false")
    return bool(answer)


def _read_contents(images):
    # digest and content of each; one object can be there many times, and many objects can share their content
    found, room = {}, PACK_LIMIT
    for number, image in enumerate(images, 1):
        if id(image) in found:
            continue
        data = image.make(("u1",)) if isinstance(image, Array) else image
        room -= len(data) if isinstance(data, bytes) else getattr(data, "size", 0)
        if room < 0:
            raise PickledError(f"image {number:,}: all up to here have more than {PACK_LIMIT:,} bytes: too many")
        content = _as_file(data)
        if not content or len(content) > BYTES_LIMIT:
            expected = "expected the bytes of an image, or an array of them or of its pixels"
            raise PickledError(f"image {number:,}: {expected}")
        found[id(image)] = hashlib.sha256(content).digest(), content
    return [found[id(image)] for image in images]


def _as_file(data):
    # an image as a file holds it; None where it is none
    if isinstance(data, np.ndarray) and data.size == max(data.shape, default=0):  # bytes in a row or a column
        return data.tobytes()
    if isinstance(data, np.ndarray) and data.ndim == 3 and data.shape[2] == 3 and 0 < data.size <= 3 * PIXELS_LIMIT:
        content = io.BytesIO()
        Image.fromarray(data).save(content, "PNG")
        return content.getvalue()
    return data if isinstance(data, bytes) else None


def _name_images(digests, matched):
    # digest -> path: people and their images by number, in the order in which they come
    couples = itertools.compress(zip(digests[::2], digests[1::2], strict=True), matched)
    names, counts, paths = {}, {}, {}
    for digest, person in link(digests, couples).items():
        name = names.setdefault(person, f"person_{len(names) + 1:06d}")
        counts[name] = counts.get(name, 0) + 1
        paths[digest] = f"{name}/{name}_{counts[name]:04d}.jpg"
    return paths


def _choose_pairs(paths, matched):
    pairs, left_out, earlier = [], [], {}
    for number, (first, second, same) in enumerate(zip(paths[::2], paths[1::2], matched, strict=True), 1):
        before = earlier.setdefault(frozenset((first, second)), number)
        if first == second:
            left_out.append((f"pair {number:,}", "is of one image with itself"))
        elif before != number:
            left_out.append((f"pair {number:,}", f"has the images of pair {before:,}"))
        elif not same and first.split("/")[0] == second.split("/")[0]:
            left_out.append((f"pair {number:,}", "is called two people, and matched pairs make them one"))
        else:
            pairs.append(Pair(first, second, same, 0))
    return pairs, left_out


def _count_folds(matched):
    # how often as many matched pairs as mismatched ones follow each other; 0 where that is no more than once
    runs = [len(list(group)) for _, group in itertools.groupby(matched)]
    even = matched[0] and len(runs) % 2 == 0 and len(set(runs)) == 1
    return len(runs) // 2 if even and len(runs) > 2 else 0
