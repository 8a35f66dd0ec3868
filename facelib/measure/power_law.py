"""A power law of errors over sizes, error = floor + a size^-b, fitted to runs of several sizes and carried to another.

In logarithms it is a straight line, fitted by least squares. How sure it is has two parts, whose squares add:

- training: runs scatter about the line, by their weights, batches and people; Student's t, as few runs say how much.
- test pairs: all runs are measured on the same ones. What is read off the line is a sum of the runs' log errors with
  weights w_r, and pair k adds u_k = sum of w_r (wrong_rk - error_r) / (error_r - floor) over the runs r; the variance
  is the mean of u_k^2 over the number of pairs. So pairs that are hard for all runs move the line, and do not tilt it.

Pairs count as independent: those that share people make the second part a little too small. Runs do too: where what
they have in common, such as a seed, moves whole lines, few seeds say little of how far.
"""

from typing import NamedTuple

import numpy as np

from facelib.measure.intervals import Z

LEAST = 3  # sizes: through two, any line is a perfect fit
# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom; for more than these the last one is wider than needed
STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


class Reading(NamedTuple):
    """What is read off a line, and its 95 % interval."""

    value: float
    lower: float
    upper: float


class PowerLaw(NamedTuple):
    """The line, and the runs that it was fitted to; all float64."""

    log_sizes: np.ndarray  # (runs,), less their mean `centre`
    log_errors: np.ndarray  # (runs,), less the floor before the logarithm
    influences: np.ndarray  # (runs, pairs), of each pair on the log error of each run
    centre: float
    floor: float
    scatter: float  # standard deviation of the runs about the line, in logarithms

    @property
    def exponent(self) -> Reading:
        """b: a doubling of the size divides what is above the floor by 2^b."""
        weights = -self.log_sizes / np.sum(self.log_sizes**2)
        value, reach = self._read(weights, 0.0, 0.0)
        return Reading(value, value - reach, value + reach)

    def error_at(self, size: float) -> Reading:
        """The error of one more run, of `size`, and the interval in which it is measured on as many other pairs.

        On the very same pairs it is a little nearer to the line than the interval says.
        """
        place = np.log(size) - self.centre
        weights = 1 / len(self.log_sizes) + place * self.log_sizes / np.sum(self.log_sizes**2)
        above = float(np.exp(weights @ self.log_errors))
        error = min(self.floor + above, 1.0)
        value, reach = self._read(weights, 1.0, error * (1 - error) / above**2)
        ends = np.minimum(self.floor + np.exp([value - reach, value + reach]), 1.0)
        return Reading(error, float(ends[0]), float(ends[1]))

    def _read(self, weights, runs, pairs):
        # the weighted sum of the log errors, and half its interval; a new run adds the variance of so many `runs` about
        # the line, and of one of its `pairs`
        freedom = len(weights) - 2
        training = self.scatter**2 * (weights @ weights + runs)
        shared = (np.mean((weights @ self.influences) ** 2) + pairs) / self.influences.shape[1]
        student = STUDENT[min(freedom, len(STUDENT)) - 1]
        return float(weights @ self.log_errors), float(np.hypot(student * np.sqrt(training), Z * np.sqrt(shared)))


def fit_power_law(sizes, wrong, floor: float = 0.0) -> PowerLaw:
    """The power law of the errors of `runs` runs on the same pairs.

    Args:
        sizes: (runs,), above 0. wrong: (runs, pairs) bool, whether a run decides a pair wrongly.
        floor: the error that no size goes below; given, since few runs cannot tell it.

    Raises:
        ValueError: fewer than `LEAST` sizes, a size that is not above 0, no pairs, or an error at or below the floor.
    """
    sizes, wrong = np.asarray(sizes, np.float64), np.asarray(wrong, np.float64)
    if wrong.ndim != 2 or sizes.shape != wrong.shape[:1] or not wrong.size:
        raise ValueError(f"{sizes.shape} sizes for {wrong.shape} decisions: expected (runs,) and (runs, pairs)")
    if (few := len(np.unique(sizes))) < LEAST:
        raise ValueError(f"a power law needs runs of {LEAST} sizes at least, and there are {few}")
    if sizes.min() <= 0:
        raise ValueError(f"a size of {sizes.min():g}: sizes are above 0")
    errors = wrong.mean(axis=1)
    if errors.min() <= floor:
        raise ValueError(f"an error of {errors.min():g} is not above the floor of {floor:g}, and has no logarithm")
    log_sizes, log_errors = np.log(sizes), np.log(errors - floor)
    centre = float(log_sizes.mean())
    log_sizes -= centre
    slope = log_sizes @ log_errors / np.sum(log_sizes**2)
    residuals = log_errors - log_errors.mean() - slope * log_sizes
    scatter = float(np.sqrt(np.sum(residuals**2) / (len(sizes) - 2)))
    influences = (wrong - errors[:, None]) / (errors - floor)[:, None]
    return PowerLaw(log_sizes, log_errors, influences, centre, floor, scatter)
