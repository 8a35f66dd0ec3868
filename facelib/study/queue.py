"""Which trial is next: taken, recorded, and taken again when the process that ran it was killed.

A worker holds the lock of its trial while it runs it. The system frees that lock when the process ends, however it
ends, so a running trial whose lock is free was killed: it is marked failed and comes up again. Whoever takes or records
a trial holds the lock of the queue meanwhile. Nothing depends on clocks.
"""

import fcntl
from typing import NamedTuple

from facelib.study import plan
from facelib.study.storage import (
    SEARCH,
    Storage,
    add_row,
    all_trials,
    distributions,
    exclusive,
    over,
    save_table,
    trial_in,
)
from facelib.study.table import COMPLETE, ERROR

MOST_KILLS = 3  # of one trial; then it is given up until the next start
STARTUP_TRIALS = 4  # of the search, drawn at random before the sampler has a say


class Claim(NamedTuple):
    """A trial that this process runs."""

    trial: plan.Trial
    ticket: object  # optuna.Trial
    optuna_study: object
    lock: object  # open file; closing it frees the trial


def claim(storage: Storage, tables) -> Claim | None:
    """Take the next trial of `tables` (names, SEARCH among them); None where each is over or taken."""
    from optuna.samplers import TPESampler

    with exclusive(storage.path, storage.table):
        _fail_killed(storage)
        done = over(storage)
        busy = {trial_in(t) for t in all_trials(storage) if t.state.name == "RUNNING"}
        for trial in plan.declared([name for name in tables if name != SEARCH]):
            if trial not in done and trial not in busy:
                storage.tables.enqueue_trial({})
                return _take(storage, storage.tables, storage.tables.ask(), trial)
        if SEARCH not in tables:
            return None
        trials = storage.search.get_trials(deepcopy=False)
        cut_short = [t.params for t in trials if trial_in(t) and trial_in(t) not in done and trial_in(t) not in busy]
        if cut_short:
            if not any(t.state.name == "WAITING" for t in trials):
                storage.search.enqueue_trial(cut_short[0])
        elif len({trial_in(t) for t in trials} & {*done, *busy}) >= plan.SEARCH_TRIALS:
            return None
        storage.search.sampler = TPESampler(seed=len(trials), n_startup_trials=STARTUP_TRIALS)  # one seed would repeat
        ticket = storage.search.ask(distributions())
        settings = plan.settings_of(" ".join(f"{name}={value:.4g}" for name, value in ticket.params.items()))
        return _take(storage, storage.search, ticket, plan.Trial(settings, plan.SEEDS[0]))


def _take(storage, optuna_study, ticket, trial):
    lock = open(_lock_path(storage, optuna_study, ticket), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    for name, value in {**trial._asdict(), "start": storage.start}.items():
        ticket.set_user_attr(name, value)
    return Claim(trial, ticket, optuna_study, lock)


def record(storage: Storage, claimed: Claim, row: dict | None) -> None:
    """Say what came out of a trial, and write the table; with None it was interrupted, and comes up again."""
    with exclusive(storage.path, storage.table), claimed.lock:
        claimed.ticket.set_user_attr(*(("row", {**row, **storage.identity}) if row else ("interrupted", True)))
        if row and row["state"] == COMPLETE:
            claimed.optuna_study.tell(claimed.ticket, row["validation_roc_auc"])
        else:
            claimed.optuna_study.tell(claimed.ticket, state=_fail())
        save_table(storage)
        _lock_path(storage, claimed.optuna_study, claimed.ticket).unlink()


def _fail_killed(storage):
    for part in (storage.tables, storage.search):
        for ticket in part.get_trials(deepcopy=False):
            if ticket.state.name != "RUNNING":
                continue
            path = _lock_path(storage, part, ticket)
            with open(path, "a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                part.tell(ticket.number, state=_fail())
                path.unlink()
            _give_up_if_hopeless(storage, trial_in(ticket))


def _give_up_if_hopeless(storage, trial):
    kills = [
        t for t in all_trials(storage)
        if trial_in(t) == trial and t.state.name == "FAIL" and t.user_attrs.get("start") == storage.start
        and not {"row", "interrupted"} & t.user_attrs.keys()
    ]  # fmt: skip
    if trial and len(kills) >= MOST_KILLS:
        reason = f"killed {len(kills)} times, likely for want of memory"
        row = {"settings": trial.settings, "seed": trial.seed, "state": ERROR, "reason": reason, **storage.identity}
        add_row(storage, row, start=storage.start)


def _fail():
    from optuna.trial import TrialState

    return TrialState.FAIL


def _lock_path(storage, optuna_study, ticket):
    return storage.path.with_name(f"{storage.path.stem}-{optuna_study.study_name}-{ticket.number}.lock")
