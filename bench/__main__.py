"""Measure, print the table, and write it: ``python -m bench [--only ROW ...] [--quick] [--json PATH]``."""

import argparse
import dataclasses
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

from bench.alternate import Row
from bench.cases import FULL, QUICK, ROWS
from bench.faces import read_faces, write_faces
from bench.machine import facts
from bench.side import SideError
from bench.table import as_markdown
from facelib.config import ROOT
from facelib.files import write_atomically
from facelib.progress import track

PEERS = ("torch", "pytorch_metric_learning")  # what the row "mining" needs


def main(arguments=None) -> int:
    """Run the benchmark and return the exit code: 0, or 1 where a package is missing or a side failed.

    A side that failed costs its own comparison only: the others are shown and written, and the failure is named there.
    """
    options = _parse(arguments)
    missing = [package for package in PEERS if importlib.util.find_spec(package) is None]
    if missing and "mining" in options.only:
        others = " ".join(row for row in ROWS if row != "mining")
        return _fail(
            f"{' and '.join(missing)} cannot be imported, and the row mining compares with it: run `make bench`, which"
            f" installs bench/requirements.txt, or leave the row out: --only {others}"
        )
    before = facts()
    results, failures = _measure(options.only, QUICK if options.quick else FULL)
    results += [f"Not measured: {failure}." for failure in failures]
    markdown = as_markdown(before, results, options.quick)
    print(markdown)
    if options.json:
        content = {
            "quick": options.quick,
            "machine": before,
            "rows": [dataclasses.asdict(result) for result in results if isinstance(result, Row)],
            "shares": [result._asdict() for result in results if not isinstance(result, Row | str)],
            "remarks": list(dict.fromkeys(result for result in results if isinstance(result, str))),
        }
        write_atomically(options.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
        write_atomically(options.json.with_suffix(".md"), markdown)
        print(f"written: {options.json} and {options.json.with_suffix('.md')}")
    return _fail("; ".join(failures)) if failures else 0


def _parse(arguments):
    parser = argparse.ArgumentParser("python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs; proves nothing")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help="write the numbers here, and the table beside it as .md (a whole run: reports/bench.json)",
    )
    options = parser.parse_args(arguments)
    if not options.json and not options.only and not options.quick:
        options.json = ROOT / "reports" / "bench.json"
    options.only = options.only or list(ROWS)
    if options.json and options.json.suffix != ".json":
        parser.error(f"--json {options.json}: the name must end in .json")
    return options


def _measure(rows, sizes) -> tuple[list, list[str]]:
    cases = [case for row in ROWS if row in rows for case in ROWS[row]]
    results, failures = [], []
    with tempfile.TemporaryDirectory(prefix="facelib-bench-") as folder:
        write_faces(Path(folder), *sizes.drawn)
        read_faces(folder)  # fills the decoded cache
        with track(None, "benchmark", "s", sum(case.seconds for case in cases)) as bar:  # seconds as expected
            for case in cases:
                bar.set_postfix_str(case.what)
                try:
                    results += case.measure(sizes, folder)
                except SideError as error:
                    failures.append(f"{case.what}, {error}")
                bar.update(case.seconds)
    return results, failures


def _fail(message) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
