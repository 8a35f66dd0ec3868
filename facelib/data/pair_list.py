"""Read a list of pairs of images, such as that of Labeled Faces in the Wild (Huang et al. 2007), with fold numbers."""

from pathlib import Path
from typing import NamedTuple

from facelib.data.listed_images import ListedImages
from facelib.data.pair_lines import PairsError, read_list
from facelib.folders import printable

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


def read_pairs(pairs_file: Path, images_dir: Path) -> list[Pair]:
    """Read the pairs of `pairs_file`, checking that every image exists, and that no pair is repeated or of one image.

    LFW's list begins with a header; two numbers, of folds and n, mean that each fold has n matched, then n mismatched
    pairs. The other lines are ``name i j`` (matched) or ``name1 i name2 j`` (mismatched), for images
    ``<images_dir>/<name>/<name>_%04d.jpg``. `pair_lines` reads these and other forms of lists, and `listed_images`
    finds the files.

    Raises:
        PairsError: no such file, no pairs, a malformed line, an image with itself, a pair that an earlier line holds
            (in either order), folds that the header does not say, labels that contradict each other, no such folder,
            images that are missing, or one that several files can be.
    """
    pairs_file, images_dir = Path(pairs_file), Path(images_dir)
    lines, folds, of_a_kind = read_list(pairs_file)
    if folds:
        _check_folds(pairs_file, lines, folds, of_a_kind)
    _check_folder(pairs_file, images_dir)
    images, pairs = ListedImages(images_dir), []
    for position, line in enumerate(lines):
        fold = position // (2 * of_a_kind) if folds else 0
        try:
            pairs.append(Pair(images.find(line.first), images.find(line.second), line.matched, fold))
        except ValueError as error:
            raise PairsError(f"{pairs_file}, line {line.number}: {error}") from None
    _check_images(pairs_file, images_dir, pairs)
    _check_repeats(pairs_file, lines, pairs)
    _check_people(pairs_file, lines, pairs)
    return pairs


def name_people(pairs: list[Pair]) -> dict[str, str]:
    """Who is on each image of `pairs`: its folder, where all matched pairs lie in one and all mismatched pairs in two.

    Where folders are not people, images that matched pairs link are of one person, who has the name of one of them.
    """
    images = dict.fromkeys(path for pair in pairs for path in pair[:2])
    folders = {path: path.rpartition("/")[0] for path in images}
    if all((folders[pair.first] == folders[pair.second]) == pair.matched for pair in pairs):
        return folders
    people = {path: path for path in images}

    def find(path):
        while people[path] != path:
            people[path] = path = people[people[path]]
        return path

    for pair in pairs:
        if pair.matched:
            people[find(pair.first)] = find(pair.second)
    return {path: find(path) for path in images}


def _check_folds(pairs_file, lines, folds, of_a_kind):
    if len(lines) != 2 * folds * of_a_kind:
        raise PairsError(
            f"{pairs_file}, line 1: the header says {folds} folds of {of_a_kind} pairs of each kind, "
            f"{2 * folds * of_a_kind:,} in all, and the file holds {len(lines):,}: correct it, or write one number, "
            "which means no folds"
        )
    for position, line in enumerate(lines):
        if line.matched != (position % (2 * of_a_kind) < of_a_kind):
            found, expected = ("matched", "mismatched") if line.matched else ("mismatched", "matched")
            raise PairsError(
                f"{pairs_file}, line {line.number}: a {found} pair where the header has a {expected} one: a fold is"
                f" {of_a_kind} matched pairs, then {of_a_kind} mismatched ones"
            )


def _check_repeats(pairs_file, lines, pairs):
    lines_of = {}
    for line, pair in zip(lines, pairs, strict=True):
        earlier = lines_of.setdefault(frozenset(pair[:2]), line.number)
        if earlier != line.number:
            raise PairsError(
                f"{pairs_file}, lines {earlier} and {line.number}: the same two images, {pair.first} and {pair.second};"
                " a pair counts once: remove one of the lines"
            )


def _check_people(pairs_file, lines, pairs):
    people = name_people(pairs)
    for line, pair in zip(lines, pairs, strict=True):
        if (people[pair.first] == people[pair.second]) != pair.matched:
            raise PairsError(
                f"{pairs_file}, line {line.number}: {pair.first} and {pair.second} are called two people, and matched"
                " pairs of the list make them one: correct a label"
            )


def _check_folder(pairs_file, images_dir):
    if not images_dir.is_dir():
        found = "is a file" if images_dir.exists() else "does not exist"
        raise PairsError(f"{images_dir} {found}; expected the folder with the images of {pairs_file}")


def _check_images(pairs_file, images_dir, pairs):
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
