"""What notebook 08 says of the recorded trials: its tables and lists, as Markdown."""

import html

from facelib.study import forecast, plan
from facelib.study.summary import WHOLE, Summary, is_earlier, machine_seconds, ranked, summarise, whole_recipe
from facelib.study.table import COMPLETE, trial_of

KINDS = {"real": "photographs", "drawn": "drawn faces"}
FACTORS = tuple(name for name in plan.TABLES if name not in plan.TESTED)  # tables of one factor each
NONE_YET = "*No trials yet.*"


def number(value: float | None, spread: float | None = None, form: str = ".4f") -> str:
    """A figure with its spread, as text that is not broken into two lines; empty where there is none."""
    after = "" if spread is None else f" ± {spread:.4f}".replace(" ", "\N{NO-BREAK SPACE}")
    return "" if value is None else f"{value:{form}}{after}"


def origin(rows: list[dict], faces: str, drawn: bool) -> str:
    """On which faces the trials of `rows` were run, and by which recipe.

    Args:
        faces: of the trials, "real" or "drawn". drawn: whether those of the other notebooks of this run are drawn.
    """
    if not rows:
        command = "`make experiments DATA=path`"
        return f"**No trial has been recorded.** {command} runs them; then execute this notebook again."
    text = f"These trials were run before, **on {KINDS[faces]}**, whatever faces the other notebooks of this run show."
    if drawn and faces == "real":
        text += " What is said above of drawn faces holds for those notebooks, not for these trials."
    if earlier := sorted({row["recipe"] for row in rows if is_earlier(row)}):
        text += (
            f" {sum(map(is_earlier, rows))} of the {len(rows)} trials are of **an earlier recipe** (number"
            f" {', '.join(map(str, earlier))}; training now has number {plan.RECIPE}): their figures are facts of"
            " the commits listed below. A table with such trials says so."
        )
    return text


def factor_tables(rows: list[dict]) -> str:
    """The tables of one factor each that have trials among `rows`, with their names as headings."""
    names = [name for name in FACTORS if any(summary.rows for summary in summarise(rows, name))]
    return "\n\n".join(f"### {name}\n\n{factor_table(rows, name)}" for name in names) or NONE_YET


def factor_table(rows: list[dict], name: str) -> str:
    """The choices of the table `name`; the best of several that can be compared is bold."""
    summaries = summarise(rows, name)
    best, *others = ranked(summaries) or [None]
    heading = ("choice", "trials", "minutes", "ROC AUC", "difference", "with texture", "difference")
    lines = [_cells(summary, len(plan.seeds_of(name)), summary is summaries[0]) for summary in summaries]
    bold = summaries.index(best) if others else None
    apart = [summary.name for summary in summaries if summary.roc_auc is not None and summary.difference is None]
    note = "\n\nNot compared, since the first row has no such seed that was computed alike: {}."
    return _table(heading, lines, bold) + (note.format("; ".join(apart)) if apart else "")


def _cells(summary: Summary, seeds: int, is_first: bool) -> list[str]:
    missing = seeds - len(summary.rows)
    trials = str(len(summary.rows)) + f", {missing} to come" * bool(missing)
    trials += f", {len(summary.failures)} failed" * bool(summary.failures)
    trials += ", earlier recipe" * any(map(is_earlier, summary.rows))
    alone = number(summary.difference, summary.difference_spread, "+.4f")
    joined = number(summary.joined_difference, summary.joined_difference_spread, "+.4f")
    alone, joined = ("", "") if is_first else (alone, joined)
    minutes, area = number(summary.minutes, form=".1f"), number(summary.roc_auc, summary.spread)
    return [summary.name, trials, minutes, area, alone, number(summary.joined_roc_auc), joined]


def failure_table(rows: list[dict]) -> str:
    """The trials that failed, with the tables that they belong to, and why."""
    declared, lines = plan.declared(), []
    for row in rows:
        if row["state"] != COMPLETE:
            places = declared.get(trial_of(row), [(plan.SEARCHED, row["settings"])])
            reason = html.escape(row["reason"]).replace("|", "\\|")
            lines.append(["; ".join(": ".join(place) for place in places), str(row["seed"]), row["state"], reason])
    return _table(("trial", "seed", "state", "likely reason"), lines, None, "None of the recorded trials failed.")


def search_table(points: list[dict]) -> str:
    """The trials of the search, see `summary.searched`, the best of them bold."""
    lines = []
    for point in points:
        figures = [number(point[key]) for key in ("validation_roc_auc", "validation_accuracy")]
        lines.append([*(f"{point[name]:.3g}" for name in plan.SEARCH), *figures])
    return _table((*plan.SEARCH, "ROC AUC", "accuracy"), lines, 0)


def minutes_table(points: list[dict]) -> str:
    """The trials of the curve over minutes, see `summary.lengths`."""
    figures = ("validation_roc_auc", "test_roc_auc", "test_accuracy", "joined_test_accuracy")
    names = ("validation ROC AUC", "test ROC AUC", "test accuracy", "with texture")
    lines = [
        [f"{point['minutes']:.1f}", f"{point['declared']:g}", str(point["at_once"]), f"{point['steps']:,}"]
        + [number(point[key]) for key in figures]
        for point in points
    ]
    return _table(("minutes", "declared", "at once", "steps", *names), lines)


def identities_table(found: dict) -> str:
    """The trials on fewer training identities, see `forecast.forecast`: what was measured, and what is carried on."""
    lines = []
    for size in sorted({run["identities"] for run in found["runs"]}):
        runs = [run for run in found["runs"] if run["identities"] == size]
        cells = [", ".join(number(run[f"{kind}_accuracy"]) for run in runs) for kind in forecast.KINDS]
        lines.append([f"{size:,}", f"measured, seeds {', '.join(str(run['seed']) for run in runs)}", *cells])
    kinds = [found["kinds"].get(kind) for kind in forecast.KINDS]
    if all(kinds):
        ahead = f"{found['identities']:,}"
        checks = [kind["check"] for kind in kinds]
        if all(checks):
            largest = f"{checks[0]['identities']:,}"
            lines.append([largest, "forecast by those of fewer", *(between(check["accuracy"]) for check in checks)])
        lines.append([ahead, "**forecast**", *(f"**{between(kind['accuracy'])}**" for kind in kinds)])
        floors = [f"{between(kind['floor_accuracy'])} ({kind['floor']:.3f})" for kind in kinds]
        lines.append([ahead, "forecast with a floor of half the least error", *floors])
        lines.append(["", "exponent $b$", *(between(kind["exponent"], ".2f") for kind in kinds)])
    command = f'`make experiments DATA=path ONLY="{plan.IDENTITIES}"` runs them.'
    return _table(("identities", "", *forecast.KINDS.values()), lines, empty=f"{NONE_YET} {command}")


def between(interval: dict, form: str = ".4f") -> str:
    """A figure and its interval."""
    return "{} [{}, {}]".format(*(number(interval[name], form=form) for name in ("value", "lower", "upper")))


def whole_table(rows: list[dict]) -> str:
    """The trials of the whole recipe among `rows` by seed, and their mean."""
    (summary,), (recipe, whole) = summarise(rows, plan.WHOLE), whole_recipe(rows)
    if not summary.rows:
        return NONE_YET
    lines = [
        [str(row["seed"]), f"{machine_seconds(row) / 60:.0f}", str(row["workers"] or 1)]
        + [number(row[key]) for key in WHOLE]
        for row in recipe
    ]
    if recipe:
        means = [f"**{number(whole[key]['mean'], whole[key]['deviation'])}**" for key in WHOLE]
        lines.append(["**mean**", f"{whole['minutes']['mean']:.0f}", "", *means])
    heading = ("seed", "minutes", "at once", "accuracy", "at the best threshold", "ROC AUC")
    left = [f"Not complete: seed {row['seed']}, see section 3." for row in summary.rows if row not in recipe]
    return _table(heading, lines, empty="") + "".join(f"\n\n{line}" for line in left)


def findings(found: dict) -> str:
    """What the results of notebook 08 say, as a list."""
    lines = [f"- {found['trials']} of {found['declared']} trials are recorded, {found['failed']} of which failed."]
    for table in found["factors"]:
        ahead, lead = (number(table[key], table[f"{key}_spread"]) for key in ("ahead", "lead"))
        ours, last = f"{table['first']}, the recipe's,", table["last"]
        behind = f"{ours} is {ahead} behind; " if table["ahead"] > 0 and last != table["first"] else ""
        lines.append(
            f"- **{table['table']}**: best of {table['compared']} is **{table['best']}** "
            f"({table['best_roc_auc']:.4f}); {behind}{ours if last == table['first'] else last} is {lead} behind."
        )
    others = [*_found_search(found), *_found_minutes(found), *_found_whole(found), *_found_forecast(found)]
    none_yet = ["", "*Neither the search nor the curve nor the whole recipe has trials yet.*"]
    return "\n".join([*lines, *(others or none_yet)])


def _found_search(found):
    if best := found["search"]["best"]:
        settings = ", ".join(f"{name} {best[name]:.3g}" for name in plan.SEARCH)
        area, complete = best["validation_roc_auc"], found["search"]["complete"]
        yield f"- **search**: best of {complete} is {settings} ({area:.4f})."


def _found_minutes(found):
    if found["minutes"]:
        curve = ", ".join(f"{point['test_accuracy']:.4f} ({point['minutes']:.1f})" for point in found["minutes"])
        yield f"- **minutes**: accuracy of the network on the test pairs, after how many minutes: {curve}."
    long, accuracy, area = found["reference_points"][-1]
    ahead = [p["minutes"] for p in found["minutes"] if p["test_accuracy"] > accuracy and p["test_roc_auc"] > area]
    if ahead and found["faces"] == "real":
        yield (
            f"- **reference system**: what it has after {long} minutes ({accuracy}, ROC AUC {area}) is passed "
            f"after {60 * min(ahead):.0f} s, or sooner."
        )


def _found_whole(found):
    if found["whole"]["seeds"]:
        accuracy, area = (found["whole"][key] for key in ("joined_test_accuracy", "joined_test_roc_auc"))
        yield (
            f"- **whole recipe**, {found['whole']['seeds']} seed(s), on the test pairs: accuracy "
            f"{number(*accuracy.values())}, ROC AUC {number(*area.values())} (± standard deviation)."
        )


def _found_forecast(found):
    ahead = f"{found['forecast']['identities']:,}"
    for kind in found["forecast"]["kinds"].values():
        check = kind["check"]
        yield (
            f"- **training identities**, {kind['name']}: the line is carried to {ahead} identities, **a forecast, not"
            f" measured**: accuracy {between(kind['accuracy'])}, after the same steps."
        )
        if check:
            lower, upper = check["accuracy"]["lower"], check["accuracy"]["upper"]
            inside = sum(lower <= accuracy <= upper for accuracy in check["measured"])
            yield (
                f"  - The line of fewer identities says {between(check['accuracy'])} of {check['identities']:,};"
                f" {inside} of {len(check['measured'])} trainings are inside."
            )


def _table(heading, lines, bold=None, empty=NONE_YET):
    """Rows of cells as a table, the row number `bold` in bold; `empty` where there are none."""
    if not lines and empty:
        return empty
    marked = [[f"**{cell}**" if row == bold and cell else cell for cell in cells] for row, cells in enumerate(lines)]
    rows = [f"| {' | '.join(cells)} |" for cells in (heading, *marked)]
    return "\n".join([rows[0], "|---" * len(heading) + "|", *rows[1:]])
