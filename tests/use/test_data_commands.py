"""`python -m facelib data`: its commands, and what they say."""

import pytest

from facelib.gather.intake import Taken
from facelib.use import data_commands
from facelib.use.commands import main


def test_what_is_left_out_is_listed_up_to_a_number(capsys, tmp_path):
    data_commands.report(tmp_path / "out", Taken(7, 12345, tuple((f"{i}.jpg", "is blank") for i in range(25))))
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/out: 7 files, 12,345 bytes; 25 left out\n"
    assert err.startswith("left out: 0.jpg: is blank\n") and err.endswith("19.jpg: is blank\nleft out: 5 more\n")


def test_a_command_is_asked_for(capsys):
    with pytest.raises(SystemExit):
        main(["data"])
    assert "COMMAND" in capsys.readouterr().err
