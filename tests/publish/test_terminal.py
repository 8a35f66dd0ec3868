import io
import time

import pytest

from facelib.publish import terminal
from facelib.publish.terminal import show_progress


@pytest.mark.parametrize("seconds", [0.01, 60])
def test_a_log_gets_every_note_and_the_latest_state_of_a_bar(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(terminal, "LOG_SECONDS", seconds)
    stream, progress = io.StringIO(), tmp_path / "progress"
    with show_progress("title", progress, stream):
        with open(progress, "a") as file:
            file.write("note: one\nnote: two\n\rbar 1\rbar 2")
        if seconds < 1:
            while "bar" not in stream.getvalue():
                time.sleep(0.01)
    first, *lines, last = stream.getvalue().splitlines()
    assert first == "title ..." and last.startswith("title ... ")
    assert [line.strip() for line in lines] == ["note: one", "note: two", *(["bar 2"] if seconds < 1 else [])]
