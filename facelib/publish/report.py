"""Compile the report with Typst: from the JSON files of a run, within its page limit, the same bytes on every run."""

import argparse
import json
import os
from pathlib import Path

import typst

from facelib.files import write_atomically
from facelib.publish import PublishingError, run

PAGE_LIMIT = 3  # of the body; the references may go beyond
STANDARDS = ["ua-1", "a-2b"]  # for everyone to read, and to keep: Typst refuses what is missing
TIMESTAMP = 1_577_836_800  # 2020-01-01: the date inside the file must not differ between runs


def compile_report(source: Path, folder: Path) -> bytes:
    """The report `source` on the run in `folder` (``<folder>/results/*.json``, ``<folder>/figures/``), as a PDF.

    The report reads the folder's path, relative to its own, from ``sys.inputs.folder``, and marks the end of its body
    with metadata (page, y) labelled ``<body-end>``.

    Raises:
        PublishingError: a missing file or key, anything Typst warns about, a body longer than `PAGE_LIMIT` pages.
    """
    compiler = _open(source, folder)
    try:
        pdf, warnings = compiler.compile_with_warnings(format="pdf", timestamp=TIMESTAMP, pdf_standards=STANDARDS)
    except typst.TypstError as error:
        raise PublishingError(f"{source} does not compile for {folder}: {error.message}\n{error.diagnostic}") from error
    if warnings:
        raise PublishingError(f"{source}: " + "\n".join(warning.diagnostic for warning in warnings))
    pages = _measure(compiler, source)
    if pages > PAGE_LIMIT:
        raise PublishingError(
            f"{source}: the body is {pages:.2f} pages long, {pages - PAGE_LIMIT:.2f} more than the {PAGE_LIMIT} that "
            "are allowed without the references; shorten the text"
        )
    return pdf


def measure_body(source: Path, folder: Path) -> float:
    """The length of the report's body in pages: 2.5 when it ends half-way down the third page."""
    return _measure(_open(source, folder), source)


def _open(source: Path, folder: Path) -> typst.Compiler:
    place = source.resolve().parent
    inputs = {"folder": Path(os.path.relpath(folder.resolve(), place)).as_posix()}
    return typst.Compiler(str(source.resolve()), root=str(place), ignore_system_fonts=True, sys_inputs=inputs)


def _measure(compiler: typst.Compiler, source: Path) -> float:
    ends = json.loads(compiler.query("<body-end>", field="value"))
    if len(ends) != 1:
        raise PublishingError(f"{source} must mark the end of its body once, with metadata labelled <body-end>")
    return ends[0]["page"] - 1 + ends[0]["share"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the .typ file; the folder has to lie below its own")
    parser.add_argument("folder", type=Path, help="the run, with results/ and figures/; report.pdf is written into it")
    arguments = parser.parse_args()
    target = arguments.folder / "report.pdf"
    write_atomically(target, compile_report(arguments.source, arguments.folder))
    print(f"{target}: body of {measure_body(arguments.source, arguments.folder):.2f} pages")


if __name__ == "__main__":
    run(main)
