"""One trial of the study: trained, measured on held-out identities, described in a row of figures and provenance."""

import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from facelib import recipe, streams, verification
from facelib.alarms import TrainingError
from facelib.alignment import find_test_crop
from facelib.config import PAIRS_FILE, ROOT, TEST_FOLDER, Config
from facelib.configured import uses_bfloat16
from facelib.congealing import align_first
from facelib.duplicates import require_disjoint
from facelib.embedding import embed, pair_scores
from facelib.experiments import study
from facelib.experiments.table import COMPLETE, ERROR, FAILED
from facelib.pairs import load_pairs
from facelib.results import commit
from facelib.synthetic import draw_faces
from facelib.texture import join
from facelib.training import Schedule, train


def identify_study(data: str) -> dict:
    """What all trials of one study on the faces in `data` have in common: format, recipe, data and their kind.

    Raises:
        ConfigError, NoFacesError: there are no faces to train on. CheckpointError: see `recipe.load_split`.
    """
    config = study.configure(study.Trial("", study.SEEDS[0]), data)
    if config.drawn:
        draw_faces(config)
    return {
        "format": study.FORMAT,
        "recipe": study.RECIPE,
        "data": recipe.load_split(config).faces.digest,
        "faces": "drawn" if config.drawn else "real",
    }


def run_trial(trial: study.Trial, data: str, folder: Path, with_test: bool = False) -> dict:
    """Train `trial`, or go on where it was cut short, and measure it; see `table.COLUMNS`.

    A trial that cannot be trained is a result as well: its row says why. What may go otherwise another time (no memory,
    a full disk) has the state "error".

    Args:
        folder: gets the checkpoints of this trial; it can be removed when the row is kept somewhere.
        with_test: measure the test pairs too, at the threshold that is best on the validation pairs, and at the one
            that is best on themselves.
    """
    row = {"settings": trial.settings, "seed": trial.seed, "reason": ""}
    try:
        config = study.configure(trial, data)
        row |= _provenance(config)
        return row | _train(config, folder, with_test)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)  # which names the file with the batch
        return row | {"state": FAILED, "reason": _portable(str(error).partition("; the batch is in")[0], data)}
    except Exception as error:  # whatever happens to one trial, the study goes on
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return row | {"state": ERROR, "reason": _portable(f"{type(error).__name__}: {error}", data)}


def _train(config: Config, folder: Path, with_test: bool) -> dict:
    tf.keras.backend.clear_session()
    split = recipe.load_split(config)
    test = (
        _load_test(config, split.faces, split.decoded) if with_test else None
    )  # a list that cannot be used is known at once
    sampler, learner = recipe.build_sampler(config, split), recipe.build_learner(config, split)
    folder = folder / recipe.training_folder(config, split.faces.digest).name
    schedule = Schedule(config.epochs, config.steps_per_epoch, folder)
    validate = recipe.validate_with(config, split, learner.model)
    history = list(train(learner, recipe.batches_from(config, split, sampler), schedule, validate))
    end = history[-1]
    images = end["steps"] * config.identities_per_batch * config.images_per_identity
    alarms = [f"epoch {record['epoch']}: {record['alarm']}" for record in history if record["alarm"]]
    figures = {
        "state": FAILED if end["alarm"].startswith("collapse") else COMPLETE,
        "reason": alarms[-1] if alarms else "",
        "images": images,
        "images_per_second": images / end["seconds"],
    }
    measured = ("validation_roc_auc", "validation_accuracy", "validation_average_precision")
    figures |= {name: end[name] for name in (*measured, "loss", "spread", "active_share", "steps", "seconds")}
    if test:
        figures |= _test(config, test, align_first(split.alignment, learner.model), end["validation_threshold"])
    if config.texture_share:
        joined = join(learner.model, streams.fit_texture(config, split), config.texture_share)
        cohort = streams.embed_cohort(config, split, joined)
        found = recipe.validate_with(config, split, joined, cohort)()
        figures |= {f"joined_{name}": found[f"validation_{name}"] for name in ("roc_auc", "accuracy")}
        if test:
            tested = _test(config, test, align_first(split.alignment, joined), found["validation_threshold"], cohort)
            figures |= {f"joined_{name}": value for name, value in tested.items()}
    return figures


def _load_test(config, faces, training):
    folder, crop = config.faces / TEST_FOLDER, find_test_crop(config, training).crop
    test = load_pairs(config.faces / PAIRS_FILE, folder, config.interim / "cache", crop)
    require_disjoint(faces.side("training images"), test.side("test images"))
    return test


def _test(config, test, model, threshold, cohort=None):
    embeddings = embed(model, test.images.pixels, config.flip_average)
    scores = pair_scores(embeddings, test.first, test.second, cohort)
    return {
        "test_accuracy": verification.accuracy(scores, test.matched, threshold),
        "test_best_accuracy": verification.best_threshold(scores, test.matched)[1],
        "test_roc_auc": verification.roc_auc(scores, test.matched),
    }


def processor() -> str:
    """How many cores this machine has, and of which kind."""
    cpu = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)$", cpu.read_text() if cpu.exists() else "", re.MULTILINE)
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


def _provenance(config):
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("tensorflow", "keras", "numpy")},
        "processor": processor(),
        "bfloat16": "yes" if uses_bfloat16(config) else "no",
    }


def _commit():
    found = commit()
    return (found["commit"] or "") + "-dirty" * bool(found["dirty"])


def _portable(text, data):
    """`text` without the places of this machine."""
    for place, name in ((data, "DATA"), (str(ROOT), "."), (str(Path.home()), "~")):
        text = text.replace(place, name) if os.sep in place else text
    return " ".join(text.split())[:300]
