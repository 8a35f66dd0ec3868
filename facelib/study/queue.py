"""The queue of `make experiments`: an Optuna study (Akiba et al. 2019, KDD) in a file, which processes share.

The table says which trials are over, and the queue holds the others: Optuna hands each to one process, and queues it
again when that process was killed. At each start the queue is filled anew, because Optuna cannot remove queued trials,
which ONLY needs, and does not retry failed ones.
"""

import time
import warnings
from contextlib import contextmanager
from pathlib import Path

from facelib.locks import LOCK, hold
from facelib.study import plan
from facelib.study.summary import machine_seconds, searched
from facelib.study.table import COMPLETE, ERROR, add_row, check_study, read_table, trial_of

try:
    import optuna
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.trial import TrialState
    from sqlalchemy import event
    from sqlalchemy.exc import SQLAlchemyError
except ImportError:
    raise ImportError("Optuna is not installed: pip install -e '.[experiments]'") from None

NAME = "queue"  # of the Optuna study
HEARTBEAT, GRACE = 10, 60  # seconds: a process says so often that it lives, and counts as killed after so many
BUSY_SECONDS = 60  # to wait for a file that another program writes
MOST_KILLS = 3  # of one trial; then it is given up until the next start
STARTUP_TRIALS = 4  # of the search, drawn at random before the sampler has a say
PASSING = ("is locked", "disk is full", "disk I/O error", "readonly database", "unable to open")  # SQLite says so


class QueueError(ValueError):
    """A queue that cannot be used; the message names the file and says what to do."""


@contextmanager
def explaining(path: Path):
    """Say what to do where the body cannot use the queue at `path`.

    Raises:
        QueueError: the file is busy, damaged or of another version of Optuna, or the disk is full.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        cause = error if isinstance(error, SQLAlchemyError) else error.__cause__ or error
        reason = str(cause).partition("\n")[0]
        if any(words in reason for words in PASSING):
            remedy = f"cannot be used now ({reason}): free it, its folder or its disk, and start again"
        else:
            remedy = f"is no queue of this version of Optuna ({reason}): remove it, and start again"
        raise QueueError(f"{path} {remedy}; nothing is lost") from None


def fill_queue(path: Path, table: Path, identity: dict, tables: list[str]) -> None:
    """Queue the trials of `tables` that are not over, in the order of the plan; no process may use the queue meanwhile.

    Trials of the search that were begun keep their settings.

    Args:
        table: the CSV file with the trials that are over.
        identity: what all trials of the study have in common, see `trial.identify_study`.
        tables: names, and plan.SEARCHED for the search.

    Raises:
        TableError: the table cannot be read, or is of another study.
    """
    for row in read_table(table):
        check_study(row, identity, str(table))
    path.parent.mkdir(parents=True, exist_ok=True)
    storage, begun = _open(path), []
    if NAME in optuna.get_all_study_names(storage):
        old = optuna.load_study(study_name=NAME, storage=storage)
        if old.user_attrs.get("identity") == identity:
            begun = [plan.Trial(*trial) for trial in old.user_attrs["begun"]]
            begun += [trial_in(ticket) for ticket in old.get_trials(deepcopy=False)]
        optuna.delete_study(study_name=NAME, storage=storage)
    study = optuna.create_study(study_name=NAME, storage=storage, direction="maximize")
    trials = plan.declared([name for name in tables if name != plan.SEARCHED])
    attributes = {
        "table": str(table),
        "lock": str(path.with_name(f"{table.stem}-row{LOCK}")),
        "trials": len(trials) + plan.SEARCH_TRIALS * (plan.SEARCHED in tables),
        "begun": [trial for trial in begun if plan.is_searched(trial)],
        "identity": identity,
    }
    for name, value in attributes.items():
        study.set_user_attr(name, value)

    over = _over(attributes)
    for fields in [trial._asdict() for trial in trials if trial not in over]:
        study.enqueue_trial(fields, user_attrs=fields)
    if plan.SEARCHED in tables:
        begun = [trial for trial in (*begun, *map(trial_of, _rows(attributes))) if plan.is_searched(trial)]
        for fields in [trial._asdict() for trial in begun if trial not in over]:
            study.enqueue_trial(fields, user_attrs=fields, skip_if_exists=True)
        for number in range(len({*begun}), plan.SEARCH_TRIALS):
            study.enqueue_trial({"slot": number}, user_attrs={"slot": number})


def open_queue(path: Path) -> optuna.Study:
    """The queue that `fill_queue` left at `path`."""
    return optuna.load_study(study_name=NAME, storage=_open(path))


def wait_for_trial(study: optuna.Study) -> bool:
    """Whether a trial waits to be run; returns when one does, or when none is left that could come back."""
    gone = False  # a killed trial neither runs nor waits for the moment in which Optuna queues it again: look twice
    while True:
        optuna.storages.fail_stale_trials(study)
        states = {ticket.state for ticket in study.get_trials(deepcopy=False)}
        if TrialState.WAITING in states or (gone and TrialState.RUNNING not in states):
            return TrialState.WAITING in states
        gone = TrialState.RUNNING not in states
        time.sleep(1 if gone else HEARTBEAT)


def run_next(study: optuna.Study, run) -> dict | None:
    """Run the next trial and put its row into the table; returns it, or None where others were faster.

    Args:
        run: function from a plan.Trial to its row, without the identity of the study.

    Raises:
        TableError: the table cannot be read. UnwritableError: it cannot be written.
    """
    attributes, rows = study.user_attrs, []

    def objective(ticket):
        if not ticket.user_attrs:  # nothing was left, and Optuna made a trial of its own
            raise optuna.TrialPruned
        if "settings" not in ticket.user_attrs:
            ticket.set_user_attr("settings", draw_settings(_rows(attributes), ticket.user_attrs["slot"]))
        trial = trial_in(ticket)
        row = _over(attributes).get(trial)  # of a process that was killed when it had put it there
        if row is None:
            row = run(trial) | attributes["identity"]
            _add_row(attributes, row)
            rows.append(row)
        return row["validation_roc_auc"] if row["state"] == COMPLETE else None

    try:
        study.optimize(objective, n_trials=1)
    except Exception:
        if not rows:  # else Optuna cannot note a figure that is kept: the file is busy, or the machine slept too long
            raise
    return rows[0] if rows else None


def draw_settings(rows: list[dict], slot: int) -> str:
    """The settings of trial number `slot` of the search, a function of that and of what came out in `rows`."""
    space = {
        name: optuna.distributions.FloatDistribution(low, high, log=log)
        for name, (low, high, log) in plan.SEARCH.items()
    }
    sampler = optuna.samplers.TPESampler(seed=slot, n_startup_trials=STARTUP_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for row in searched(rows):
        params, value = {name: row[name] for name in space}, row["validation_roc_auc"]
        study.add_trial(optuna.create_trial(params=params, distributions=space, value=value))
    settings, known = None, {row["settings"] for row in rows}
    while settings is None or settings in known:
        params = study.ask(space).params
        settings = plan.settings_of(" ".join(f"{name}={value:.4g}" for name, value in params.items()))
    return settings


def describe_progress(study: optuna.Study) -> str:
    """Which trial of how many begins, and the time left, as trials so far took longer or shorter than expected."""
    left = study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
    waiting = sum(ticket.state == TrialState.WAITING for ticket in left)
    over = _over(study.user_attrs)
    measured = [(machine_seconds(row), plan.minutes_of(trial)) for trial, row in over.items() if row["seconds"]]
    seconds, length = (sum(column) for column in zip(*measured, strict=True)) if measured else (60, 1)
    hours = sum(plan.minutes_of(trial_in(ticket)) for ticket in left) * seconds / length / 3600
    trials = study.user_attrs["trials"]
    return f"trial {trials - waiting} of {trials}, about {hours:.1f} h left"


def trial_in(ticket) -> plan.Trial:
    """The trial that an Optuna trial is about; the base where the search has not drawn its settings yet."""
    return plan.Trial(ticket.user_attrs.get("settings", ""), ticket.user_attrs.get("seed", plan.SEEDS[0]))


def _rows(attributes):
    rows = read_table(Path(attributes["table"]))
    return [row for row in rows if row["recipe"] == attributes["identity"]["recipe"]]


def _over(attributes):
    return {trial_of(row): row for row in _rows(attributes) if row["state"] != ERROR}


def _add_row(attributes, row):
    with hold(Path(attributes["lock"]), "a trial that is over"):
        if row["state"] != ERROR or trial_of(row) not in _over(attributes):  # no error takes the place of a figure
            add_row(Path(attributes["table"]), row)


def _open(path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # what has to do with heartbeats
    beats = {"heartbeat_interval": HEARTBEAT, "grace_period": GRACE, "heartbeat_stale_trial_callback": _come_back}
    try:
        storage = RDBStorage(f"sqlite:///{path}", {"connect_args": {"timeout": BUSY_SECONDS}}, **beats)
    except RuntimeError as error:  # written by another version
        raise optuna.exceptions.StorageInternalError(error) from None
    # Optuna looks whether a trial waits, and then takes it: SQLite would let two processes look before either takes
    storage.engine.dispose()
    event.listen(storage.engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def _come_back(study, ticket):
    retry = RetryHeartbeatStaleTrialCallback(max_retry=MOST_KILLS - 1)
    kills = len(retry.retry_history(ticket)) + 1
    retry(study, ticket)
    if kills == MOST_KILLS and "settings" in ticket.user_attrs:
        row = trial_in(ticket)._asdict() | study.user_attrs["identity"]
        row |= {"state": ERROR, "reason": f"killed {kills} times, likely for want of memory"}
        _add_row(study.user_attrs, row)
