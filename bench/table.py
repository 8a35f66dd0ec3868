"""What was measured, as Markdown."""

from typing import NamedTuple

from bench.alternate import Row

BUSY = 0.5  # load before the start from which on other work disturbs


class Shares(NamedTuple):
    """Where the time of a training step goes."""

    title: str
    images: int  # of a step
    seconds: dict[str, float]  # part -> seconds; by difference, so that noise can make a small part negative


def as_markdown(facts: dict, results: list, quick: bool = False) -> str:
    """The heading with the facts of the machine, one table of all `Row`, one for each `Shares`, then the remarks.

    Args:
        facts: as `machine.facts` gives them. results: Row, Shares and str (remarks) in any order.
    """
    lines = ["# Benchmarks", ""]
    if quick:
        lines += ["**A quick pass with small sizes: its numbers prove nothing.**", ""]
    if facts["load"] > BUSY:
        lines += [f"**The load was {facts['load']} before the start: other work disturbed these numbers.**", ""]
    lines += _heading(facts) + [""]
    rows = [result for result in results if isinstance(result, Row)]
    if rows:
        lines += ["| row | what | ours | against | theirs | times better | goal |", "|---|---|---:|---|---:|---:|---|"]
        lines += [_line(row, quick) for row in rows] + [""]
    for shares in (result for result in results if isinstance(result, Shares)):
        lines += _shares(shares) + [""]
    remarks = dict.fromkeys(result for result in results if isinstance(result, str))  # each once, in order
    lines += [f"- {remark}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"


def _heading(facts):
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    return [
        f"{facts['processor']}, {facts['cores']} cores, {', '.join(facts['flags']) or 'no vector flags known'},"
        f" {facts['memory_gib']} GiB, {facts['system']}, Python {facts['python']}; {versions}.",
        "",
        "Both sides of a line were measured in turn, each in a process of its own, with all cores. Shown are medians;"
        " times better is the median of the paired ratios, and in brackets the lowest and the highest.",
    ]


def _line(row: Row, quick: bool) -> str:
    ours, theirs = (
        failure or (f"{_number(value)} {row.unit}" if value is not None else "")
        for value, failure in zip((row.ours, row.theirs), row.failures, strict=True)
    )
    ratio = "" if row.ratio is None else _number(row.ratio)
    if row.lowest is not None:
        ratio += f" ({_number(row.lowest)} to {_number(row.highest)})"
    goal = ""
    if row.goal is not None:
        reached = "met" if row.ratio is not None and row.ratio >= row.goal else "missed"
        goal = f"at least {row.goal:g}" + ("" if quick else f": {reached}")
    return f"| {row.row} | {row.what} | {ours} | {row.against} | {theirs} | {ratio} | {goal} |"


def _shares(shares: Shares):
    whole = sum(shares.seconds.values())
    lines = [f"{shares.title}: {_number(shares.images / whole)} images/s when all parts run one after another", ""]
    lines += ["| part | ms | share |", "|---|---:|---:|"]
    for part, seconds in shares.seconds.items():
        lines.append(f"| {part} | {1000 * seconds:.1f} | {100 * seconds / whole:.1f} % |")
    return lines


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
