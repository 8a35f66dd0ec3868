"""Downloads are whole and of the right content, or say why not, and go on where they were cut off."""

import errno
import hashlib

import pytest
from outside import closed_port, serving

from facelib.files import UnwritableError
from facelib.gather import download
from facelib.gather.download import DownloadError, Remote

CONTENT = bytes(range(256)) * 9000  # 2.3 MB


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(download, "DELAYS", (0, 0))
    monkeypatch.setattr(download, "TIMEOUT", 5)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def get(address, folder, content=CONTENT):
    remote = Remote("file.tgz", f"{address}/file", hashlib.sha256(content).hexdigest())
    return download.download(remote, folder / "in")


def names(folder):
    return sorted(path.name for path in (folder / "in").iterdir())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_comes_whole_and_is_not_downloaded_twice(tmp_path, chunked):
    with serving({"/file": CONTENT}, chunked=chunked) as (address, asked):
        path = get(address, tmp_path)
        assert path.read_bytes() == CONTENT and names(tmp_path) == ["file.tgz"]
        assert get(address, tmp_path) == path and asked == [None]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_body_that_is_cut_off_is_completed(tmp_path, resumes, capsys):
    with serving({"/file": CONTENT}, resumes, cut=(1_000_000, 500_000)) as (address, asked):
        assert get(address, tmp_path).read_bytes() == CONTENT
    assert asked == [None, "bytes=1000000-", "bytes=1500000-" if resumes else "bytes=500000-"]
    assert "file.tgz: the connection ended after 1,000,000 of 2,304,000 bytes; trying again" in capsys.readouterr().err


def test_a_later_call_goes_on_where_the_last_one_gave_up(tmp_path):
    with serving({"/file": CONTENT}, cut=(10, 0, 0)) as (address, asked):
        with pytest.raises(
            DownloadError, match=r"ended after 10 of 2,304,000 bytes; run .*, which goes on after 10 byte"
        ):
            get(address, tmp_path)
        assert names(tmp_path) == ["file.tgz.part"] and get(address, tmp_path).read_bytes() == CONTENT
    assert asked == [None] + ["bytes=10-"] * 3


def test_what_was_whole_before_it_had_its_name_is_not_asked_for_again(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file.tgz.part").write_bytes(CONTENT)
    with serving({"/file": CONTENT}) as (address, _):
        assert get(address, tmp_path).read_bytes() == CONTENT


def test_another_content_is_refused_and_removed(tmp_path):
    with serving({"/file": CONTENT[:-1] + b"x"}) as (address, _):
        with pytest.raises(
            DownloadError, match=r"/file is not the file that is known: its SHA-256 is [0-9a-f]{64}, not"
        ):
            get(address, tmp_path)
    assert names(tmp_path) == []


def test_a_damaged_file_of_an_earlier_call_is_downloaded_again(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file.tgz").write_bytes(CONTENT[:-1])
    with serving({"/file": CONTENT}) as (address, _):
        assert get(address, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [403, 404, 202])
def test_an_answer_that_is_no_file_is_final(tmp_path, code):
    with serving({"/file": CONTENT}, statuses=[code]) as (address, asked):
        with pytest.raises(DownloadError, match=rf"/file (cannot be downloaded: HTTP Error|answers) {code}"):
            get(address, tmp_path)
    assert len(asked) == 1


def test_a_server_that_is_busy_is_asked_again(tmp_path):
    with serving({"/file": CONTENT}, statuses=[503, 429]) as (address, asked):
        assert get(address, tmp_path).read_bytes() == CONTENT and len(asked) == 3


def test_a_server_that_is_silent_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    with serving({"/file": CONTENT}, silent=60) as (address, asked):
        with pytest.raises(DownloadError, match="/file cannot be downloaded: .*timed out"):
            get(address, tmp_path)
    assert len(asked) == 3


def test_a_server_that_is_gone_is_named(tmp_path):
    with pytest.raises(
        DownloadError, match=r"^http://127.*/file cannot be downloaded: \[Errno \d+\] Connection refused; run"
    ):
        get(closed_port(), tmp_path)


def test_another_part_than_was_asked_for_is_not_appended(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file.tgz.part").write_bytes(CONTENT[:100])
    with serving({"/file": CONTENT}, elsewhere=50) as (address, _):
        with pytest.raises(DownloadError, match="answers with another part of the file than was asked for"):
            get(address, tmp_path)
    assert (tmp_path / "in" / "file.tgz.part").read_bytes() == CONTENT[:100]


def test_a_file_that_is_too_large_is_not_received(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 1_000_000)
    with serving({"/file": CONTENT}) as (address, _):
        with pytest.raises(DownloadError, match="has 2,304,000 bytes, which are too many: at most 1,000,000"):
            get(address, tmp_path)
    with serving({"/file": CONTENT}, chunked=True) as (address, _):
        with pytest.raises(DownloadError, match="has no end: more than 1,000,000 bytes"):
            get(address, tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_keeps_what_has_come(tmp_path, monkeypatch):
    def full(response, file, most):
        file.write(response.read(1000))
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    with serving({"/file": CONTENT}) as (address, _):
        with monkeypatch.context() as patch:
            patch.setattr(download, "_copy", full)
            with pytest.raises(
                UnwritableError, match="part cannot be written: No space.*; make room.*run the same comm"
            ):
                get(address, tmp_path)
        assert get(address, tmp_path).read_bytes() == CONTENT


def test_progress_is_counted_in_mebibytes_to_the_end(tmp_path, monkeypatch):
    steps = []

    def track(iterable, description, unit, total):
        steps.append((description, unit, total, len([*iterable])))
        return ()

    monkeypatch.setattr(download, "track", track)
    with serving({"/file": CONTENT}) as (address, _):
        get(address, tmp_path)
    assert steps == [("file.tgz", "MiB", 3, 3)]
