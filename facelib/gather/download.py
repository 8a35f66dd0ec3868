"""Download a file of known content: resumed where it was cut off, and used only with the right checksum."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from facelib.files import REMEDIES, UnwritableError
from facelib.progress import say, track

TIMEOUT = 30  # seconds of silence, after which a connection is given up
DELAYS = (1, 5, 20)  # seconds before it is tried again
LARGEST = 2**30  # bytes of a file; LFW's archives have 180 and 243 million
BLOCK = 2**20  # bytes of a step of the progress line
LATER = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that may be better after a while


class DownloadError(OSError):
    """A file that cannot be had; the message names its address, the reason, and what to do."""


class Remote(NamedTuple):
    """A file and where it is."""

    name: str
    url: str
    sha256: str  # of its content, hexadecimal


def download(remote: Remote, folder: Path) -> Path:
    """`remote` as a file in `folder`, which may be there already; what is received stays until it is whole.

    Raises:
        DownloadError: the server cannot be reached, refuses, or sends other content. UnwritableError: the disk is full.
    """
    path, part = folder / remote.name, folder / f"{remote.name}.part"
    if path.is_file() and _sha256(path) == remote.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    for delay in (*DELAYS, None):
        try:
            _receive(remote, part)
            break
        except DownloadError:
            raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
                error = error.reason  # what it is wrapped around
            if getattr(error, "errno", None) in REMEDIES:
                remedy = f"{error.strerror}; {REMEDIES[error.errno]}, and run the same command again"
                raise UnwritableError(f"{part} cannot be written: {remedy}") from None
            reason = str(error) or type(error).__name__
            kept = part.stat().st_size if part.exists() else 0
            if delay is None or (isinstance(error, urllib.error.HTTPError) and error.code not in LATER):
                raise DownloadError(
                    f"{remote.url} cannot be downloaded: {reason}; run the same command again later, which goes on "
                    f"after {kept:,} bytes"
                ) from None
            say(f"{remote.name}: {reason}; trying again in {delay} s, after {kept:,} bytes")
            time.sleep(delay)
    if (found := _sha256(part)) != remote.sha256:
        part.unlink()
        raise DownloadError(
            f"{remote.url} is not the file that is known: its SHA-256 is {found}, not {remote.sha256}; it is removed: "
            "run the same command again"
        )
    os.replace(part, path)
    return path


def _receive(remote, part):
    # what is missing of `part`, or all of it where the server cannot resume
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "facelib"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(remote.url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # there is no more: the checksum says whether it is whole
            return
        raise
    with response:
        if response.status not in (200, 206):
            raise DownloadError(f"{remote.url} answers {response.status} {response.reason} in the place of a file")
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status == 206 and not resumed:
            raise DownloadError(f"{remote.url} answers with another part of the file than was asked for")
        start = start if resumed else 0
        total = None if response.length is None else start + response.length
        if (total or 0) > LARGEST:
            raise DownloadError(f"{remote.url} has {total:,} bytes, which are too many: at most {LARGEST:,}")
        steps = None if total is None else -(-response.length // BLOCK)
        with open(part, "ab" if resumed else "wb") as file:
            for _ in track(_copy(response, file, LARGEST - start), remote.name, "MiB", steps):
                pass
            size = file.tell()
    if size > LARGEST:
        part.unlink()
        raise DownloadError(f"{remote.url} has no end: more than {LARGEST:,} bytes")
    if total is not None and size < total:
        raise ConnectionError(f"the connection ended after {size:,} of {total:,} bytes")


def _copy(response, file, most):
    # yields once for each `BLOCK` and for the rest, and ends with the response or after more than `most` bytes
    copied = 0
    while copied <= most and (content := response.read1(BLOCK)):
        file.write(content)
        steps = copied // BLOCK
        copied += len(content)
        yield from range(copied // BLOCK - steps)
    yield from range(-(-copied // BLOCK) - copied // BLOCK)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
