"""place.py: a short enough place, and only what killed executions of this user left is removed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import outputs, write_notebook

from facelib.config import ROOT
from facelib.files import UnwritableError
from facelib.publish import PublishingError, place
from facelib.publish.execute import execute
from facelib.publish.place import temporary_place


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two folders, the only ones where executions of a test are put: the second because of the length of the first."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(place, "temporary_folder", lambda: folders[0])
    monkeypatch.setattr(place, "SHORT", (str(folders[1]), str(tmp_path / "missing")))
    monkeypatch.setattr(place, "SOCKET_PATH", 1000)
    return folders


@pytest.fixture(scope="module")
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def leave(folder, name):
    """What a killed execution left: a folder with files in it."""
    (folder / name / "within").mkdir(parents=True)
    (folder / name / "within" / "file").write_text("content")
    return folder / name


def test_a_place_is_a_folder_of_its_owner_and_goes_with_its_content(places):
    with temporary_place() as folder:
        assert place.NAME.fullmatch(folder.name)[1] == str(os.getpid()) and folder.parent == places[0]
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("content")
    assert list(places[0].iterdir()) == []


def test_what_dead_processes_left_is_removed_wherever_it_can_be(places, dead):
    left = [leave(folder, f"facelib-{dead}-abc_0123") for folder in places]
    with temporary_place():
        assert not any(folder.exists() for folder in left)


def test_what_belongs_to_a_process_that_lives_stays(places):
    left = [leave(places[0], f"facelib-{pid}-abcdefgh") for pid in (1, os.getpid(), os.getppid())]
    with temporary_place():
        assert all((folder / "within" / "file").exists() for folder in left)


@pytest.mark.parametrize(
    "name",
    ["facelib-{}-abc", "facelib-{}-abcdefgH", "facelib-0{}-abcdefgh", "facelib--{}-abcdefgh", "xfacelib-{}-abcdefgh",
     "facelib-{}0000000-abcdefgh", "facelib-{}-abcdefgh.txt", "facelib-abcdefgh", "nb-abcdefgh"],
)  # fmt: skip
def test_what_has_another_name_stays(places, dead, name):
    left = leave(places[0], name.format(dead))
    with temporary_place():
        assert (left / "within" / "file").exists()


def test_what_belongs_to_somebody_else_stays(places, dead, monkeypatch):
    left = leave(places[0], f"facelib-{dead}-abcdefgh")
    other = os.geteuid() + 1
    monkeypatch.setattr(place.os, "geteuid", lambda: other)
    with temporary_place():
        assert (left / "within" / "file").exists()


def test_no_link_is_followed(places, dead, tmp_path):
    precious = leave(tmp_path, "precious")
    link = places[0] / f"facelib-{dead}-abcdefgh"
    link.symlink_to(precious)
    (places[0] / f"facelib-{dead}-bcdefghi").write_text("a file")
    left = leave(places[0], f"facelib-{dead}-cdefghij")
    (left / "link").symlink_to(precious)
    (left / "within" / "file").unlink()
    (left / "within" / "file").symlink_to(precious / "within" / "file")
    with os.scandir(places[0]) as entries:
        assert [entry.name for entry in entries if place._is_left_over(entry)] == [left.name]
    with temporary_place():
        assert not left.exists() and link.is_symlink() and (places[0] / f"facelib-{dead}-bcdefghi").exists()
    assert (precious / "within" / "file").read_text() == "content"


def test_what_a_killed_execution_left_goes_with_the_next(tmp_path):
    """Also what its kernel put into the folder for temporary files."""
    source = f"""
        import os, pathlib, tempfile, time
        handle, name = tempfile.mkstemp("__autograph_generated_file")
        pathlib.Path({str(tmp_path / "name.part")!r}).write_text(f"{{os.getpid()}} {{name}}")
        os.rename({str(tmp_path / "name.part")!r}, {str(tmp_path / "name")!r})
        time.sleep(60)"""
    lines = [line.strip() for line in source.strip().splitlines()]
    notebook = write_notebook(tmp_path / "a.ipynb", "\n".join(lines))
    command = [sys.executable, "-m", "facelib.publish.execute", notebook, tmp_path / "out.ipynb"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "name").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    kernel, name = (tmp_path / "name").read_text().split(" ", 1)
    folder = Path(name).parent
    assert Path(name).exists() and place.NAME.fullmatch(folder.name)[1] == str(process.pid)
    os.kill(int(kernel), signal.SIGKILL)  # before it sees by itself, within a second, that its parent is gone
    with temporary_place():
        assert not folder.exists()


def test_execute_works_where_the_folder_for_temporary_files_lies_deep(tmp_path, set_tmpdir):
    deep = set_tmpdir(tmp_path / ("d" * 60) / ("é" * 60))
    deep.mkdir(parents=True)
    notebook = write_notebook(tmp_path / "a.ipynb", "print('ran')")
    execute(notebook, tmp_path / "out" / "a.ipynb", {})
    assert "ran" in outputs(tmp_path / "out" / "a.ipynb") and not list(deep.iterdir())


def test_the_place_of_sockets_is_short_enough_and_the_wanted_one_where_that_is(tmp_path, monkeypatch):
    for length in range(60, 110):
        folder = Path("/tmp") / ("x" * (length - 5))
        monkeypatch.setattr(place, "temporary_folder", lambda folder=folder: folder)
        monkeypatch.setattr(place.os, "access", lambda *_: True)
        fits = length + len("/facelib-4194304-12345678/k-ipc-10") <= 107  # 4194304: the highest number of a process
        assert place._find_place() == (folder if fits else Path("/tmp"))
    monkeypatch.setattr(place, "SHORT", ())
    with pytest.raises(PublishingError, match="is too long a path for sockets: set TMPDIR to a folder nearer to the"):
        place._find_place()


def test_a_folder_for_temporary_files_that_is_missing_is_said(tmp_path, set_tmpdir):
    set_tmpdir(tmp_path / "nowhere")
    notebook = write_notebook(tmp_path / "a.ipynb", "1")
    with pytest.raises(UnwritableError, match=f"TMPDIR={tmp_path}/nowhere cannot be written to: No such file"):
        execute(notebook, tmp_path / "out" / "a.ipynb", {})
