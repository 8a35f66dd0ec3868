"""Figures of the trained model on a list of pairs of its own; see `pair_lines` for its form."""

import os
import tempfile
from pathlib import Path

from facelib.data import crop_check
from facelib.data.images import SIZE
from facelib.data.packs import Pack
from facelib.data.pair_images import list_pairs, load_pairs, measure_frame, measure_sizes
from facelib.files import temporary_folder
from facelib.gather.photographs import LARGEST
from facelib.measure import intervals, lfw_protocol
from facelib.measure.scored_pairs import ScoredPairs
from facelib.use.carry import carry_to
from facelib.use.look import DETECT, WHOLE, find_crop
from facelib.use.verify import Verifier


def evaluate(
    verifier: Verifier,
    pairs_file: Path,
    images_dir: Path | Pack,
    crop=None,
    face=LARGEST,
    cohort: Path | None = None,
) -> dict:
    """Figures on the pairs of `pairs_file`, whose images are in `images_dir`; or on those of a pack and its file.

    Only ``best_threshold``, ``best_accuracy`` and the folds' thresholds are chosen on these pairs.

    Args:
        cohort: folder of photographs like those of the pairs, cut as these; thresholds are carried over to them, see
            `carried_thresholds.match_quantile`.
        crop: (left, top, side) of the face in every image, all of one size; `WHOLE` or `DETECT`, for images of any
            size; or None, see `Looker.look`: then images of a known size are all of that size.
        face: which one where an image shows several, see `photographs.FaceCutter`.

    Returns:
        JSON-able dict: counts; roc_auc, average_precision, equal_error_rate, best_threshold and best_accuracy; summary
        (see `lfw_protocol.Summary`: the same with 95 % intervals, View 2 where the list has folds, true accept rates);
        thresholds, chosen on validation people, each with accuracy, standard error and both rates here; cohort, None or
        its images, unreadable and thresholds, carried over, without rates that it is too small for; unreadable
        (path, reason); warnings of `crop_check.compare`; crop, whether faces were detected, the number of images with
        several_faces, scale, data_digest, the model's fingerprint and parts.

    Raises:
        PairsError, SizesError, UnreadableImageError, CropError: the list, or its images, cannot be used.
        CohortError: too few faces in `cohort`.
        MissingResultError, CheckpointError: the mean training face, see `crop_check.read_mean_face`.
    """
    training = crop_check.read_mean_face(verifier.trained.config)
    place = str(images_dir)
    if crop is None:
        crop, place = _choose_crop(verifier, pairs_file, images_dir)
    carried = carry_to(verifier, cohort, crop, face) if cohort else None
    cutter = verifier.looker.cutter(place, face) if crop == DETECT else None
    square = None if crop in (WHOLE, DETECT) else crop
    with tempfile.TemporaryDirectory(
        prefix=f"facelib-{os.getpid()}-", dir=temporary_folder()
    ) as cache:  # other people's faces leave nothing behind
        test = load_pairs(pairs_file, images_dir, Path(cache), cutter or square)
        pixels = test.images.pixels
        embeddings = verifier.embed_all(pixels)
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
        "cohort": carried and _describe(pairs, carried),
        "crop": square and list(square),
        "detected": crop == DETECT,
        "several_faces": len(cutter.several) if cutter else 0,
        "scale": alike.scale,
        "warnings": list(alike.warnings),
        "data_digest": digest,
        "model": verifier.trained.fingerprint,
        "parts": verifier.trained.parts,
    }


def _choose_crop(verifier, pairs_file, images_dir):
    # for all images the same, so that figures are about one way of cropping; and their place, with the size
    listed = list_pairs(pairs_file, images_dir)
    paths = sorted({path for pair in listed for path in (pair.first, pair.second)})
    sizes = measure_sizes(images_dir, paths)
    if sizes.keys() & {(SIZE, SIZE), verifier.trained.frame}:
        measure_frame(images_dir, paths)
    size = max(sizes, key=lambda size: len(sizes[size]), default=(SIZE, SIZE))
    return find_crop(size, verifier.trained), "{}: {}x{} pixels".format(images_dir, *size)


def _summarise(verifier, test, pairs):
    threshold = verifier.trained.results["validation_threshold"]
    return lfw_protocol.as_data(lfw_protocol.summarise({"": pairs}, test.folds, {"": threshold})[""])


def _describe(pairs, carried):
    rows = ({"far": row["far"], "threshold": row["carried"]} for row in carried.thresholds if row["carried"])
    problems = [list(problem) for problem in carried.problems]
    return {"images": carried.images, "unreadable": problems, "thresholds": [_decide(pairs, row) for row in rows]}


def _decide(pairs, row):
    """What the threshold in `row`, for the rate ``far``, does to these pairs."""
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
