"""Read a list of pairs of images, such as that of Labeled Faces in the Wild (Huang et al. 2007), with fold numbers."""

from pathlib import Path
from typing import NamedTuple

from facelib.data.listed_images import ListedImages
from facelib.data.pair_checks import check_folder, check_folds, check_images, check_people, check_repeats
from facelib.data.pair_lines import PairsError, read_list

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
        check_folds(pairs_file, lines, folds, of_a_kind)
    check_folder(pairs_file, images_dir)
    images, pairs = ListedImages(images_dir), []
    for position, line in enumerate(lines):
        fold = position // (2 * of_a_kind) if folds else 0
        try:
            pairs.append(Pair(images.find(line.first), images.find(line.second), line.matched, fold))
        except ValueError as error:
            raise PairsError(f"{pairs_file}, line {line.number}: {error}") from None
    check_images(pairs_file, images_dir, pairs)
    check_repeats(pairs_file, lines, pairs)
    check_people(pairs_file, lines, pairs)
    return pairs


def is_mislabelled(pair: Pair) -> bool:
    """Whether the list calls `pair` matched although one of its images, see `MISLABELLED`, shows somebody else."""
    return pair.matched and (pair.first in MISLABELLED) != (pair.second in MISLABELLED)
