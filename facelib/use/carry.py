"""Thresholds of the trained model, carried over to photographs of another kind, whoever is on them."""

from pathlib import Path
from typing import NamedTuple

from facelib.folders import printable
from facelib.gather.photographs import LARGEST
from facelib.measure.all_vs_all import build_score
from facelib.measure.carried_thresholds import CohortError, carry_over, draw_cohort, pairs_of
from facelib.measure.operating_points import FALSE_ACCEPTS
from facelib.use.verify import Verdict, Verifier


class Carried(NamedTuple):
    """Thresholds for photographs like those of a cohort."""

    images: int  # of the cohort
    problems: tuple[tuple[str, str], ...]  # path and reason of each image left out
    thresholds: list[dict]  # see `carried_thresholds.carry_over`


def carry_to(verifier: Verifier, folder: Path, crop=None, face=LARGEST) -> Carried:
    """The thresholds of `verifier`, carried over to photographs like those in and below `folder`.

    No label and no name of a person is read; see `Looker.look` for `crop` and `face`.

    Raises:
        CohortError: too few faces. UnreadableImageError, SizesError, CropError: see `Verifier.embed_folder`.
    """
    trained = verifier.trained
    found = verifier.embed_folder(folder, crop, face)
    try:
        rows = draw_cohort(len(found.paths), trained.config.seed)
    except CohortError as error:
        raise CohortError(f"{printable(folder)}: {error}") from None
    score = (trained.cohort.build_score if trained.cohort else build_score)(found.embeddings)
    thresholds = carry_over(trained.results["thresholds"], pairs_of(score(rows, rows)))
    return Carried(len(found.paths), found.problems, thresholds)


def decide_again(verdict: Verdict, carried: Carried) -> Verdict:
    """`verdict` at its threshold carried over.

    Raises:
        CohortError: the cohort is too small for its false accept rate.
    """
    (threshold,) = (row["carried"] for row in carried.thresholds if row["far"] == verdict.far)
    if threshold is None:
        rate = f"{verdict.validation_far:.2g}"
        raise CohortError(
            f"{carried.images:,} faces of a cohort are too few for a false accept rate of {rate}: "
            f"it needs {FALSE_ACCEPTS} of their pairs; name more photographs, or leave --cohort out"
        )
    return verdict._replace(same=verdict.score >= threshold, threshold=threshold, cohort=carried.images)
