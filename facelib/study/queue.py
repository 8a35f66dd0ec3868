"""The queue of `make experiments`: an Optuna study (Akiba et al. 2019, KDD), which processes share.

The table says which trials are over, and the queue holds the others: Optuna hands each to one process, and queues it
again when that process was killed. At each start the queue is filled anew, because Optuna cannot remove queued trials,
which ONLY needs, and does not retry failed ones.

A queue that several folders share is added to instead, and holds the rows as well: each folder's table gets those that
it lacks. Starts need not wait for each other: the first decides what study it is, and what two have queued is run once.
"""

import time
from pathlib import Path
from typing import NamedTuple

from facelib.locks import LOCK, hold
from facelib.progress import say
from facelib.provenance import digest
from facelib.startup import PACKAGE
from facelib.study import plan, storage
from facelib.study.storage import QueueError, name_of, open_storage, optuna
from facelib.study.summary import machine_seconds, searched
from facelib.study.table import (
    COMPLETE,
    ERROR,
    add_row,
    check_study,
    from_texts,
    key_of,
    read_table,
    to_texts,
    trial_of,
    write_table,
)

TrialState = optuna.trial.TrialState
NAME = "queue"  # of the Optuna study
MOST_KILLS = 3  # of one trial; then it is given up until the next start
STARTUP_TRIALS = 4  # of the search, drawn at random before the sampler has a say


class Place(NamedTuple):
    """Where a folder of the project has its queue and its table."""

    path: Path  # of the queue that is this folder's alone; beside it lie locks
    table: Path  # the CSV file
    shared: str = ""  # the queue that it shares with other folders instead, see `storage.open_storage`


class Queue(NamedTuple):
    """A queue that was opened."""

    study: optuna.Study
    place: Place
    identity: dict  # see `fill_queue`


def fill_queue(place: Place, identity: dict, tables: list[str]) -> None:
    """Queue the trials of `tables` that are not over, in the order of the plan.

    No other process may use the queue meanwhile, unless it is shared. Trials of the search that were begun keep their
    settings.

    Args:
        identity: what all trials of the study have in common, see `trial.identify_study`.
        tables: names, and plan.SEARCHED for the search.

    Raises:
        TableError: the table cannot be read, or is of another study. QueueError: the shared queue is of another study.
    """
    for row in read_table(place.table):
        check_study(row, identity, str(place.table))
    place.path.parent.mkdir(parents=True, exist_ok=True)
    queue, begun = (_join if place.shared else _renew)(place, identity)
    study, trials = queue.study, plan.declared([name for name in tables if name != plan.SEARCHED])
    if not place.shared:
        study.set_user_attr("trials", len(trials) + plan.SEARCH_TRIALS * (plan.SEARCHED in tables))

    over, tickets = _over(queue), study.get_trials(deepcopy=False)  # seen once: other folders go on meanwhile
    queued = {name for ticket in tickets if not ticket.state.is_finished() for name in _names(ticket)}
    if plan.SEARCHED in tables:
        begun = [*begun, *map(trial_in, tickets), *map(trial_of, _rows(queue))]
        begun = dict.fromkeys(trial for trial in begun if plan.is_searched(trial))
        trials = dict.fromkeys((*trials, *begun))
    wanted = [trial._asdict() for trial in trials if trial not in over]
    if plan.SEARCHED in tables:
        wanted += [{"slot": number} for number in range(len(begun), plan.SEARCH_TRIALS)]
    for fields in wanted:
        ticket = optuna.create_trial(state=TrialState.WAITING, user_attrs=fields)
        if not _names(ticket) & queued:
            study.add_trial(ticket)


def _renew(place, identity):
    # the queue, empty, and the trials of the search that the one before had begun
    store, begun = _open(place), []
    if NAME in optuna.get_all_study_names(store):
        old = optuna.load_study(study_name=NAME, storage=store)
        if old.user_attrs.get("identity") == identity:
            begun = [plan.Trial(*trial) for trial in old.user_attrs["begun"]]
            begun += [trial for trial in map(trial_in, old.get_trials(deepcopy=False)) if plan.is_searched(trial)]
        optuna.delete_study(study_name=NAME, storage=store)
    study = optuna.create_study(study_name=NAME, storage=store, direction="maximize")
    study.set_user_attr("begun", begun)
    study.set_user_attr("identity", identity)
    return Queue(study, place, identity), begun


def _join(place, identity):
    # the shared queue; what it and the table know of trials that are over, each has afterwards
    study = optuna.create_study(study_name=NAME, storage=_open(place), direction="maximize", load_if_exists=True)
    here = identity | {"code": digest(*(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))))}
    while not (found := [ticket for ticket in study.get_trials(deepcopy=False) if "identity" in ticket.user_attrs]):
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={"identity": here}))
    there = found[0].user_attrs["identity"]
    for name, value in here.items():
        if there.get(name) != value:
            raise QueueError(
                f"{name_of(place.shared)} holds the study of another {name} ({there.get(name)}, here {value}): bring"
                f" all folders to one commit and the same data, or {storage.ANEW}"
            )
    study.set_user_attr("identity", identity)
    share_rows(queue := Queue(study, place, identity))
    return queue, []


def open_queue(place: Place) -> Queue:
    """The queue that `fill_queue` left at `place`.

    Raises:
        QueueError: it did not.
    """
    try:
        study = optuna.load_study(study_name=NAME, storage=_open(place))
        return Queue(study, place, study.user_attrs["identity"])
    except KeyError:
        raise QueueError(f"{name_of(place.shared or place.path)} holds no study yet") from None


def wait_for_trial(queue: Queue) -> bool:
    """Whether a trial waits to be run; returns when one does, or when none is left that could come back."""
    gone = told = False  # a killed trial neither runs nor waits until Optuna queues it again: look twice
    while True:
        optuna.storages.fail_stale_trials(queue.study)
        states = [ticket.state for ticket in _unfinished(queue.study)]
        if TrialState.WAITING in states or (gone and TrialState.RUNNING not in states):
            return TrialState.WAITING in states
        gone = TrialState.RUNNING not in states
        if not gone and not told:
            say(f"other processes run the last trials ({len(states)}): waiting, in case that one is killed")
            told = True
        time.sleep(1 if gone else storage.HEARTBEAT)


def run_next(queue: Queue, run) -> dict | None:
    """Run the next trial and put its row into the table; returns it, or None where others were faster.

    Args:
        run: function from a plan.Trial to its row, without the identity of the study.

    Raises:
        TableError: the table cannot be read. UnwritableError: it cannot be written.
    """
    study, taken, rows = queue.study, [], []

    def objective(ticket):
        if not ticket.user_attrs:  # nothing was left, and Optuna made a trial of its own
            raise optuna.TrialPruned
        taken.append(ticket)
        share_rows(queue)
        if _is_second(ticket, study, _over(queue)):
            raise optuna.TrialPruned
        if "settings" not in ticket.user_attrs:
            ticket.set_user_attr("settings", draw_settings(_rows(queue), ticket.user_attrs["slot"]))
        trial = trial_in(ticket)
        row = _over(queue).get(trial)  # of a process that was killed when it had put it there, or of another folder
        if row is None:
            row = run(trial) | queue.identity
            _add_row(queue, row)
            rows.append(row)
        return row["validation_roc_auc"] if row["state"] == COMPLETE else None

    try:
        study.optimize(objective, n_trials=1)
    except (Exception, KeyboardInterrupt) as error:
        if queue.place.shared and taken and not rows:  # for other folders, which do not wait for a start of this one
            study.add_trial(optuna.create_trial(state=TrialState.WAITING, user_attrs=taken[0].user_attrs))
        if not rows or isinstance(error, KeyboardInterrupt):
            raise
        # else Optuna cannot note a figure that is kept: the file is busy, or the machine slept too long
    return rows[0] if rows else None


def share_rows(queue: Queue) -> None:
    """Let the table and a shared queue have each other's rows; where both have a figure of a trial, the queue's stays.

    Raises:
        TableError: the table cannot be read, or is of another study; or the queue holds what is no row.
    """
    study, place, identity = queue
    if not place.shared:
        return
    with hold(_lock(place), "rows that folders share"):
        here, there = {key_of(row): row for row in read_table(place.table)}, {}
        for ticket in study.get_trials(deepcopy=False):
            if "row" in ticket.user_attrs:
                row = from_texts(ticket.user_attrs["row"], name_of(place.shared))
                if there.get(key_of(row), row)["state"] == ERROR or key_of(row) not in there:
                    there[key_of(row)] = row
        for key, row in here.items():
            check_study(row, identity, str(place.table))
            if key not in there or there[key]["state"] == ERROR != row["state"]:
                there[key] = row
                _give_row(study, row)
        twice = sum(row["state"] != ERROR and row != there[key] for key, row in here.items())
        if twice:
            say(f"{twice} trials were also run elsewhere, and first: their rows in {place.table} are replaced")
        if there != here:
            write_table(place.table, [*there.values()])


def _give_row(study, row):
    value = row["validation_roc_auc"] if row["state"] == COMPLETE else None
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    study.add_trial(optuna.create_trial(state=state, value=value, user_attrs={"row": to_texts(row)}))


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


def describe_progress(queue: Queue) -> str:
    """Which trial of how many begins, and the time left, as trials so far took longer or shorter than expected."""
    left, over = _unfinished(queue.study), _over(queue)
    waiting = sum(ticket.state == TrialState.WAITING for ticket in left)
    measured = [(machine_seconds(row), plan.minutes_of(trial)) for trial, row in over.items() if row["seconds"]]
    seconds, length = (sum(column) for column in zip(*measured, strict=True)) if measured else (60, 1)
    hours = sum(plan.minutes_of(trial_in(ticket)) for ticket in left) * seconds / length / 3600
    trials = queue.study.user_attrs.get("trials", len(over) + len(left))
    return f"trial {trials - waiting} of {trials}, about {hours:.1f} h left"


def trial_in(ticket) -> plan.Trial:
    """The trial that an Optuna trial is about; the base where the search has not drawn its settings yet."""
    return plan.Trial(ticket.user_attrs.get("settings", ""), ticket.user_attrs.get("seed", plan.SEEDS[0]))


def _unfinished(study):
    return study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))


def _names(ticket):
    # trials of Optuna that have one in common must not both be run; one of the search has two, once it was begun
    names = {ticket.user_attrs["slot"]} if "slot" in ticket.user_attrs else set()
    return names | {trial_in(ticket)} if "settings" in ticket.user_attrs else names


def _is_second(ticket, study, over):
    # whether an earlier one of the same name, queued by another start, waits, runs or is over
    others = [other for other in study.get_trials(deepcopy=False)[: ticket.number] if _names(other) & _names(ticket)]
    return any(not other.state.is_finished() or trial_in(other) in over for other in others)


def _rows(queue):
    rows = read_table(queue.place.table)
    return [row for row in rows if row["recipe"] == queue.identity["recipe"]]


def _over(queue):
    return {trial_of(row): row for row in _rows(queue) if row["state"] != ERROR}


def _lock(place):
    return place.path.with_name(f"{place.table.stem}-row{LOCK}")


def _add_row(queue, row):
    with hold(_lock(queue.place), "a trial that is over"):
        if row["state"] == ERROR and trial_of(row) in _over(queue):  # no error takes the place of a figure
            return
        add_row(queue.place.table, row)
    if queue.place.shared:
        _give_row(queue.study, row)
        share_rows(queue)


def _open(place):
    def come_back(study, ticket):
        _come_back(Queue(study, place, study.user_attrs["identity"]), ticket)

    return open_storage(place.shared or place.path, come_back)


def _come_back(queue, ticket):
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=MOST_KILLS - 1)
    kills = len(retry.retry_history(ticket)) + 1
    retry(queue.study, ticket)
    if kills == MOST_KILLS and "settings" in ticket.user_attrs:
        row = trial_in(ticket)._asdict() | queue.identity
        row |= {"state": ERROR, "reason": f"killed {kills} times, likely for want of memory"}
        _add_row(queue, row)
