"""`make experiments`: run the trials of the study that are not over, each in a process of its own."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from facelib.checkpoint import CheckpointError
from facelib.config import ROOT, Config, ConfigError
from facelib.data.identities import NoFacesError
from facelib.progress import VARIABLE
from facelib.provenance import digest
from facelib.startup import load_tensorflow, print_any_name
from facelib.study import plan
from facelib.study.queue import claim, record
from facelib.study.storage import SEARCH, Storage, exclusive, open_storage, over
from facelib.study.summary import is_earlier, machine_seconds, newest
from facelib.study.table import COMPLETE, ERROR, TableError, read_table, table_path

NOTHING_LEFT, INTERRUPTED = 3, 130  # exit codes of a worker; 0: a trial was recorded
MOST_KILLS = 10  # of workers in a row; more than what `queue` grants one trial


def open_study(config: Config, new_start: bool = False) -> Storage:
    """The storage of the study on the faces of `config`, which is that of any trial.

    Raises:
        ConfigError, NoFacesError: there are no faces to train on. CheckpointError: see `build.load_split`.
        TableError: the storage or the table cannot be used; the message says what to do.
    """
    from facelib.study.trial import identify_study

    folder = config.interim.parent / "experiments"
    return open_storage(folder, table_path(config), identify_study(config.data or "drawn"), new_start)


def work(config: Config, tables, workers: int = 1) -> int:
    """Run one trial of `tables` and record it; returns the exit code of the process that does it."""
    from facelib.study.trial import processor, run_trial

    storage = open_study(config)
    claimed = claim(storage, tables)
    if claimed is None:
        return NOTHING_LEFT
    places = plan.declared().get(claimed.trial, [(SEARCH, claimed.trial.settings)])
    print(f"\n{_progress(storage, tables)}\n{_name(claimed.trial, places)}", flush=True)
    folder = storage.path.parent / "runs" / digest(*claimed.trial, workers, processor())  # anew if computed otherwise
    try:
        with_test = any(table in plan.TESTED for table, _ in places)
        row = run_trial(claimed.trial, config.data or "drawn", folder, with_test)
    except KeyboardInterrupt:
        record(storage, claimed, None)
        return INTERRUPTED
    record(storage, claimed, {**row, "workers": workers})
    if row["state"] != ERROR and not any(folder.rglob("step_*.npz")):  # a batch that broke a trial is for inspection
        shutil.rmtree(folder, ignore_errors=True)  # not before the row is kept: until then it can be measured again
    if row["state"] == COMPLETE:
        print("  validation ROC AUC {validation_roc_auc:.4f}, accuracy {validation_accuracy:.4f}, "
              "{seconds:.0f} s".format(**row), flush=True)  # fmt: skip
    else:
        print(f"  {row['state']}: {row['reason']}", flush=True)
    return 0


def _name(trial, places):
    return f"{'; '.join(f'{table}: {choice}' for table, choice in places)} (seed {trial.seed})"


def _over(storage):
    with exclusive(storage.path, storage.table):
        return over(storage)


def _progress(storage, tables):
    """Which trial of how many this is, and the time left, as the trials so far took longer or shorter than expected."""
    trials, done = list(plan.declared([name for name in tables if name != SEARCH])), _over(storage)
    searched = [trial for trial in done if plan.is_searched(trial)] if SEARCH in tables else []
    unknown = plan.SEARCH_TRIALS - len(searched) if SEARCH in tables else 0
    measured = [(machine_seconds(row), plan.minutes_of(trial)) for trial, row in done.items() if row.get("seconds")]
    seconds, length = (sum(column) for column in zip(*measured, strict=True)) if measured else (60, 1)
    left = sum(plan.minutes_of(trial) for trial in trials if trial not in done)
    left += unknown * plan.minutes_of(plan.Trial("", plan.SEEDS[0]))
    number = sum(trial in done for trial in trials) + len(searched) + 1
    hours = left * seconds / length / 3600
    return f"trial {number} of {len(trials) + len(searched) + unknown}, about {hours:.1f} h left"


def supervise(workers: int, arguments: list[str]) -> int:
    """Keep `workers` processes at work, one trial each, until nothing is left; a killed one is replaced.

    Returns the exit code: 0, INTERRUPTED, or that of a worker that could not go on, negative where a signal ended it.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))}
    if workers > 1:  # they share the cores, and their bars would overwrite each other
        threads = str(max(1, (os.cpu_count() or 1) // workers))
        environment |= {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads, VARIABLE: os.devnull}
    command = [sys.executable, "-m", "facelib.study", *arguments, "--worker"]

    stopping, processes = threading.Event(), []

    def keep_one():
        kills, code = 0, 0
        while code <= 0 and kills < MOST_KILLS and not stopping.is_set():
            # in a session of their own: what stops them is the end of the pipe, also where this process is killed
            with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True) as process:
                processes.append(process)
                if stopping.is_set():
                    process.stdin.close()
                code = process.wait()
            kills = kills + 1 if code < 0 else 0
        return code

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(keep_one) for _ in range(workers)]
        try:
            codes = {future.result() for future in futures}
        except KeyboardInterrupt:
            stopping.set()
            for process in processes:
                process.stdin.close()
            codes = {INTERRUPTED}
    return max(codes - {NOTHING_LEFT}, key=abs, default=0)


def _end_with_the_parent():
    def watch():
        while os.read(sys.stdin.fileno(), 1):  # nothing comes, until the parent closes the other end, or is gone
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def show(config: Config, tables) -> None:
    """Print the declared trials of `tables` and those of the search, each with its state in the table."""
    path = table_path(config)
    rows = newest(read_table(path))
    places = plan.declared([name for name in tables if name != SEARCH])
    if SEARCH in tables:
        places |= {trial: [(SEARCH, trial.settings)] for trial in rows if plan.is_searched(trial)}
    for trial, names in places.items():
        row = rows.get(trial, {"state": "to do"})
        figure = f"{row['validation_roc_auc']:.4f}" if row["state"] == COMPLETE else row["state"]
        earlier = f", recipe {row['recipe']}: to do with {plan.RECIPE}" if is_earlier(row) else ""
        print(f"{figure:>8}  {_name(trial, names)}{earlier}")


def main() -> None:
    print_any_name()
    known = (*plan.TABLES, SEARCH)
    parser = argparse.ArgumentParser(prog="make experiments", description=__doc__)
    parser.add_argument("--data", default="", help="as for make all: a folder with faces, or drawn")
    parser.add_argument("--workers", type=int, default=1, help="processes at the same time")
    parser.add_argument("--only", metavar="TABLE,...", default=",".join(known), help=f"of: {', '.join(known)}")
    parser.add_argument("--list", action="store_true", help="print the trials and their states, and run none")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(tables := [name.strip() for name in arguments.only.split(",")]) - set(known)
    if unknown or arguments.workers < 1:
        parser.error(
            f"no table {min(unknown)!r}; there are: {', '.join(known)}" if unknown else "--workers is at least 1"
        )
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in a shell's background unless it is set
        signal.signal(number, signal.default_int_handler)
    try:
        config = plan.configure(plan.Trial("", plan.SEEDS[0]), arguments.data)
        if arguments.list:
            return show(config, tables)
        load_tensorflow()
        if arguments.worker:
            _end_with_the_parent()
            sys.exit(work(config, tables, arguments.workers))
        from facelib.learn.networks import uses_bfloat16

        if config.bfloat16 and not uses_bfloat16(config):
            print("this processor is not fast in bfloat16: the trials take float32, and twice the time")
        storage = open_study(config, new_start=True)
        others = [row for row in _over(storage).values() if row.get("workers", arguments.workers) != arguments.workers]
        if others:
            print(f"{len(others)} trials were run with another WORKERS; those of now are not compared with them")
        code = supervise(arguments.workers, sys.argv[1:])
        if code == 0:
            failed = sum(row["state"] == ERROR for row in _over(storage).values())
            print(f"{storage.table}: every trial is over" + f"; {failed} ended in an error" * bool(failed))
    except (CheckpointError, ConfigError, NoFacesError, TableError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED and not arguments.worker:
        print("stopped; `make experiments` goes on from here", file=sys.stderr)
    sys.exit(abs(code))


if __name__ == "__main__":
    main()
