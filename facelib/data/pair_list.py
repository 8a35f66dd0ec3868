"""Read the pairs file of Labeled Faces in the Wild (Huang et al. 2007) to pairs with fold numbers."""

import re
from pathlib import Path
from typing import NamedTuple

from facelib.folders import is_visible, printable

NAME = re.compile(r"[^\s/\\\x00-\x1f\x7f]+")
LARGEST = 100_000_000  # bytes of a pairs file; LFW's has 160,000
# Images of somebody else than their name says. LFW's site lists such errors ("Errata", vis-www.cs.umass.edu/lfw), and
# View 2 has 7 wrong matched pairs; these are the images that published tests of face recognition name as well. Kostelic
# and Bendijo have two images each, so that their one matched pair is wrong whichever of the two is mislabelled.
MISLABELLED = frozenset(
    {
        "Janica_Kostelic/Janica_Kostelic_0001.jpg",  # Anja Paerson
        "Michael_Schumacher/Michael_Schumacher_0008.jpg",  # Rubens Barrichello
        "Nora_Bendijo/Nora_Bendijo_0002.jpg",  # Flor Montulo
        "Recep_Tayyip_Erdogan/Recep_Tayyip_Erdogan_0004.jpg",  # Abdullah Gul
    }
)


class Pair(NamedTuple):
    """Two images and whether they show the same person."""

    first: str  # path relative to the images' folder
    second: str
    matched: bool
    fold: int  # from 0; always 0 where the file's header names no folds


class PairsError(ValueError):
    """A pairs file that cannot be used; the message names the file, and the line or the images that are missing."""


def read_pairs(pairs_file: Path, images_dir: Path) -> list[Pair]:
    """Read the pairs of `pairs_file`, checking that every image exists, and that no pair is repeated or of one image.

    The first line is a header; two numbers, of folds and n, mean that each fold has n matched, then n mismatched
    pairs. The other lines are ``name i j`` (matched) or ``name1 i name2 j`` (mismatched), for images
    ``<images_dir>/<name>/<name>_%04d.jpg``; fields are separated by blanks or tabs.

    Raises:
        PairsError: no such file, no pairs, a malformed line, an image with itself, a pair that an earlier line holds
            (in either order), folds that the header does not say, no such folder, or images that are missing.
    """
    pairs_file, images_dir = Path(pairs_file), Path(images_dir)
    lines = _read_lines(pairs_file)
    folds, of_a_kind = _folds(pairs_file, lines[0].split() if lines else [])
    numbered = [(number, line.split()) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if not numbered:
        raise PairsError(f"{pairs_file}: holds no pairs after its header line")
    if folds and len(numbered) != 2 * folds * of_a_kind:
        raise PairsError(
            f"{pairs_file}, line 1: the header says {folds} folds of {of_a_kind} pairs of each kind, "
            f"{2 * folds * of_a_kind:,} in all, and the file holds {len(numbered):,}: correct it, or write one number, "
            "which means no folds"
        )
    pairs, lines_of = [], {}
    for position, (number, fields) in enumerate(numbered):
        fold, place = divmod(position, 2 * of_a_kind) if folds else (0, 0)
        pair = _pair(f"{pairs_file}, line {number}", fields, fold)
        earlier = lines_of.setdefault(frozenset(pair[:2]), number)
        if earlier != number:
            raise PairsError(
                f"{pairs_file}, lines {earlier} and {number}: the same two images, {pair.first} and {pair.second}; "
                "a pair counts once: remove one of the lines"
            )
        if folds and pair.matched != (place < of_a_kind):
            found, expected = ("matched", "mismatched") if pair.matched else ("mismatched", "matched")
            raise PairsError(
                f"{pairs_file}, line {number}: a {found} pair where the header has a {expected} one: a fold is"
                f" {of_a_kind} matched pairs, then {of_a_kind} mismatched ones"
            )
        pairs.append(pair)
    _check_images(pairs_file, images_dir, pairs)
    return pairs


def _read_lines(pairs_file):
    try:
        if not pairs_file.is_file():  # a pipe would be waited for, a device read without end
            reason = "is no regular file" if pairs_file.exists() else "there is no such file"
            raise PairsError(f"{pairs_file}: cannot be read as a pairs file: {reason}")
        if (size := pairs_file.stat().st_size) > LARGEST:
            raise PairsError(f"{pairs_file}: {size:,} bytes are too many for a pairs file: at most {LARGEST:,}")
        text = pairs_file.read_text(encoding="utf-8-sig", errors="surrogateescape")  # names of files are bytes
    except OSError as error:
        raise PairsError(f"{pairs_file}: cannot be read as a pairs file: {error}") from None
    if "\0" in text and re.search("[\udc80-\udcff]", text):
        raise PairsError(f"{pairs_file}: cannot be read as a pairs file: it is no text, such as UTF-8")
    return text.splitlines()


def _check_images(pairs_file, images_dir, pairs):
    if not images_dir.is_dir():
        found = "is a file" if images_dir.exists() else "does not exist"
        raise PairsError(f"{images_dir} {found}; expected the folder with the images of {pairs_file}")
    paths = dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second))
    missing = [path for path in paths if _is_missing(images_dir / path)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        image, folder = printable(images_dir / missing[0]), printable(images_dir)
        raise PairsError(f"{pairs_file}: image {image}{more} missing; is {folder} the right folder?")


def is_mislabelled(pair: Pair) -> bool:
    """Whether the list calls `pair` matched although one of its images, see `MISLABELLED`, shows somebody else."""
    return pair.matched and (pair.first in MISLABELLED) != (pair.second in MISLABELLED)


def _is_missing(path):
    # links that lead nowhere and folders that may not be read are there: the decoder says what is wrong with them
    places = (path, path.parent)
    try:
        return not path.is_file() and not any(place.is_symlink() and not place.exists() for place in places)
    except PermissionError:
        return False
    except OSError:  # such as of a name that is too long
        return True


def _folds(pairs_file, header):
    # number of folds and of pairs of a kind in each; 0 and 0 where there are no folds
    if len(header) in (3, 4) and header[-1].isdecimal():
        raise PairsError(f"{pairs_file}, line 1: is a pair; expected a header, one or two numbers")
    numbers = [int(field) if field.isascii() and field.isdecimal() and len(field) < 10 else 0 for field in header]
    return tuple(numbers) if len(numbers) == 2 and all(numbers) else (0, 0)


def _pair(place, fields, fold):
    if len(fields) == 3:
        (name, i, j), other = fields, fields[0]
    elif len(fields) == 4:
        name, i, other, j = fields
    else:
        raise PairsError(f"{place}: {len(fields)} fields; expected 'name i j' or 'name1 i name2 j'")
    for number in (i, j):
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise PairsError(f"{place}: {number!r} is no image number")
    for person in (name, other):
        if not NAME.fullmatch(person) or not is_visible(person):
            raise PairsError(f"{place}: {person!r} is no name of a person's folder")
    if len(fields) == 4 and name == other:
        raise PairsError(f"{place}: {name!r} twice; a pair of one person is written 'name i j'")
    pair = Pair(_path(name, i), _path(other, j), len(fields) == 3, fold)
    if pair.first == pair.second:
        raise PairsError(f"{place}: {pair.first} with itself; a pair needs two images")
    return pair


def _path(name, number):
    return f"{name}/{name}_{int(number):04d}.jpg"
