import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from facelib import files
from facelib.files import (
    UnwritableError,
    check_writable,
    note_made,
    sweep,
    temporary_folder,
    unfinished,
    write_atomically,
    writing,
)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "new folder" / "a.txt", "old")
    for error in (KeyboardInterrupt, SystemExit, ZeroDivisionError):
        with pytest.raises(error), writing(tmp_path / "new folder" / "a.txt") as file:
            file.write(b"a longer text")
            raise error
        assert (tmp_path / "new folder" / "a.txt").read_text() == "old"
        assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("content", ["text: ä", b"\x00\xff"])
def test_text_and_bytes_are_written_as_they_are_and_nothing_else_is_left(tmp_path, content):
    write_atomically(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path):
    (tmp_path / "old").write_text("old")
    for path in (
        tmp_path / "old",
        tmp_path / "new",
        tmp_path / ("n" * 255),
        tmp_path / "some" / "deep" / "folder" / "new",
    ):
        check_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "is a folder; name a file"),
        ("", "is a folder; name a file"),
        ("file/x", "Not a directory"),
        ("file/deep/x", "Not a directory"),
        ("pipe", "is a pipe or a device; name a file"),
        ("dangling/x", "No such file or directory"),
        ("n" * 300, "File name too long"),
        ("/dev/null", "is a pipe or a device; name a file"),  # root would replace it
        ("/proc/x", "No such file or directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_with_the_reason(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnwritableError, match=rf"^{tmp_path / name} cannot be written: {reason}; choose another"):
        check_writable(tmp_path / name)


@pytest.mark.parametrize(("number", "reason"), [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission")])
def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch, number, reason):
    def refuse(path, *arguments, **options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(UnwritableError, match=f"x.npz cannot be written: {reason}"):
        check_writable(tmp_path / "x.npz")


def test_temporary_files_lie_where_tmpdir_says_or_it_is_said(tmp_path, monkeypatch):
    def look(value):
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", str(value))
        return temporary_folder()

    assert look(tmp_path) == look(f"{tmp_path}/") == tmp_path
    monkeypatch.chdir(tmp_path.parent)
    assert look(tmp_path.name) == tmp_path
    (tmp_path / "file").write_text("")
    for name, reason in {"nowhere": "No such file or directory", "file": "Not a directory"}.items():
        message = f"TMPDIR={tmp_path / name} cannot be written to: {reason}; name a folder that can"
        with pytest.raises(UnwritableError, match=message):
            look(tmp_path / name)
    assert look("") == Path(tempfile.gettempdir())


def test_a_full_disk_of_temporary_files_is_called_full(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UnwritableError, match=f"TMPDIR={tmp_path} cannot be written to: No space left .*; make room"):
        temporary_folder()


# space


@pytest.fixture
def limited():
    """No file of this process can grow beyond 100,000 bytes: what a disk says that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, limited):
    write_atomically(tmp_path / "a", "old")
    with pytest.raises(UnwritableError, match=rf"^{tmp_path}/a cannot be written: File too large; make room"):
        write_atomically(tmp_path / "a", bytes(100_001))
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


def test_space_is_reserved_before_the_work(tmp_path, limited):
    with pytest.raises(UnwritableError, match="a cannot be written: File too large"), writing(tmp_path / "a", 10**6):
        pytest.fail("work that cannot be kept")
    assert not list(tmp_path.iterdir())


def test_what_was_reserved_and_not_needed_is_given_back(tmp_path):
    with writing(tmp_path / "a", 10**6) as file:
        file.write(b"123")
    assert (tmp_path / "a").read_bytes() == b"123"


def test_a_file_system_that_reserves_nothing_is_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with writing(tmp_path / "a", 10**6) as file:
        file.write(b"123")
    assert (tmp_path / "a").read_bytes() == b"123"


def test_other_errors_of_the_body_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), writing(tmp_path / "a"):
        open(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


# folders


def test_a_folder_takes_the_place_of_another(tmp_path):
    for name in ("first", "second"):
        with unfinished(tmp_path / "folder") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["second"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "text")
    assert (tmp_path / "folder" / "deep").is_dir() and len(list(tmp_path.iterdir())) == 1


# what killed processes leave


KILLED = """
import os, signal, sys
from pathlib import Path
from facelib.files import unfinished, writing
with unfinished(Path(sys.argv[1], "deep", "folder")) as folder:
    (folder / "in it").mkdir(parents=True)
    with writing(Path(sys.argv[1], "a")) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_writing_is_swept(tmp_path):
    write_atomically(tmp_path / "a", "old")
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path]).returncode == -9
    assert len(list(tmp_path.iterdir())) == 3 and len(list((tmp_path / "deep").iterdir())) == 1
    assert len(sweep(tmp_path)) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "deep"]
    assert (tmp_path / "a").read_text() == "old"


def test_what_a_living_process_writes_is_left(tmp_path):
    with unfinished(tmp_path / "a") as partial, unfinished(tmp_path / "b") as other:
        partial.touch()
        other.mkdir()
        (tmp_path / ".1-12345678.unfinished").touch()  # of the first process of the machine
        assert sweep(tmp_path) == []
        assert partial.exists() and other.exists()


@pytest.mark.parametrize(
    "name", ["a.unfinished", ".x-12345678.unfinished", ".99999999-12345678.unfinished.npy", ".lock"]
)
def test_other_names_are_left(tmp_path, name):
    (tmp_path / name).touch()
    assert sweep(tmp_path) == [] and (tmp_path / name).exists()


def test_a_link_is_swept_and_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "swept").mkdir()
    (tmp_path / "precious" / ".99999999-12345678.unfinished").touch()
    (tmp_path / "swept" / ".99999999-12345678.unfinished").symlink_to(tmp_path / "precious")
    (tmp_path / "swept" / "link").symlink_to(tmp_path / "precious")
    assert len(sweep(tmp_path / "swept")) == 1
    assert len(list((tmp_path / "precious").iterdir())) == 1 and sweep(tmp_path / "nowhere") == []


# the journal


def test_what_is_made_is_listed_where_a_run_asks_for_it(tmp_path, monkeypatch):
    assert note_made(tmp_path / "a") == tmp_path / "a"
    monkeypatch.setenv(files.JOURNAL, str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)
    note_made(Path("b\n\udcff"))
    note_made(tmp_path / "c" / ".." / "d")
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [f"{tmp_path}/b\n\udcff", f"{tmp_path}/d"]
