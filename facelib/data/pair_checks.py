"""What makes a list of pairs sound: folds as its header says, every image there, no pair twice, labels that agree.

Each check raises a `PairsError`, which names the file, and the lines or the images. `lines` and `pairs` correspond.
"""

from pathlib import Path

from facelib.data.pair_lines import Line, PairsError
from facelib.folders import printable


def check_folds(pairs_file: Path, lines: list[Line], folds: int, of_a_kind: int) -> None:
    """Refuse pairs that are not in the folds that the header says: n matched, then n mismatched ones in each."""
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


def check_folder(pairs_file: Path, images_dir: Path) -> None:
    """Refuse a folder of images that is none."""
    if not images_dir.is_dir():
        found = "is a file" if images_dir.exists() else "does not exist"
        raise PairsError(f"{images_dir} {found}; expected the folder with the images of {pairs_file}")


def check_images(pairs_file: Path, images_dir: Path, pairs) -> None:
    """Refuse pairs of images that are not there; an image that cannot be read is there."""
    paths = dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second))
    missing = [path for path in paths if _is_missing(images_dir / path)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        image, folder = printable(images_dir / missing[0]), printable(images_dir)
        raise PairsError(f"{pairs_file}: image {image}{more} missing; is {folder} the right folder?")


def check_repeats(pairs_file: Path, lines: list[Line], pairs) -> None:
    """Refuse two pairs of the same two images, in either order."""
    lines_of = {}
    for line, pair in zip(lines, pairs, strict=True):
        earlier = lines_of.setdefault(frozenset(pair[:2]), line.number)
        if earlier != line.number:
            raise PairsError(
                f"{pairs_file}, lines {earlier} and {line.number}: the same two images, {pair.first} and {pair.second};"
                " a pair counts once: remove one of the lines"
            )


def check_people(pairs_file: Path, lines: list[Line], pairs) -> None:
    """Refuse a mismatched pair of two images that matched pairs say to be of one person, see `name_people`."""
    people = name_people(pairs)
    for line, pair in zip(lines, pairs, strict=True):
        if (people[pair.first] == people[pair.second]) != pair.matched:
            raise PairsError(
                f"{pairs_file}, line {line.number}: {pair.first} and {pair.second} are called two people, and matched"
                " pairs of the list make them one: correct a label"
            )


def name_people(pairs) -> dict[str, str]:
    """Who is on each image of `pairs`, see `pair_list.Pair`: by path, a name.

    The name is the image's folder, where all matched pairs lie in one folder and all mismatched pairs in two. Else
    folders are not people: images that matched pairs link are of one person, whose name is the path of one of them.
    """
    images = dict.fromkeys(path for pair in pairs for path in pair[:2])
    folders = {path: path.rpartition("/")[0] for path in images}
    if all((folders[pair.first] == folders[pair.second]) == pair.matched for pair in pairs):
        return folders
    return link(images, [pair[:2] for pair in pairs if pair.matched])


def link(images, couples) -> dict:
    """By image, the one that stands for all that `couples` of images link it with, directly or not."""
    standing = {image: image for image in images}

    def find(image):
        while standing[image] != image:
            standing[image] = image = standing[standing[image]]
        return image

    for first, second in couples:
        standing[find(second)] = find(first)
    return {image: find(image) for image in standing}


def _is_missing(path):
    # links that lead nowhere and folders that may not be read are there: the decoder says what is wrong with them
    places = (path, path.parent)
    try:
        return not path.is_file() and not any(place.is_symlink() and not place.exists() for place in places)
    except PermissionError:
        return False
    except OSError:  # such as of a name that is too long
        return True
