import pytest
import tiny_study
from tiny_study import DATABASE, EVERYTHING, IDENTITY, ORDER, finished, open_tiny, run_all

from facelib.study import storage
from facelib.study.queue import claim, record
from facelib.study.storage import over
from facelib.study.table import TableError, read_table, trial_of, write_table

optuna = pytest.importorskip("optuna")


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    for patch in tiny_study.PATCHES:
        monkeypatch.setattr(*patch)


@pytest.mark.parametrize("name", ["format", "data"])
def test_a_storage_of_another_study_is_refused(tmp_path, name):
    run_all(open_tiny(tmp_path), ["minutes"])
    (tmp_path / "experiments.csv").unlink()
    with pytest.raises(
        TableError, match=rf"^trials of another {name} \({IDENTITY[name]}, now 9\) .*move \S*{DATABASE} away"
    ):
        open_tiny(tmp_path, **{name: 9})
    assert len(over(open_tiny(tmp_path))) == 2


def test_a_table_of_another_study_is_refused_and_left_alone(tmp_path):
    table = tmp_path / "experiments.csv"
    write_table(table, [finished(ORDER[0], **IDENTITY)])
    before = table.read_bytes()
    with pytest.raises(TableError, match=r"^trials of another data .*: move \S*experiments.csv away"):
        open_tiny(tmp_path, data="other")
    assert table.read_bytes() == before


def test_trials_of_another_recipe_stay_in_the_table_and_are_run_again(tmp_path):
    first = open_tiny(tmp_path)
    done = run_all(first)
    before = read_table(first.table)
    second = open_tiny(tmp_path, recipe=2)
    assert over(second) == {} and second.search.trials == [] and read_table(first.table) == before
    claimed = claim(second, EVERYTHING)
    record(second, claimed, finished(claimed.trial, 0.875))
    rows = read_table(first.table)
    assert [row for row in rows if row["recipe"] == 1] == before
    (new,) = [row for row in rows if row["recipe"] == 2]
    assert trial_of(new) == ORDER[0] and new["validation_roc_auc"] == 0.875
    again = open_tiny(tmp_path)  # going back loses neither
    assert set(over(again)) == set(done) and claim(again, EVERYTHING) is None
    assert read_table(first.table) == rows


def test_a_sound_storage_is_not_moved_away_for_a_table_of_another_study(tmp_path):
    done = run_all(open_tiny(tmp_path), ["minutes"])
    write_table(tmp_path / "experiments.csv", [finished(ORDER[0], **IDENTITY | {"data": "other"})])
    with pytest.raises(TableError, match=r"move \S*experiments.csv away to start anew$"):
        open_tiny(tmp_path)
    (tmp_path / "experiments.csv").unlink()
    assert set(over(open_tiny(tmp_path))) == set(done)


def test_the_storage_of_somebody_else_is_refused(tmp_path):
    optuna.create_study(storage=f"sqlite:///{tmp_path / DATABASE}", study_name="theirs")
    with pytest.raises(TableError, match="holds another Optuna study, theirs"):
        open_tiny(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all, but text", b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_storage_is_refused(tmp_path, content):
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(TableError, match="is no storage of this version of Optuna .*: move it away"):
        open_tiny(tmp_path)


def test_a_storage_that_another_program_holds_is_not_called_damaged(tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.1)
    opened = open_tiny(tmp_path)
    claimed = claim(opened, EVERYTHING)
    database = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TableError, match="cannot be used now .*database is locked.*nothing is lost"):
        record(opened, claimed, finished(claimed.trial))
    database.close()
    again = claim(opened, EVERYTHING)  # as after a kill
    assert again.trial == claimed.trial
    record(opened, again, finished(again.trial))
    assert len(read_table(opened.table)) == 1


def test_a_storage_of_another_version_of_optuna_is_refused(tmp_path):
    import sqlite3

    open_tiny(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
        database.execute("UPDATE version_info SET library_version = '99.0', schema_version = 99")
    with pytest.raises(TableError, match="is no storage of this version of Optuna"):
        open_tiny(tmp_path)


def test_without_a_storage_the_table_is_taken_over(tmp_path):
    storage = open_tiny(tmp_path)
    done = run_all(storage, roc_auc=lambda number: 0.5 + number / 64)
    record_of = read_table(storage.table)
    (tmp_path / DATABASE).unlink()
    storage = open_tiny(tmp_path, new_start=True)
    assert claim(storage, EVERYTHING) is None
    assert set(over(storage)) == set(done)
    assert read_table(storage.table) == record_of
    assert len(storage.search.best_trial.params) == 4
    best = max(row["validation_roc_auc"] for row in record_of if trial_of(row) in done[5:])
    assert storage.search.best_value == best


def test_trials_in_error_are_not_taken_over_and_failed_ones_are(tmp_path):
    rows = [finished(ORDER[0], state="failed", **IDENTITY), finished(ORDER[1], state="error", **IDENTITY)]
    write_table(tmp_path / "experiments.csv", rows)
    storage = open_tiny(tmp_path)
    assert set(over(storage)) == {ORDER[0]}
    assert claim(storage, EVERYTHING).trial == ORDER[1]


def test_the_table_is_written_again_from_the_storage(tmp_path):
    storage = open_tiny(tmp_path)
    record(storage, claim(storage, EVERYTHING), finished(ORDER[0]))
    storage.table.unlink()  # as if the process had been killed just before it wrote the table
    assert [trial_of(row) for row in read_table(open_tiny(tmp_path).table)] == [ORDER[0]]


def test_without_optuna_the_message_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(TableError, match=r"pip install -e '\.\[experiments\]'"):
        storage.open_storage(tmp_path, tmp_path / "experiments.csv", IDENTITY)
