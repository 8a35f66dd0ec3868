"""A study of a few tiny trials, for the tests and for the processes that they start."""

from pathlib import Path

from facelib.study import plan
from facelib.study.queue import Place, fill_queue, open_queue, run_next, wait_for_trial

TABLES = {
    "loss": {"base": "", "hot": "gamma=128"},
    "minutes": {"1": "epochs=1", "2": ""},
}
PATCHES = (
    (plan, "RECIPE", 1),
    (plan, "PROFILE", "smoke"),
    (
        plan,
        "BASE",
        "identities_per_batch=4 images_per_identity=3 validation_share=0.25 validation_images=3 embedding_size=6"
        " epochs=2 steps_per_epoch=2 drawn_pairs=40",
    ),
    (plan, "SEEDS", (7, 8)),
    (plan, "ONCE", ("minutes",)),
    (plan, "TABLES", TABLES),
    (plan, "SEARCH_TRIALS", 3),
)
ORDER = [plan.Trial("", 7), plan.Trial("gamma=128.0", 7), plan.Trial("epochs=1", 7), plan.Trial("", 8)]
ORDER.append(plan.Trial("gamma=128.0", 8))
EVERYTHING = ["loss", "minutes", "search"]
IDENTITY = {"format": 1, "recipe": 1, "data": "d", "faces": "real"}


class Killed(BaseException):
    """Leaves a trial as a kill of its process does: Optuna hears of it no more."""


def place(folder, shared=""):
    return Place(Path(folder) / "queue.db", Path(folder) / "experiments.csv", shared)


def start(folder, tables=EVERYTHING, shared="", **changes):
    """The queue of a new start of `tables` in `folder`, whose table is experiments.csv."""
    fill_queue(place(folder, shared), IDENTITY | changes, tables)
    return open_queue(place(folder, shared))


def finished(trial, roc_auc=0.75, state="complete", **changes):
    row = {"settings": trial.settings, "seed": trial.seed, "state": state, "reason": "", "validation_accuracy": 0.5}
    return row | {"validation_roc_auc": roc_auc, "seconds": 60.0, "workers": 1} | changes


def run_all(queue, roc_auc=lambda number: 0.75):
    """Run made-up trials until nothing is left; returns them in order."""
    done = []

    def run(trial):
        done.append(trial)
        return finished(trial, roc_auc(len(done) - 1))

    while wait_for_trial(queue):
        run_next(queue, run)
    return done
