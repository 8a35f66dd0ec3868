"""The trials of the study by choice: means over the seeds, differences within a seed, the order of the choices."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from facelib.study import plan
from facelib.study.table import COMPLETE, trial_of

LENGTH = ("validation_roc_auc", "validation_accuracy", "test_accuracy", "test_roc_auc", "steps")  # see `lengths`
LENGTH_JOINED = ("joined_test_accuracy", "joined_test_roc_auc")
WHOLE = ("joined_test_accuracy", "joined_test_best_accuracy", "joined_test_roc_auc")  # see `whole_recipe`
ALIKE = ("recipe", "workers", "processor", "tensorflow", "keras", "bfloat16")  # columns, see `computed_alike`


class Summary(NamedTuple):
    """A choice of a table, over its seeds; figures are of the complete trials, None where there are none."""

    name: str
    rows: list[dict]  # of all its trials that are over
    roc_auc: float | None  # mean over the seeds
    spread: float | None  # half the range over the seeds; None for fewer than two
    joined_roc_auc: float | None  # mean over the seeds, with texture and score normalisation
    minutes: float | None  # of the machine, that the training took, mean over the seeds
    difference: float | None  # of the ROC AUC from that of the table's first choice, mean over the seeds of both
    difference_spread: float | None  # half its range
    joined_difference: float | None  # likewise, with texture and score normalisation
    joined_difference_spread: float | None

    @property
    def failures(self) -> list[str]:
        """Why trials of this choice failed."""
        return [row["reason"] for row in self.rows if row["state"] != COMPLETE]


def summarise(rows: list[dict], table: str) -> list[Summary]:
    """The choices of `table` of the study, in its order, over those of `rows` that belong to them.

    Differences are between trials with the same seed that were computed alike, and None where there are none.
    """
    by_trial = newest(rows)
    summaries, first = [], []
    for name, overrides in plan.TABLES[table].items():
        trials = [plan.Trial(plan.settings_of(overrides), seed) for seed in plan.seeds_of(table)]
        mine = [by_trial[trial] for trial in trials if trial in by_trial]
        mine = [row for row in mine if row["recipe"] == max(row["recipe"] for row in mine)]  # means are of one recipe
        first = first if summaries else mine
        areas = _mean_and_spread(_values(mine, "validation_roc_auc"))
        joined = _mean_and_spread(_values(mine, "joined_roc_auc"))[0]
        timed = [machine_seconds(row) / 60 for row in mine if row["state"] == COMPLETE and row["seconds"]]
        differences = (*_ahead(mine, first), *_ahead(mine, first, "joined_roc_auc"))
        summaries.append(Summary(name, mine, *areas, joined, _mean_and_spread(timed)[0], *differences))
    return summaries


def ranked(summaries: list[Summary]) -> list[Summary]:
    """The choices that can be compared, the best first: by how far each is ahead of the table's first one, by seed.

    Means over other seeds cannot be compared: a seed decides who is held out. A choice that failed with one seed is not
    ranked, however good it is with the others.
    """
    compared = [summary for summary in summaries if summary.difference is not None and not summary.failures]
    return sorted(compared, key=lambda summary: -summary.difference)


def lead_spread(summary: Summary, other: Summary) -> float | None:
    """Half the range over the seeds of how far the ROC AUC of `summary` is ahead of that of `other`.

    None where they have fewer than two seeds in common, computed alike.
    """
    return _ahead(summary.rows, other.rows)[1]


def compare_choices(rows: list[dict], table: str) -> dict | None:
    """The best choice of `table`, and how far it is ahead of the last and of the first one; None without two choices.

    Returns:
        JSON-able: ``table``, ``best``, ``last``, ``first``: names; ``lead`` on the last and ``ahead`` of the first,
        each with its ``_spread``; ``best_roc_auc``; ``compared``, how many choices.
    """
    summaries = summarise(rows, table)
    best, *others = ranked(summaries) or [None]
    if not others:
        return None
    last, first = others[-1], summaries[0]
    names = {"table": table, "best": best.name, "last": last.name}
    names |= {"lead": best.difference - last.difference, "lead_spread": lead_spread(best, last)}
    names |= {"first": first.name, "ahead": best.difference, "ahead_spread": best.difference_spread}
    return names | {"best_roc_auc": best.roc_auc, "compared": len(others) + 1}


def lengths(rows: list[dict]) -> list[dict]:
    """The complete trials of the curve over minutes, in its order.

    Returns:
        JSON-able: ``declared`` and measured ``minutes``; ``as_best``, whether it has the settings of the profile
        `best`; ``at_once``, how many trials ran at a time; and the columns `LENGTH` and `LENGTH_JOINED`.
    """
    points = []
    for summary in summarise(rows, plan.MINUTES):
        for row in summary.rows:
            if row["state"] == COMPLETE and row["seconds"] and None not in [row[key] for key in LENGTH]:
                settings = plan.configure(trial_of(row), "drawn")
                as_best = all(getattr(settings, key) == getattr(plan.BEST, key) for key in plan.CHANGED)
                length = {"declared": float(summary.name), "minutes": machine_seconds(row) / 60, "as_best": as_best}
                length["at_once"] = row["workers"] or 1
                points.append(length | {key: row[key] for key in (*LENGTH, *LENGTH_JOINED)})
    return points


def whole_recipe(rows: list[dict]) -> tuple[list[dict], dict]:
    """The complete trials of the whole recipe; and over their seeds ``mean`` and ``deviation`` of the columns `WHOLE`.

    Beside these, ``minutes``: the mean of the trials that had the machine for themselves, if there are any. The
    deviation is that of a sample, None for one seed. The dict is empty where no trial is complete.
    """
    (summary,) = summarise(rows, plan.WHOLE)
    recipe = [row for row in summary.rows if row["state"] == COMPLETE and None not in map(row.get, (*WHOLE, "seconds"))]
    if not recipe:
        return [], {}
    whole = {}
    for key in WHOLE:
        values = [row[key] for row in recipe]
        mean, deviation = sum(values) / len(values), None
        if len(values) > 1:
            deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        whole[key] = {"mean": mean, "deviation": deviation}
    alone = [row for row in recipe if (row["workers"] or 1) == 1] or recipe
    minutes = [machine_seconds(row) / 60 for row in alone]
    return recipe, whole | {"minutes": {"mean": sum(minutes) / len(minutes), "deviation": None}}


def computed_alike(row: dict, other: dict) -> bool:
    """Whether the figures of two trials may be compared: one recipe, as many threads, one processor, the same versions.

    Otherwise their arithmetic is rounded in other ways, and after some hundred steps the figures differ by thousandths.
    A trial that asks to go without bfloat16 is compared with those that have it.
    """
    asked = "bfloat16=False" in (row["settings"] + " " + other["settings"]).split()
    return all(row[name] == other[name] or (name == "bfloat16" and asked) for name in ALIKE)


def causes(rows: list[dict]) -> dict[str, int]:
    """How many of `rows` failed for which cause, the most frequent first; a cause is a reason without its details."""
    failed = [row["reason"] for row in rows if row["state"] != COMPLETE]
    named = (re.sub(r"^epoch \d+: | at step \d+", "", reason).partition(":")[0] for reason in failed)
    return dict(Counter(named).most_common())


def newest(rows: Iterable[dict]) -> dict[plan.Trial, dict]:
    """The row of each trial, that of the highest recipe where there are several."""
    return {trial_of(row): row for row in sorted(rows, key=lambda row: row["recipe"])}


def is_earlier(row: dict) -> bool:
    """Whether `row` was recorded with another recipe than that of now, see `plan.RECIPE`."""
    return row.get("recipe", plan.RECIPE) != plan.RECIPE


def machine_seconds(row: dict) -> float:
    """How long the trial of `row` was trained, in seconds of the machine: trials at the same time share its cores."""
    return row["seconds"] / (row.get("workers") or 1)


def searched(rows: list[dict]) -> list[dict]:
    """The complete trials of the search with the newest recipe, each with its settings' values, the best first."""
    points, rows = [], [row for row in rows if plan.is_searched(trial_of(row)) and row["state"] == COMPLETE]
    newest_recipe = max((row["recipe"] for row in rows), default=None)
    for row in rows:
        if row["recipe"] == newest_recipe:
            settings = dict(item.split("=") for item in row["settings"].split())
            points.append({name: float(settings[name]) for name in plan.SEARCH} | row)
    return sorted(points, key=lambda point: (-point["validation_roc_auc"], point["settings"]))


def _ahead(rows, others, key="validation_roc_auc"):
    pairs = [(row, other) for row in rows for other in others if row["seed"] == other["seed"]]
    return _mean_and_spread(
        row[key] - other[key]
        for row, other in pairs
        if len(_values((row, other), key)) == 2 and computed_alike(row, other)
    )


def _values(rows, key):
    return [row[key] for row in rows if row["state"] == COMPLETE and row[key] is not None]


def _mean_and_spread(values):
    values = list(values)
    if not values:
        return None, None
    return sum(values) / len(values), (max(values) - min(values)) / 2 if len(values) > 1 else None
