import sqlite3
import subprocess
import sys
import time

import pytest
from tiny_study import IDENTITY, ORDER, Killed, finished, place, run_all, start

from facelib.config import ROOT
from facelib.study import plan
from facelib.study.plan import Trial, is_searched
from facelib.study.table import TableError, read_table, trial_of, write_table

optuna = pytest.importorskip("optuna")

from facelib.study import storage  # noqa: E402
from facelib.study.queue import (  # noqa: E402
    MOST_KILLS,
    describe_progress,
    draw_settings,
    open_queue,
    run_next,
    trial_in,
    wait_for_trial,
)
from facelib.study.storage import QueueError, explaining  # noqa: E402

pytestmark = pytest.mark.usefixtures("tiny_plan")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "queue.db"


@pytest.fixture
def table(tmp_path):
    return tmp_path / "experiments.csv"


def kill_next(queue, path, after=3600):
    """Run the next trial in a process that is killed so many seconds ago, as far as can be seen; returns it."""
    begun = []

    def run(trial):
        begun.append(trial)
        raise Killed

    with pytest.raises(Killed):
        run_next(queue, run)
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '-{after} seconds')")
    database.close()
    return begun[0]


def test_every_trial_is_run_once_in_the_order_of_the_plan_then_the_search(tmp_path, table):
    done = run_all(start(tmp_path))
    assert done[:5] == ORDER and all(is_searched(trial) for trial in done[5:])
    assert len(done) == len(set(done)) == 5 + 3
    assert {trial_of(row) for row in read_table(table)} == set(done)
    assert all(row["faces"] == "real" for row in read_table(table))
    assert run_all(start(tmp_path)) == []


def test_tables_can_be_chosen_whatever_was_queued_before(tmp_path):
    start(tmp_path)
    assert run_all(start(tmp_path, ["minutes"])) == [ORDER[2], ORDER[0]]
    assert run_all(start(tmp_path, ["minutes"])) == []
    assert run_all(start(tmp_path, ["loss"])) == [ORDER[1], ORDER[3], ORDER[4]]


def test_a_killed_trial_comes_up_again_at_the_next_start_before_the_others(tmp_path, table, path):
    queue = start(tmp_path)
    run_next(queue, finished)
    before = read_table(table)
    assert kill_next(queue, path, after=0) == ORDER[1]
    assert run_all(start(tmp_path))[:2] == [ORDER[1], ORDER[2]]
    assert before[0] in read_table(table) and len(read_table(table)) == 8


def test_a_trial_whose_process_was_killed_comes_up_again_when_its_heart_is_still(tmp_path, path, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 1)
    queue = start(tmp_path, ["minutes"])
    assert kill_next(queue, path, after=0) == ORDER[2]
    begin = time.monotonic()
    assert run_all(queue) == [ORDER[0], ORDER[2]]
    assert time.monotonic() - begin > 1  # which the last process waits for
    assert [ticket.state.name for ticket in queue.study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_that_runs_is_not_given_to_another_process(tmp_path, path):
    queue, seen = start(tmp_path), []

    def run(trial):
        seen.append(trial)
        if len(seen) < 3:
            run_next(open_queue(place(tmp_path)), run)
        return finished(trial)

    run_next(queue, run)
    assert seen == ORDER[:3] and wait_for_trial(queue)


def test_two_processes_never_have_the_same_trial(tmp_path, path):
    """Both ask at once, again and again: Optuna looks which trial waits, and takes it in a second step."""
    queue = start(tmp_path, ["minutes"])
    for number in range(40):
        queue.study.enqueue_trial({"slot": number}, user_attrs={"slot": number})
    code = (
        "import sys; from pathlib import Path; from facelib.study.queue import Place, open_queue\n"
        "study = open_queue(Place(Path(sys.argv[1]), Path())).study; print('ready', flush=True); sys.stdin.readline()\n"
        "while (trial := study.ask()).user_attrs: print(trial.number, flush=True)"
    )
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)], **options) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [process.communicate()[0].split() for process in processes]
    assert sorted(map(int, taken[0] + taken[1])) == list(range(len(queue.study.trials) - 2))


def test_the_last_trial_is_handed_out_once(tmp_path):
    queue = start(tmp_path, ["minutes"])
    run_all(queue)
    assert run_next(queue, lambda trial: pytest.fail("run")) is None and not wait_for_trial(queue)


def test_a_trial_whose_row_was_kept_before_its_process_was_killed_is_not_run_again(tmp_path, table):
    queue = start(tmp_path, ["minutes"])
    write_table(table, [finished(ORDER[2], 0.625) | IDENTITY])
    assert run_next(queue, lambda trial: pytest.fail("run")) is None
    assert run_all(queue) == [ORDER[0]] and queue.study.trials[0].value == 0.625


def test_a_process_that_was_taken_for_killed_keeps_its_row(tmp_path, table):
    queue = start(tmp_path, ["minutes"])

    def run(trial):
        queue.study.tell(0, state=optuna.trial.TrialState.FAIL)  # as another process does after a sleep of the machine
        return finished(trial)

    assert trial_of(run_next(queue, run)) == trial_of(read_table(table)[0]) == ORDER[2]


def test_no_error_takes_the_place_of_a_figure(tmp_path, path, table):
    """Killed for the third time, but when the row was there."""
    queue = start(tmp_path, ["minutes"])
    for _ in range(MOST_KILLS):
        assert wait_for_trial(queue)
        trial = kill_next(queue, path)
    write_table(table, [finished(trial, 0.75) | IDENTITY])
    wait_for_trial(queue)  # which notices the last kill
    (row,) = read_table(table)
    assert (row["state"], row["validation_roc_auc"]) == ("complete", 0.75)


def test_a_trial_that_is_killed_again_and_again_is_given_up_until_the_next_start(tmp_path, path, table):
    queue = start(tmp_path, ["minutes"])
    run_next(queue, lambda trial: finished(trial))
    assert [kill_next(queue, path) for _ in range(MOST_KILLS) if wait_for_trial(queue)] == [ORDER[0]] * MOST_KILLS
    assert not wait_for_trial(queue)
    assert "seconds" in (row := read_table(table)[0]) and trial_of(row) == ORDER[0]
    assert row["state"] == "error" and "killed 3 times" in row["reason"] and row["faces"] == "real"
    assert run_all(start(tmp_path, ["minutes"])) == [ORDER[0]]
    assert [row["state"] for row in read_table(table)] == ["complete", "complete"]


def test_what_was_stopped_comes_up_again_at_the_next_start(tmp_path, table):
    def stop(trial):
        raise KeyboardInterrupt

    for _ in range(MOST_KILLS + 1):
        with pytest.raises(KeyboardInterrupt):
            run_next(start(tmp_path, ["minutes"]), stop)
    assert read_table(table) == [] and run_all(start(tmp_path, ["minutes"])) == [ORDER[2], ORDER[0]]


def test_a_failed_trial_is_over_and_one_in_error_is_tried_at_the_next_start(tmp_path, table):
    queue = start(tmp_path, ["loss"])
    for state in ("failed", "error"):
        row = run_next(queue, lambda trial, state=state: finished(trial, state=state, reason="because"))
        assert row["state"] == state
    assert [row["state"] for row in read_table(table)] == ["failed", "error"]
    assert run_all(queue) == [ORDER[3], ORDER[4]]
    assert run_all(start(tmp_path, ["loss"])) == [ORDER[1]]
    assert {row["state"] for row in read_table(table)} == {"failed", "complete"}


@pytest.mark.parametrize("lost", [False, True])
def test_a_trial_of_the_search_that_was_cut_short_comes_up_with_the_same_settings(tmp_path, path, lost):
    queue = start(tmp_path, ["search"])
    first = trial_of(run_next(queue, finished))
    second = kill_next(queue, path, after=0)
    run_all(start(tmp_path, ["minutes"]))
    if lost:
        path.unlink()
    done = run_all(start(tmp_path, ["search"]))
    assert done[0] == second and len({first, *done}) == 3 == 1 + len(done)


def test_settings_of_the_search_are_kept_where_another_process_was_faster(tmp_path, path):
    queue, begun = start(tmp_path, ["search"]), []

    def run(trial):
        begun.append(trial)
        if len(begun) == 1:
            run_next(open_queue(place(tmp_path)), lambda other: begun.append(other) or finished(other))
            raise Killed
        return finished(trial)

    with pytest.raises(Killed):
        run_next(queue, run)
    done = run_all(start(tmp_path, ["search"]))
    assert done[0] == begun[0] and len({*begun, *done}) == 3 and len(done) == 2


def test_the_search_is_a_function_of_what_came_out_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SEARCH_TRIALS", 8)

    def search(folder, roc_auc):
        return run_all(start(tmp_path / folder, ["search"]), roc_auc)

    first = search("a", lambda number: 0.5 + number / 100)
    rows = [finished(trial, 0.5 + number / 100) | IDENTITY for number, trial in enumerate(first)]
    assert [draw_settings(rows[:slot][::-1], slot) for slot in range(8)] == [trial.settings for trial in first]
    other = search("c", lambda number: 0.6 - number / 100)
    assert other[:4] == first[:4] and other[4:] != first[4:]
    assert draw_settings(rows[1:2], 1) not in [trial.settings for trial in first[:2]]  # slot 1 was over before slot 0
    for trial in first:
        settings = dict(item.split("=") for item in trial.settings.split())
        assert all(low <= float(settings[name]) <= high for name, (low, high, _) in plan.SEARCH.items())


def test_progress_is_by_what_the_trials_so_far_took(tmp_path):
    queue = start(tmp_path, ["minutes"])
    assert describe_progress(queue) == "trial 0 of 2, about 0.1 h left"
    shown = []
    while wait_for_trial(queue):
        run_next(queue, lambda trial: shown.append(describe_progress(queue)) or finished(trial) | {"seconds": 7200.0})
    assert shown == ["trial 1 of 2, about 0.1 h left", "trial 2 of 2, about 4.0 h left"]


def test_trials_that_are_over_in_the_table_alone_are_not_run_again(tmp_path, table):
    write_table(table, [finished(trial, state="failed") | IDENTITY for trial in ORDER[:3]])
    queue = start(tmp_path, ["loss", "minutes"])
    assert [trial_in(ticket) for ticket in queue.study.trials] == ORDER[3:]
    assert run_all(queue) == ORDER[3:]


def test_a_table_of_another_study_is_refused_and_left_alone(tmp_path, table):
    write_table(table, [finished(ORDER[0], **IDENTITY)])
    before = table.read_bytes()
    with pytest.raises(TableError, match=r"^trials of another data .*: move \S*experiments.csv away"):
        start(tmp_path, data="other")
    assert table.read_bytes() == before


def test_trials_of_another_recipe_stay_in_the_table_and_are_run_again(tmp_path, table):
    done = run_all(start(tmp_path))
    before = read_table(table)
    run_next(start(tmp_path, recipe=2), lambda trial: finished(trial, 0.875))
    rows = read_table(table)
    assert [row for row in rows if row["recipe"] == 1] == before and len(done) == len(before)
    (new,) = [row for row in rows if row["recipe"] == 2]
    assert trial_of(new) == ORDER[0] and new["validation_roc_auc"] == 0.875
    assert run_all(start(tmp_path)) == [] and read_table(table) == rows  # going back loses neither


def test_the_search_of_another_recipe_is_not_gone_on_with(tmp_path, path):
    begun = kill_next(start(tmp_path, ["search"]), path)
    kept = finished(Trial(draw_settings([], 0), 7)) | IDENTITY
    assert trial_of(kept) == begun
    assert not [t for t in start(tmp_path, ["search"], recipe=2).study.trials if "settings" in t.user_attrs]


@pytest.mark.parametrize("content", [b"no database at all, but text", b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_queue_is_refused(tmp_path, path, content):
    path.write_bytes(content)
    with pytest.raises(QueueError, match="queue.db is no queue of this version of Optuna .*: remove it, .*nothing is"):
        with explaining(path):
            start(tmp_path)


def test_a_queue_of_another_version_of_optuna_is_refused(tmp_path, path):
    start(tmp_path, ["minutes"])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
        database.execute("UPDATE version_info SET library_version = '99.0', schema_version = 99")
    database.close()
    with pytest.raises(QueueError, match="is no queue of this version of Optuna"), explaining(path):
        start(tmp_path, ["minutes"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of the heart
def test_a_queue_that_another_program_holds_is_not_called_damaged(tmp_path, path, table, monkeypatch):
    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.1)
    queue = start(tmp_path, ["minutes"])
    database = sqlite3.connect(path, isolation_level=None)

    def run(trial):
        database.execute("BEGIN EXCLUSIVE")
        return finished(trial)

    assert trial_of(run_next(queue, run)) == trial_of(read_table(table)[0]) == ORDER[2]
    with pytest.raises(QueueError, match="queue.db cannot be used now .*database is locked.*free it.*nothing is lost"):
        with explaining(path):
            wait_for_trial(queue)
    database.close()
    assert run_all(start(tmp_path, ["minutes"])) == [ORDER[0]]


def test_a_queue_that_cannot_be_opened_is_not_called_damaged(tmp_path, path):
    path.mkdir()
    with pytest.raises(QueueError, match="queue.db cannot be used now .*unable to open.*: free it, its folder or its"):
        with explaining(path):
            start(tmp_path)


def test_a_full_disk_is_one_message(tmp_path, path):
    start(tmp_path, ["minutes"])
    with pytest.raises(QueueError, match="queue.db cannot be used now .*database or disk is full.*its disk"):
        with explaining(path):
            queue = open_queue(place(tmp_path))
            with (
                queue.study._storage._backend.engine.connect() as connection
            ):  # as many bytes as there are, and none more
                connection.exec_driver_sql("PRAGMA max_page_count = 1")
                connection.exec_driver_sql("CREATE TABLE more AS SELECT randomblob(100000)")


def test_without_optuna_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in ("queue", "storage"):
        monkeypatch.delitem(sys.modules, f"facelib.study.{name}")
    with pytest.raises(ImportError, match=r"pip install -e '\.\[experiments\]'"):
        import facelib.study.queue  # noqa: F401
