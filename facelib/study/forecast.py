"""Trials on fewer training identities, and what their line says of more than there are: a forecast, no measurement."""

import numpy as np

from facelib.measure.power_law import LEAST, PowerLaw, fit_power_law
from facelib.study import plan
from facelib.study.summary import computed_alike, summarise
from facelib.study.table import COMPLETE, read_mistakes, trial_of

AHEAD = 8000  # identities of CASIA-WebFace that the task takes
KINDS = {"test": "network alone", "joined_test": "with texture, normalised"}  # beginning of the columns -> name
PUBLISHED = (0.989, 0.994)  # on LFW's 6,000 pairs, of networks trained on CASIA-WebFace: least and most


def sized_runs(rows: list[dict]) -> list[dict]:
    """The complete trials of the table of training identities, by size, then by seed.

    Where some were computed otherwise, or on other pairs, those that were computed as most were.

    Returns:
        ``identities``, ``seed``, and of each of `KINDS` ``<kind>_accuracy`` and ``<kind>_wrong``, a bool for each pair.
    """
    found = []
    for summary in summarise(rows, plan.IDENTITIES) if plan.IDENTITIES in plan.TABLES else ():
        for row in summary.rows:
            identities = plan.configure(trial_of(row), "drawn").training_identities
            wrong = {f"{kind}_wrong": read_mistakes(row.get(f"{kind}_mistakes") or "") for kind in KINDS}
            if row["state"] == COMPLETE and all(map(len, wrong.values())):
                figures = {name: row[name] for name in ("seed", *(f"{kind}_accuracy" for kind in KINDS))}
                found.append((row, {"identities": identities} | figures | wrong))
    alike = [
        [run for other, run in found if computed_alike(row, other) and len(run["test_wrong"]) == len(one["test_wrong"])]
        for row, one in found
    ]
    return max(alike, key=len, default=[])


def fit(runs: list[dict], kind: str, floor: float = 0.0) -> PowerLaw | None:
    """The line of `runs` for one of `KINDS`; None for too few sizes, or where a run makes no mistake."""
    wrong = np.array([run[f"{kind}_wrong"] for run in runs])
    few = len({run["identities"] for run in runs}) < LEAST
    return None if few or wrong.mean(axis=1).min() <= floor else fit_power_law(_sizes(runs), wrong, floor)


def forecast(rows: list[dict]) -> dict:
    """What the trials on fewer training identities say of `AHEAD` identities.

    Returns:
        JSON-able: ``identities`` of the forecast and ``pairs`` that each trial was tested on; ``runs``, see
        `sized_runs`, without their pairs; and ``kinds``, empty where there are too few runs. Of each kind: ``name``;
        ``exponent`` and ``accuracy`` at `AHEAD` (value, lower, upper); ``floor``, half of the smallest error measured,
        and ``floor_accuracy``, the same forecast where no error can fall below that; and ``check``, None or the
        forecast of the runs of the largest size by the others: ``identities``, ``accuracy``, what was ``measured``.
    """
    runs = sized_runs(rows)
    kinds = {}
    for kind, name in KINDS.items():
        if law := fit(runs, kind):
            floor = (1 - max(run[f"{kind}_accuracy"] for run in runs)) / 2
            kinds[kind] = {
                "name": name,
                "exponent": law.exponent._asdict(),
                "accuracy": accuracy_at(law, AHEAD),
                "floor": floor,
                "floor_accuracy": accuracy_at(fit(runs, kind, floor), AHEAD),
                "check": _check(runs, kind),
            }
    told = [{name: value for name, value in run.items() if not name.endswith("_wrong")} for run in runs]
    pairs = len(runs[0]["test_wrong"]) if runs else 0
    return {"identities": AHEAD, "pairs": pairs, "runs": told, "kinds": kinds}


def accuracy_at(law: PowerLaw, identities: float) -> dict:
    """Accuracy of one more run with so many training identities: value, lower and upper end of the 95 % interval."""
    error = law.error_at(identities)
    return {"value": 1 - error.value, "lower": 1 - error.upper, "upper": 1 - error.lower}


def _check(runs, kind):
    # whether the line of all sizes but the largest one says what that one was measured to have
    largest = max(_sizes(runs))
    smaller = [run for run in runs if run["identities"] < largest]
    law = fit(smaller, kind)
    if law is None:
        return None
    measured = [run[f"{kind}_accuracy"] for run in runs if run["identities"] == largest]
    return {"identities": largest, "accuracy": accuracy_at(law, largest), "measured": measured}


def _sizes(runs):
    return [run["identities"] for run in runs]
