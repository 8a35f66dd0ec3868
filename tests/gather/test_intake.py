"""Imports are whole or not there, resumed where they were stopped, and say what they hold."""

import errno
import hashlib
import json
import os
import subprocess
import sys

import pytest

from facelib.config import ROOT
from facelib.data.image_files import UnreadableImageError
from facelib.files import UnwritableError
from facelib.gather import intake
from facelib.gather.intake import Entry, IntakeError, Source, take_in

FILES = {f"{person}/{number}.jpeg": bytes([person, number]) * 9 for person in range(3) for number in range(4)}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "given").write_bytes(b"what it comes from")
    return Source("test", tmp_path / "given", (tmp_path / "given",), {"way": 1})


def entries(files=FILES, read=lambda content: content):
    return [Entry(path, lambda content=content: read(content), f"was {path}") for path, content in files.items()]


def take(tmp_path, source, listed=None, **options):
    listed = entries() if listed is None else listed
    return take_in(tmp_path / "out", source, listed, len(listed), **options)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stopping_after(count, error):
    """Entries of which that after `count` raises."""
    left = iter([None] * count)

    def read(content):
        if next(left, error) is error:
            raise error
        return content

    return entries(read=read)


def test_all_files_come_out_with_a_manifest_and_nothing_else_is_left(tmp_path, source):
    taken = take(tmp_path, source, identities={"0": "Zoe"})
    assert taken == (12, 12 * 18, ())
    found = content(tmp_path / "out")
    manifest = json.loads(found.pop("manifest.json"))
    assert found == FILES and sorted(os.listdir(tmp_path)) == ["given", "out"]
    digest = hashlib.sha256(b"what it comes from").hexdigest()
    files = [{"name": "given", "bytes": 18, "sha256": digest}]
    assert manifest["source"] == {"kind": "test", "name": "given", "settings": {"way": 1}, "files": files}
    assert manifest["folders"]["0"] == {"source": "Zoe", "files": 4}
    assert manifest["folders"]["2"] == {"source": "2", "files": 4}
    assert manifest["entries"] == [
        [path, 18, hashlib.sha256(bytes_).hexdigest(), f"was {path}"] for path, bytes_ in FILES.items()
    ]
    assert manifest["files"] == 12 and manifest["bytes"] == 216


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path, source):
    def read(content):
        if content[0] == 1:
            raise UnreadableImageError("has no face")
        return content

    taken = take(tmp_path, source, entries(read=read))
    assert taken.files == 8 and taken.problems[0] == ("was 1/0.jpeg", "has no face") and len(taken.problems) == 4
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["entries"][4] == ["1/0.jpeg", None, "has no face", "was 1/0.jpeg"]
    assert {*manifest["folders"]} == {"0", "2"}


def test_where_nothing_can_be_read_nothing_is_left(tmp_path, source):
    def read(content):
        raise UnreadableImageError("has no face")

    with pytest.raises(IntakeError, match="given: nothing in it can be imported: was 0/0.jpeg: has no face"):
        take(tmp_path, source, entries(read=read))
    assert os.listdir(tmp_path) == ["given"]


@pytest.mark.parametrize("count", [0, 1, 7, 11])
def test_an_import_that_was_stopped_is_resumed(tmp_path, source, count):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source, stopping_after(count, KeyboardInterrupt()))
    assert not (tmp_path / "out").exists()
    read = []
    assert take(tmp_path, source, entries(read=lambda content: read.append(content) or content)).files == 12
    assert read == [*FILES.values()][count:]
    found = content(tmp_path / "out")
    assert json.loads(found.pop("manifest.json"))["files"] == 12 and found == FILES


def test_a_resumed_import_has_the_manifest_of_one_that_was_not_stopped(tmp_path, source):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source, stopping_after(5, KeyboardInterrupt()))
    take(tmp_path, source)
    take_in(tmp_path / "other", source, entries(), 12)
    assert (tmp_path / "out/manifest.json").read_bytes() == (tmp_path / "other/manifest.json").read_bytes()


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "torn line"])
def test_what_is_no_longer_whole_is_written_again(tmp_path, source, damage):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source, stopping_after(6, KeyboardInterrupt()))
    staging = tmp_path / ".out.import"
    if damage == "torn line":  # of a file that had no name yet
        with open(staging / ".journal", "ab") as journal:
            journal.write(b'["1/2.jpeg", 18')
    elif damage == "missing":
        (staging / "0/1.jpeg").unlink()
    else:
        (staging / "0/1.jpeg").write_bytes(b"0123456789abcdefgh" if damage == "changed" else b"0")
    take(tmp_path, source)
    found = content(tmp_path / "out")
    del found["manifest.json"]
    assert found == FILES


def test_a_journal_that_makes_no_sense_is_refused(tmp_path, source):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source, stopping_after(6, KeyboardInterrupt()))
    with open(tmp_path / ".out.import" / ".journal", "ab") as journal:
        journal.write(b"\0\0\0\0\n")
    with pytest.raises(IntakeError, match=r"\.journal is damaged: remove .*\.out\.import, and run the same command"):
        take(tmp_path, source)


def test_notes_stand_on_lines_of_their_own(tmp_path, source, capsys):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source, stopping_after(3, KeyboardInterrupt()))
    capsys.readouterr()
    take(tmp_path, source)
    assert capsys.readouterr().err.startswith(f"note: resuming the import that {tmp_path}/.out.import holds\n")


def test_an_unfinished_import_of_something_else_makes_room(tmp_path, source, capsys):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, source._replace(settings={"way": 2}), stopping_after(6, KeyboardInterrupt()))
    take(tmp_path, source, entries({"a/b.png": b"only this"}))
    assert "an unfinished import of something else: it is removed" in capsys.readouterr().err
    assert {*content(tmp_path / "out")} == {"a/b.png", "manifest.json"}


def test_a_source_that_changes_is_noticed(tmp_path, source):
    def read(content):
        (tmp_path / "given").write_bytes(b"something else")
        return content

    with pytest.raises(IntakeError, match="given has changed meanwhile: remove "):
        take(tmp_path, source, entries(read=read))
    assert not (tmp_path / "out").exists()


def test_a_link_to_an_empty_folder_is_kept(tmp_path, source):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to("elsewhere")
    take(tmp_path, source)
    assert (tmp_path / "out").is_symlink() and (tmp_path / "elsewhere" / "0" / "0.jpeg").exists()
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "given", "out"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path, source):
    (tmp_path / "out").mkdir()
    take(tmp_path, source)  # an empty one is taken
    before = content(tmp_path / "out")
    with pytest.raises(IntakeError, match="out exists already: name a new folder, or remove it"):
        take(tmp_path, source)
    assert content(tmp_path / "out") == before and sorted(os.listdir(tmp_path)) == ["given", "out"]


@pytest.mark.parametrize(
    "path",
    ["../a.png", "/a.png", "a//b.png", "", "a/.b", ".journal", "manifest.json", "a/" + 256 * "b", "a/\0", "a/.."],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path, source, path):
    with pytest.raises(IntakeError, match="is no place for a file in the new folder"):
        take(tmp_path, source, entries({path: b"x"}))
    assert not (tmp_path / "out").exists() and not (tmp_path / "a.jpeg").exists()


def test_two_files_of_one_path_are_refused(tmp_path, source):
    with pytest.raises(IntakeError, match="given: two files would be 0/0.jpeg"):
        take(tmp_path, source, [*entries(), *entries()])


def test_a_full_disk_keeps_what_is_whole(tmp_path, source, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(intake, "_name", full)
    with pytest.raises(UnwritableError, match="No space left on device; make room.* the same command again: what is"):
        take(tmp_path, source)
    monkeypatch.undo()
    take(tmp_path, source)
    found = content(tmp_path / "out")
    del found["manifest.json"]
    assert found == FILES


def test_an_error_of_the_source_is_told_from_one_of_the_target(tmp_path, source):
    error = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(IntakeError, match="given: was 0/2.jpeg: Input/output error"):
        take(tmp_path, source, stopping_after(2, error))


HELD_UP = """
import sys
from pathlib import Path
from facelib.gather.intake import Entry, Source, take_in
def read():
    print("reading", flush=True)
    sys.stdin.read()  # until it is closed
    return b"x"
take_in(Path(sys.argv[1]), Source("test", Path(sys.argv[1])), [Entry(f"a/{i}.png", read) for i in range(3)], 3)
"""


def test_of_two_imports_into_one_folder_one_waits_and_then_refuses(tmp_path):
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    options["env"] = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HELD_UP, str(tmp_path / "out")]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, **options)
    assert first.stdout.readline() == "reading\n"
    second = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    assert f"waiting for process {first.pid} (imports into {tmp_path}/out)" in second.stderr.readline()
    first.communicate()  # which closes what it reads from
    _, said = second.communicate()
    assert first.returncode == 0 and second.returncode == 1
    assert said.rstrip().endswith("out exists already: name a new folder, or remove it")
    assert {*content(tmp_path / "out")} == {"a/0.png", "a/1.png", "a/2.png", "manifest.json"}
    assert os.listdir(tmp_path) == ["out"]
