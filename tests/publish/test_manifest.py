"""Steps, their records, and what is made again: the modules manifest, step, guard and the manifest's part of checks."""

import json
import os
import subprocess
import sys

import pytest

from facelib import config
from facelib.config import ROOT
from facelib.publish import PublishingError, checks, guard, manifest, stamp, step
from facelib.publish.guard import mend
from facelib.publish.manifest import find_changes, read_record, record_path, write_record


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with sources, in which two steps have run: executed/a.ipynb, with side products, and report.pdf."""
    for module in (manifest, guard, config):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("a.ipynb", "report.typ", "data/interim/smoke/stamp.json"):
        write(tmp_path / name, f"source {name}", 1)
    make(tmp_path)
    return tmp_path


def write(path, text, second=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if second is not None:
        os.utime(path, (second, second))
    return path


def targets(root):
    return [root / "reports/smoke/executed/a.ipynb", root / "reports/smoke/report.pdf"]


def make(root, second=100):
    """What make would do: run the steps whose targets are missing, or older than their sources."""
    notebook, report = targets(root)
    stamped, ran = root / "data/interim/smoke/stamp.json", []
    for target, sources in ((notebook, [root / "a.ipynb", stamped]), (report, [root / "report.typ", notebook])):
        second += 1
        if target.exists() and all(source.stat().st_mtime_ns <= target.stat().st_mtime_ns for source in sources):
            continue
        ran.append(target.name)
        write(target, f"made of {sources[0].read_text()}", second)
        sides = [root / "reports/smoke/results/a.json", root / "data/interim/smoke/textures/b.npz"]
        made = [write(side, f"beside {sources[0].read_text()}", second) for side in sides if target == notebook]
        write_record(target, made, sources)
    return ran


def run_guard(root):
    mend(targets(root), (root / "reports/smoke", root / "data/interim/smoke"))


def contents(root):
    paths = [path for path in (root / "reports").rglob("*") if path.is_file()] + list(root.rglob("*.npz"))
    return {path: path.read_bytes() for path in paths}


def test_a_record_holds_what_was_made_of_what(root):
    notebook, report = targets(root)
    record = read_record(notebook)
    assert list(record.made) == [
        "data/interim/smoke/textures/b.npz", "reports/smoke/executed/a.ipynb", "reports/smoke/results/a.json",
    ]  # fmt: skip
    assert list(record.of) == ["a.ipynb", "data/interim/smoke/stamp.json"]
    assert find_changes(record.made) == find_changes(record.of) == {}
    assert list(read_record(report).of) == ["report.typ", "reports/smoke/executed/a.ipynb"]
    assert make(root) == []


SIDES = ["reports/smoke/results/a.json", "data/interim/smoke/textures/b.npz", "reports/smoke/executed/a.ipynb"]
DAMAGES = {
    "missing": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "changed": lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
}


@pytest.mark.parametrize("name", [*SIDES, "reports/smoke/report.pdf"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_just_the_step_of_what_is_damaged_runs_again(root, capsys, name, damage):
    before = contents(root)
    DAMAGES[damage](root / name)
    run_guard(root)
    said = capsys.readouterr().err
    target = targets(root)[name.endswith("pdf")]
    fault = "missing" if damage == "missing" else "damaged"
    if damage != "missing" or root / name != target:  # a missing target make sees itself
        assert said == f"note: {root / name} is {fault}: it is made again\n"
    assert make(root, 200) == [target.name]
    assert contents(root) == before and make(root, 300) == []
    run_guard(root)
    assert capsys.readouterr().err == "" and make(root, 400) == []


def test_a_damaged_target_of_a_changed_source_is_made_again(root, capsys):
    notebook = targets(root)[0]
    notebook.write_bytes(b"damaged")
    write(root / "a.ipynb", "another", 1)
    run_guard(root)
    assert [line.split()[2:5] for line in capsys.readouterr().err.splitlines()] == [
        ["is", "damaged:", "it"], ["was", "made", "of"],
    ]  # fmt: skip
    assert not notebook.exists()


def test_several_damages_are_mended_at_once(root, capsys):
    before = contents(root)
    for name in (*SIDES, "reports/smoke/report.pdf"):
        (root / name).write_bytes(b"damaged")
    run_guard(root)
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert make(root, 200) == ["a.ipynb", "report.pdf"] and contents(root) == before


def test_what_has_changed_by_right_is_made_again_with_all_that_follows(root):
    write(root / "a.ipynb", "another", 150)
    assert make(root, 200) == ["a.ipynb", "report.pdf"]


def test_a_source_that_changed_and_kept_its_time_is_noticed(root, capsys):
    write(root / "a.ipynb", "another", 1)
    run_guard(root)
    notebook = targets(root)[0]
    assert capsys.readouterr().err == f"note: {notebook} was made of another a.ipynb: it is made again\n"
    assert make(root, 200) == ["a.ipynb", "report.pdf"]


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"[]", b'{"made": {}, "of": {}}', b'{"made": 1, "of": 2}', b"\xff"]
)
def test_a_target_without_a_record_is_made_again(root, capsys, content):
    notebook = targets(root)[0]
    record_path(notebook).unlink() if content is None else record_path(notebook).write_bytes(content)
    run_guard(root)
    assert capsys.readouterr().err == f"note: {notebook} is without a record of how it was made: it is made again\n"
    assert "a.ipynb" in make(root, 200) and make(root, 300) == []


def test_nothing_is_removed_outside_of_the_run(root, tmp_path_factory):
    """A record is hostile until checked."""
    precious = write(tmp_path_factory.mktemp("elsewhere") / "precious", "text")
    notebook = targets(root)[0]
    found = json.loads(record_path(notebook).read_text())
    found["made"] |= {os.path.relpath(precious, root): "0", str(precious): "0", "a.ipynb": "0"}
    record_path(notebook).write_text(json.dumps(found))
    run_guard(root)
    assert precious.exists() and (root / "a.ipynb").exists() and not notebook.exists()


def test_what_was_cleaned_away_is_no_damage(root, capsys):
    for target in targets(root):
        target.unlink()
    (root / SIDES[0]).unlink()
    run_guard(root)
    assert capsys.readouterr().err == ""


# the stamp


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stamp_makes_nothing_again(root, damage):
    path = root / "data/interim/smoke/stamp.json"
    notebook, report = targets(root)
    stamp.write_stamp(path, "smoke", "drawn", "")
    write_record(notebook, [root / name for name in SIDES[:2]], [root / "a.ipynb", path])
    times = [target.stat().st_mtime_ns for target in (notebook, report)]
    DAMAGES[damage](path)
    changed, _ = stamp.write_stamp(path, "smoke", "drawn", "")
    assert changed and path.stat().st_mtime_ns == 0 and min(times) > 0
    assert stamp.write_stamp(path, "smoke", "drawn", "epochs=3")[0] and path.stat().st_mtime_ns > 0


# steps


STEP = """
import json, sys
from pathlib import Path
from facelib.files import note_made, write_atomically
write_atomically(Path(sys.argv[1]), "target")
write_atomically(note_made(Path(sys.argv[2])), "side")
sys.exit(int(sys.argv[3])) if sys.argv[3] != "0" else None
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_step_is_recorded_where_it_succeeds(root, monkeypatch, code):
    write(root / "code" / "made_up_step.py", STEP)
    monkeypatch.syspath_prepend(root / "code")
    monkeypatch.setattr(sys, "argv", ["before"])
    monkeypatch.setenv("FACELIB_JOURNAL", "")
    target, side = root / "reports/smoke/b.txt", root / "data/interim/smoke/side.txt"
    arguments = [str(target), str(side), str(code)]
    if code:
        with pytest.raises(SystemExit):
            step.run_step(target, [root / "a.ipynb"], "made_up_step", arguments)
        assert read_record(target) is None
        return
    step.run_step(target, [root / "a.ipynb"], "made_up_step", arguments)
    record = read_record(target)
    assert list(record.made) == ["data/interim/smoke/side.txt", "reports/smoke/b.txt"]
    assert list(record.of) == ["a.ipynb"]


# checks and the manifest


def test_the_checks_compare_all_with_the_records(root):
    assert checks.check_manifest(targets(root)) == "manifest: 4 files as 2 steps made them"
    for name in SIDES:
        content = (root / name).read_bytes()
        (root / name).write_bytes(b"damaged")
        with pytest.raises(PublishingError, match=rf"^{name} is damaged, not as it was made with .*a.ipynb: make all"):
            checks.check_manifest(targets(root))
        (root / name).write_bytes(content)
    (root / "report.typ").write_text("another")
    with pytest.raises(PublishingError, match="report.pdf was made of another report.typ: make all makes it again"):
        checks.check_manifest(targets(root))
    record_path(targets(root)[1]).unlink()
    with pytest.raises(PublishingError, match="report.pdf: there is no record of how it was made"):
        checks.check_manifest(targets(root))


def test_the_manifest_does_not_tell_where_the_data_lies(root):
    described = json.loads(manifest.describe(targets(root)))
    assert list(described) == ["reports/smoke/executed/a.ipynb", "reports/smoke/report.pdf"]
    assert list(described["reports/smoke/executed/a.ipynb"]["of"]) == ["a.ipynb"]
    assert len(described["reports/smoke/executed/a.ipynb"]["made"]) == 3


# the guard as a process


def start_guard(root, *arguments, **environment):
    command = [sys.executable, "-m", "facelib.publish.guard", "smoke", "a test", *map(str, targets(root)), "--"]
    code = "import sys\nfrom facelib import config\nfrom facelib.publish import guard, manifest\n"
    code += f"config.ROOT = guard.ROOT = manifest.ROOT = __import__('pathlib').Path({str(root)!r})\nguard.main()"
    command = [sys.executable, "-c", code, *command[3:], *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MAKEFLAGS": "", **environment}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_guard_becomes_the_command_and_holds_the_lock_until_it_ends(root):
    (root / SIDES[0]).write_text("damaged")
    (root / "reports/smoke/.99999999-12345678.unfinished").touch()
    first = start_guard(root, "sh", "-c", "echo begun; read line < /dev/null; sleep 1; echo ended; exit 5")
    assert first.stdout.readline() == "begun\n"
    assert not targets(root)[0].exists() and not list(root.rglob("*.unfinished"))
    second = start_guard(root, "sh", "-c", "echo second")
    out, err = second.communicate(timeout=20)
    assert first.poll() == 5 and first.communicate()[0] == "ended\n" and out == "second\n"
    assert err == f"note: waiting for process {first.pid} (a test), which holds {root}/data/interim/smoke/.lock\n"


@pytest.mark.parametrize("flags", ["n", "kn --no-print-directory", "q", "t"])
def test_a_dry_run_changes_nothing(root, flags):
    (root / SIDES[0]).write_text("damaged")
    done = start_guard(root, "true", MAKEFLAGS=flags)
    assert done.communicate()[1] == "" and done.returncode == 0
    assert targets(root)[0].exists() and (root / SIDES[0]).read_text() == "damaged"
