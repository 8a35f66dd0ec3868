"""The command, with trials that are made up; `test_trial` has real ones, `test_queue` killed ones."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import tiny_study
from tiny_study import ORDER, finished

from facelib.config import ROOT
from facelib.study import __main__ as experiments
from facelib.study import plan
from facelib.study import trial as trial_module
from facelib.study.plan import Trial
from facelib.study.table import TableError, read_table, table_path, trial_of

pytest.importorskip("optuna")

# a worker as `make experiments` starts it, whose trials are made up; it can be killed in the middle of the first one
WORKER = f"""
import sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(Path(tiny_study.__file__).parent)!r}]
from pathlib import Path
import tiny_study
from facelib import config
from facelib.study import __main__ as experiments
from facelib.study import trial as trial_module
for patch in tiny_study.PATCHES:
    setattr(*patch)
config.ROOT = Path(sys.argv[1])
trial_module.identify_study = lambda data: tiny_study.IDENTITY
def run_trial(trial, *_):
    print("running", flush=True)
    time.sleep(600)
trial_module.run_trial = run_trial
sys.argv[1:] = sys.argv[2:]
experiments.main()
"""


@pytest.fixture
def config(project, monkeypatch):
    """Of a tiny study in a project of its own; trials are not trained."""
    for patch in tiny_study.PATCHES:
        monkeypatch.setattr(*patch)
    monkeypatch.setattr(trial_module, "identify_study", lambda data: tiny_study.IDENTITY)
    monkeypatch.setattr(trial_module, "run_trial", lambda trial, *_: finished(trial))
    return plan.configure(Trial("", 7), "drawn")


def test_work_runs_one_trial_at_a_time_until_nothing_is_left(config, capsys):
    codes = []
    while not codes or codes[-1] == 0:
        codes.append(experiments.work(config, tiny_study.EVERYTHING, workers=2))
    assert codes == [0] * 8 + [experiments.NOTHING_LEFT]
    rows = read_table(table_path(config))
    assert len(rows) == 8 and all(row["workers"] == 2 for row in rows)
    shown = capsys.readouterr().out
    assert "trial 1 of 8, about 0.2 h left\nloss: base; minutes: 2 (seed 7)" in shown
    assert "trial 8 of 8, about 0.0 h left\nsearch: gamma=" in shown
    assert "validation ROC AUC 0.7500, accuracy 0.5000, 60 s" in shown


def test_a_failed_trial_does_not_stop_the_study(config, monkeypatch, capsys):
    broken = finished(ORDER[0], state="failed", reason="the loss is not finite at step 3", validation_roc_auc=None)
    monkeypatch.setattr(trial_module, "run_trial", lambda trial, *_: broken | trial._asdict())
    assert [experiments.work(config, ["loss"]) for _ in range(5)] == [0, 0, 0, 0, experiments.NOTHING_LEFT]
    assert {row["reason"] for row in read_table(table_path(config))} == {"the loss is not finite at step 3"}
    assert "  failed: the loss is not finite at step 3" in capsys.readouterr().out


def test_only_the_minutes_are_shown_the_test_pairs(config, monkeypatch):
    shown = {}

    def run_trial(trial, data, folder, with_test):
        shown[trial] = with_test
        return finished(trial)

    monkeypatch.setattr(trial_module, "run_trial", run_trial)
    while experiments.work(config, tiny_study.EVERYTHING) == 0:
        pass
    assert [trial for trial in shown if shown[trial]] == [ORDER[0], ORDER[2]]
    assert len(shown) == 8


def test_a_trial_that_is_killed_before_it_is_recorded_is_not_trained_again(config, monkeypatch):
    folders = []

    def run_trial(trial, data, folder, with_test):
        folders.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "last.npz").touch()  # as after the last epoch
        return finished(trial)

    def killed(*_):
        raise MemoryError

    kept, record = [], experiments.record
    monkeypatch.setattr(trial_module, "run_trial", run_trial)
    monkeypatch.setattr(experiments, "record", killed)
    with pytest.raises(MemoryError):
        experiments.work(config, ["loss"])
    assert (folders[0] / "last.npz").exists()
    monkeypatch.setattr(experiments, "record", lambda *given: kept.append(folders[0].exists()) or record(*given))
    assert experiments.work(config, ["loss"]) == 0
    assert folders[0] == folders[1] and kept == [True] and not folders[0].exists()
    assert experiments.work(config, ["loss"]) == 0
    assert folders[2] != folders[0]


def test_a_trial_goes_on_only_where_it_is_computed_as_it_was_begun(config, monkeypatch):
    folders = []

    def interrupted(trial, data, folder, with_test):
        folders.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_module, "run_trial", interrupted)
    for workers in (1, 2, 1):
        experiments.work(config, ["loss"], workers)
    monkeypatch.setattr(trial_module, "processor", lambda: "another")
    experiments.work(config, ["loss"])
    assert folders[0] == folders[2] and len(set(folders)) == 3


def test_a_batch_that_broke_a_trial_is_kept(config, monkeypatch):
    def failed(trial, data, folder, with_test):
        (folder / "run").mkdir(parents=True)
        for name in ("last.npz", "step_3.npz")[: 1 if folders else 2]:
            (folder / "run" / name).touch()
        folders.append(folder)
        return finished(trial, None, "failed", reason="why")

    folders = []
    monkeypatch.setattr(trial_module, "run_trial", failed)
    assert [experiments.work(config, ["loss"]) for _ in range(2)] == [0, 0]
    assert sorted(path.name for path in (folders[0] / "run").iterdir()) == ["last.npz", "step_3.npz"]
    assert not folders[1].exists()


def test_a_storage_that_another_program_holds_is_one_message(config, monkeypatch):
    import sqlite3

    monkeypatch.setattr("facelib.study.storage.BUSY_SECONDS", 0.1)
    storage = experiments.open_study(config)
    database = sqlite3.connect(storage.path, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TableError, match="cannot be used now .*nothing is lost"):
        experiments._progress(storage, ["loss"])
    database.close()
    assert "trial 1 of 4" in experiments._progress(storage, ["loss"])


def test_an_interrupted_trial_comes_up_again(config, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    run_trial = trial_module.run_trial
    monkeypatch.setattr(trial_module, "run_trial", interrupted)
    assert experiments.work(config, ["loss"]) == experiments.INTERRUPTED
    monkeypatch.setattr(trial_module, "run_trial", run_trial)
    assert experiments.work(config, ["loss"]) == 0
    assert [trial_of(row) for row in read_table(table_path(config))] == [ORDER[0]]


@pytest.fixture
def start(project, tmp_path):
    """Function that starts a worker process and waits until it is in the middle of a trial."""
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    started = []

    def start_worker():
        command = [sys.executable, str(script), str(project), "--data", "drawn", "--worker"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert "running\n" in iter(process.stdout.readline, "")
        return process

    yield start_worker
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_worker_that_is_killed_in_the_middle_loses_no_finished_trial(config, start):
    assert experiments.work(config, tiny_study.EVERYTHING) == 0
    before = read_table(table_path(config))
    process = start()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    storage = experiments.open_study(config, new_start=True)
    while experiments.work(config, tiny_study.EVERYTHING) == 0:
        pass
    rows = read_table(table_path(config))
    assert before[0] in rows and len(rows) == 8
    killed = [t for t in storage.tables.get_trials() if t.state.name == "FAIL"]
    assert [t.user_attrs["settings"] for t in killed] == [ORDER[1].settings]


def test_a_worker_ends_and_gives_its_trial_back_when_the_parent_is_gone(config, start):
    process = start()
    process.stdin.close()  # as the system does for a process that was killed
    assert process.wait(60) == experiments.INTERRUPTED
    assert experiments.work(config, tiny_study.EVERYTHING) == 0
    assert [trial_of(row) for row in read_table(table_path(config))] == [ORDER[0]]


# the command


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Function that replaces workers by a shell script; the file `count` has a line for each that ran."""

    def replace(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\necho run >> count\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        return lambda: len((tmp_path / "count").read_text().splitlines())

    return replace


def test_workers_are_started_until_one_says_that_nothing_is_left(workers):
    count = workers("[ $(wc -l < count) -lt 4 ] || exit 3")
    assert experiments.supervise(1, []) == 0 and count() == 4


def test_a_killed_worker_is_replaced_and_not_for_ever(workers):
    count = workers("[ $(wc -l < count) -gt 2 ] && exit 3; kill -9 $$")
    assert experiments.supervise(1, []) == 0 and count() == 3
    count = workers("kill -9 $$")
    assert experiments.supervise(1, []) == -9 and count() == 3 + experiments.MOST_KILLS


def test_a_worker_that_cannot_start_ends_the_command(workers):
    count = workers("exit 1")
    assert experiments.supervise(1, []) == 1 and count() == 1


def test_several_workers_share_the_cores(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    workers("echo $TF_NUM_INTRAOP_THREADS $FACELIB_PROGRESS >> threads; exit 3")
    assert experiments.supervise(2, []) == 0
    assert (tmp_path / "threads").read_text().split() == ["4", os.devnull] * 2


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["experiments", "--data", "drawn", *arguments])
    with pytest.raises(SystemExit) as end:
        experiments.main()
    return end.value.code


def test_list_shows_every_trial_and_its_state(config, monkeypatch, capsys):
    experiments.work(config, ["loss"])
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["experiments", "--data", "drawn", "--list"])
    experiments.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  0.7500  loss: base; minutes: 2 (seed 7)"
    assert lines[1] == "   to do  loss: hot (seed 7)" and len(lines) == 5


def test_list_says_which_trials_are_of_an_earlier_recipe(config, monkeypatch, capsys):
    experiments.work(config, ["loss"])
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["experiments", "--data", "drawn", "--list"])
    monkeypatch.setattr(plan, "RECIPE", 2)
    experiments.main()
    assert capsys.readouterr().out.startswith("  0.7500  loss: base; minutes: 2 (seed 7), recipe 1: to do with 2\n")


def test_a_mistake_is_one_message(config, monkeypatch, capsys):
    assert call(monkeypatch, "--only", "los") == 2
    assert "no table 'los'; there are: loss, minutes, search" in capsys.readouterr().err
    assert call(monkeypatch, "--workers", "0") == 2
    assert call(monkeypatch, "--data", "/no/such/folder").startswith("error: no data folder at /no/such/folder")
    table_path(config).parent.mkdir(parents=True)
    table_path(config).write_text("settings\n")
    assert "experiments-drawn.csv, line 1: no column seed" in call(monkeypatch)


def test_the_command_ends_well_where_everything_is_over(config, monkeypatch, capsys, workers):
    while experiments.work(config, tiny_study.EVERYTHING) == 0:
        pass
    workers("exit 3")
    assert call(monkeypatch) == 0
    assert "experiments-drawn.csv: every trial is over\n" in capsys.readouterr().out


def test_listing_needs_no_tensorflow(tmp_path):
    script = """
import sys; from pathlib import Path; from facelib import config; config.ROOT = Path(sys.argv.pop(1))
from facelib.study.__main__ import main; main(); print('tensorflow' in sys.modules)
"""
    command = [sys.executable, "-c", script, tmp_path, "--data", "drawn", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False" and done.stderr == ""
