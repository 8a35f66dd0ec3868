"""Import a pack of pairs: its images and its list as those of Labeled Faces in the Wild lie in the project's layout."""

from collections.abc import Iterator
from pathlib import Path

from facelib.config import PAIRS_FILE, TEST_FOLDER
from facelib.data.packs import Pack, read_pack
from facelib.gather.intake import Entry, Source, Taken, take_in


def import_pack(file: Path, target: Path) -> tuple[Taken, Pack]:
    """Write the images of the pack in `file`, and the list of its pairs, to the new folder `target`.

    Raises:
        PackError: it cannot be used. IntakeError, UnwritableError: see `intake.take_in`.
    """
    pack = read_pack(file)
    text = "".join(f"{line}\n" for line in list_lines(pack)).encode()
    entries = [
        *(Entry(f"{TEST_FOLDER}/{path}", (pack / path).read_bytes) for path in pack.images),
        Entry(PAIRS_FILE, lambda: text),
    ]
    return take_in(target, Source("pack", pack.file, (pack.file,)), entries, len(entries)), pack


def list_lines(pack: Pack) -> Iterator[str]:
    """The lines of a list in LFW's form: a header; ``name i j`` for a matched, ``name1 i name2 j`` for another pair."""
    yield f"{pack.folds}\t{len(pack.pairs) // pack.folds // 2}" if pack.folds else str(len(pack.pairs))
    for pair in pack.pairs:
        first, second = (_name_and_number(path) for path in pair[:2])
        yield "\t".join((*first, *second[pair.matched :]))


def _name_and_number(path):
    name, _, number = path.rpartition("/")[2].removesuffix(".jpg").rpartition("_")
    return name, str(int(number))
