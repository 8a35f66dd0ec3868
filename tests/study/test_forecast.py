"""What trials on fewer training identities say of more."""

import numpy as np
import pytest
from test_table import row

from facelib.measure.power_law import fit_power_law
from facelib.study import plan
from facelib.study.forecast import KINDS, fit, forecast, sized_runs
from facelib.study.table import write_mistakes


def trial(size, seed, errors=(0.2, 0.1), pairs=200, **changes):
    """A row of the table of training identities, with such errors of the network and of both."""
    figures = {}
    for kind, error in zip(KINDS, errors, strict=True):
        wrong = np.arange(pairs) < round(error * pairs)
        figures |= {f"{kind}_accuracy": 1 - wrong.mean(), f"{kind}_mistakes": write_mistakes(wrong)}
    return row(f"training_identities={size}", seed, **figures, **changes)


def halving(sizes=(132, 264, 528, 1056)):
    """Rows of two seeds whose errors halve with every doubling, from 0.4 and 0.24."""
    return [
        trial(size, seed, [first / 2**doublings for first in (0.4, 0.24)])
        for seed in plan.SEEDS[:2]
        for doublings, size in enumerate(sizes)
    ]


def test_runs_are_ordered_by_size_then_by_seed():
    runs = sized_runs(halving())
    assert [(run["identities"], run["seed"]) for run in runs] == [(132 * 2**k, s) for k in range(4) for s in (7, 8)]
    assert [round(run["test_accuracy"], 3) for run in runs[::2]] == [0.6, 0.8, 0.9, 0.95]
    assert [sum(runs[0][f"{kind}_wrong"]) for kind in KINDS] == [80, 48]


def test_errors_that_halve_are_carried_along_their_line():
    found = forecast(halving())
    assert (found["identities"], found["pairs"], len(found["runs"]), [*found["kinds"]]) == (8000, 200, 8, [*KINDS])
    for kind, first in zip(KINDS, (0.4, 0.24), strict=True):
        each = found["kinds"][kind]
        assert each["exponent"]["value"] == pytest.approx(1, abs=1e-9) and each["name"] == KINDS[kind]
        for accuracy, size in ((each["accuracy"], 8000), (each["check"]["accuracy"], 1056)):
            assert accuracy["value"] == pytest.approx(1 - first * 132 / size)
            assert accuracy["lower"] < accuracy["value"] < accuracy["upper"] < 1
        assert each["floor"] == pytest.approx(first / 16)
        assert each["floor_accuracy"]["value"] < min(each["accuracy"]["value"], 1 - each["floor"])
        assert each["check"]["identities"] == 1056 and each["check"]["measured"] == [pytest.approx(1 - first / 8)] * 2


def test_too_few_sizes_are_shown_without_a_line():
    found = forecast(halving((132, 264)))
    assert len(found["runs"]) == 4 and found["kinds"] == {} and fit(sized_runs(halving((132, 264))), "test") is None
    three = forecast(halving((132, 264, 528)))["kinds"]["test"]
    assert three["check"] is None and three["accuracy"]["value"] > 0.9
    assert forecast([]) == {"identities": 8000, "pairs": 0, "runs": [], "kinds": {}}


def test_where_a_run_makes_no_mistake_there_is_no_line_for_its_kind():
    rows = [*halving()[:-1], trial(1056, 8, (0.05, 0.0))]
    assert [*forecast(rows)["kinds"]] == ["test"]


def test_trials_that_failed_have_no_mistakes_or_were_computed_otherwise_are_left_out():
    whole = halving()
    others = [
        trial(1056, 8, state="failed"),
        trial(1056, 8) | {"joined_test_mistakes": ""},
        trial(1056, 8, bfloat16="no"),
        trial(1056, 8, pairs=100),
    ]
    for other in others:
        runs = sized_runs([*whole[:-1], other])
        assert len(runs) == 7 and runs[-1]["seed"] == 7
    assert sized_runs([row("", 7)]) == []


def test_a_study_without_that_table_has_no_runs(monkeypatch):
    monkeypatch.setattr(plan, "TABLES", {"loss": {"base": ""}})
    assert sized_runs(halving()) == []


def test_the_line_is_that_of_the_mistakes():
    runs = sized_runs(halving())
    law = fit(runs, "joined_test", 0.01)
    wrong = np.array([run["joined_test_wrong"] for run in runs])
    same = fit_power_law([run["identities"] for run in runs], wrong, 0.01)
    assert law.error_at(4000) == same.error_at(4000) and law.floor == 0.01
