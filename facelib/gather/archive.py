"""The files in an archive, as they are looked through: nothing of it is trusted, and nothing is unpacked here.

A tar archive may be compressed by gzip. Python's `tarfile` reads its headers, through a stream that bounds what one of
them can take.
"""

import gzip
import io
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from facelib.folders import printable, walk

MEMBERS_LIMIT = 100_000  # LFW's archives have 18,983, folders included
MEMBER_LIMIT = 10_000_000  # bytes of a file; LFW's largest has 90,000
TOTAL_LIMIT = 2**31  # bytes of all, unpacked
READ_LIMIT = 2**14  # bytes that are read at once; of a long name, say
HEADER_LIMIT = 2**20  # bytes of all headers of a member
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)


class ArchiveError(ValueError):
    """An archive that is not read; the message names it and the member, and says why."""


class Member(NamedTuple):
    """A file in an archive."""

    path: str  # with forward slashes; no part of it is .. or empty
    read: Callable[[], bytes]  # its content, until the next member is asked for


def read_members(archive: Path) -> Iterator[Member]:
    """The files in `archive`, a tar archive or a folder that one was unpacked to, in their order.

    Raises:
        ArchiveError: it is none of the two, or damaged; it has too many files, or too large ones; a member is a link, a
            device or a pipe, or leads out of the archive.
    """
    archive = Path(archive)
    if archive.is_dir():
        return _in_folder(archive)
    if not archive.is_file():
        raise ArchiveError(f"{archive}: there is no such {'file' if not archive.exists() else 'regular file'}")
    with open(archive, "rb") as file:
        start = file.read(4)
    if start == b"PK\3\4":
        raise ArchiveError(f"{archive} is a zip archive, which is not read: unpack it, and name the folder")
    return _in_tar(archive, gzip.open if start[:2] == b"\x1f\x8b" else open)


def _in_folder(folder):
    total = 0
    for number, file in enumerate(walk(folder)):
        total += file.size
        _check_size(folder, file.path, number, file.size, total)
        if not file.problem and stat.S_ISREG(os.stat(folder / file.path).st_mode):
            yield Member(file.path, (folder / file.path).read_bytes)


def _in_tar(archive, open_stream):
    total = 0
    try:
        with (
            open_stream(archive, "rb") as stream,
            tarfile.open(fileobj=(bounded := _Bounded(stream)), mode="r:") as tar,
        ):
            for number, member in enumerate(tar):
                bounded.taken = 0
                total += member.size
                _check_member(archive, member)
                _check_size(archive, member.name, number, member.size, total)
                if member.isreg():
                    yield Member(member.name, lambda member=member: _content(archive, tar, member))
            while stream.read(READ_LIMIT) and stream.tell() <= TOTAL_LIMIT:  # to its end, where gzip has a checksum
                pass
    except ArchiveError:
        raise
    except DAMAGE as error:
        raise _damaged(archive, error) from None


class _Bounded(io.RawIOBase):
    # what `tarfile` needs of a file, without more for a header than a header needs
    def __init__(self, stream):
        self._stream = stream
        self.taken = 0  # bytes since the last header

    def read(self, size=-1):
        self.taken += size
        if size < 0 or size > READ_LIMIT or self.taken > HEADER_LIMIT:
            raise tarfile.ReadError(f"a header of {self.taken:,} bytes")
        return self._stream.read(size)

    def seek(self, place, whence=io.SEEK_SET):
        self.taken = 0
        return self._stream.seek(place, whence)

    def tell(self):
        return self._stream.tell()


def _check_member(archive, member):
    kinds = {"a link": member.issym() or member.islnk(), "a device": member.isdev(), "a sparse file": member.issparse()}
    kind = next((kind for kind, true in kinds.items() if true), None)
    if kind or not (member.isreg() or member.isdir()):
        raise ArchiveError(f"{archive}: {_quote(member.name)} is {kind or 'of no known kind'}, which is not unpacked")
    parts = member.name.removeprefix("./").split("/")
    if member.name not in (".", "./") and (set(parts) & {"", ".", ".."} or "\0" in member.name or "\\" in member.name):
        raise ArchiveError(f"{archive}: {_quote(member.name)} leads out of the archive, or to no place in it")


def _check_size(archive, name, number, size, total):
    if number >= MEMBERS_LIMIT:
        raise ArchiveError(f"{archive}: more than {MEMBERS_LIMIT:,} members")
    if not 0 <= size <= MEMBER_LIMIT:
        raise ArchiveError(f"{archive}: {_quote(name)} has {size:,} bytes: at most {MEMBER_LIMIT:,} are unpacked")
    if total > TOTAL_LIMIT:
        raise ArchiveError(f"{archive}: up to {_quote(name)} there are {total:,} bytes: at most {TOTAL_LIMIT:,}")


def _content(archive, tar, member):
    try:
        with tar.extractfile(member) as file:
            return b"".join(iter(lambda: file.read(READ_LIMIT), b""))
    except DAMAGE as error:
        raise _damaged(archive, error) from None


def _damaged(archive, error):
    return ArchiveError(f"{archive}: damaged, or no tar archive: {printable(error) or type(error).__name__}")


def _quote(name):
    return repr(printable(name if len(name) < 200 else f"{name[:190]}..."))
