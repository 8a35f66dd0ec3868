"""experiments/summary.py: what is compared with what, however few of the trials are over."""

import ast
import json

import matplotlib.pyplot as plt
import pytest
from made_up import RESULTS
from test_table import IDENTITY, row

from facelib.config import ROOT, load_config
from facelib.results import read_results
from facelib.study import plan
from facelib.study.plan import Trial
from facelib.study.summary import causes, compare_choices, is_earlier, lead_spread, ranked, searched, summarise
from facelib.study.table import table_path, trial_of, write_mistakes, write_table


def test_summary_is_mean_and_half_range_paired_by_seed():
    alone = "pairs_weight=0.0"
    rows = [row("", 7, 0.8), row("", 8, 0.7), row("", 9, 0.6), row(alone, 7, 0.7), row(alone, 8, 0.5)]
    rows += [row("triplets_weight=0.0", 7, None, state="failed", reason="collapse: why")]
    summaries = {summary.name: summary for summary in summarise(rows, "loss")}
    assert list(summaries) == list(plan.TABLES["loss"])
    base, changed = summaries["triplets and all pairs"], summaries["triplets alone"]
    assert (base.roc_auc, base.spread) == pytest.approx((0.7, 0.1)) and base.difference == 0
    assert (changed.roc_auc, changed.spread) == pytest.approx((0.6, 0.1))
    assert (changed.difference, changed.difference_spread) == pytest.approx((-0.15, 0.05))
    failed = summaries["all pairs alone"]
    assert failed.failures == ["collapse: why"] and failed.roc_auc is failed.spread is failed.difference is None
    assert summaries["class proxies alone"].rows == []
    assert [each.name for each in ranked(summaries.values())] == ["triplets and all pairs", "triplets alone"]
    assert ranked(summarise([], "loss")) == []


def test_choices_are_ranked_by_seed_and_not_by_who_was_held_out():
    alone = "pairs_weight=0.0"
    rows = [
        row("", 7, 0.93),
        row("", 8, 0.97),
        row("", 9, 0.97),
        row(alone, 7, 0.95),
        row("triplets_weight=0.0", 7, 0.92),
    ]
    assert [each.name for each in ranked(summarise(rows, "loss"))] == [
        "triplets alone", "triplets and all pairs", "all pairs alone"
    ]  # fmt: skip
    assert ranked(summarise([each for each in rows if each["settings"]], "loss")) == []
    other = [row("", 8, 0.9), row(alone, 7, 0.95)]  # no seed in common
    assert [each.name for each in ranked(summarise(other, "loss"))] == ["triplets and all pairs"]


def test_a_choice_that_failed_with_a_seed_is_not_ranked():
    alone = "pairs_weight=0.0"
    rows = [
        row("", 7, 0.8),
        row("", 8, 0.7),
        row(alone, 7, 0.9),
        row(alone, 8, None, state="failed", reason="collapse"),
    ]
    assert [each.name for each in ranked(summarise(rows, "loss"))] == ["triplets and all pairs"]


def test_the_spread_of_a_lead_is_over_the_seeds_of_both():
    alone = "pairs_weight=0.0"
    rows = [row("", 7, 0.9), row("", 8, 0.7), row("", 9, 0.1), row(alone, 7, 0.8), row(alone, 8, 0.5)]
    first, second, *_ = summarise(rows, "loss")
    assert lead_spread(first, second) == pytest.approx(0.05)
    assert lead_spread(first, summarise(rows[:4], "loss")[1]) is None


def test_choices_are_compared_where_there_are_two():
    rows = [row("", 7, 0.8), row("", 8, 0.6), row("pairs_weight=0.0", 7, 0.9), row("pairs_weight=0.0", 8, 0.8)]
    found = compare_choices(rows, "loss")
    assert (found["best"], found["last"], found["first"]) == ("triplets alone", *["triplets and all pairs"] * 2)
    assert (found["lead"], found["lead_spread"], found["ahead"]) == pytest.approx((0.15, 0.05, 0.15))
    assert found["best_roc_auc"] == pytest.approx(0.85) and (found["table"], found["compared"]) == ("loss", 2)
    assert compare_choices(rows[:2], "loss") is compare_choices([], "loss") is None


def test_causes_are_reasons_without_epoch_step_and_remedy():
    alike = "collapse: all embeddings are alike (mean similarity 0.990, spread 0.010); lower the learning rate"
    reasons = (f"epoch 5: {alike}", "the loss is not finite at step 31: lower the learning rate or gamma")
    rows = [row(seed=seed, state="failed", reason=reason) for seed, reason in enumerate(reasons)]
    rows += [row(seed=7, state="failed", reason=f"epoch 2: {alike}"), row(seed=8, reason="epoch 2: 3 steps found no")]
    rows += [row(seed=9, state="error", reason="killed 3 times, likely for want of memory")]
    named = {"collapse": 2, "the loss is not finite": 1, "killed 3 times, likely for want of memory": 1}
    assert causes(rows) == named and next(iter(causes(rows))) == "collapse"


def test_the_spread_of_one_seed_is_not_known():
    first, *_ = summarise([row("", 7, 0.8)], "loss")
    assert (first.roc_auc, first.spread, first.difference_spread) == (0.8, None, None)


def test_what_the_texture_changes_is_compared_likewise():
    alone = "pairs_weight=0.0"
    rows = [row("", 7, 0.8, joined_roc_auc=0.75), row("", 8, 0.8, joined_roc_auc=0.25), row("", 9, 0.8)]
    rows += [row(alone, 7, 0.8, joined_roc_auc=0.5), row(alone, 8, 0.8, joined_roc_auc=0.5), row(alone, 9, 0.9)]
    first, second, third, *_ = summarise(rows, "loss")
    assert (first.joined_roc_auc, second.joined_roc_auc, third.joined_roc_auc) == (0.5, 0.5, None)
    assert (second.joined_difference, second.joined_difference_spread, third.joined_difference) == (0, 0.25, None)


@pytest.mark.parametrize("name", ["recipe", "workers", "processor", "tensorflow", "keras", "bfloat16"])
def test_trials_that_were_not_computed_alike_are_not_compared(name):
    alone, other = "pairs_weight=0.0", {name: 0 if name in ("recipe", "workers") else "another"}
    rows = [row("", 7, 0.8), row(alone, 7, 0.9, **other), row("", 8, 0.8), row(alone, 8, 0.7)]
    first, second, *_ = summarise(rows, "loss")
    assert second.difference == pytest.approx(-0.1) and second.difference_spread is None
    assert second.roc_auc == pytest.approx(0.7 if name == "recipe" else 0.8)  # means are of one recipe
    assert summarise(rows[:2], "loss")[1].difference is None
    assert lead_spread(first, second) is None


def test_the_row_of_the_newest_recipe_counts_and_those_of_earlier_ones_stand_in_for_it():
    alone = "pairs_weight=0.0"
    rows = [row(settings, 7, area, recipe=plan.RECIPE - 1) for settings, area in (("", 0.6), (alone, 0.7))]
    first, second, *_ = summarise([row("", 7, 0.8), *rows], "loss")
    assert (first.roc_auc, second.roc_auc, second.difference) == (0.8, 0.7, None)
    assert [is_earlier(each.rows[0]) for each in (first, second)] == [False, True]
    assert summarise(rows, "loss")[1].difference == pytest.approx(0.1)


def test_the_search_is_that_of_the_newest_recipe_that_has_one():
    earlier = row(SEARCH, 7, 0.9, recipe=plan.RECIPE - 1)
    assert searched([earlier])[0]["validation_roc_auc"] == 0.9
    assert [point["validation_roc_auc"] for point in searched([earlier, row(SEARCH, 7, 0.8)])] == [0.8]


def test_a_trial_that_asks_for_no_bfloat16_is_compared_with_those_that_have_it():
    asked = row("bfloat16=False", 7, 0.9, bfloat16="no")
    *_, found = summarise([row("", 7, 0.8, bfloat16="yes"), asked], "levers left out")
    assert found.name == "no bfloat16, as many steps" and found.difference == pytest.approx(0.1)


def test_the_minutes_are_those_of_the_machine():
    rows = [row("", 7, seconds=120.0, workers=2), row("", 8, seconds=240.0), row("", 9, state="failed", seconds=9.0)]
    assert summarise(rows, "loss")[0].minutes == pytest.approx(2.5)


def test_search_trials_are_those_that_change_what_is_searched():
    settings = plan.settings_of("margin=0.3 gamma=20.5 learning_rate=2e-3 weight_decay=0.01")
    other = settings.replace("0.3", "0.25")
    rows = [row(settings), row(other, roc_auc=0.8), row("gamma=20.5"), row(settings, 8, state="failed")]
    best, second = searched(rows)
    assert (best["margin"], second["margin"], best["gamma"]) == (0.25, 0.3, 20.5)
    assert trial_of(best) == Trial(other, 7)


# Notebook 08, whatever part of the study is over.

WHOLE = plan.settings_of(plan.TABLES[plan.WHOLE]["best"])
TESTED = {
    "test_accuracy": 0.8, "test_best_accuracy": 0.82, "test_roc_auc": 0.9, "joined_test_accuracy": 0.85,
    "joined_test_best_accuracy": 0.86, "joined_test_roc_auc": 0.93, "joined_accuracy": 0.9, "steps": 600,
    "test_mistakes": write_mistakes([k < 4 for k in range(20)]),
    "joined_test_mistakes": write_mistakes([k < 3 for k in range(20)]),
}  # fmt: skip
SEARCH = plan.settings_of("margin=0.3 gamma=20.5 learning_rate=2e-3 weight_decay=0.01")
FAILED = {"state": "failed", "reason": "epoch 5: collapse: one | point", "roc_auc": None, "validation_accuracy": None}


def finished(settings="", seed=7, roc_auc=0.9, **changes):
    return row(settings, seed, roc_auc, faces="real", seconds=30.0, **changes)


STUDIES = {
    "no trial": [],
    "the base alone": [finished(**TESTED)],
    "failures alone": [finished(**FAILED), finished(WHOLE, **FAILED)],
    "the base was killed": [
        {"settings": "", "seed": 7, "state": "error", "reason": "killed 3 times, likely", **IDENTITY},
        finished("pairs_weight=0.0", roc_auc=0.92),
    ],
    "two choices": [finished(**TESTED), finished("pairs_weight=0.0", roc_auc=0.92), finished(SEARCH, roc_auc=0.95)],
    "the whole recipe, a seed of it failed": [
        finished(WHOLE, 7, **TESTED),
        finished(WHOLE, 8, **TESTED | {"joined_test_accuracy": 0.87, "joined_test_mistakes": ""}),
        finished(WHOLE, 9, **FAILED | TESTED), finished("epochs=1", **TESTED),
    ],
    "trials that were not computed alike": [
        finished(workers=1, **TESTED), finished("pairs_weight=0.0", roc_auc=0.92, workers=2),
        finished(SEARCH, roc_auc=0.95, workers=2),
    ],
    "everything": [finished(*trial, **TESTED) for trial in plan.declared()],
}  # fmt: skip


@pytest.fixture
def execute(data_folder, project, monkeypatch):
    """Function from rows to what notebook 08 finds, and to everything that it shows."""
    monkeypatch.setattr("facelib.show.plots.save", lambda figure, *_, **__: plt.close(figure))

    def run(rows):
        config = load_config("smoke", str(data_folder))
        write_table(table_path(config), rows)
        shown = []
        names = {}
        for cell in json.loads((ROOT / "notebooks" / "08_experiments.ipynb").read_text())["cells"]:
            if cell["cell_type"] == "code":
                tree = ast.parse("".join(cell["source"]))
                last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
                exec(compile(tree, cell["id"], "exec"), names)
                if last:
                    value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
                    shown.append(getattr(value, "data", ""))
            if cell["id"] == "08-02":
                names |= {"profile": "smoke", "data": str(data_folder)}
        return read_results(config, "08_experiments"), "\n".join(filter(None, shown))

    return run


@pytest.mark.parametrize("rows", STUDIES.values(), ids=STUDIES)
def test_the_notebook_shows_any_part_of_the_study(execute, rows):
    found, shown = execute(rows)
    assert found["trials"] == len(rows) and found["earlier"] == 0
    assert "nan" not in shown and "None" not in shown.replace("None of the", "")
    assert ("No trial has been recorded" in shown) == (not rows)
    complete = [each for each in rows if each["state"] == "complete"]
    for factor in found["factors"]:
        assert factor["compared"] > 1 and factor["lead"] >= 0 and f"**{factor['best']}**" in shown
    if len(complete) < 2:
        assert found["factors"] == [] and "best of" not in shown


def test_the_notebook_says_how_many_trials_are_to_come(execute):
    assert "| **triplets alone** | **1, 2 to come** |" in execute(STUDIES["two choices"])[1]
    whole = execute(STUDIES["everything"])[1]
    assert "| triplets alone | 3 |" in whole and "to come" not in whole


def test_the_notebook_carries_the_line_over_training_identities(execute):
    found, shown = execute([finished(f"training_identities={size}", **TESTED) for size in (132, 264, 528, 1056)])
    assert [*found["forecast"]["kinds"]] == ["test", "joined_test"] and len(found["forecast"]["runs"]) == 4
    assert "| 8,000 | **forecast** | **0.8000 [" in shown and "**a forecast, not measured**: accuracy 0.8000" in shown
    assert "1 of 1 trainings are inside." in shown
    found, shown = execute([finished(f"training_identities={size}", **TESTED) for size in (132, 264)])
    assert found["forecast"]["kinds"] == {} and "| 264 | measured, seeds 7 | 0.8000 | 0.8500 |" in shown
    assert "**forecast**" not in shown and "a forecast, not measured" not in shown


def test_the_notebook_compares_only_what_was_computed_alike(execute):
    found, shown = execute(STUDIES["trials that were not computed alike"])
    assert found["factors"] == [] and found["search"]["base_roc_auc"] is None
    assert "Not compared, since the first row has no such seed that was computed alike: triplets alone." in shown


def test_the_notebook_says_which_trials_are_of_an_earlier_recipe(execute):
    rows = STUDIES["two choices"]
    found, shown = execute([each | {"recipe": plan.RECIPE - 1} for each in rows])
    assert found["earlier"] == len(rows) == found["trials"]
    assert f"{len(rows)} of the {len(rows)} trials are of **an earlier recipe** (number {plan.RECIPE - 1};" in shown
    assert "2 to come, earlier recipe |" in shown.replace("**", "")
    assert "earlier recipe" not in execute(rows)[1]


def test_a_trial_that_is_no_longer_declared_is_left_out(execute, capsys):
    found, _ = execute([finished(), finished("gamma=77.0", **FAILED)])
    assert (found["trials"], found["failed"], found["causes"]) == (1, 0, {})
    assert "left out, no longer declared: 1" in capsys.readouterr().out


def test_the_report_is_tested_on_what_the_notebook_finds(execute):
    def shape(value):
        if isinstance(value, dict):
            return {(key, *rest) for key, each in value.items() for rest in shape(each)}
        return {rest for each in value for rest in shape(each)} if isinstance(value, list) else {()}

    found, _ = execute([*STUDIES["everything"], finished(SEARCH, roc_auc=0.95), finished(SEARCH, 8, **FAILED)])
    made_up = {key: value for key, value in RESULTS["08_experiments"].items() if key != "causes"}
    assert shape(made_up) <= shape(found) and found["causes"] == {"collapse": 1}


def test_the_notebook_averages_the_seeds_of_the_whole_recipe_that_came_to_an_end(execute):
    whole, shown = (
        each["whole"] if isinstance(each, dict) else each
        for each in execute(STUDIES["the whole recipe, a seed of it failed"])
    )
    assert whole["seeds"] == 2 and whole["joined_test_accuracy"]["mean"] == pytest.approx(0.86)
    assert whole["joined_test_accuracy"]["deviation"] == pytest.approx(0.02 / 2**0.5)
    assert "Not complete: seed 9" in shown and "passed after 30 s" in shown
