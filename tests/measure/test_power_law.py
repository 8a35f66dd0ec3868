"""power_law.py against closed forms, a bootstrap over the pairs, and simulated runs whose truth is known."""

import math
from statistics import NormalDist, linear_regression

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.measure.power_law import STUDENT, fit_power_law

SIZES = np.repeat([132, 264, 528, 1056], 2)


def decisions(errors, pairs=1000):
    """(runs, pairs) bool: so many of the first pairs are wrong."""
    return np.arange(pairs) < np.rint(np.asarray(errors)[:, None] * pairs)


@given(st.floats(0.1, 1.0), st.sampled_from([0.0, 0.03]))
def test_runs_on_a_line_give_its_exponent_and_no_scatter(exponent, floor):
    sizes = np.array([100.0, 200, 400, 800])
    errors = floor + 0.2 * (sizes / 100) ** -exponent
    law = fit_power_law(sizes, decisions(errors, 100_000), floor)
    assert law.exponent.value == pytest.approx(exponent, abs=2e-3) and law.scatter < 2e-3
    assert law.error_at(8000).value == pytest.approx(floor + 0.2 * 80**-exponent, rel=1e-2)


def test_line_scatter_and_interval_of_the_training_are_those_of_a_regression():
    errors = np.array([0.2, 0.22, 0.15, 0.18, 0.11, 0.13, 0.1, 0.08])
    law = fit_power_law(SIZES, decisions(errors))
    x, y = np.log(SIZES), np.log(errors)
    fit = linear_regression(x, y)
    deviation = math.sqrt(np.sum((y - fit.intercept - fit.slope * x) ** 2) / (len(x) - 2))
    assert law.exponent.value == pytest.approx(-fit.slope)
    assert law.error_at(8000).value == pytest.approx(np.exp(fit.intercept + fit.slope * np.log(8000)))
    many = law._replace(influences=np.zeros((8, 1)))  # as with no end of pairs
    half = 2.4469 * deviation / math.sqrt(np.sum((x - x.mean()) ** 2))  # Student's quantile for 6 degrees of freedom
    assert (many.exponent.upper - many.exponent.lower) / 2 == pytest.approx(half, rel=1e-4)


def test_what_the_pairs_add_is_what_a_bootstrap_over_them_shows():
    random = np.random.default_rng(1)
    hardness = random.normal(size=(1, 1500)) + 0.4 * random.normal(size=(8, 1500))
    wrong = hardness > np.linspace(1.0, 1.3, 8)[:, None]
    law = fit_power_law(SIZES, wrong)._replace(scatter=0.0)
    drawn = [fit_power_law(SIZES, wrong[:, random.integers(0, 1500, 1500)]).exponent.value for _ in range(400)]
    assert (law.exponent.upper - law.exponent.lower) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.12)
    apart = np.take_along_axis(wrong, np.argsort(random.random(wrong.shape), axis=1), axis=1)  # other pairs in each run
    tilted = fit_power_law(SIZES, apart)._replace(scatter=0.0).exponent
    assert tilted.upper - tilted.lower > 1.2 * (law.exponent.upper - law.exponent.lower)


@pytest.mark.parametrize(("spread", "shared", "moved"), [(0, 0.5, 0), (0.05, 0.5, 0), (0.1, 0.9, 0), (0.03, 0.7, 0.1)])
def test_the_interval_holds_one_more_run_on_other_pairs_in_95_of_100_cases(spread, shared, moved):
    random, inside, cases, pairs = np.random.default_rng(2), 0, 400, 600
    bounds = {error: NormalDist().inv_cdf(1 - error) for error in np.linspace(0.001, 0.999, 999).round(3)}

    def measure(sizes):
        seeds = moved * random.normal(size=2)[np.arange(len(sizes)) % 2]  # moves the whole line of a seed
        scattered = np.exp(seeds + spread * random.normal(size=len(sizes)))
        errors = np.clip(0.9 * sizes**-0.35 * scattered, 0.001, 0.999)
        each = np.sqrt(1 - shared) * random.normal(size=(len(sizes), pairs))
        hardness = np.sqrt(shared) * random.normal(size=pairs) + each
        return hardness > np.array([[bounds[error]] for error in errors.round(3)])

    for _ in range(cases):
        law, (later,) = fit_power_law(SIZES, measure(SIZES)), measure(np.array([8000]))
        _, lower, upper = law.error_at(8000)
        inside += lower <= later.mean() <= upper
    assert 0.94 <= inside / cases <= 1.0


def test_a_floor_makes_the_error_at_larger_sizes_larger():
    wrong = decisions([0.2, 0.21, 0.16, 0.15, 0.12, 0.12, 0.09, 0.1])
    errors = [fit_power_law(SIZES, wrong, floor).error_at(8000).value for floor in (0.0, 0.02, 0.05)]
    assert errors == sorted(errors) and errors[2] > 0.05


def test_quantiles_are_those_of_student():
    for freedom, quantile in enumerate(STUDENT, 1):
        x = np.linspace(0, quantile, 100_001)
        factor = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
        density = factor * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
        assert np.trapezoid(density, x) == pytest.approx(0.475, abs=6e-5 * density[-1])  # the quantile to 6e-5


@pytest.mark.parametrize(
    ("sizes", "wrong", "floor", "message"),
    [
        ([1, 2], decisions([0.3, 0.2]), 0.0, "needs runs of 3 sizes at least, and there are 2"),
        ([1, 1, 2, 2], decisions([0.3, 0.3, 0.2, 0.2]), 0.0, "needs runs of 3 sizes at least, and there are 2"),
        ([0, 1, 2], decisions([0.3, 0.2, 0.1]), 0.0, "a size of 0: sizes are above 0"),
        ([1, 2, 3], decisions([0.3, 0.2, 0.0]), 0.0, "an error of 0 is not above the floor of 0"),
        ([1, 2, 3], decisions([0.3, 0.2, 0.1]), 0.1, "an error of 0.1 is not above the floor of 0.1"),
        ([1, 2], decisions([0.3, 0.2, 0.1]), 0.0, r"\(2,\) sizes for \(3, 1000\) decisions"),
        ([1, 2, 3], np.zeros((3, 0)), 0.0, r"\(3,\) sizes for \(3, 0\) decisions"),
    ],
)
def test_what_has_no_line_is_refused(sizes, wrong, floor, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(sizes, wrong, floor)
