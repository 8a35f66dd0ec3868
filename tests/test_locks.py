import os
import subprocess
import sys
import time

import pytest

from facelib import locks
from facelib.files import UnwritableError
from facelib.locks import hold

HOLDER = """
import sys, time
from pathlib import Path
from facelib.locks import hold
with hold(Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that holds the lock for some seconds; returned once it does."""
    started = []

    def holder(seconds):
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "folder" / "lock"), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield holder
    for process in started:
        process.kill()
        process.communicate()


def test_one_waits_for_the_other_and_says_for_whom(tmp_path, start, capsys):
    holder = start(1.0)
    with hold(tmp_path / "folder" / "lock", "a second"):
        assert holder.wait(5) == 0
    said = f"note: waiting for process {holder.pid} (a test), which holds {tmp_path}/folder/lock\n"
    assert capsys.readouterr().err == said


def test_the_lock_of_a_killed_process_is_no_lock(tmp_path, start, capsys):
    holder = start(60)
    holder.kill()
    holder.wait()
    with hold(tmp_path / "folder" / "lock", "a second"):
        assert capsys.readouterr().err == ""


def test_a_lock_that_is_removed_while_somebody_waits(tmp_path, start):
    """As `make distclean` does: the next holds a file that others see."""
    start(0.5)
    (tmp_path / "folder" / "lock").unlink()
    with hold(tmp_path / "folder" / "lock", "a second"):
        assert (tmp_path / "folder" / "lock").read_text() == f"process {os.getpid()} (a second)"
    waiting = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "folder" / "lock"), "0"])
    assert waiting.wait(20) == 0


def test_what_a_parent_holds_is_not_waited_for(tmp_path, start, monkeypatch):
    start(60)
    monkeypatch.setenv(locks.HELD, str(tmp_path / "folder" / "lock"))
    begun = time.monotonic()
    with hold(tmp_path / "folder" / "lock", "a second"), hold(tmp_path / "another", "a second"):
        assert time.monotonic() - begun < 5
        assert (tmp_path / "another").exists()


def test_the_purpose_may_name_a_file_in_any_bytes(tmp_path):
    with hold(tmp_path / "lock", f"imports into {os.fsdecode(bytes([255]))}"):
        assert (tmp_path / "lock").read_text(encoding="utf-8").endswith("(imports into \\xff)")


def test_a_place_without_locks_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UnwritableError, match="file/lock cannot be locked: .* choose another place"),
        hold(tmp_path / "file" / "lock", "a test"),
    ):
        pytest.fail("held")
