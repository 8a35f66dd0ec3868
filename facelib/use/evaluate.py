"""Figures of the trained model on a list of pairs of its own, in the format of Labeled Faces in the Wild."""

import os
import tempfile
from pathlib import Path

import numpy as np

from facelib.data import crop_check
from facelib.data.packs import Pack
from facelib.data.pair_images import list_pairs, load_pairs, measure_frame
from facelib.files import temporary_folder
from facelib.measure import intervals, lfw_protocol
from facelib.measure.scored_pairs import ScoredPairs
from facelib.progress import track
from facelib.use.verify import BATCH, WHOLE, Verifier, find_crop


def evaluate(verifier: Verifier, pairs_file: Path, images_dir: Path | Pack, crop=None) -> dict:
    """Figures on the pairs of `pairs_file`, whose images are in `images_dir`; or on those of a pack and its file.

    Only ``best_threshold``, ``best_accuracy`` and the folds' thresholds are chosen on these pairs.

    Args:
        crop: (left, top, side) of the face in every image, all of one size; `WHOLE`, for images of any size; or
            None, see `Verifier.read`: then all images are of the same size too.

    Returns:
        JSON-able dict: counts; roc_auc, average_precision, equal_error_rate, best_threshold and best_accuracy; summary
        (see `lfw_protocol.Summary`: the same with 95 % intervals, View 2 where the list has folds, true accept rates);
        thresholds, chosen on validation people, each with accuracy, standard error and both rates here; unreadable
        (path, reason); warnings of `crop_check.compare`; crop, scale, data_digest, the model's fingerprint and parts.

    Raises:
        PairsError, SizesError, UnreadableImageError, CropError: the list, or its images, cannot be used.
        MissingResultError, CheckpointError: the mean training face, see `crop_check.read_mean_face`.
    """
    training = crop_check.read_mean_face(verifier.trained.config)
    if crop is None:
        listed = list_pairs(pairs_file, images_dir)
        paths = sorted({path for pair in listed for path in (pair.first, pair.second)})
        size = measure_frame(images_dir, paths)
        crop = find_crop(size, verifier.trained, images_dir) if size else None
    with tempfile.TemporaryDirectory(
        prefix=f"facelib-{os.getpid()}-", dir=temporary_folder()
    ) as cache:  # other people's faces leave nothing behind
        test = load_pairs(pairs_file, images_dir, Path(cache), None if crop == WHOLE else crop)
        pixels = test.images.pixels
        starts = track(range(0, len(pixels), BATCH), "embedding", f"batches of {BATCH} images")
        embeddings = np.concatenate([verifier.embed(pixels[start : start + BATCH]) for start in starts])
        scores = verifier.scores(embeddings, test.first, test.second)
        digest, faces = test.images.digest, crop_check.measure_faces(pixels)
    try:
        pairs = ScoredPairs(scores, test.people)
        summary = _summarise(verifier, test, pairs)
    except ValueError as error:
        raise ValueError(f"{pairs_file}: {error}") from None
    alike = crop_check.compare(training, faces)
    chosen = verifier.trained.results["thresholds"]
    rows = [chosen["accuracy"], *chosen["by_rate"]]
    return {
        "pairs": len(test.pairs),
        "matched_pairs": int(test.matched.sum()),
        "pairs_left_out": len(test.listed) - len(test.pairs),
        "unreadable": [list(problem) for problem in test.images.problems],
        "images": len(test.readable),
        "people": pairs.dyads.people,
        **{key: summary[key]["value"] for key in ("roc_auc", "average_precision", "equal_error_rate")},
        **{key: summary[key] for key in ("best_threshold", "best_accuracy")},
        "summary": summary,
        "thresholds": [_decide(pairs, row) for row in rows],
        "crop": crop and list(crop) if crop != WHOLE else None,
        "scale": alike.scale,
        "warnings": list(alike.warnings),
        "data_digest": digest,
        "model": verifier.trained.fingerprint,
        "parts": verifier.trained.parts,
    }


def _summarise(verifier, test, pairs):
    threshold = verifier.trained.results["validation_threshold"]
    return lfw_protocol.as_data(lfw_protocol.summarise({"": pairs}, test.folds, {"": threshold})[""])


def _decide(pairs, row):
    """What the threshold in `row`, see `operating_points.choose_thresholds`, does to these pairs."""
    accuracy, rates = (
        measure(pairs, row["threshold"]) for measure in (intervals.accuracy_interval, intervals.rate_intervals)
    )
    return {
        "far": row["far"],
        "threshold": row["threshold"],
        "accuracy": accuracy.value,
        "standard_error": accuracy.standard_error,
        "false_accept_rate": rates.far.value,
        "true_accept_rate": rates.tar.value,
    }
