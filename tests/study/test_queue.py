import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_study
from tiny_study import EVERYTHING, ORDER, finished, open_tiny, run_all

from facelib.config import ROOT
from facelib.study import plan
from facelib.study.plan import is_searched
from facelib.study.queue import MOST_KILLS, claim, record
from facelib.study.storage import over
from facelib.study.table import read_table, trial_of

pytest.importorskip("optuna")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    for patch in tiny_study.PATCHES:
        monkeypatch.setattr(*patch)


@pytest.fixture
def start_worker(tmp_path):
    """Function that starts a process which takes a trial and waits; returns the process and the trial."""
    started = []

    def start():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(Path(tiny_study.__file__)), str(tmp_path)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        settings, seed = process.stdout.readline().strip().split("|")
        return process, plan.Trial(settings, int(seed))

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_every_trial_is_run_once_in_the_order_of_the_study_then_the_search(tmp_path):
    storage = open_tiny(tmp_path)
    done = run_all(storage)
    assert done[:5] == ORDER and all(is_searched(trial) for trial in done[5:])
    assert len(done) == len(set(done)) == 5 + 3
    assert {trial_of(row) for row in read_table(storage.table)} == set(done)
    assert claim(open_tiny(tmp_path), EVERYTHING) is None


def test_tables_can_be_chosen(tmp_path):
    assert run_all(open_tiny(tmp_path), ["minutes"]) == [ORDER[2], ORDER[0]]
    assert run_all(open_tiny(tmp_path), ["minutes"]) == []
    assert run_all(open_tiny(tmp_path), ["loss"]) == [ORDER[1], ORDER[3], ORDER[4]]


def test_a_killed_trial_is_failed_and_comes_up_again_and_finished_ones_do_not(tmp_path, start_worker):
    storage = open_tiny(tmp_path)
    record(storage, claim(storage, EVERYTHING), finished(ORDER[0], 0.625))
    process, trial = start_worker()
    assert trial == ORDER[1]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    storage = open_tiny(tmp_path, new_start=True)
    assert run_all(storage)[:2] == [ORDER[1], ORDER[2]]
    states = [t.state.name for t in storage.tables.get_trials() if t.user_attrs["settings"] == "gamma=128.0"]
    assert states == ["FAIL", "COMPLETE", "COMPLETE"]  # killed, run again, and the second seed
    rows = {trial_of(row): row for row in read_table(storage.table)}
    assert rows[ORDER[0]]["validation_roc_auc"] == 0.625 and len(rows) == 8


def test_two_workers_never_have_the_same_trial(tmp_path, start_worker):
    storage = open_tiny(tmp_path)
    mine = claim(storage, EVERYTHING)
    assert [mine.trial, start_worker()[1], start_worker()[1]] == ORDER[:3]
    others = claim(storage, EVERYTHING)
    assert others.trial == ORDER[3]


def test_a_trial_of_the_search_that_was_killed_comes_up_with_the_same_settings(tmp_path, start_worker):
    storage = open_tiny(tmp_path)
    run_all(storage, ["loss", "minutes"])
    process, trial = start_worker()
    process.kill()
    process.wait()
    done = run_all(storage, ["search"])
    assert done[0] == trial and len(set(done)) == len(done) == 3


def test_a_trial_that_is_killed_again_and_again_is_given_up_until_the_next_start(tmp_path, start_worker):
    storage = open_tiny(tmp_path)
    for _ in range(MOST_KILLS):
        process, trial = start_worker()
        assert trial == ORDER[0]
        process.kill()
        process.wait()
    claimed = claim(storage, EVERYTHING)
    assert claimed.trial == ORDER[1]
    row = over(storage)[ORDER[0]]
    assert row["state"] == "error" and "killed 3 times" in row["reason"] and row["faces"] == "real"
    record(storage, claimed, finished(ORDER[1]))
    assert claim(open_tiny(tmp_path, new_start=True), EVERYTHING).trial == ORDER[0]


def test_interruptions_are_not_held_against_a_trial(tmp_path):
    storage = open_tiny(tmp_path)
    for _ in range(MOST_KILLS + 2):
        claimed = claim(storage, EVERYTHING)
        assert claimed.trial == ORDER[0]
        record(storage, claimed, None)
    assert read_table(storage.table) == []


def test_a_failed_trial_is_over_and_one_in_error_is_tried_at_the_next_start(tmp_path):
    storage = open_tiny(tmp_path)
    for state in ("failed", "error"):
        claimed = claim(storage, EVERYTHING)
        record(storage, claimed, finished(claimed.trial, state=state, reason="because"))
    assert claim(storage, EVERYTHING).trial == ORDER[2]
    assert [row["state"] for row in read_table(storage.table)] == ["failed", "error"]
    assert claim(open_tiny(tmp_path, new_start=True), EVERYTHING).trial == ORDER[1]


def test_the_search_is_a_function_of_what_came_out_so_far(tmp_path, monkeypatch):
    def search(folder, roc_auc=lambda number: 0.5 + number / 100):
        return run_all(open_tiny(tmp_path / folder), ["search"], roc_auc)

    monkeypatch.setattr(plan, "SEARCH_TRIALS", 8)
    first = search("a")
    assert first == search("b")
    other = search("c", lambda number: 0.6 - number / 100)
    assert other[:4] == first[:4] and other[4:] != first[4:]
    for trial in first:
        settings = dict(item.split("=") for item in trial.settings.split())
        assert all(low <= float(settings[name]) <= high for name, (low, high, _) in plan.SEARCH.items())
