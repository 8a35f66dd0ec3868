"""The hand-in: one zip with one executed notebook made of several, the same as a page, the report, and the code."""

import argparse
import io
import json
import os
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from facelib.config import ROOT
from facelib.files import write_atomically
from facelib.publish import run
from facelib.publish.html import find_banner, read_heading, render_page
from facelib.publish.questions import collect, find_answers, to_markdown

NAME = "facelib"
DATE = (2020, 1, 1, 0, 0, 0)  # of every file in the zip, so that its bytes depend on their content alone
PARAMETERS = {"parameters", "injected-parameters"}  # tags of the cells that hold them
README = f"""\
{NAME}.ipynb  the executed notebooks as one; it begins with where each question is answered
{NAME}.html   the same as a page
report.pdf     the report; its blue numbers lead to the section of a page in html/ that computed them
html/          a page for each notebook, those that go further as well; begin with html/index.html
manifest.json  the SHA-256 of all files of the run, and of what each was made of
code/          the package and all notebooks; `make all` makes all of this (profile: see the report's last page)

To run the notebook, with Python 3.11, 3.12 or 3.13 and make (once: half a minute to 3 minutes, and 3 GB):
    cd code && make setup
    .venv/bin/jupyter lab ../{NAME}.ipynb                     to look at it and run its cells, or
    .venv/bin/jupyter execute --output=again ../{NAME}.ipynb  to run them all; the result is again.ipynb beside it
Its first two cells of code name the profile and the folder of the faces; with data = "drawn" it draws its own.
"""


def merge_notebooks(notebooks: list, banner: str = ""):
    """One notebook with the cells of the executed `notebooks` in order, numbered through, after a cell of contents.

    It runs from top to bottom in one kernel, because each of them imports what it uses, and all have the parameters of
    the first, which are there once.

    Raises:
        PublishingError: a question is answered twice.
    """
    headings = [read_heading(notebook)[0] for notebook in notebooks]
    contents = [f"- [{heading}](#{heading.replace(' ', '-')})" for heading in headings]
    cells = []
    count = 0
    for number, notebook in enumerate(notebooks, 1):
        for place, cell in enumerate(notebook.cells):
            if number > 1 and PARAMETERS & {*cell.metadata.get("tags", [])}:
                continue
            cell = nbformat.from_dict({**cell, "id": f"{number:02d}-{place:03d}"})
            if cell.cell_type == "code" and cell.execution_count is not None:
                count += 1
                cell.execution_count = count
                for output in cell.outputs:
                    if "execution_count" in output:
                        output.execution_count = count
            cells.append(cell)
    merged = new_notebook(cells=cells, metadata=notebooks[0].metadata)
    answers = to_markdown(collect(find_answers(merged), "report.pdf"))
    title = [f"# {NAME}", *([f"> **{banner}**"] if banner else []), answers, "\n".join(contents)]
    merged.cells.insert(0, new_markdown_cell("\n\n".join(filter(None, title)), id="contents"))
    return merged


def read_code(path: Path) -> bytes:
    """A file of the project; a notebook as it is before it runs, whatever a user has left in it."""
    content = path.read_bytes()
    if path.suffix != ".ipynb":
        return content
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def pack(files: dict[str, bytes]) -> bytes:
    """A zip of `files` (name -> content) whose bytes depend on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Linux, wherever it is made
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def build_submission(
    sources: list[Path], report: Path, pages: Path, results: Path, manifest: Path, code: list[Path]
) -> bytes:
    """The zip for the executed notebooks `sources` and the PDF `report`; `results` tells whether faces are drawn.

    The report leads into the folder `pages`, which lies beside it. The `manifest` of `checks` says what all was made
    of. `code` are the files of the project that it needs to run.
    """
    banner = find_banner(results)
    notebook = merge_notebooks([nbformat.read(path, as_version=4) for path in sources], banner)
    nbformat.validate(notebook)
    return pack(
        {
            "README": README.encode(),
            f"{NAME}.ipynb": (nbformat.writes(notebook) + "\n").encode(),
            f"{NAME}.html": render_page(notebook, NAME, contents=False).encode(),
            "report.pdf": report.read_bytes(),
            "manifest.json": manifest.read_bytes(),
            **{f"html/{path.name}": path.read_bytes() for path in pages.glob("[!.]*.html")},
            **{f"code/{Path(os.path.relpath(path, ROOT)).as_posix()}": read_code(path) for path in code},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the zip")
    parser.add_argument("sources", type=Path, nargs="+", help="executed notebooks, in order")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--pages", type=Path, required=True, help="the folder of the notebooks' pages")
    parser.add_argument("--results", type=Path, required=True, help="the folder of the notebooks' JSON files")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--code", type=Path, nargs="+", required=True, help="the files of the project that it runs on")
    arguments = parser.parse_args()
    content = build_submission(
        arguments.sources, arguments.report, arguments.pages, arguments.results, arguments.manifest, arguments.code
    )
    write_atomically(arguments.target, content)
    print(f"{arguments.target}: {NAME}.ipynb, {NAME}.html, html, report.pdf, code, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
