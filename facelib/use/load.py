"""What notebooks 06 and 09 wrote, read back: the model and the figures; nothing here is needed for training."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras

from facelib.checkpoint import CheckpointError, restore_checkpoint
from facelib.config import INDECISIVE, Config, load_config
from facelib.data.face_alignment import align_first, restore_alignment
from facelib.learn.networks import build_model
from facelib.provenance import digest
from facelib.results import read_results, require

EXPLORATION = "01_eda"  # the notebook that found the crop
NOTEBOOK = "06_training"
SMALL_SETS = "09_small_sets"  # the notebook that fits texture and cohort
# the names of files in the results of these two; None: there is none
PARTS, FITTED = ("checkpoint", "alignment"), ("texture", "cohort")
CHOSEN = ("validation_threshold", "thresholds")  # on the validation pairs, for the scores of one notebook
AGAIN = "train again with make all PROFILE="


class UnsupportedRateError(ValueError):
    """A false accept rate for which there is no threshold; the message says for which there are."""


class Trained(NamedTuple):
    """A trained model with all that its scores need."""

    config: Config  # that it was trained with; of notebook 09 where texture or cohort take part
    model: keras.Model  # images to embeddings
    cohort: Any  # `score_normalization.Cohort`, or None: the score is the similarity
    parts: str  # what the score is made of, in words
    results: dict  # the figures of notebook 06, with the thresholds for these scores
    fingerprint: str  # of the files that hold the weights and the cohort
    frame: tuple[int, int]  # width and height of the test frames
    crop: tuple[int, int, int]  # left, top, side of the face in such a frame


def load_trained(profile: str, float32: bool = False) -> Trained:
    """The model that notebook 06 trained and chose for `profile`.

    Where the profile asks for texture or score normalisation, and notebook 09 has fitted them, they take part.

    Args:
        float32: compute in float32 even where the configuration asks for bfloat16.

    Raises:
        MissingResultError: notebook 01 or 06 has not been run for this profile, or files of 06 or 09 are gone.
        CheckpointError: a file is damaged, written by another version of this project, or 09 is about another network.
    """
    config, results = read_training(profile)
    frame, crop = read_crop(config, results["provenance"]["data_digest"])
    files = find_files(config, results)
    fitted = read_fitted(config, results)
    if fitted:
        config, found = fitted
        files |= find_files(config, found, FITTED, SMALL_SETS)
        results |= {key: found[key] for key in CHOSEN}
    fingerprint = digest([hashlib.sha256(file.read_bytes()).hexdigest() if file else None for file in files.values()])
    if float32:
        config = replace(config, bfloat16=False)
    if not fitted:
        return Trained(config, restore_model(config, files), None, "network", results, fingerprint, frame, crop)

    from facelib.small_sets import score_normalization, texture  # loaded only where they take part

    parts, fuse = ["network"], None
    try:
        if files["texture"]:
            beside = texture.restore_texture_network(files["texture"], found["texture_components"])
            parts, fuse = ["network and texture"], lambda network: texture.join(network, beside, config.texture_share)
        model = restore_model(config, files, fuse)
        settings = (model.output_shape[1], config.rareness_neighbours, config.rareness_weight)
        cohort = files["cohort"] and score_normalization.restore_cohort(files["cohort"], *settings)
    except CheckpointError as error:
        raise CheckpointError(f"{error} (or run notebooks/{SMALL_SETS}.ipynb again)") from None
    parts += ["normalised"] if cohort else []
    return Trained(config, model, cohort, ", ".join(parts), results, fingerprint, frame, crop)


def read_training(profile: str) -> tuple[Config, dict]:
    """The configuration that `profile` was last trained with, and the figures that notebook 06 found.

    Raises:
        MissingResultError: notebook 06 has not been run. CheckpointError: its results are of another version.
    """
    needed = {*PARTS, *CHOSEN, "calibration", "data"}
    return _read(load_config(profile, "drawn"), NOTEBOOK, needed, AGAIN + profile)


def read_fitted(config: Config, results: dict) -> tuple[Config, dict] | None:
    """The configuration and the figures of notebook 09 on the network that `results` of notebook 06 describe.

    None where `config`, that of notebook 06, asks for nothing beside the network, or notebook 09 has not been run.

    Raises:
        CheckpointError: its results are of another version, or about another network.
    """
    path = config.reports / "results" / f"{SMALL_SETS}.json"
    if not config.for_small_sets or not path.exists():
        return None
    again = f"run notebooks/{SMALL_SETS}.ipynb again (or make all PROFILE={config.profile})"
    fitted = _read(config, SMALL_SETS, {*FITTED, *CHOSEN, "checkpoint", "texture_components"}, again)
    theirs, found = fitted
    digests = (one["provenance"]["data_digest"] for one in (results, found))
    same = {name: getattr(config, name) for name in vars(theirs) if name.startswith(INDECISIVE)}
    if found["checkpoint"] != results["checkpoint"] or len({*digests}) > 1 or replace(theirs, **same) != config:
        raise CheckpointError(f"{path} is about another network, or other faces, than {NOTEBOOK}.json: {again}")
    return fitted


def read_training_on(config: Config) -> dict:
    """What notebook 06 found on the kind of faces that `config` has, photographs or drawn ones.

    Raises:
        MissingResultError: notebook 06 has not been run. ValueError: it was last run on the other kind.
    """
    results = read_results(config, NOTEBOOK)
    if results["data"] != ("drawn" if config.drawn else "real"):
        raise ValueError(f"{NOTEBOOK}.json is about {results['data']} faces: run notebooks/{NOTEBOOK}.ipynb on these")
    return results


def _read(default: Config, notebook: str, needed: set, again: str) -> tuple[Config, dict]:
    # the configuration of the run of `notebook` and its results, which have to hold the keys `needed`
    path = default.reports / "results" / f"{notebook}.json"
    try:
        results = read_results(default, notebook)
        settings = results["provenance"]["config"]
        config = Config(**{**settings, "test_crop": tuple(settings["test_crop"])})
        missing = needed - results.keys()
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged, or of another version ({error}): {again}") from None
    if missing:
        raise CheckpointError(f"{path} is of another version, without {min(missing)}: {again}")
    return config, results


def find_files(config: Config, results: dict, parts=PARTS, notebook: str = NOTEBOOK) -> dict[str, Path | None]:
    """The files of the trained model, by `parts`, that `results` of a notebook name; None where there is no such part.

    Raises:
        MissingResultError: a file is gone.
    """
    files = {name: config.interim / results[name] if results[name] else None for name in parts}
    for file in filter(None, files.values()):
        require(file, notebook)
    return files


def read_crop(config: Config, data_digest: str) -> tuple[tuple[int, int], tuple[int, int, int]]:
    """What notebook 01 found: width and height of the test frames, and left, top and side of the square with the face.

    Args:
        data_digest: of the training faces of notebook 06, which have to be those that the square was found with.

    Raises:
        MissingResultError: notebook 01 has not been run. CheckpointError: its results are of another version, or about
            other faces.
    """
    path = config.reports / "results" / f"{EXPLORATION}.json"
    again = f"run notebooks/{EXPLORATION}.ipynb again (or make all PROFILE={config.profile})"
    try:
        found = read_results(config, EXPLORATION)
        numbers = width, height, left, top, side = (*found["test_frame"], *found["test_crop"])
        same = found["provenance"]["data_digest"] == data_digest
        good = min(left, top) >= 0 < side and left + side <= width and top + side <= height
        good &= all(type(number) is int for number in numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged, or of another version ({error}): {again}") from None
    if not same or not good:
        reason = "holds no square inside of a frame" if same else f"is about other faces than {NOTEBOOK}.json"
        raise CheckpointError(f"{path} {reason}: {again}")
    return (width, height), (left, top, side)


def restore_model(config: Config, files: dict[str, Path | None], fuse=None) -> keras.Model:
    """The model that was trained, of images as they are decoded: alignment, then the network.

    Args:
        files: see `find_files`: what `training.train` and `face_alignment.fit_alignment` wrote.
        fuse: function from the network to the model that takes its place, of aligned faces.

    Raises:
        CheckpointError: a file is missing, damaged, or of another configuration.
    """
    model = build_model(config)
    restore_checkpoint(files["checkpoint"], {"model": model.variables})
    alignment = files["alignment"] and restore_alignment(files["alignment"])
    return align_first(alignment, fuse(model) if fuse else model)


def find_threshold(thresholds: dict, far: float) -> dict:
    """The row of `thresholds`, as `operating_points.choose_thresholds` gives them, for the false accept rate `far`.

    Raises:
        UnsupportedRateError: the pairs do not support it, or no threshold was chosen for it.
    """
    rows = {row["far"]: row for row in thresholds["by_rate"]}
    if far in rows:
        return rows[far]
    known = f"there are thresholds for {', '.join(map(str, rows))}" if rows else "there is only the accuracy threshold"
    pairs, smallest = thresholds["mismatched_pairs"], thresholds["smallest_far"]
    if smallest is None or far < smallest:
        least = "no rate at all" if smallest is None else f"{smallest:.2g} as the smallest rate"
        raise UnsupportedRateError(
            f"no threshold for a false accept rate of {far}: {pairs:,} validation pairs of two people support {least} "
            f"({thresholds['least_false_accepts']} false accepts among them); {known}"
        )
    raise UnsupportedRateError(f"no threshold for a false accept rate of {far}: {known}")
