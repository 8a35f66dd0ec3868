"""`python -m facelib data`: its commands, and what they say."""

from pathlib import Path

import pytest
from pack_files import python2_pack
from record_files import write_records

from facelib.gather import lfw
from facelib.gather.intake import Taken
from facelib.use import commands, data_commands
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


def test_fetch_lfw_says_what_is_there_now(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        lfw, "fetch_lfw", lambda *arguments: asked.append(arguments) or lfw.Fetched(13233, 5749, 6000, 10)
    )
    asked = []
    assert main(["data", "fetch-lfw", str(tmp_path), "--archive", "a.tgz"]) == 0
    assert asked == [(tmp_path, Path("a.tgz"), None)]
    out, _ = capsys.readouterr()
    assert out.startswith(
        f"{tmp_path}: 13,233 images of 5,749 people; 6,000 pairs in 10 folds\nNotebook 01 finds the sq"
    )


def test_the_home_is_known_where_a_shell_has_left_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert data_commands.parse_path("~/faces") == Path("/home/ann/faces")
    assert data_commands.parse_path("a/~") == Path("a/~")


def test_what_goes_wrong_is_one_line(capsys, tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"no archive")
    (tmp_path / "pairs.txt").write_text("1\nBo 1 2\n")
    given = ["--archive", str(tmp_path / "a.tgz"), "--pairs", str(tmp_path / "pairs.txt")]
    assert main(["data", "fetch-lfw", str(tmp_path / "out"), *given]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {tmp_path}/a.tgz: damaged, or no tar archive: truncated header"
    ]


def test_records_are_imported_by_a_command_without_tensorflow(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "load_tensorflow", None)
    write_records(tmp_path / "records", [[b"a", b"b"], [b"c"]])
    assert main(["data", "import-records", str(tmp_path / "records"), str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out: 3 files, 3 bytes; 0 left out\n"
    assert (tmp_path / "out/1/00000003.jpeg").read_bytes() == b"c"
    (tmp_path / "records/train.rec").write_bytes(b"cut off")
    assert main(["data", "import-records", str(tmp_path / "records"), str(tmp_path / "other")]) == 1
    assert "train.idx: record 0 lies past the end of train.rec, byte 7: one of the two" in capsys.readouterr().err


def test_a_pack_is_imported_by_a_command(capsys, tmp_path):
    (tmp_path / "lfw.bin").write_bytes(python2_pack([b"a", b"b", b"a", b"c", b"b", b"a"], [1, 0, 0]))
    assert main(["data", "import-pack", str(tmp_path / "lfw.bin"), str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}/out: 4 files, ") and out.endswith(" bytes; 1 left out\n")
    assert err.endswith("left out: pair 3: has the images of pair 1\n")


def test_a_folder_is_imported_by_a_command(capsys, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "faces").mkdir(exist_ok=True)
        (tmp_path / "faces" / f"{name}.jpg").write_bytes(b"x")
    (tmp_path / "list.csv").write_text("file,who\na.jpg,Zoe\nb.jpg,Ann\n")
    places = (tmp_path / name for name in ("faces", "out", "list.csv"))
    command = ["data", "import-folder", *map(str, places)]
    command.insert(-1, "--csv")
    assert main(command) == 1
    assert "it has 'file', 'who': name one of them with --identity-column" in capsys.readouterr().err
    assert main([*command, "--identity-column", "who"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out: 2 files, 2 bytes; 0 left out\n"
    assert (tmp_path / "out/Ann/000001.jpg").exists()
