"""The trials of the study in an Optuna storage (Akiba et al. 2019, KDD): a file, beside the table of finished ones."""

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from facelib.study import plan
from facelib.study.table import COMPLETE, ERROR, STUDY, TableError, check_study, read_table, trial_of, write_table

SEARCH = "search"  # beside the names of the tables
BUSY_SECONDS = 60  # to wait for a storage that another process writes
PASSING = ("database is locked", "disk is full", "disk I/O error", "readonly database")  # what SQLite says of it


class Storage(NamedTuple):
    """The storage of a study, open."""

    path: Path  # of the file; beside it lie the locks, and the checkpoints of trials that are not over
    table: Path  # the CSV file
    identity: dict  # format, recipe, data and faces, the same for all trials
    earlier: list[dict]  # rows of the table that are of another recipe
    tables: object  # optuna.Study with the declared trials, which have no parameters
    search: object  # optuna.Study with those of the search
    start: int  # how often `make experiments` was started


def open_storage(folder: Path, table: Path, identity: dict, new_start: bool = False) -> Storage:
    """Open the storage in `folder`, or make one that takes over the trials that are over in `table`.

    Each recipe, see `plan.RECIPE`, has a storage of its own; the rows of others stay in the table as they are.
    With `new_start`, trials that ended in an error are run again.

    Raises:
        TableError: the storage or the table is damaged, busy or of another study, or Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise TableError("Optuna is not installed: pip install -e '.[experiments]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table.stem}-recipe-{identity['recipe']}.db"
    with exclusive(path, table):
        rows, earlier = read_table(table), []
        for row in rows:
            check_study(row, identity, str(table))
            if row["recipe"] != identity["recipe"]:
                earlier.append(row)
        try:
            rdb = optuna.storages.RDBStorage(f"sqlite:///{path}", {"connect_args": {"timeout": BUSY_SECONDS}})
        except RuntimeError as error:  # written by another version
            raise optuna.exceptions.StorageInternalError(error) from None
        foreign = set(optuna.get_all_study_names(rdb)) - {"tables", SEARCH}
        if foreign:
            raise TableError(f"{path} holds another Optuna study, {min(foreign)}: move it away to start anew")
        parts = [_open_study(optuna, rdb, name, identity, path) for name in ("tables", SEARCH)]
        start = parts[0].user_attrs.get("start", 0) + new_start
        parts[0].set_user_attr("start", start)
        storage = Storage(path, table, identity, earlier, *parts, start)
        known = recorded(storage)
        for row in rows:
            if row not in earlier and row["state"] != ERROR and trial_of(row) not in known:
                add_row(storage, row)
        save_table(storage)
    return storage


def _open_study(optuna, rdb, name, identity, path):
    found = optuna.create_study(study_name=name, storage=rdb, direction="maximize", load_if_exists=True)
    if not found.user_attrs and not found.get_trials(deepcopy=False):
        for key in STUDY:
            found.set_user_attr(key, identity[key])
    check_study(found.user_attrs, identity, str(path))
    return found


def distributions() -> dict:
    """What Optuna draws the settings of the search from."""
    from optuna.distributions import FloatDistribution

    return {name: FloatDistribution(low, high, log=log) for name, (low, high, log) in plan.SEARCH.items()}


def add_row(storage: Storage, row: dict, **attributes) -> None:
    """Put a trial that is over into the storage, by its `row`; `attributes` are stored beside it."""
    import optuna

    attributes |= {"settings": row["settings"], "seed": row["seed"], "row": row}
    settings = dict(item.split("=") for item in row["settings"].split())
    searched = plan.is_searched(trial_of(row))
    complete = row["state"] == COMPLETE
    (storage.search if searched else storage.tables).add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.FAIL,
            value=row["validation_roc_auc"] if complete else None,
            params={name: float(settings[name]) for name in plan.SEARCH} if searched else {},
            distributions=distributions() if searched else {},
            user_attrs=attributes,
        )
    )


def all_trials(storage: Storage) -> list:
    """Everything in the storage, as optuna.trial.FrozenTrial."""
    return [trial for part in (storage.tables, storage.search) for trial in part.get_trials(deepcopy=False)]


def recorded(storage: Storage) -> dict[plan.Trial, dict]:
    """The rows of all trials that came to an end, the latest of each, by trial."""
    return {trial_of(t.user_attrs["row"]): t.user_attrs["row"] for t in all_trials(storage) if "row" in t.user_attrs}


def save_table(storage: Storage) -> None:
    """Write the table: every trial that came to an end, with this recipe or another."""
    write_table(storage.table, [*storage.earlier, *recorded(storage).values()])


def over(storage: Storage) -> dict[plan.Trial, dict]:
    """The rows of the trials that are not to be run again, by trial."""
    rows = {}
    for trial in all_trials(storage):
        row = trial.user_attrs.get("row")
        if row and (row["state"] != ERROR or trial.user_attrs.get("start") == storage.start):
            rows[trial_of(row)] = row
    return rows


def trial_in(ticket) -> plan.Trial | None:
    """The trial that an optuna.trial.FrozenTrial is about; None where its process was killed before it said so."""
    attributes = ticket.user_attrs
    return plan.Trial(attributes["settings"], attributes["seed"]) if "seed" in attributes else None


@contextmanager
def exclusive(path: Path, table: Path):
    """Hold the lock of the storage at `path`, or wait for it, and say what to do where Optuna cannot use it.

    Raises:
        TableError: the storage is busy, cannot be written, is damaged, or of another version of Optuna.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with open(path.with_name("queue.lock"), "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except (SQLAlchemyError, OptunaError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__ or error
        reason = str(cause).partition("\n")[0]
        if any(words in reason for words in PASSING):
            message = f"cannot be used now ({reason}): free it or its disk, and start again; nothing is lost"
        else:
            message = (
                f"is no storage of this version of Optuna ({reason}): move it away; trials that are over are taken"
                f" over from {table}"
            )
        raise TableError(f"{path} {message}") from None
