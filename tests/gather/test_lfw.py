"""Labeled Faces in the Wild: from an archive, a folder or a server into the layout, whole or not at all."""

import hashlib
import json
import os
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from outside import member, serving, tar_bytes

from facelib.config import PAIRS_FILE, TEST_FOLDER
from facelib.data.pair_list import read_pairs
from facelib.files import UnwritableError
from facelib.gather import download, intake, lfw
from facelib.gather.archive import ArchiveError
from facelib.gather.download import DownloadError, Remote
from facelib.gather.intake import IntakeError
from facelib.gather.lfw import fetch_lfw
from facelib.locks import LOCK, hold

PEOPLE = ("Ann_Lee", "Bo", "Cy")
IMAGES = {f"{name}/{name}_{i:04d}.jpg": lfw.JPEG + f"{name}{i}".encode() * 99 for name in PEOPLE for i in (1, 2)}
PAIRS = b"2\t1\nBo\t1\t2\nBo\t1\tCy\t1\nCy\t1\t2\nAnn_Lee\t1\tCy\t2\n"


def packed(*more, images=IMAGES, top="lfw_funneled"):
    members = [member(f"{top}/{name}", content) for name, content in images.items()]
    return tar_bytes(member(top, kind=tarfile.DIRTYPE), *members, *more, member(f"{top}/pairs_01.txt", b"1"))


@pytest.fixture
def given(tmp_path):
    """An archive and a list."""
    (tmp_path / "lfw.tgz").write_bytes(packed())
    (tmp_path / "pairs.txt").write_bytes(PAIRS)
    return tmp_path / "lfw.tgz", tmp_path / "pairs.txt"


def images_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jpg")}


def test_archive_and_list_in_the_layout(tmp_path, given):
    assert fetch_lfw(tmp_path / "out", *given) == (6, 3, 4, 2)
    assert sorted(os.listdir(tmp_path / "out")) == [TEST_FOLDER, PAIRS_FILE]
    assert images_in(tmp_path / "out" / TEST_FOLDER) == IMAGES
    assert (tmp_path / "out" / PAIRS_FILE).read_bytes() == PAIRS
    assert {pair.fold for pair in read_pairs(tmp_path / "out" / PAIRS_FILE, tmp_path / "out" / TEST_FOLDER)} == {0, 1}
    source = json.loads((tmp_path / "out" / TEST_FOLDER / intake.MANIFEST).read_text())["source"]
    assert source["kind"] == "lfw" and source["files"][0]["sha256"] == hashlib.sha256(packed()).hexdigest()


def test_it_lies_beside_the_training_faces(tmp_path, given):
    (tmp_path / "out" / "casia-webface").mkdir(parents=True)
    fetch_lfw(tmp_path / "out", *given)
    assert sorted(os.listdir(tmp_path / "out")) == ["casia-webface", TEST_FOLDER, PAIRS_FILE]


def test_an_archive_that_is_unpacked_already(tmp_path, given):
    for name, content in IMAGES.items():
        path = tmp_path / "lfw_home" / "lfw_funneled" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert fetch_lfw(tmp_path / "out", tmp_path / "lfw_home", given[1]).images == 6
    assert images_in(tmp_path / "out" / TEST_FOLDER) == IMAGES


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (packed(member("lfw_funneled/../../x.jpg", b"x")), r"'lfw_funneled/../../x.jpg' leads out of the archive"),
        (packed(member("Bo", kind=tarfile.SYMTYPE, linkname="/etc")), "'Bo' is a link"),
        (packed(member("other/Bo/Bo_0001.jpg", lfw.JPEG)), "holds Bo/Bo_0001.jpg twice, in two folders"),
        (packed(member("Dee/Dee_0001.jpg", b"GIF89a")), "Dee/Dee_0001.jpg is no JPEG"),
        (packed()[:-50], "damaged"),
        (packed(images={}), "holds no images of LFW"),
        (packed(member(".Dee/.Dee_0001.jpg", lfw.JPEG)), "'.Dee/.Dee_0001.jpg' is no place for a file"),
    ],
)
def test_an_archive_is_looked_through_before_anything_is_written(tmp_path, given, content, complaint):
    given[0].write_bytes(content)
    with pytest.raises((ArchiveError, IntakeError), match=complaint):
        fetch_lfw(tmp_path / "out", *given)
    assert not (tmp_path / "out").exists()


def test_pairs_of_other_images_are_refused(tmp_path, given):
    given[1].write_bytes(b"1\nBo 1 2\nBo 1 Dee 3\nBo 2 Eve 1\n")
    with pytest.raises(IntakeError, match=r"pairs.txt, line 3: .*lfw.tgz holds no Dee/Dee_0003.jpg, .* 2 of 3 lines"):
        fetch_lfw(tmp_path / "out", *given)
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_replaced(tmp_path, given):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / PAIRS_FILE).write_bytes(b"1\nBo 1 2\n")
    with pytest.raises(IntakeError, match=f"{PAIRS_FILE} exists already, with other pairs: name another folder"):
        fetch_lfw(tmp_path / "out", *given)
    (tmp_path / "out" / PAIRS_FILE).unlink()
    fetch_lfw(tmp_path / "out", *given)
    with pytest.raises(IntakeError, match=f"{TEST_FOLDER} exists already: name another folder, or remove it"):
        fetch_lfw(tmp_path / "out", *given)
    assert sorted(os.listdir(tmp_path / "out")) == [TEST_FOLDER, PAIRS_FILE]


def test_a_fetch_that_was_stopped_goes_on(tmp_path, given, monkeypatch):
    def full(*arguments):
        raise UnwritableError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(lfw, "take_in", full)
        with pytest.raises(UnwritableError):
            fetch_lfw(tmp_path / "out", *given)
    assert fetch_lfw(tmp_path / "out", *given).images == 6


def test_of_two_fetches_into_one_folder_one_waits_and_then_refuses(tmp_path, given):
    with ThreadPoolExecutor(1) as second:
        with hold(tmp_path / "out" / lfw.DOWNLOADS / LOCK, "the first"):
            waiting = second.submit(fetch_lfw, tmp_path / "out", *given)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            (tmp_path / "out" / TEST_FOLDER).mkdir()
        with pytest.raises(IntakeError, match=f"{TEST_FOLDER} exists already"):
            waiting.result()
    assert os.listdir(tmp_path / "out") == [TEST_FOLDER]


@pytest.fixture
def server(monkeypatch):
    """Function that serves the archive and the list under the addresses that the module knows."""
    monkeypatch.setattr(download, "DELAYS", ())
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def serve(address, archive=None, pairs=PAIRS):
        for name, content in (("IMAGES", archive or packed()), ("PAIRS", pairs)):
            known = getattr(lfw, name)
            url = f"{address}/{known.name}"
            monkeypatch.setattr(lfw, name, Remote(known.name, url, hashlib.sha256(content).hexdigest()))

    return serve


def test_what_is_not_given_is_downloaded_and_not_kept_twice(tmp_path, given, server):
    with serving({"/lfw-funneled.tgz": packed(), "/pairs.txt": PAIRS}) as (address, asked):
        server(address)
        assert fetch_lfw(tmp_path / "out") == (6, 3, 4, 2)
        assert sorted(os.listdir(tmp_path / "out")) == [TEST_FOLDER, PAIRS_FILE] and len(asked) == 2
        assert fetch_lfw(tmp_path / "2", archive=given[0]).images == 6 and len(asked) == 3


def test_a_download_of_other_content_is_not_unpacked(tmp_path, server):
    with serving({"/lfw-funneled.tgz": packed(member("evil", b"x")), "/pairs.txt": PAIRS}) as (address, _):
        server(address)
        with pytest.raises(DownloadError, match="lfw-funneled.tgz is not the file that is known"):
            fetch_lfw(tmp_path / "out")
    assert not (tmp_path / "out" / TEST_FOLDER).exists()


def test_a_download_that_was_cut_off_is_resumed_by_the_same_command(tmp_path, server):
    with serving({"/lfw-funneled.tgz": packed(), "/pairs.txt": PAIRS}, cut=(len(PAIRS), 100)) as (address, asked):
        server(address)
        with pytest.raises(
            DownloadError, match=r"ended after 100 of.*; or name a lfw-funneled.tgz that is here: --archive F"
        ):
            fetch_lfw(tmp_path / "out")
        assert os.listdir(tmp_path / "out") == [lfw.DOWNLOADS]
        assert fetch_lfw(tmp_path / "out").images == 6 and asked == [None, None, "bytes=100-"]
    assert sorted(os.listdir(tmp_path / "out")) == [TEST_FOLDER, PAIRS_FILE]


def test_addresses_and_checksums_are_those_of_scikit_learn():
    """Read, not imported, which would take seconds."""
    source = Path(find_spec("sklearn").origin).with_name("datasets") / "_lfw.py"
    for known in (lfw.IMAGES, lfw.PAIRS):
        name, url, checksum = map(re.escape, known)
        assert re.search(f'filename="{name}",\\s+url="{url}",\\s+checksum="{checksum}"', source.read_text())
