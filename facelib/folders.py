"""What lies in a folder of images: one walk for training, test, use and make's stamp; and names that can be shown.

Imports the standard library only, so that make's stamp takes no time.
"""

import errno
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".jpeg", ".jpg", ".png")  # of the files that are read, in any case
# What systems leave beside the files of people, in lower case; names that begin with a dot are left out anyway.
LEFT_BY_SYSTEMS = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler", "recycled",
        "system volume information", "found.000",  # Windows
        "__macosx", "icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder",  # macOS
        "lost+found",  # Linux
        "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "~snapshot",  # NAS
        "__pycache__",
    }
)  # fmt: skip
# Control characters, line separators, marks that turn the direction of a line, surrogates, what XML forbids.
UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
MANIFEST = "manifest.json"  # lists what was imported into a folder, see `gather.intake`; no file of the data set
KINDS = 10  # of files that are not read, named one by one


class File(NamedTuple):
    """A file below a folder, or a link or folder that leads to none."""

    path: str  # below the folder, with forward slashes; bytes that are not UTF-8 as surrogates, as os.fsdecode has them
    size: int  # bytes
    modified: int  # ns since 1970
    problem: str  # why it cannot be read; empty where nothing is known against it


CIRCLE = "is a link that leads in a circle"
DEEP_LINK = "is a link to a folder, which is followed only at the place of an identity: put a folder there"


class Unread(NamedTuple):
    """Files of one kind that is not read."""

    kind: str
    files: int
    example: str  # path of the first


class Listing(NamedTuple):
    """The files below a folder by what can be done with them; paths as in `File`, sorted by code points."""

    images: tuple[str, ...]
    unread: tuple[Unread, ...]
    problems: tuple[tuple[str, str], ...]  # path and reason of links and folders that lead nowhere


def is_visible(name: str) -> bool:
    """Whether `name`, of a file or a folder, is neither hidden nor one that systems leave in folders."""
    return not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS


def walk(folder: Path) -> list[File]:
    """Every visible file in and below `folder`, sorted by path, see `is_visible`.

    Links to files are followed, and links to folders that lie directly in `folder`, such as an identity that is a link.
    Links to folders further below (which could multiply, or lead to a whole disk), a link to a folder that it lies in,
    a link to nothing and a folder that cannot be read are each one file with a problem; so is `folder`, as ``.``.
    """
    found, pending = [], [("", ())]
    while pending:
        prefix, above = pending.pop()
        here = os.path.join(folder, prefix)
        try:
            status = os.stat(here)
            above = (*above, (status.st_dev, status.st_ino))
            if above[-1] in above[:-1]:
                raise OSError(errno.ELOOP, "")
            with os.scandir(here) as entries:
                visible = [entry for entry in entries if is_visible(entry.name)]
        except OSError as error:
            found.append(File(prefix.rstrip("/") or ".", 0, 0, _reason(error)))
            continue
        for entry in visible:
            path = prefix + entry.name
            try:
                status = entry.stat()
            except OSError as error:
                found.append(File(path, 0, 0, _reason(error, entry.is_symlink())))
                continue
            if stat.S_ISDIR(status.st_mode) and prefix and entry.is_symlink():
                circle = (status.st_dev, status.st_ino) in above
                found.append(File(path, 0, 0, CIRCLE if circle else DEEP_LINK))
            elif stat.S_ISDIR(status.st_mode):
                pending.append((f"{path}/", above))
            else:
                found.append(File(path, status.st_size, status.st_mtime_ns, ""))
    return sorted(found)


def _reason(error: OSError, link: bool = False) -> str:
    if error.errno == errno.ELOOP:
        return CIRCLE
    if link and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "is a link that leads nowhere"
    return error.strerror or str(error)


def list_images(folder: Path, by_identity: bool = False) -> Listing:
    """The JPEG and PNG files in and below `folder`, told by their names, and what is not read there.

    Args:
        by_identity: read ``<identity>/<image>`` only; images in other places count as not read.
    """
    images, problems, others = [], [], {}
    for path, _, _, problem in walk(folder):
        kind = os.path.splitext(path)[1].lower()
        folders = path.count("/")
        if path == MANIFEST:
            continue
        if problem:
            problems.append((path, problem))
        elif kind in SUFFIXES and (folders == 1 or not by_identity):
            images.append(path)
        else:
            if kind in SUFFIXES:
                kind = "image in a folder below an identity's" if folders else "image in no identity's folder"
            others.setdefault(kind or "no suffix", []).append(path)
    unread = (Unread(kind, len(paths), paths[0]) for kind, paths in sorted(others.items()))
    return Listing(tuple(images), tuple(unread), tuple(problems))


def describe_unread(unread: tuple[Unread, ...]) -> list[str]:
    """A line for each kind of file that is not read, the most frequent first; one line for all beyond `KINDS`."""
    ordered = sorted(unread, key=lambda row: -row.files)
    lines = [
        f"not read: {printable(kind)} ({files:,}, such as {printable(example)})"
        for kind, files, example in ordered[:KINDS]
    ]
    if rest := ordered[KINDS:]:
        lines.append(f"not read: {len(rest):,} other kinds ({sum(row.files for row in rest):,})")
    return lines


def explain(listing: Listing) -> str:
    """What a folder without images holds instead, to end an error's message with; empty where it holds nothing."""
    problems = [f"{printable(path)}: {reason}" for path, reason in listing.problems[:1]]
    return "".join(f"; {line}" for line in (*problems, *describe_unread(listing.unread)))


def printable(name) -> str:
    r"""`name`, of a file or of anything else that comes from outside, as one line that can be shown everywhere.

    Bytes that are not UTF-8 become ``\xe9``, and so do control characters and what turns the direction of a line.
    """
    return UNSHOWN.sub(_escape, str(name))


def _escape(match: re.Match) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as os.fsdecode keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
