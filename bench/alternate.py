"""Alternating measurements and the ratios of their pairs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from bench.side import LimitError

AT_LEAST, AT_MOST, ENOUGH_SECONDS = 3, 15, 10.0
PAUSE = 0.02  # seconds between two sides: threads of the one stop spinning before the other begins


class Series(NamedTuple):
    """The repetitions of one side, in order."""

    seconds: tuple[float, ...]
    peak: int = 0  # bytes that the first call added
    failure: str = ""  # why there are no repetitions, such as "more than 12 GiB"


@dataclass(frozen=True)
class Row:
    """One line of the table. A ratio says how many times better ours is: above 1 ours is faster, or smaller."""

    row: str  # name for --only
    what: str
    against: str
    unit: str
    ours: float | None  # None where there is a failure
    theirs: float | None
    ratio: float | None
    lowest: float | None  # of the paired repetitions' ratios
    highest: float | None
    goal: float | None = None  # what the ratio should be at least
    failures: tuple[str, str] = ("", "")  # of ours and of theirs, such as "more than 12 GiB"


def alternate(sides: dict[str, Callable], at_most: int = AT_MOST) -> dict[str, Series]:
    """Call each side once untimed, then all of them in turn, so that what else the machine does hits all alike.

    There are at least 3 rounds (or `at_most`, where that is less), and then more until 10 s have passed.

    Args:
        sides: name -> function without arguments to an object with seconds and peak. One that raises LimitError is
            not called again.
    """
    peaks, failures, seconds = {}, {}, {name: [] for name in sides}

    def attempt(name):
        time.sleep(PAUSE)
        try:
            return sides[name]()
        except LimitError as error:
            failures[name] = str(error)

    for name in sides:
        first = attempt(name)
        peaks[name] = first.peak if first else 0
    start = time.perf_counter()
    for rounds in range(at_most):
        if rounds >= AT_LEAST and time.perf_counter() - start > ENOUGH_SECONDS:
            break
        for name in sides:
            if name not in failures and (measured := attempt(name)):
                seconds[name].append(measured.seconds)
    return {
        name: Series((), 0, failures[name]) if name in failures else Series(tuple(seconds[name]), peaks[name])
        for name in sides
    }


def compare_speed(row, what, against, unit, items, ours: Series, theirs: Series, goal=None) -> Row:
    """Median items per second of both sides, and the median ratio of the paired repetitions.

    Args:
        unit: such as ``images/s``. items: (ours, theirs), what one call deals with.
    """
    speeds = [[count / s for s in series.seconds] for count, series in zip(items, (ours, theirs), strict=True)]
    medians = [median(each) if each else None for each in speeds]
    ratios = [mine / other for mine, other in zip(*speeds, strict=True)] if all(speeds) else []
    spread = (median(ratios), min(ratios), max(ratios)) if ratios else (None, None, None)
    return Row(row, what, against, unit, *medians, *spread, goal, (ours.failure, theirs.failure))


def compare_memory(row, what, against, ours: Series, theirs: Series) -> Row:
    """Peak memory of the first call of both sides in MiB; the ratio is theirs by ours."""
    peaks = [None if series.failure else series.peak / 2**20 for series in (ours, theirs)]
    ratio = peaks[1] / peaks[0] if all(peaks) else None
    return Row(row, what, against, "MiB", *peaks, ratio, None, None, None, (ours.failure, theirs.failure))
