"""One trial of the study: trained, measured on held-out identities, described in a row of figures and provenance."""

import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from facelib.config import ROOT, Config
from facelib.data.drawn import draw_faces
from facelib.data.duplicates import require_disjoint
from facelib.data.face_alignment import align_first
from facelib.data.pair_images import load_test_pairs
from facelib.data.test_crop import find_test_crop
from facelib.learn import build
from facelib.learn.alarms import TrainingError
from facelib.learn.embedding import build_embedder, embed, pair_scores
from facelib.learn.networks import uses_bfloat16
from facelib.learn.training import Schedule, train
from facelib.measure import metrics
from facelib.provenance import commit
from facelib.small_sets import fusion
from facelib.study import plan
from facelib.study.table import COMPLETE, ERROR, FAILED, write_mistakes


def identify_study(data: str) -> dict:
    """What all trials of one study on the faces in `data` have in common: format, recipe, data and their kind.

    Raises:
        ConfigError, NoFacesError: there are no faces to train on. CheckpointError: see `build.load_split`.
    """
    config = plan.configure(plan.Trial("", plan.SEEDS[0]), data)
    if config.drawn:
        draw_faces(config)
    return {
        "format": plan.FORMAT,
        "recipe": plan.RECIPE,
        "data": build.load_split(config).faces.digest,
        "faces": "drawn" if config.drawn else "real",
    }


def run_trial(trial: plan.Trial, data: str, folder: Path, with_test: bool = False) -> dict:
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
        config = plan.configure(trial, data)
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
    split = build.load_split(config)
    people = int(split.training_labels.max()) + 1
    if people < config.training_identities:
        raise TrainingError(f"training_identities={config.training_identities}, and {people} are not held out")
    # before the training, so that a list that cannot be used is known at once
    test = _load_test(config, split.faces, split.decoded) if with_test else None
    sampler, learner = build.build_sampler(config, split), build.build_learner(config, split)
    folder = folder / build.training_folder(config, split.faces.digest).name
    schedule = Schedule(config.epochs, config.steps_per_epoch, folder)
    validate = build.validate_with(split, build_embedder(learner.model, config.flip_average))
    history = list(train(learner, build.batches_from(config, split, sampler), schedule, validate))
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
    figures |= {name: end[name] for name in (*measured, "loss", "active_share", "steps", "seconds")}
    figures["spread"] = end["embedding_deviation"]  # as the column of the recorded table is called
    if test:
        figures |= _test(config, test, align_first(split.alignment, learner.model), end["validation_threshold"])
    if config.texture_share:
        fused = fusion.fuse(config, split, learner.model)
        found = build.validate_with(split, fused.embed, fused.pair_scores)()
        figures |= {f"joined_{name}": found[f"validation_{name}"] for name in ("roc_auc", "accuracy")}
        if test:
            model = align_first(split.alignment, fused.model)
            tested = _test(config, test, model, found["validation_threshold"], fused.pair_scores)
            figures |= {f"joined_{name}": value for name, value in tested.items()}
    return figures


def _load_test(config, faces, training):
    test = load_test_pairs(config, find_test_crop(config, training).crop)
    require_disjoint(faces.side("training images"), test.side("test images"))
    return test


def _test(config, test, model, threshold, score=pair_scores):
    embeddings = embed(model, test.images.pixels, config.flip_average)
    scores = score(embeddings, test.first, test.second)
    return {
        "test_mistakes": write_mistakes((scores >= threshold) != test.matched),
        "test_accuracy": metrics.accuracy(scores, test.matched, threshold),
        "test_best_accuracy": metrics.best_threshold(scores, test.matched)[1],
        "test_roc_auc": metrics.roc_auc(scores, test.matched),
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
