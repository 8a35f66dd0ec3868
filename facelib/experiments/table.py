"""The trials of the study in a CSV file, one row each: written whole, read as if a stranger had written it."""

import csv
import io
import math
import re
from pathlib import Path
from typing import NamedTuple

from facelib.config import Config
from facelib.experiments import study
from facelib.results import write_atomically

# column -> type; numbers may be empty where nothing was measured. Figures are those of the network alone, but for
# "joined", those of the network and the texture stream together.
COLUMNS = {
    "settings": str, "seed": int, "state": str, "reason": str,
    "validation_roc_auc": float, "validation_accuracy": float, "validation_average_precision": float,
    "joined_roc_auc": float, "joined_accuracy": float, "loss": float, "spread": float, "active_share": float,
    "test_accuracy": float, "test_best_accuracy": float, "test_roc_auc": float,
    "joined_test_accuracy": float, "joined_test_best_accuracy": float, "joined_test_roc_auc": float,
    "steps": int, "images": int, "seconds": float, "images_per_second": float, "workers": int,
    "format": int, "base": str, "code": str, "data": str, "faces": str, "commit": str,
    "python": str, "tensorflow": str, "keras": str, "numpy": str, "processor": str, "bfloat16": str,
}  # fmt: skip
STUDY = ("format", "base", "code", "data")  # rows that differ in one of these are not of one study
REAL, DRAWN = "experiments.csv", "experiments-drawn.csv"
COMPLETE, FAILED, ERROR = STATES = ("complete", "failed", "error")
SHARES = (
    "validation_roc_auc", "validation_accuracy", "validation_average_precision", "joined_roc_auc", "joined_accuracy",
    "active_share", "test_accuracy", "test_best_accuracy", "test_roc_auc", "joined_test_accuracy",
    "joined_test_best_accuracy", "joined_test_roc_auc",
)  # fmt: skip
SETTINGS = re.compile(r"([a-z_0-9]+=[\w.+-]+( |$))*")


class TableError(ValueError):
    """A table of trials that cannot be used; the message names the file, the line and what is wrong."""


class Summary(NamedTuple):
    """A choice of a table, over its seeds; figures are of the complete trials, None where there are none."""

    name: str
    rows: list[dict]  # of all its trials that are over
    roc_auc: float | None  # mean over the seeds
    spread: float | None  # half the range over the seeds; None for fewer than two
    accuracy: float | None  # mean over the seeds
    joined_accuracy: float | None  # mean over the seeds, with the texture stream
    difference: float | None  # of the ROC AUC from that of the table's first choice, mean over the seeds of both
    difference_spread: float | None  # half its range

    @property
    def failures(self) -> list[str]:
        """Why trials of this choice failed."""
        return [row["reason"] for row in self.rows if row["state"] != COMPLETE]


def table_path(config: Config) -> Path:
    """Where the trials on the faces of `config` are listed."""
    return config.reports.parent / (DRAWN if config.drawn else REAL)


def read_any_table(config: Config) -> list[dict]:
    """The trials on faces of the kind of `config`, photographs or drawn ones; where there are none, on the other kind.

    Raises:
        TableError: see `read_table`.
    """
    own = table_path(config)
    return read_table(own) or read_table(own.with_name(REAL if config.drawn else DRAWN))


def trial_of(row: dict) -> study.Trial:
    """The trial that `row` is about."""
    return study.Trial(row["settings"], row["seed"])


def write_table(path: Path, rows: list[dict]) -> None:
    """Write `rows` to `path`, the whole file or nothing, sorted by settings and seed; a figure has six digits."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=trial_of):
        writer.writerow([_text(row.get(name)) for name in COLUMNS])
    write_atomically(path, content.getvalue())


def _text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def read_table(path: Path) -> list[dict]:
    """The rows of `path` by column, numbers as numbers and None where empty; no rows where there is no file.

    Raises:
        TableError: the file is no such table, or a line has a value that cannot be.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read as a table: {error}") from None
    missing = [name for name in COLUMNS if name not in (lines[0] if lines else [])]
    if missing:
        raise TableError(f"{path}, line 1: no column {', '.join(missing)}; `make experiments` writes such a file")
    rows, seen = [], set()
    for number, fields in enumerate(lines[1:], 2):
        row = _row(f"{path}, line {number}", lines[0], fields)
        if trial_of(row) in seen:
            raise TableError(f"{path}, line {number}: a second row for settings {row['settings']!r}, {row['seed']}")
        seen.add(trial_of(row))
        rows.append(row)
    return rows


def _row(place, header, fields):
    if len(fields) != len(header):
        raise TableError(f"{place}: {len(fields)} fields, and the header has {len(header)}")
    texts, row = dict(zip(header, fields, strict=True)), {}
    for name, kind in COLUMNS.items():
        try:
            row[name] = None if kind is not str and not texts[name] else kind(texts[name])
        except ValueError:
            raise TableError(f"{place}: {name} is {texts[name]!r}, which is no number") from None
        if kind is float and row[name] is not None and not math.isfinite(row[name]):
            raise TableError(f"{place}: {name} is {texts[name]!r}, which is not finite")
    for name in SHARES:
        if row[name] is not None and not 0 <= row[name] <= 1:
            raise TableError(f"{place}: {name} is {row[name]}, and lies between 0 and 1")
    if row["state"] not in STATES:
        raise TableError(f"{place}: state is {row['state']!r}, one of {', '.join(STATES)}")
    if not SETTINGS.fullmatch(row["settings"]):
        raise TableError(f"{place}: settings are {row['settings']!r}, expected key=value")
    needed = ("seed", "format") + (SHARES[:2] if row["state"] == COMPLETE else ())
    for name in needed:
        if row[name] is None:
            raise TableError(f"{place}: {name} is empty")
    return row


def check_study(found: dict, expected: dict, place: str) -> None:
    """Raise where `found`, read from `place`, is of another study than `expected`; both have the keys of STUDY.

    Raises:
        TableError: says what differs, and what to do.
    """
    words = {"format": "format of the trials", "base": "base of the study", "code": "code that trains", "data": "data"}
    for name in STUDY:
        if found.get(name) != expected[name]:
            raise TableError(
                f"{place} holds trials of another {words[name]} ({found.get(name)}, now {expected[name]}), which cannot"
                " be mixed with new ones: move it away to start anew"
            )


def summarise(rows: list[dict], table: str) -> list[Summary]:
    """The choices of `table` of the study, in its order, over those of `rows` that belong to them."""
    by_trial = {trial_of(row): row for row in rows}
    summaries, first = [], {}
    for name, overrides in study.TABLES[table].items():
        trials = [study.Trial(study.settings_of(overrides), seed) for seed in study.seeds_of(table)]
        mine = [by_trial[trial] for trial in trials if trial in by_trial]
        complete = {row["seed"]: row for row in mine if row["state"] == COMPLETE}
        first = first if summaries else complete
        areas = [row["validation_roc_auc"] for row in complete.values()]
        accuracies = [row["validation_accuracy"] for row in complete.values()]
        joined = [row["joined_accuracy"] for row in complete.values() if row["joined_accuracy"] is not None]
        differences = [
            complete[s]["validation_roc_auc"] - first[s]["validation_roc_auc"] for s in complete if s in first
        ]
        means = [_mean_and_spread(values)[0] for values in (accuracies, joined)]
        summaries.append(Summary(name, mine, *_mean_and_spread(areas), *means, *_mean_and_spread(differences)))
    return summaries


def best_of(summaries: list[Summary]) -> Summary | None:
    """The choice with the highest mean ROC AUC on validation pairs, the first among equals; None without trials."""
    complete = [summary for summary in summaries if summary.roc_auc is not None]
    return max(complete, key=lambda summary: summary.roc_auc, default=None)


def searched(rows: list[dict]) -> list[dict]:
    """The complete trials of the search, each with the values of its settings, the best first."""
    points = []
    for row in rows:
        if study.is_searched(trial_of(row)) and row["state"] == COMPLETE:
            settings = dict(item.split("=") for item in row["settings"].split())
            points.append({name: float(settings[name]) for name in study.SEARCH} | row)
    return sorted(points, key=lambda point: (-point["validation_roc_auc"], point["settings"]))


def _mean_and_spread(values):
    if not values:
        return None, None
    return sum(values) / len(values), (max(values) - min(values)) / 2 if len(values) > 1 else None
