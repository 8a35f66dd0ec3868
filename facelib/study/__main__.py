"""`make experiments`: run the trials of the study that are not over, each in a process of its own."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facelib.config import ROOT, Config
from facelib.locks import LOCK, keep
from facelib.progress import VARIABLE
from facelib.provenance import digest
from facelib.startup import load_tensorflow, run_command
from facelib.study import plan
from facelib.study.summary import is_earlier, newest
from facelib.study.table import COMPLETE, ERROR, read_table, table_path

NOTHING_LEFT, INTERRUPTED = 3, 130  # exit codes of a worker; 0: a trial was recorded
MOST_KILLS = 10  # of workers in a row; more than what `queue` grants one trial
STORAGE = "FACELIB_STORAGE"  # as --storage, which others on the machine would see in its list of processes
EXPECTED = (ValueError, OSError, ImportError)  # their messages say all


def queue_path(config: Config) -> Path:
    """The file of the queue; beside it lie the checkpoints of trials that are not over."""
    return config.interim.parent / "experiments" / f"{table_path(config).stem}.db"


def place_of(config: Config, shared: str = ""):
    """The `queue.Place` of this folder's queue, or of the one that it shares with others."""
    from facelib.study.queue import Place

    return Place(queue_path(config), table_path(config), shared)


def work(config: Config, workers: int = 1, shared: str = "") -> int:
    """Run the next trial of the queue; returns the exit code of the process that does it."""
    from facelib.study.queue import describe_progress, open_queue, run_next, wait_for_trial
    from facelib.study.storage import explaining

    place, folders = place_of(config, shared), []

    def run(trial):
        from facelib.study.trial import processor, run_trial

        places = plan.declared().get(trial, [(plan.SEARCHED, trial.settings)])
        print(f"\n{describe_progress(queue)}\n{_name(trial, places)}", flush=True)
        folders.append(place.path.parent / "runs" / digest(*trial, workers, processor()))  # anew if computed otherwise
        with_test = any(table in plan.TESTED for table, _ in places)
        return run_trial(trial, config.data or "drawn", folders[0], with_test) | {"workers": workers}

    with explaining(place.shared or place.path):
        queue = open_queue(place)
        if not wait_for_trial(queue):
            return NOTHING_LEFT
        load_tensorflow()
        row = run_next(queue, run)
    if row is None:
        return 0
    if row["state"] != ERROR and not any(folders[0].rglob("step_*.npz")):  # a batch that broke it is for inspection
        shutil.rmtree(folders[0], ignore_errors=True)  # not before the row is kept: until then it can be measured again
    if row["state"] == COMPLETE:
        print("  validation ROC AUC {validation_roc_auc:.4f}, accuracy {validation_accuracy:.4f}, "
              "{seconds:.0f} s".format(**row), flush=True)  # fmt: skip
    else:
        print(f"  {row['state']}: {row['reason']}", flush=True)
    return 0


def _name(trial, places):
    return f"{'; '.join(f'{table}: {choice}' for table, choice in places)} (seed {trial.seed})"


def supervise(workers: int, arguments: list[str]) -> int:
    """Keep `workers` processes at work, one trial each, until nothing is left; a killed one is replaced.

    Optuna hands trials to processes and starts none. A process that ends gives its memory back, whatever was trained.

    Returns:
        The exit code: 0, or that of a worker that could not go on, negative where a signal ended it.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))}
    if workers > 1:  # they share the cores, and their bars would overwrite each other
        threads = str(max(1, (os.cpu_count() or 1) // workers))
        environment |= {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads, VARIABLE: os.devnull}
    command = [sys.executable, "-m", "facelib.study", *arguments, "--worker"]
    # in a session of their own: what stops them is the end of the pipe, also where this process is killed; and they
    # hold the lock of `make experiments` with it
    options = {"env": environment, "stdin": subprocess.PIPE, "start_new_session": True, "close_fds": False}
    stopping, processes = threading.Event(), []

    def keep_one():
        kills, code = 0, 0
        while code <= 0 and kills < MOST_KILLS and not stopping.is_set():
            with subprocess.Popen(command, **options) as process:
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
            raise
    return max(codes - {NOTHING_LEFT}, key=abs, default=0)


def _end_with_the_parent():
    def watch():
        while os.read(sys.stdin.fileno(), 1):  # nothing comes, until the parent closes the other end, or is gone
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def run_all(config: Config, tables: list[str], workers: int, shared: str = "") -> int:
    """Run the trials of `tables` that are not over with so many processes; returns the exit code, see `supervise`."""
    from facelib.study.queue import fill_queue, open_queue, share_rows
    from facelib.study.storage import explaining

    load_tensorflow()
    from facelib.learn.networks import uses_bfloat16
    from facelib.study.trial import identify_study

    if config.bfloat16 and not uses_bfloat16(config):
        print("this processor is not fast in bfloat16: the trials take float32, and twice the time")
    place, table = place_of(config, shared), table_path(config)
    keep(place.path.with_name(f"{place.path.stem}{LOCK}"), "make experiments")
    identity = identify_study(config.data or "drawn")
    with explaining(place.shared or place.path):
        fill_queue(place, identity, tables)
    others = [row for row in _rows(table) if row["state"] != ERROR and (row["workers"] or workers) != workers]
    if others:
        print(f"{len(others)} trials were run with another WORKERS; those of now are not compared with them")
    code = supervise(workers, sys.argv[1:])
    if code == 0:
        with explaining(place.shared or place.path):
            share_rows(open_queue(place))
        failed = sum(row["state"] == ERROR for row in _rows(table))
        print(f"{table}: every trial is over" + f"; {failed} ended in an error" * bool(failed))
    return code


def _rows(table):
    return [row for row in read_table(table) if not is_earlier(row)]


def show(config: Config, tables: list[str]) -> None:
    """Print the declared trials of `tables` and those of the search, each with its state in the table."""
    rows = newest(read_table(table_path(config)))
    places = plan.declared([name for name in tables if name != plan.SEARCHED])
    if plan.SEARCHED in tables:
        places |= {trial: [(plan.SEARCHED, trial.settings)] for trial in rows if plan.is_searched(trial)}
    for trial, names in places.items():
        row = rows.get(trial, {"state": "to do"})
        figure = f"{row['validation_roc_auc']:.4f}" if row["state"] == COMPLETE else row["state"]
        earlier = f", recipe {row['recipe']}: to do with {plan.RECIPE}" if is_earlier(row) else ""
        print(f"{figure:>8}  {_name(trial, names)}{earlier}")


def main() -> int:
    """Run the command and return its exit code; a mistake is one message, never a stack trace."""
    known = (*plan.TABLES, plan.SEARCHED)
    parser = argparse.ArgumentParser(prog="make experiments", description=__doc__)
    parser.add_argument("--data", default="", help="as for make all: a folder with faces, or drawn")
    parser.add_argument("--workers", type=int, default=1, help="processes at the same time")
    parser.add_argument("--only", metavar="TABLE,...", default=",".join(known), help=f"of: {', '.join(known)}")
    parser.add_argument("--storage", default=os.environ.get(STORAGE, ""), help="what folders or machines share: the "
                        f"address of a PostgreSQL database, or a journal file; or in {STORAGE}")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="print the trials and their states, and run none")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(tables := [name.strip() for name in arguments.only.split(",")]) - set(known)
    if unknown:
        parser.error(f"no table {min(unknown)!r}; there are: {', '.join(known)}")
    if arguments.workers < 1:
        parser.error("--workers is at least 1")
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in a shell's background unless it is set
        signal.signal(number, signal.default_int_handler)

    def run():
        config = plan.configure(plan.Trial("", plan.SEEDS[0]), arguments.data)
        if arguments.list:
            return show(config, tables)
        if arguments.worker:
            threading.excepthook = lambda _: None  # no trace of a heartbeat that Optuna could not write
            _end_with_the_parent()
            sys.exit(work(config, arguments.workers, arguments.storage))
        sys.exit(abs(run_all(config, tables, arguments.workers, arguments.storage)))

    code = run_command(run, EXPECTED)
    if code == INTERRUPTED and not arguments.worker:
        print("stopped; `make experiments` goes on from here", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
