"""The command, with trials that are made up; `test_trial` has real ones, `test_queue` killed ones."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import tiny_study
from tiny_study import ORDER, finished

from facelib.config import ROOT
from facelib.locks import LOCK
from facelib.study import __main__ as experiments
from facelib.study import plan
from facelib.study import trial as trial_module
from facelib.study.plan import Trial
from facelib.study.table import read_table, table_path, trial_of

pytest.importorskip("optuna")

from facelib.study import queue  # noqa: E402

# a worker as `make experiments` starts it, whose trials are made up; it can be killed in the middle of the first one
WORKER = f"""
import sys, time, types
sys.path[:0] = [{str(ROOT)!r}, {str(Path(tiny_study.__file__).parent)!r}]
from pathlib import Path
import tiny_study
from facelib import config
from facelib.study import __main__ as experiments
for patch in tiny_study.PATCHES:
    setattr(*patch)
config.ROOT = Path(sys.argv[1])
def run_trial(trial, *_):
    print("running", flush=True)
    time.sleep(600)
trial = types.SimpleNamespace(run_trial=run_trial, processor=lambda: "")  # without TensorFlow, which takes seconds
sys.modules["facelib.study.trial"], experiments.load_tensorflow = trial, lambda: None
sys.argv[1:] = sys.argv[2:]
sys.exit(experiments.main())
"""


@pytest.fixture
def config(project, tiny_plan, monkeypatch):
    """Of a tiny study in a project of its own; trials are not trained."""
    monkeypatch.setattr(trial_module, "identify_study", lambda data: tiny_study.IDENTITY)
    monkeypatch.setattr(trial_module, "run_trial", lambda trial, *_: finished(trial))
    monkeypatch.setattr(experiments, "keep", lambda *_: None)
    return plan.configure(Trial("", 7), "drawn")


def start(config, *tables):
    queue.fill_queue(experiments.place_of(config), tiny_study.IDENTITY, tables)


def test_work_runs_one_trial_at_a_time_until_nothing_is_left(config, capsys):
    codes = []
    start(config, *tiny_study.EVERYTHING)
    while not codes or codes[-1] == 0:
        codes.append(experiments.work(config, workers=2))
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
    start(config, "loss")
    assert [experiments.work(config) for _ in range(5)] == [0, 0, 0, 0, experiments.NOTHING_LEFT]
    assert {row["reason"] for row in read_table(table_path(config))} == {"the loss is not finite at step 3"}
    assert "  failed: the loss is not finite at step 3" in capsys.readouterr().out


def test_only_the_minutes_are_shown_the_test_pairs(config, monkeypatch):
    shown = {}

    def run_trial(trial, data, folder, with_test):
        shown[trial] = with_test
        return finished(trial)

    monkeypatch.setattr(trial_module, "run_trial", run_trial)
    start(config, *tiny_study.EVERYTHING)
    while experiments.work(config) == 0:
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

    kept, add_row = [], queue.add_row
    monkeypatch.setattr(trial_module, "run_trial", run_trial)
    monkeypatch.setattr(queue, "add_row", killed)
    start(config, "loss")
    with pytest.raises(MemoryError):
        experiments.work(config)
    assert (folders[0] / "last.npz").exists()
    monkeypatch.setattr(queue, "add_row", lambda *given: kept.append(folders[0].exists()) or add_row(*given))
    start(config, "loss")
    assert experiments.work(config) == 0
    assert folders[0] == folders[1] and kept == [True] and not folders[0].exists()
    assert experiments.work(config) == 0
    assert folders[2] != folders[0]


def test_a_trial_goes_on_only_where_it_is_computed_as_it_was_begun(config, monkeypatch):
    folders = []

    def interrupted(trial, data, folder, with_test):
        folders.append(folder)
        raise KeyboardInterrupt

    def stop(workers):
        start(config, "loss")
        with pytest.raises(KeyboardInterrupt):
            experiments.work(config, workers)

    monkeypatch.setattr(trial_module, "run_trial", interrupted)
    for workers in (1, 2, 1):
        stop(workers)
    monkeypatch.setattr(trial_module, "processor", lambda: "another")
    stop(1)
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
    start(config, "loss")
    assert [experiments.work(config) for _ in range(2)] == [0, 0]
    assert sorted(path.name for path in (folders[0] / "run").iterdir()) == ["last.npz", "step_3.npz"]
    assert not folders[1].exists()


@pytest.fixture
def start_worker(project, tmp_path):
    """Function that starts a worker process; with `wait`, it returns when that is in the middle of a trial."""
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    started = []

    def start_worker(wait=True):
        command = [sys.executable, str(script), str(project), "--data", "drawn", "--worker"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(command, text=True, **pipes)
        started.append(process)
        if wait:
            assert "running\n" in iter(process.stdout.readline, "")
        return process

    yield start_worker
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def test_a_worker_that_is_killed_in_the_middle_loses_no_finished_trial(config, start_worker):
    start(config, *tiny_study.EVERYTHING)
    assert experiments.work(config) == 0
    before = read_table(table_path(config))
    process = start_worker()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    begun = queue.open_queue(experiments.place_of(config)).study.get_trials(deepcopy=False)
    assert [trial.state.name for trial in begun[:3]] == ["COMPLETE", "RUNNING", "WAITING"]
    start(config, *tiny_study.EVERYTHING)
    assert experiments.work(config) == 0
    assert [trial_of(row) for row in read_table(table_path(config))] == ORDER[:2]
    assert before[0] in read_table(table_path(config))


def test_a_worker_ends_without_a_word_when_the_parent_is_gone(config, start_worker):
    start(config, "loss")
    process = start_worker()
    process.stdin.close()  # as the system does for a process that was killed
    assert process.wait(60) == experiments.INTERRUPTED and process.stderr.read() == ""
    assert queue.open_queue(experiments.place_of(config)).study.trials[0].state.name == "FAIL"
    start(config, "loss")
    assert experiments.work(config) == 0
    assert [trial_of(row) for row in read_table(table_path(config))] == [ORDER[0]]


def test_what_a_worker_cannot_use_is_one_line(config, start_worker):
    path = experiments.queue_path(config)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, but text")
    process = start_worker(wait=False)
    (line,) = process.stderr.read().splitlines()
    assert process.wait() == 1 and line.startswith(f"error: {path} is no queue of this version of Optuna")


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


def test_workers_are_told_to_end_when_the_command_is_interrupted(workers):
    count = workers("cat; exit 130")  # until the end of the pipe
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        experiments.supervise(2, [])
    signal.signal(signal.SIGINT, before)
    assert count() == 2


def test_a_new_start_waits_for_the_workers_of_one_that_was_killed(tmp_path):
    lock, pid = tmp_path / LOCK, tmp_path / "pid"
    worker = tmp_path / "python"
    worker.write_text(f"#!/bin/sh\necho $$ > {pid}.tmp && mv {pid}.tmp {pid}\nexec sleep 600\n")
    worker.chmod(0o755)
    script = f"""
import sys; from pathlib import Path; from facelib.locks import keep
from facelib.study.__main__ import supervise
keep(Path({str(lock)!r}), "make experiments"); sys.executable = {str(worker)!r}; supervise(1, [])
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    while not pid.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    with open(lock) as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int(pid.read_text()), signal.SIGKILL)
        fcntl.flock(file, fcntl.LOCK_EX)


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["experiments", "--data", "drawn", *arguments])
    try:
        return experiments.main()
    except SystemExit as end:
        return end.code


def test_list_shows_every_trial_and_its_state(config, monkeypatch, capsys):
    start(config, "loss")
    experiments.work(config)
    capsys.readouterr()
    assert call(monkeypatch, "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  0.7500  loss: base; minutes: 2 (seed 7)"
    assert lines[1] == "   to do  loss: hot (seed 7)" and len(lines) == 5


def test_list_says_which_trials_are_of_an_earlier_recipe(config, monkeypatch, capsys):
    start(config, "loss")
    experiments.work(config)
    capsys.readouterr()
    monkeypatch.setattr(plan, "RECIPE", 2)
    assert call(monkeypatch, "--list") == 0
    assert capsys.readouterr().out.startswith("  0.7500  loss: base; minutes: 2 (seed 7), recipe 1: to do with 2\n")


def test_a_mistake_is_one_message(config, monkeypatch, capsys):
    assert call(monkeypatch, "--only", "los") == 2
    assert "no table 'los'; there are: loss, minutes, search" in capsys.readouterr().err
    assert call(monkeypatch, "--workers", "0") == 2
    assert "--workers is at least 1" in capsys.readouterr().err
    assert call(monkeypatch, "--data", "/no/such/folder") == 1
    assert capsys.readouterr().err.startswith("error: no data folder at /no/such/folder")
    table_path(config).parent.mkdir(parents=True)
    table_path(config).write_text("settings\n")
    assert call(monkeypatch) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "experiments-drawn.csv, line 1: no column seed" in line


def test_a_mistake_of_ours_is_one_message_too(config, monkeypatch, capsys):
    monkeypatch.setattr(trial_module, "identify_study", lambda data: 1 / 0)
    assert call(monkeypatch) == 1
    assert "error: ZeroDivisionError: division by zero (facelib/study/" in capsys.readouterr().err


def test_the_command_queues_and_runs_what_is_not_over_and_says_so(config, monkeypatch, capsys, workers):
    count = workers("exit 3")
    assert call(monkeypatch, "--only", "loss") == 0 and count() == 1
    study = queue.open_queue(experiments.place_of(config)).study
    assert [trial.user_attrs["settings"] for trial in study.trials] == ["", "gamma=128.0"] * 2
    while experiments.work(config, workers=2) == 0:
        pass
    capsys.readouterr()
    assert call(monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "experiments-drawn.csv: every trial is over\n" in shown
    assert "4 trials were run with another WORKERS" in shown


def test_folders_share_what_the_storage_holds(config, monkeypatch, capsys, workers, tmp_path):
    journal = str(tmp_path / "journal")
    other = queue.Place(tmp_path / "other.db", tmp_path / "other.csv", journal)
    queue.fill_queue(other, tiny_study.IDENTITY, ["loss"])
    workers("exit 3")
    monkeypatch.setenv(experiments.STORAGE, journal)
    assert call(monkeypatch, "--only", "minutes") == 0
    monkeypatch.delenv(experiments.STORAGE)
    assert experiments.work(config, shared=journal) == 0
    assert "trial 1 of 5, about" in capsys.readouterr().out
    rest = tiny_study.run_all(queue.open_queue(other))
    assert call(monkeypatch, "--only", "minutes", "--storage", journal) == 0
    assert "experiments-drawn.csv: every trial is over\n" in capsys.readouterr().out
    rows = read_table(table_path(config))
    assert len(rest) == 4 and len(rows) == 5 and rows == read_table(other.table)


def test_a_storage_that_cannot_be_used_is_one_line_without_its_password(config, monkeypatch, capsys):
    assert call(monkeypatch, "--storage", "mysql://me:secret@host/x") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: STORAGE is an address of mysql") and "secret" not in line


def test_a_command_that_is_stopped_says_that_it_goes_on(config, monkeypatch, capsys, workers):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "supervise", stop)
    assert call(monkeypatch) == 130
    assert capsys.readouterr().err == "stopped; `make experiments` goes on from here\n"


def test_listing_needs_neither_tensorflow_nor_optuna(tmp_path):
    script = """
import sys; from pathlib import Path; from facelib import config; config.ROOT = Path(sys.argv.pop(1))
from facelib.study.__main__ import main; main(); print({'tensorflow', 'optuna'} & {*sys.modules})
"""
    command = [sys.executable, "-c", script, tmp_path, "--data", "drawn", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()" and done.stderr == ""
