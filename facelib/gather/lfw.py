"""Labeled Faces in the Wild (Huang et al. 2007) in the project's layout: images and the pairs of View 2."""

import contextlib
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from facelib.config import PAIRS_FILE, TEST_FOLDER
from facelib.data.pair_lines import read_list
from facelib.files import write_atomically
from facelib.folders import printable
from facelib.gather.archive import ArchiveError, read_members
from facelib.gather.download import DownloadError, Remote, download
from facelib.gather.intake import Entry, IntakeError, Source, check_path, take_in
from facelib.locks import LOCK, hold
from facelib.progress import track

# As scikit-learn 1.9 knows them (sklearn/datasets/_lfw.py); the addresses of the university are gone.
IMAGES = Remote(
    "lfw-funneled.tgz",
    "https://ndownloader.figshare.com/files/5976015",
    "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
)
PAIRS = Remote(
    "pairs.txt",
    "https://ndownloader.figshare.com/files/5976006",
    "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
)
DOWNLOADS = ".fetch-lfw"  # in the output folder, until all is done
IMAGE = re.compile(r"(?:.*/)?(([^/]+)/\2_\d{4}\.jpg)")
JPEG = b"\xff\xd8\xff"  # begins a file


class Fetched(NamedTuple):
    """What has been written."""

    images: int
    people: int
    pairs: int
    folds: int  # 0 where the list has none


def fetch_lfw(output: Path, archive: Path | None = None, pairs: Path | None = None) -> Fetched:
    """Write LFW's images and its list of pairs into the folder `output`, in which neither is yet.

    What is not given is downloaded: the images in the version "funneled", and the list with its ten folds. Nothing is
    written before all of the archive has been looked through.

    Args:
        archive: tar archive, or a folder with one's content, of any version. pairs: a list, see `pair_lines`.

    Raises:
        DownloadError, ArchiveError, PairsError: a source that cannot be had or used. UnwritableError: the disk is full.
        IntakeError: one of the two is there, or the pairs are of other images.
    """
    output = Path(output)
    is_new = not output.exists()
    downloads, images = output / DOWNLOADS, output / TEST_FOLDER
    _check_free(images)
    with hold(downloads / LOCK, f"fetches LFW into {output}"):
        try:
            _check_free(images)  # another process may have been at it
            pairs = pairs or _download(PAIRS, downloads, "--pairs")
            listed, content = read_list(pairs), pairs.read_bytes()
            _check_same(output / PAIRS_FILE, content)
            archive = archive or _download(IMAGES, downloads, "--archive")
            source = Source("lfw", archive, (archive,) if archive.is_file() else ())
            found = _look_through(source)
            _check_images(archive, pairs, listed.lines, found)
            write_atomically(output / PAIRS_FILE, content)
            taken = take_in(images, source, _entries(archive), len(found))
            shutil.rmtree(downloads)
        finally:
            (downloads / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # where they hold nothing to go on with
                downloads.rmdir()
                if is_new:
                    output.rmdir()
    return Fetched(taken.files, len({image.split("/")[0] for image in found}), len(listed.lines), listed.folds)


def _download(remote, folder, option):
    try:
        return download(remote, folder)
    except DownloadError as error:
        raise DownloadError(f"{error}; or name a {remote.name} that is here: {option} FILE") from None


def _check_free(images):
    if images.exists():
        raise IntakeError(f"{images} exists already: name another folder, or remove it")


def _check_same(path, content):
    # the list may be there, of an earlier attempt
    if path.exists() and not (path.is_file() and path.read_bytes() == content):
        raise IntakeError(f"{path} exists already, with other pairs: name another folder, or remove it")


def _look_through(source):
    # paths of the images in the layout, of an archive of which every member is sound
    archive, found = source.path, set()
    for member in track(read_members(archive), f"looking through {printable(archive.name)}"[:40], "files", delay=1):
        if match := IMAGE.fullmatch(member.path):
            if match[1] in found:
                raise ArchiveError(f"{archive}: holds {match[1]} twice, in two folders")
            if not member.read().startswith(JPEG):
                raise ArchiveError(f"{archive}: {printable(member.path)} is no JPEG")
            check_path(source, match[1])
            found.add(match[1])
    if not found:
        raise ArchiveError(f"{archive}: holds no images of LFW, which are named <name>/<name>_0001.jpg")
    return found


def _check_images(archive, pairs, lines, found):
    missing = [line for line in lines if not {str(line.first), str(line.second)} <= found]
    if missing:
        image = next(image for image in map(str, missing[0][1:3]) if image not in found)
        raise IntakeError(
            f"{pairs}, line {missing[0].number}: {archive} holds no {printable(image)}, and not the images of "
            f"{len(missing):,} of {len(lines):,} lines: give the archive and the list of one data set"
        )


def _entries(archive):
    for member in read_members(archive):
        if match := IMAGE.fullmatch(member.path):
            yield Entry(match[1], member.read, member.path)
