"""A study of a few tiny trials, for the tests and for the processes that they start."""

import sys
from pathlib import Path

from facelib import config as config_module
from facelib.study import plan
from facelib.study.queue import claim, record
from facelib.study.storage import open_storage

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
EVERYTHING = ("loss", "minutes", "search")
IDENTITY = {"format": 1, "recipe": 1, "data": "d", "faces": "real"}
DATABASE = "experiments-recipe-1.db"


def open_tiny(folder, new_start=False, **changes):
    return open_storage(Path(folder), Path(folder) / "experiments.csv", IDENTITY | changes, new_start)


def finished(trial, roc_auc=0.75, state="complete", **changes):
    row = {"settings": trial.settings, "seed": trial.seed, "state": state, "reason": "", "validation_accuracy": 0.5}
    return row | {"validation_roc_auc": roc_auc, "seconds": 60.0} | changes


def run_all(storage, tables=EVERYTHING, roc_auc=lambda number: 0.75):
    """Claim and record until nothing is left; returns the trials in order."""
    done = []
    while claimed := claim(storage, tables):
        record(storage, claimed, finished(claimed.trial, roc_auc(len(done))))
        done.append(claimed.trial)
    return done


if __name__ == "__main__":  # python tiny_study.py FOLDER: claim one trial, say so, and wait to be killed
    for patch in PATCHES:
        setattr(*patch)
    config_module.ROOT = Path(sys.argv[1])
    claimed = claim(open_tiny(sys.argv[1]), EVERYTHING)
    print(claimed.trial.settings, claimed.trial.seed, sep="|", flush=True)
    sys.stdin.read()
