"""What notebook 06 wrote, read back: the model, the cohort, the figures; nothing here is needed for training."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from facelib.checkpoint import CheckpointError, read_checkpoint, restore_checkpoint
from facelib.config import Config, load_config
from facelib.data.face_alignment import align_first, restore_alignment
from facelib.learn.networks import build_model
from facelib.provenance import digest
from facelib.results import read_results, require
from facelib.small_sets.score_normalization import Cohort
from facelib.small_sets.texture import build_texture_network, join

NOTEBOOK = "06_training"
EXPLORATION = "01_eda"  # the notebook that found the crop
PARTS = ("checkpoint", "texture", "alignment", "cohort")  # the names of their files in the results; None: there is none
AGAIN = "train again with make all PROFILE="


class UnsupportedRateError(ValueError):
    """A false accept rate for which there is no threshold; the message says for which there are."""


class Trained(NamedTuple):
    """A trained model with all that its scores need."""

    config: Config  # that it was trained with
    model: keras.Model  # images to embeddings
    cohort: Cohort | None
    results: dict  # the figures of notebook 06, with the thresholds
    fingerprint: str  # of the files that hold the weights and the cohort
    frame: tuple[int, int]  # width and height of the test frames
    crop: tuple[int, int, int]  # left, top, side of the face in such a frame


def load_trained(profile: str, float32: bool = False) -> Trained:
    """The model that notebook 06 trained and chose for `profile`.

    Args:
        float32: compute in float32 even where the configuration asks for bfloat16.

    Raises:
        MissingResultError: notebook 01 or 06 has not been run for this profile, or files of 06 are gone.
        CheckpointError: a file is damaged, or written by another version of this project.
    """
    config, results = read_training(profile)
    frame, crop = read_crop(config, results["provenance"]["data_digest"])
    if float32:
        config = dataclasses.replace(config, bfloat16=False)
    files = find_files(config, results)
    fingerprint = digest([hashlib.sha256(file.read_bytes()).hexdigest() if file else None for file in files.values()])
    model = restore_model(config, files, results["texture_components"])
    cohort = restore_cohort(config, files["cohort"], model.output_shape[1])
    return Trained(config, model, cohort, results, fingerprint, frame, crop)


def read_training(profile: str) -> tuple[Config, dict]:
    """The configuration that `profile` was last trained with, and the figures that notebook 06 found; see above."""
    default = load_config(profile, "drawn")
    path = default.reports / "results" / f"{NOTEBOOK}.json"
    try:
        results = read_results(default, NOTEBOOK)
        settings = results["provenance"]["config"]
        config = Config(**{**settings, "test_crop": tuple(settings["test_crop"])})
        missing = {*PARTS, "texture_components", "validation_threshold", "calibration", "data"} - results.keys()
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged, or of another version ({error}): {AGAIN}{profile}") from None
    if missing:
        raise CheckpointError(f"{path} is of another version, without {min(missing)}: {AGAIN}{profile}")
    return config, results


def find_files(config: Config, results: dict) -> dict[str, Path | None]:
    """The files of the trained model, by PARTS, that `results` of notebook 06 name; None where there is no such part.

    Raises:
        MissingResultError: a file is gone.
    """
    files = {name: config.interim / results[name] if results[name] else None for name in PARTS}
    for file in filter(None, files.values()):
        require(file, NOTEBOOK)
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


def restore_model(config: Config, files: dict[str, Path | None], components: int) -> keras.Model:
    """The model that was trained, of images as they are decoded: alignment, the network, the texture stream beside it.

    Args:
        files: see `find_files`: what `training.train`, `fusion.fit_texture` and `face_alignment.fit_alignment` wrote.
        components: of the texture stream.

    Raises:
        CheckpointError: a file is missing, damaged, or of another configuration.
    """
    model = build_model(config)
    restore_checkpoint(files["checkpoint"], {"model": model.variables})
    if files["texture"]:
        texture = build_texture_network(components)
        restore_checkpoint(files["texture"], {"texture": texture.variables})
        model = join(model, texture, config.texture_share)
    return align_first(restore_alignment(files["alignment"]) if files["alignment"] else None, model)


def restore_cohort(config: Config, path: Path | None, size: int) -> Cohort | None:
    """The cohort that `fusion.save_cohort` wrote, of embeddings of `size` numbers; None where there is no file of one.

    Raises:
        CheckpointError: the file is missing, damaged, or of another model.
    """
    if path is None:
        return None
    embeddings = read_checkpoint(path)[1].get("cohort/0", np.zeros(0))
    if embeddings.dtype != np.float32 or embeddings.shape[1:] != (size,) or not len(embeddings):
        found = f"{embeddings.dtype} {embeddings.shape}"
        raise CheckpointError(f"{path} does not fit: it holds {found}, expected float32 (c, {size}): train first")
    return Cohort(embeddings, config.rareness_neighbours, config.rareness_weight)


def find_threshold(calibration: dict, far: float) -> dict:
    """The row of `calibration`, as `operating_points.calibrate` gives it, for the false accept rate `far`.

    Raises:
        UnsupportedRateError: the pairs do not support it, or no threshold was made for it.
    """
    rows = {row["far"]: row for row in calibration["thresholds"]}
    if far in rows:
        return rows[far]
    known = f"there are thresholds for {', '.join(map(str, rows))}" if rows else "there is only the accuracy threshold"
    pairs, smallest = calibration["mismatched_pairs"], calibration["smallest_far"]
    if smallest is None or far < smallest:
        least = "no rate at all" if smallest is None else f"{smallest:.2g} as the smallest rate"
        raise UnsupportedRateError(
            f"no threshold for a false accept rate of {far}: {pairs:,} validation pairs of two people support {least} "
            f"({calibration['least_false_accepts']} false accepts among them); {known}"
        )
    raise UnsupportedRateError(f"no threshold for a false accept rate of {far}: {known}")
