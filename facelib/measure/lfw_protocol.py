"""Ways to choose the threshold, and all figures that they lead to: as data and as a table.

Three accuracies answer three questions. At the threshold that is best on the test pairs: how well could one do, had one
known the answers (optimistic). Cross-validated, LFW's View 2 (Huang et al. 2007): how well does one do that was chosen
on other pairs of the list; its standard error takes the folds for independent, so nobody may be in two of them. At the
threshold chosen on validation identities: how well does the system do as it is.
"""

from typing import NamedTuple

import numpy as np

from facelib.measure import intervals
from facelib.measure.all_vs_all import score_all_pairs
from facelib.measure.intervals import Difference, Interval, Rates, roc_band
from facelib.measure.metrics import TooFewPairsError, best_threshold, checked, precision_recall_area
from facelib.measure.operating_points import FALSE_ACCEPTS
from facelib.measure.scored_pairs import ScoredPairs

FARS = (0.1, 0.01, 0.001)
MOST_IMAGES = 3000  # whose pairs are all scored: 4.5 million


class NoFoldsError(ValueError):
    """The list of pairs is not divided into folds."""


class CrossValidation(NamedTuple):
    """LFW's View 2: each fold at the threshold that was best on the others."""

    accuracies: np.ndarray  # (folds,) float64
    thresholds: np.ndarray  # (folds,) float64
    accuracy: float  # mean over the folds
    standard_error: float  # of that mean: sigma / sqrt(folds), sigma^2 = sum (p - mean)^2 / (folds - 1)
    standard_deviation: float  # of the folds, as peers print it: sqrt(folds - 1) times the standard error


class TarAtFar(NamedTuple):
    """True accept rate at a given false accept rate; None where the pairs are too few to say."""

    far: float
    tar: Interval | None
    threshold: float | None
    reason: str  # why there is none, or what its interval is worth


class AllPairsTars(NamedTuple):
    """All pairs of some images, and the true accept rates on them."""

    images: int
    pairs: ScoredPairs
    tars: tuple[TarAtFar, ...]  # at those of `FARS` that amount to `FALSE_ACCEPTS` false accepts


class Summary(NamedTuple):
    """All figures of one set of scores."""

    pairs: int
    people: int
    roc_auc: Interval
    average_precision: Interval
    equal_error_rate: Interval
    precision_recall_area: float
    best_threshold: float  # has seen the answers, and so has the next
    best_accuracy: float
    cross_validation: CrossValidation | None  # None where the list has no folds
    validation_threshold: float | None  # chosen on validation identities
    validation_accuracy: Interval | None
    validation_rates: Rates | None
    tars: tuple[TarAtFar, ...]


def cross_validate(scores, matched, folds) -> CrossValidation:
    """Accuracy of each fold at the threshold with the best accuracy on all others, the lowest among equals.

    Args:
        folds: (pairs,) int, the fold of each pair; any number of folds, of any sizes.

    Raises:
        NoFoldsError: all pairs are in one fold.
        ValueError: shapes that do not fit, or a fold without pairs or with one kind of pair.
    """
    (scores, matched), folds = checked(scores, matched), np.asarray(folds)
    if folds.shape != scores.shape or not np.issubdtype(folds.dtype, np.integer):
        raise ValueError(f"{folds.dtype} {folds.shape} folds for {scores.shape} scores: expected an integer each")
    numbers = range(int(folds.min()), int(folds.max()) + 1)
    if len(numbers) == 1:
        raise NoFoldsError(f"all {len(folds):,} pairs are in fold {numbers[0]}: the header of the list names no folds")
    if len(folds) < 2 * len(numbers):
        need = "each needs a matched and a mismatched pair"
        raise ValueError(f"{len(folds):,} pairs for {len(numbers):,} folds: {need}; use fewer folds")
    for number in numbers:
        kinds = [int(np.sum((folds == number) & kind)) for kind in (matched, ~matched)]
        if not all(kinds):
            found = "{} matched and {} mismatched pairs".format(*kinds)
            raise ValueError(f"fold {number} has {found}: it needs some of both; were its images unreadable?")
    results = []
    for number in numbers:
        fold = folds == number
        threshold, _ = best_threshold(scores[~fold], matched[~fold])
        results.append((np.mean((scores[fold] >= threshold) == matched[fold]), threshold))
    accuracies, thresholds = np.array(results).T
    error = accuracies.std(ddof=1) / np.sqrt(len(numbers))
    return CrossValidation(accuracies, thresholds, float(accuracies.mean()), float(error), float(accuracies.std()))


def tars_at_fars(pairs: ScoredPairs, fars=FARS) -> tuple[TarAtFar, ...]:
    """True accept rates at each of `fars`, with 95 % intervals."""
    mismatched, found = (~pairs.matched).sum(), []
    few = "(from fewer than ten false accepts: nearer 90 %)"  # see `roc_band`
    for far in fars:
        try:
            band = roc_band(pairs, [far])
        except TooFewPairsError as error:
            found.append(TarAtFar(far, None, None, str(error)))
        else:
            values = (float(value[0]) for value in (band.tar, band.standard_error, band.lower, band.upper))
            found.append(
                TarAtFar(far, Interval(*values), float(band.threshold[0]), few if far * mismatched < 10 else "")
            )
    return tuple(found)


def tars_on_all_pairs(build_score, people, embeddings, seed: int, most: int = MOST_IMAGES) -> AllPairsTars:
    """True accept rates from all pairs of the images, or of `most` of them, which the seed draws.

    Args:
        build_score: function from embeddings to the function that scores all their pairs: `all_vs_all.build_score`.
        people: (n,), who is on each image. embeddings: (n, d).
    """
    labels = np.unique(people, return_inverse=True)[1]
    rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:most])
    found = score_all_pairs(build_score(embeddings[rows]), labels[rows])
    pairs = ScoredPairs(found.scores, labels[rows][found.rows])
    mismatched = int((~pairs.matched).sum())
    supported = [far for far in FARS if far * mismatched >= FALSE_ACCEPTS]
    return AllPairsTars(len(rows), pairs, tars_at_fars(pairs, supported))


def summarise(variants: dict[str, ScoredPairs], folds=None, thresholds: dict | None = None) -> dict[str, Summary]:
    """All figures of several scores of the same pairs: with and without mirror images, say.

    Args:
        folds: (pairs,) int, or None. thresholds: name -> threshold that was best on its scores of validation pairs.

    Raises:
        ValueError: no scores, thresholds of unknown variants, and what `cross_validate` and the figures refuse.
    """
    if not variants:
        raise ValueError("no scores: expected name -> scores of the pairs")
    thresholds = thresholds or {}
    if unknown := sorted(thresholds.keys() - variants.keys()):
        raise ValueError(f"threshold of {unknown[0]!r}, but the variants are {', '.join(map(repr, variants))}")
    return {name: _summary(pairs, folds, thresholds.get(name)) for name, pairs in variants.items()}


def _summary(pairs, folds, threshold):
    scores, matched = pairs.scores, pairs.matched
    cross_validation = None
    if folds is not None and np.unique(folds).size > 1:
        cross_validation = cross_validate(scores, matched, folds)
    accuracy, rates = None, None
    if threshold is not None:
        threshold = float(threshold)
        accuracy = intervals.accuracy_interval(pairs, threshold)
        rates = intervals.rate_intervals(pairs, threshold)
    return Summary(
        len(pairs),
        pairs.dyads.people,
        intervals.roc_auc_interval(pairs),
        intervals.average_precision_interval(pairs),
        intervals.equal_error_rate_interval(pairs),
        precision_recall_area(scores, matched),
        *best_threshold(scores, matched),
        cross_validation,
        threshold,
        accuracy,
        rates,
        tars_at_fars(pairs),
    )


def as_data(value):
    """`value` for a JSON file: named tuples become dicts, arrays lists."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: as_data(part) for name, part in value.items()}
    return [as_data(part) for part in value] if isinstance(value, tuple | list | np.ndarray) else value


def as_table(summaries: dict[str, Summary]) -> str:
    """The summaries as a Markdown table, a column each; brackets hold 95 % intervals."""
    rows = [_cells(summary) for summary in summaries.values()]
    lines = [f"| | {' | '.join(summaries)} |", "|---" * (len(rows) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells[name] for cells in rows)} |" for name in rows[0]]
    return "\n".join(lines)


def _cells(summary):
    folds, rates, best = summary.cross_validation, summary.validation_rates, summary.best_threshold
    at = f", at {summary.validation_threshold:.4f}" if rates else ""
    ends = f"{folds.thresholds.min():.4f} to {folds.thresholds.max():.4f}" if folds else ""
    cells = {
        "ROC AUC": as_text(summary.roc_auc),
        "average precision": as_text(summary.average_precision),
        "equal error rate": as_text(summary.equal_error_rate),
        "precision-recall area, trapezoid": f"{summary.precision_recall_area:.4f}",
        "accuracy, best threshold on these pairs (optimistic)": f"{summary.best_accuracy:.4f}, at {best:.4f}",
        "accuracy, cross-validated": f"{folds.accuracy:.4f}, at {ends}" if folds else "no folds",
        "its standard error": f"{folds.standard_error:.4f}" if folds else "",
        "standard deviation of the folds": f"{folds.standard_deviation:.4f}" if folds else "",
        "accuracy, threshold of validation": as_text(summary.validation_accuracy) + at,
        "true accept rate there": as_text(rates.tar) if rates else "not given",
        "false accept rate there": as_text(rates.far) if rates else "not given",
    }
    tars = {f"TAR at FAR {far:g}": f"{as_text(tar)} {why}".rstrip() for far, tar, _, why in summary.tars if tar}
    return cells | {f"TAR at FAR {point.far:g}": "too few pairs" for point in summary.tars} | tars


def as_text(found: Interval | Difference | dict | None) -> str:
    """The value and its 95 % interval, in brackets; those of a difference with their signs.

    A dict is an interval or a difference as `as_data` makes it.
    """
    if found is None:
        return "not given"
    if isinstance(found, dict):
        found = Difference(**found) if "p_value" in found else Interval(**found)
    sign = "+" if isinstance(found, Difference) else ""
    return f"{found.value:{sign}.4f} [{found.lower:{sign}.4f}, {found.upper:{sign}.4f}]"
