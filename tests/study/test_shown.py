"""What notebook 08 says of trials: cells of its tables, marks, and what is said where there is nothing."""

import pytest
from test_forecast import halving, trial
from test_table import row

from facelib.study import plan, shown
from facelib.study.forecast import forecast
from facelib.study.summary import lengths, searched

ALONE = "pairs_weight=0.0"
SEARCH = plan.settings_of("margin=0.3 gamma=20.5 learning_rate=2e-3 weight_decay=0.01")
WHOLE = plan.settings_of(plan.TABLES[plan.WHOLE]["best"])
JOINED = {"joined_test_accuracy": 0.85, "joined_test_best_accuracy": 0.86, "joined_test_roc_auc": 0.93}
TESTED = {"test_accuracy": 0.8, "test_roc_auc": 0.9, "steps": 600, "seconds": 90.0} | JOINED


def test_a_figure_has_its_spread_and_does_not_break():
    assert shown.number(0.91234) == "0.9123" and shown.number(None) == shown.number(None, 0.1) == ""
    assert shown.number(0.91234, 0.01) == "0.9123\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.0100"
    assert shown.number(0.5, form="+.1f") == "+0.5"


@pytest.mark.parametrize(
    ("faces", "drawn", "named"), [("real", True, True), ("real", False, False), ("drawn", True, False)]
)
def test_the_origin_of_the_trials_is_said(faces, drawn, named):
    text = shown.origin([row()], faces, drawn)
    assert f"**on {shown.KINDS[faces]}**" in text and ("What is said above of drawn faces" in text) == named
    assert "earlier" not in text
    earlier = shown.origin([row(), row(ALONE, recipe=plan.RECIPE - 1)], faces, drawn)
    assert f"1 of the 2 trials are of **an earlier recipe** (number {plan.RECIPE - 1};" in earlier
    assert shown.origin([], faces, drawn).startswith("**No trial has been recorded.**")


def test_the_best_choice_of_several_is_bold_and_the_first_has_no_difference():
    rows = [row("", 7, 0.8), row(ALONE, 7, 0.9), row("triplets_weight=0.0", 7, None, state="failed", reason="collapse")]
    heading, rule, first, second, _, third, *_ = shown.factor_table(rows, "loss").split("\n")
    assert heading.startswith("| choice | trials | minutes | ROC AUC |") and rule == "|---" * 7 + "|"
    assert first.startswith("| triplets and all pairs | 1, 2 to come |") and "**" not in first and "+" not in first
    assert second.startswith("| **triplets alone** | **1, 2 to come** |") and "| **+0.1000** |" in second
    assert third.startswith("| all pairs alone | 1, 2 to come, 1 failed |")
    assert "**" not in shown.factor_table(rows[:1], "loss")  # one choice is not the best of several
    apart = shown.factor_table([row("", 7, 0.8, workers=1), row(ALONE, 7, 0.9, workers=2)], "loss")
    assert apart.endswith("no such seed that was computed alike: triplets alone.")


def test_tables_with_trials_have_their_names_as_headings():
    text = shown.factor_tables([row("", 7, 0.8), row("gamma=77.0", 7, 0.9)])
    assert text.startswith("### loss\n\n| choice") and "### network\n\n" in text and "minutes\n\n" not in text
    assert shown.factor_tables([]) == shown.NONE_YET


def test_a_failure_has_its_tables_and_a_reason_in_which_nothing_is_markup():
    rows = [
        row("", 7),
        row(ALONE, 8, None, state="failed", reason="collapse: <b> | point"),
        row(SEARCH, 7, state="error"),
    ]
    lines = shown.failure_table(rows).split("\n")
    assert len(lines) == 4 and "loss: triplets alone; mining: semi-hard" in lines[2]
    assert lines[2].endswith("| 8 | failed | collapse: &lt;b&gt; \\| point |") and lines[3].startswith(
        f"| search: {SEARCH}"
    )
    assert shown.failure_table(rows[:1]) == "None of the recorded trials failed."


def test_the_best_of_the_search_is_bold():
    worse = SEARCH.replace("0.3", "0.25")
    *_, first, second = shown.search_table(searched([row(worse, 7, 0.8), row(SEARCH, 7, 0.9)])).split("\n")
    assert first.startswith("| **0.3** | **20.5** | **0.002** | **0.01** | **0.9000** |")
    assert second.startswith("| 0.25 | 20.5 |") and shown.search_table([]) == shown.NONE_YET


def test_lengths_have_measured_and_declared_minutes():
    rows = [row("epochs=1", 7, 0.8, workers=2, **TESTED), row("epochs=2", 7, 0.8, **TESTED | {"test_accuracy": None})]
    (point,) = lengths(rows)
    assert (point["declared"], point["minutes"], point["at_once"], point["as_best"]) == (1.0, 0.75, 2, False)
    assert shown.minutes_table([point]).split("\n")[2] == "| 0.8 | 1 | 2 | 600 | 0.8000 | 0.9000 | 0.8000 | 0.8500 |"
    assert shown.minutes_table([]) == shown.NONE_YET


def test_the_forecast_is_below_what_was_measured():
    rows = halving()
    rows[-1] = trial(1056, 8, (0.03, 0.02))
    lines = shown.identities_table(forecast(rows)).replace("\N{NO-BREAK SPACE}", " ").split("\n")
    assert lines[0] == "| identities |  | network alone | with texture, normalised |"
    assert lines[5] == "| 1,056 | measured, seeds 7, 8 | 0.9500, 0.9700 | 0.9700, 0.9800 |"
    assert lines[6].startswith("| 1,056 | forecast by those of fewer | 0.9500 [0.")
    assert lines[7].startswith("| 8,000 | **forecast** | **0.9") and lines[8].endswith("(0.010) |") and len(lines) == 10
    assert lines[9].startswith("|  | exponent $b$ | 1.1")
    command = '`make experiments DATA=path ONLY="training identities"` runs them.'
    assert shown.identities_table(forecast([])) == f"{shown.NONE_YET} {command}"
    text = list(shown._found_forecast({"forecast": forecast(rows)}))
    assert len(text) == 4 and all("a forecast, not measured" in line for line in text[::2])
    assert "of 1,056; 2 of 2 trainings are inside." in text[1] or "1 of 2" in text[1]


def test_the_mean_of_the_whole_recipe_is_below_its_seeds():
    rows = [
        row(WHOLE, 7, seconds=60.0, **JOINED),
        row(WHOLE, 8, seconds=180.0, **JOINED),
        row(WHOLE, 9, state="failed"),
    ]
    lines = shown.whole_table(rows).split("\n")
    assert lines[2:4] == ["| 7 | 1 | 1 | 0.8500 | 0.8600 | 0.9300 |", "| 8 | 3 | 1 | 0.8500 | 0.8600 | 0.9300 |"]
    assert lines[4].replace("\N{NO-BREAK SPACE}", " ").startswith("| **mean** | 2 |  | **0.8500 ± 0.0000** |")
    assert lines[-1] == "Not complete: seed 9, see section 3." and shown.whole_table([]) == shown.NONE_YET
    assert "seed 9" in shown.whole_table(rows[2:]) and "mean" not in shown.whole_table(rows[2:])


def test_findings_name_what_there_is():
    nothing = dict(trials=0, declared=5, failed=0, factors=[], search=dict(best=None), minutes=[], faces="real")
    nothing |= dict(reference_points=[[5, 0.6, 0.7]], whole=dict(seeds=0), forecast=forecast([]))
    first, _, last = shown.findings(nothing).split("\n")
    assert first == "- 0 of 5 trials are recorded, 0 of which failed." and last.startswith("*Neither the search")
    point = dict(minutes=0.5, test_accuracy=0.8, test_roc_auc=0.9)
    found = shown.findings(nothing | dict(minutes=[point]))
    assert "0.8000 (0.5)." in found and "is passed after 30 s" in found and "Neither" not in found
    assert "passed" not in shown.findings(nothing | dict(minutes=[point], faces="drawn"))
    factor = dict(table="loss", best="a", last="b", first="b", lead=0.1, lead_spread=0.02, ahead=0.1, ahead_spread=None)
    found = shown.findings(nothing | dict(factors=[factor | dict(best_roc_auc=0.9, compared=2)]))
    assert "- **loss**: best of 2 is **a** (0.9000); b, the recipe's, is 0.1000" in found
