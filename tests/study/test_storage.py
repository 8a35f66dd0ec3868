"""Storage that several folders share: a journal always, PostgreSQL where it is installed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import tiny_study
from tiny_study import IDENTITY, ORDER, Killed, finished, place, run_all, start

from facelib.config import ROOT
from facelib.files import UnwritableError
from facelib.study import plan
from facelib.study.plan import is_searched
from facelib.study.table import TableError, read_table, trial_of, write_table

optuna = pytest.importorskip("optuna")

from facelib.study import storage  # noqa: E402
from facelib.study.queue import open_queue, run_next, wait_for_trial  # noqa: E402
from facelib.study.storage import QueueError, explaining, name_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("tiny_plan")

SECRET = "s3cr/et@1"
QUOTED = "s3cr%2Fet%401"
FOUND = [shutil.which("postgres"), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")))]
POSTGRES = next((Path(os.path.realpath(path)) for path in FOUND if path), None)

# a folder at work from its start to its end; with "hang", it says in which trial it is, and stays there
WORKER = f"""
import sys, threading, time
sys.path[:0] = [{str(ROOT)!r}, {str(Path(tiny_study.__file__).parent)!r}]
import tiny_study
from facelib.study import queue, storage
for patch in tiny_study.PATCHES:
    setattr(*patch)
storage.HEARTBEAT = storage.GRACE = 1
folder, shared, hang = sys.argv[1:]
print("ready", flush=True), sys.stdin.readline()
def run(trial):
    print(*trial, flush=True)
    time.sleep(600 if hang else 0.1)
    return tiny_study.finished(trial, processor=folder)
mine = tiny_study.start(folder, shared=shared)
while queue.wait_for_trial(mine):
    queue.run_next(mine, run)
queue.share_rows(mine)
"""


@pytest.fixture
def journal(tmp_path):
    return str(tmp_path / "journal")


@pytest.fixture(scope="module")
def server():
    """The address of a PostgreSQL server of this module's own, on a socket in a folder of its own."""
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp())  # its owner runs the server, who cannot be root
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
        options |= {"user": "nobody", "extra_groups": ()}
    try:
        data = folder / "data"
        subprocess.run([POSTGRES.parent / "initdb", "-D", data, "-U", "me", "-A", "trust", "-N"], check=True, **options)
        command = [POSTGRES, "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"]
        process = subprocess.Popen(command, **options)
        while not (folder / ".s.PGSQL.5432").exists():
            assert process.poll() is None
            time.sleep(0.05)
        folder.chmod(0o755)
        yield f"postgresql://me:{QUOTED}@/postgres?host={folder}"
        process.send_signal(signal.SIGINT)
        process.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["journal", "server"])
def shared(request):
    """Each kind of storage that folders share, with no study in it."""
    address = request.getfixturevalue(request.param)
    if request.param == "server":
        with storage.create_engine(storage._address(address)).begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        connection.engine.dispose()
    return address


@pytest.fixture
def folders(tmp_path):
    made = [tmp_path / name for name in "abc"]
    for folder in made:
        folder.mkdir()
    return made


def tables(folders):
    return [(folder / "experiments.csv").read_bytes() for folder in folders]


def test_folders_that_start_at_once_share_a_study_and_one_is_killed(shared, folders):
    """Three processes, as three machines: it takes seconds until a heart is known to be still."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    begun, processes = [], []
    for folder, hang in zip(folders, ("hang", "", ""), strict=True):
        command = [sys.executable, "-c", WORKER, str(folder), shared, hang]
        processes.append(subprocess.Popen(command, **options))
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    lost = processes[0].stdout.readline()
    os.kill(processes[0].pid, signal.SIGKILL)
    for process in processes:
        begun.append(process.communicate()[0].splitlines())
    assert [process.returncode for process in processes] == [-signal.SIGKILL, 0, 0]
    assert begun[0] == [] and lost.strip() in map(str.strip, begun[1] + begun[2])
    assert len(begun[1] + begun[2]) == len({*begun[1], *begun[2]}) == 5 + 3
    rows = read_table(folders[1] / "experiments.csv")
    assert {row["processor"] for row in rows} <= {str(folder) for folder in folders[1:]} and len(rows) == 8
    assert {trial_of(row) for row in rows} >= {*ORDER}
    assert run_all(start(folders[0], shared=shared)) == []
    assert len({*tables(folders)}) == 1


def test_a_trial_is_taken_up_when_its_heart_is_still_and_not_before(shared, folders, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 2)
    one, other = start(folders[0], ["minutes"], shared), start(folders[1], ["minutes"], shared)

    def killed(trial):
        raise Killed

    def slow(trial):
        time.sleep(3)  # longer than a heart may be still
        optuna.storages.fail_stale_trials(other.study)
        return finished(trial)

    optuna.storages.fail_stale_trials(other.study)
    assert trial_of(run_next(one, slow)) == ORDER[2]
    with pytest.raises(Killed):
        run_next(one, killed)
    assert run_all(other) == [ORDER[0]]
    assert read_table(folders[1] / "experiments.csv")[1]["state"] == "complete"


def test_a_process_that_was_taken_for_killed_keeps_its_row(shared, folders, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    queue = start(folders[0], ["minutes"], shared)

    def run(trial):
        number = next(t.number for t in queue.study.trials if t.state.name == "RUNNING")
        queue.study.tell(number, state=optuna.trial.TrialState.FAIL)
        time.sleep(1.5)  # the heart beats once more
        return finished(trial)

    assert trial_of(run_next(queue, run)) == ORDER[2]
    assert ORDER[2] not in run_all(start(folders[1], shared=shared))


@pytest.mark.parametrize("table", ["minutes", "search"])
def test_what_two_starts_queued_is_run_once(journal, folders, table):
    one = start(folders[0], [table], journal)
    for ticket in one.study.get_trials(deepcopy=False)[1:]:  # as a start does that has not seen them
        one.study.enqueue_trial(ticket.user_attrs, user_attrs=ticket.user_attrs)
    other, done = open_queue(place(folders[1], journal)), []

    def run(trial):
        if not done:
            done.append(trial)
            rows = [run_next(other, finished) for _ in range(5)]
            done.extend(trial_of(row) for row in rows if row)
        return finished(trial)

    run_next(one, run)
    assert len(done) == len({*done}) == {"minutes": 2, "search": 3}[table]
    assert run_all(one) == run_all(start(folders[2], [table], journal)) == []


def test_a_trial_that_was_stopped_is_for_the_others(journal, folders):
    one, other = start(folders[0], ["search"], journal), start(folders[1], ["search"], journal)
    stopped = []

    def stop(trial):
        stopped.append(trial)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_next(one, stop)
    assert stopped[0] in (done := run_all(other)) and len({*done}) == len(done) == 3


def test_a_folder_whose_table_cannot_be_written_leaves_its_trial_to_the_others(journal, folders, monkeypatch):
    one, other = start(folders[0], ["minutes"], journal), start(folders[1], ["minutes"], journal)
    one.place.table.mkdir()
    with pytest.raises(TableError):
        run_next(one, finished)
    assert sorted(run_all(other)) == sorted([ORDER[2], ORDER[0]])


def test_rows_that_folders_had_before_come_together_and_are_not_run_again(journal, folders, capsys):
    ours, theirs, alone = (finished(trial, 0.5, commit="a") | IDENTITY for trial in ORDER[:3])
    earlier = finished(ORDER[3], 0.25) | IDENTITY | {"recipe": 0}
    write_table(folders[0] / "experiments.csv", [ours, earlier])
    write_table(folders[1] / "experiments.csv", [ours | {"validation_roc_auc": 0.75}, theirs, alone])
    start(folders[0], ["loss"], journal)
    done = run_all(start(folders[1], ["loss"], journal))
    assert "1 trials were also run elsewhere, and first: their rows in" in capsys.readouterr().err
    assert done == ORDER[3:]
    assert run_all(start(folders[0], ["loss"], journal)) == []
    assert len({*tables(folders[:2])}) == 1
    rows = read_table(folders[0] / "experiments.csv")
    assert len(rows) == 6 and [row["validation_roc_auc"] for row in rows if row["commit"]] == [0.5] * 3
    assert "also run elsewhere" not in capsys.readouterr().err


def test_a_figure_takes_the_place_of_an_error_everywhere(journal, folders):
    def broken(trial):
        return finished(trial, None, "error", reason="no memory")

    one = start(folders[0], ["minutes"], journal)
    assert [run_next(one, broken)["state"] for _ in range(2)] == ["error"] * 2 and not wait_for_trial(one)
    assert run_all(start(folders[1], ["minutes"], journal)) == [ORDER[2], ORDER[0]]
    start(folders[0], ["minutes"], journal)
    assert [row["state"] for row in read_table(folders[0] / "experiments.csv")] == ["complete"] * 2


def test_the_last_error_is_shown(journal, folders):
    for reason in ("no memory", "full disk"):
        queue = start(folders[0], ["minutes"], journal)
        while wait_for_trial(queue):
            run_next(queue, lambda trial, reason=reason: finished(trial, None, "error", reason=reason))
    assert [row["reason"] for row in read_table(folders[0] / "experiments.csv")] == ["full disk"] * 2


def test_the_search_goes_on_in_another_folder_with_what_came_out(journal, folders):
    one = start(folders[0], ["search"], journal)
    first = trial_of(run_next(one, finished))
    done = run_all(start(folders[1], ["search"], journal))
    alone = run_all(start(folders[2], ["search"]))
    assert all(map(is_searched, done)) and [first, *done] == alone


@pytest.mark.parametrize("name", ["format", "recipe", "data", "faces"])
def test_a_folder_of_another_study_is_refused(journal, folders, name):
    start(folders[0], shared=journal)
    before = Path(journal).read_bytes()
    with pytest.raises(QueueError, match=f"journal holds the study of another {name} .*one commit and the same data"):
        start(folders[1], shared=journal, **{name: 5})
    assert b"identity" not in Path(journal).read_bytes()[len(before) :]
    assert not (folders[1] / "experiments.csv").exists()


def test_a_folder_with_other_code_is_refused(journal, folders, tmp_path, monkeypatch):
    start(folders[0], shared=journal)
    monkeypatch.setattr("facelib.study.queue.PACKAGE", tmp_path)
    with pytest.raises(QueueError, match="the study of another code .*bring all folders to one commit"):
        start(folders[1], shared=journal)


def test_the_first_identity_counts(journal, folders):
    """Two starts looked at once, and each found none."""
    queue = start(folders[0], shared=journal)
    other = {"identity": IDENTITY | {"data": "other"}}
    queue.study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs=other))
    start(folders[1], shared=journal)
    with pytest.raises(QueueError, match="another data"):
        start(folders[2], shared=journal, data="other")


@pytest.mark.parametrize("row", [{}, {"settings": ""}, ["x"], "x", 3])
def test_a_row_that_is_none_is_refused(journal, folders, row):
    queue = start(folders[0], shared=journal)
    queue.study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs={"row": row}))
    with pytest.raises(TableError, match="journal holds a trial that cannot be used"):
        start(folders[1], shared=journal)


# what cannot be used is one line, without a password


@pytest.mark.parametrize("address, message", [
    (f"postgresql://me:{SECRET}@host/x", "STORAGE is no address postgresql"),
    (f"postgresql://me:{QUOTED}", "STORAGE is no address postgresql"),
    (f"postgresql://me:{QUOTED}@host:{QUOTED}/x", "STORAGE is no address postgresql"),
    (f"my/self:{QUOTED}@host/x", "there is no folder for the journal|STORAGE is no"),
    (f"postgresql://my/self:{QUOTED}@host/x", "STORAGE is no address postgresql"),
    ("://", "STORAGE is no address postgresql"),
    (f"mysql://me:{QUOTED}@host/x", "STORAGE is an address of mysql; give one of the form postgresql"),
    (f"postgresql+asyncpg://me:{QUOTED}@host/x", "STORAGE is an address of postgresql.asyncpg"),
    (f"postgresql://me:{QUOTED}@nohost.invalid/x", "the database x on nohost.invalid cannot be used now"),
    (f"postgresql://me@nohost.invalid/x?password={QUOTED}", "the database x on nohost.invalid cannot be used now"),
])  # fmt: skip
def test_an_address_that_cannot_be_used(tmp_path, address, message):
    with pytest.raises(QueueError, match=message) as raised, explaining(address):
        start(tmp_path, shared=address)
    if "//" in address:
        assert not [word for word in (SECRET, QUOTED, "et@1", "et%401") if word in str(raised.value)]


def test_a_server_that_does_not_answer(tmp_path):
    with socket.socket() as taken:  # a port on which nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"postgresql://me:{QUOTED}@127.0.0.1:{taken.getsockname()[1]}/x"
        with pytest.raises(QueueError, match="the database x on 127.0.0.1 cannot be used now .*refused.*check server"):
            with explaining(address):
                start(tmp_path, shared=address)


def test_what_a_server_says_is_shown_without_a_password():
    """Should it ever repeat one."""
    error = storage.SQLAlchemyError(f"no entry for me, {SECRET}")
    for address in (f"postgresql://me:{QUOTED}@host/x", f"postgresql://me@host/x?password={QUOTED}"):
        with pytest.raises(QueueError, match=r"no entry for me, \*\*\*"), explaining(address):
            raise error
        assert name_of(address) == "the database x on host"


def test_a_database_that_is_not_there(server, tmp_path):
    address = server.replace("/postgres", "/nothing")
    with pytest.raises(QueueError, match='the database nothing on this machine cannot .* "nothing" does not exist'):
        with explaining(address):
            start(tmp_path, shared=address)


def test_without_the_driver_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(QueueError, match=r"STORAGE needs psycopg.*pip install -e '\.\[postgres\]'"):
        start(tmp_path, shared="postgresql://host/x")


@pytest.mark.parametrize("content", [b"text\n", b"\x89PNG\0\0", b"[1]\n", b'{"op_code"'])
def test_a_file_that_is_no_journal_is_left_alone(journal, tmp_path, content):
    Path(journal).write_bytes(content)
    with pytest.raises(QueueError, match="journal is no journal of Optuna: name another file"):
        start(tmp_path, shared=journal)
    assert Path(journal).read_bytes() == content


@pytest.mark.parametrize(
    "line", ["text", "[]", "{}", '{"op_code":99,"worker_id":"x"}', '{"op_code":4,"worker_id":"x"}']
)
@pytest.mark.parametrize("last", [False, True])
def test_a_damaged_line_of_a_journal_is_named(journal, tmp_path, line, last):
    start(tmp_path, ["minutes"], journal)
    lines = Path(journal).read_text().splitlines()
    number = len(lines) if last else 3
    lines.insert(number, line)
    Path(journal).write_text("\n".join(lines) + "\n")
    with pytest.raises(QueueError, match=f"journal is damaged near line ({number}|{number + 1}): name another STORAGE"):
        start(tmp_path, ["minutes"], journal)


def test_a_journal_that_is_cut_is_not_added_to(journal, tmp_path):
    start(tmp_path, ["minutes"], journal)
    content = Path(journal).read_bytes()[:-5]
    Path(journal).write_bytes(content)
    with pytest.raises(QueueError, match="journal ends within a line: name another STORAGE.*nothing is lost"):
        start(tmp_path, ["minutes"], journal)
    assert Path(journal).read_bytes() == content


def test_a_journal_that_is_far_too_large_is_not_read(journal, tmp_path, monkeypatch):
    start(tmp_path, ["minutes"], journal)
    monkeypatch.setattr(storage, "MOST_BYTES", 100)
    with pytest.raises(QueueError, match="journal is larger than a journal gets"):
        start(tmp_path, ["minutes"], journal)


def test_a_place_where_no_journal_can_be(tmp_path):
    with pytest.raises(QueueError, match="there is no folder for the journal .*: mount it, or make it"):
        start(tmp_path, shared=str(tmp_path / "unmounted" / "journal"))
    with pytest.raises(UnwritableError, match="cannot be written: is a folder"):
        start(tmp_path, shared=str(tmp_path))


def test_a_study_that_was_not_started_is_one_line(journal, tmp_path):
    with pytest.raises(QueueError, match="journal holds no study yet"):
        open_queue(place(tmp_path, journal))


def test_no_password_is_written(server, folders):
    start(folders[0], ["minutes"], server)
    queue = open_queue(place(folders[0], server))
    run_all(queue)
    stored = [ticket.user_attrs for ticket in queue.study.get_trials()] + [queue.study.user_attrs]
    written = [path.read_text(errors="replace") for path in folders[0].rglob("*") if path.is_file()]
    assert not [word for word in (SECRET, QUOTED) for text in [json.dumps(stored), *written] if word in text]
    assert plan.Trial("", 7) in [trial_of(row) for row in read_table(folders[0] / "experiments.csv")]
