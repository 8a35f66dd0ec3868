"""The trials of the study in a CSV file, one row each: written whole, read as if a stranger had written it."""

import csv
import io
import math
import re
from pathlib import Path

from facelib.config import Config
from facelib.files import write_atomically
from facelib.study import plan

# column -> type; numbers may be empty where nothing was measured. Figures are those of the network alone, but for
# "joined", those of network and texture with score normalisation. "mistakes": see `write_mistakes`.
COLUMNS = {
    "settings": str, "seed": int, "state": str, "reason": str,
    "validation_roc_auc": float, "validation_accuracy": float, "validation_average_precision": float,
    "joined_roc_auc": float, "joined_accuracy": float, "loss": float, "spread": float, "active_share": float,
    "test_accuracy": float, "test_best_accuracy": float, "test_roc_auc": float,
    "joined_test_accuracy": float, "joined_test_best_accuracy": float, "joined_test_roc_auc": float,
    "test_mistakes": str, "joined_test_mistakes": str,
    "steps": int, "images": int, "seconds": float, "images_per_second": float, "workers": int,
    "format": int, "recipe": int, "data": str, "faces": str, "commit": str,
    "python": str, "tensorflow": str, "keras": str, "numpy": str, "processor": str, "bfloat16": str,
}  # fmt: skip
STUDY = ("format", "data")  # rows that differ in one of these are not of one study
REAL, DRAWN = "experiments.csv", "experiments-drawn.csv"
COMPLETE, FAILED, ERROR = STATES = ("complete", "failed", "error")
SHARES = (
    "validation_roc_auc", "validation_accuracy", "validation_average_precision", "joined_roc_auc", "joined_accuracy",
    "active_share", "test_accuracy", "test_best_accuracy", "test_roc_auc", "joined_test_accuracy",
    "joined_test_best_accuracy", "joined_test_roc_auc",
)  # fmt: skip
REMEDY = "mend it, or move it away to start anew"
SETTINGS = re.compile(r"([a-z_0-9]+=[\w.+-]+( |$))*")
MISTAKES = re.compile(r"(\d{1,6}):([0-9a-f]*)")


class TableError(ValueError):
    """A table of trials that cannot be used; the message names the file, the line and what is wrong."""


def table_path(config: Config) -> Path:
    """Where the trials on the faces of `config` are listed."""
    return config.reports.parent / (DRAWN if config.drawn else REAL)


def read_any_table(config: Config) -> list[dict]:
    """The trials on faces of the kind of `config`, photographs or drawn ones; where there are none, on the other kind.

    Raises:
        TableError: see `read_table`; or the rows are of several studies.
    """
    own = table_path(config)
    for path in (own, own.with_name(REAL if config.drawn else DRAWN)):
        if rows := read_table(path):
            for row in rows:
                check_study(row, rows[0], str(path))
            return rows
    return []


def trial_of(row: dict) -> plan.Trial:
    """The trial that `row` is about."""
    return plan.Trial(row["settings"], row["seed"])


def key_of(row: dict) -> tuple[str, int, int]:
    """What the table has once: the trial of `row`, and the recipe by which it was run."""
    return *trial_of(row), row["recipe"]


def write_mistakes(wrong) -> str:
    """Which test pairs were decided wrongly, (pairs,) bool, as ``1200:`` and 8 pairs a byte, in hexadecimal digits."""
    bits = "".join("01"[bool(one)] for one in wrong)
    padded = bits + "0" * (-len(bits) % 8)
    return f"{len(bits)}:{int(padded, 2):0{len(padded) // 4}x}"


def read_mistakes(text: str) -> list[bool]:
    """What `write_mistakes` wrote, for each pair; no pairs where `text` is empty.

    Raises:
        ValueError: `text` is nothing that it writes.
    """
    found = MISTAKES.fullmatch(text or "0:")
    pairs, digits = (int(found[1]), found[2]) if found else (0, "0")
    if 4 * len(digits) != pairs + -pairs % 8:
        raise ValueError(f"{text[:20]!r} lists no mistakes: a number of pairs, a colon, and 8 pairs a byte")
    return [bit == "1" for bit in f"{int(digits or '0', 16):0{4 * len(digits)}b}"[:pairs]]


def write_table(path: Path, rows: list[dict]) -> None:
    """Write `rows` to `path`, the whole file or nothing, by settings, seed and recipe; a figure has six digits."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=key_of):
        writer.writerow(to_texts(row).values())
    write_atomically(path, content.getvalue())


def to_texts(row: dict) -> dict[str, str]:
    """`row` as the table has it: by column, numbers as text."""
    return {name: _text(row.get(name)) for name in COLUMNS}


def from_texts(texts: dict[str, str], place: str) -> dict:
    """The row that `to_texts` made into `texts`, which come from `place`.

    Raises:
        TableError: it is no such row; the message names the place.
    """
    try:
        _check_header(texts)
        return _row([*texts], [str(text) for text in texts.values()])
    except (ValueError, TypeError, AttributeError) as error:
        raise TableError(f"{place} holds a trial that cannot be used: {error}") from None


def add_row(path: Path, row: dict) -> None:
    """Write `row` to the table at `path`, in the place of one of the same trial and recipe; no other may write it."""
    write_table(path, [*(other for other in read_table(path) if key_of(other) != key_of(row)), row])


def _text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def read_table(path: Path) -> list[dict]:
    """The rows of `path` by column, numbers as numbers and None where empty; no rows where there is no file.

    Raises:
        TableError: the file is no such table, or a line has a value that cannot be; the message says what to do.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}; allow it, or move it away to start anew") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path} cannot be read as a table: {error}; {REMEDY}") from None
    header, rows, place = lines[0] if lines else [], {}, f"{path}, line 1"
    try:
        _check_header(header)
        for number, fields in enumerate(lines[1:], 2):
            place = f"{path}, line {number}"
            row = _row(header, fields)
            if key_of(row) in rows:
                raise ValueError(f"a second row for settings {row['settings']!r}, {row['seed']}")
            rows[key_of(row)] = row
    except ValueError as error:
        raise TableError(f"{place}: {error}; {REMEDY}") from None
    return list(rows.values())


def _check_header(header):
    missing, unknown = ([name for name in a if name not in b] for a, b in ((COLUMNS, header), (header, COLUMNS)))
    if missing or unknown:
        what = f"no column {', '.join(missing)}" if missing else f"unknown column {', '.join(unknown)}"
        raise ValueError(f"{what}, so it is of another version of facelib")


def _row(header, fields):
    if len(fields) != len(header):
        raise ValueError(f"{len(fields)} fields, and the header has {len(header)}")
    texts, row = dict(zip(header, fields, strict=True)), {}
    for name, kind in COLUMNS.items():
        try:
            row[name] = None if kind is not str and not texts[name] else kind(texts[name])
        except ValueError:
            raise ValueError(f"{name} is {texts[name]!r}, which is no number") from None
        if kind is float and row[name] is not None and not math.isfinite(row[name]):
            raise ValueError(f"{name} is {texts[name]!r}, which is not finite")
    for name in SHARES:
        if row[name] is not None and not 0 <= row[name] <= 1:
            raise ValueError(f"{name} is {row[name]}, and lies between 0 and 1")
    if row["state"] not in STATES:
        raise ValueError(f"state is {row['state']!r}, one of {', '.join(STATES)}")
    if not SETTINGS.fullmatch(row["settings"]):
        raise ValueError(f"settings are {row['settings']!r}, expected key=value")
    for name in ("test_mistakes", "joined_test_mistakes"):
        wrong, accuracy = read_mistakes(row[name]), row[name.replace("mistakes", "accuracy")]
        if wrong and (accuracy is None or abs(1 - sum(wrong) / len(wrong) - accuracy) > 1e-5):
            raise ValueError(f"{name} are {sum(wrong)} of {len(wrong)} pairs, and the accuracy is {accuracy}")
    needed = ("seed", "format", "recipe") + (SHARES[:2] if row["state"] == COMPLETE else ())
    for name in needed:
        if row[name] is None:
            raise ValueError(f"{name} is empty")
    return row


def check_study(found: dict, expected: dict, place: str) -> None:
    """Raise where `found`, read from `place`, is of another study than `expected`; both have the keys of STUDY.

    Raises:
        TableError: says what differs, and what to do.
    """
    for name in STUDY:
        if found.get(name) != expected[name]:
            raise TableError(
                f"trials of another {name} ({found.get(name)}, now {expected[name]}) cannot be mixed with new"
                f" ones: move {place} away to start anew"
            )
