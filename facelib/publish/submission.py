"""The hand-in: one zip with one executed notebook made of all of them, an HTML copy of it, and the report."""

import argparse
import io
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from facelib.files import write_atomically
from facelib.publish import run
from facelib.publish.html import find_banner, read_heading, render_page

NAME = "facelib"
DATE = (2020, 1, 1, 0, 0, 0)  # of every file in the zip, so that its bytes depend on their content alone


def merge_notebooks(notebooks: list, banner: str = ""):
    """One notebook with the cells of the executed `notebooks` in order, numbered through, after a cell of contents.

    It runs from top to bottom in one kernel, because each of them sets its parameters and imports what it uses.
    """
    headings = [read_heading(notebook)[0] for notebook in notebooks]
    contents = [f"- [{heading}](#{heading.replace(' ', '-')})" for heading in headings]
    title = [f"# {NAME}", *([f"> **{banner}**"] if banner else []), "\n".join(contents)]
    cells = [new_markdown_cell("\n\n".join(title), id="contents")]
    count = 0
    for number, notebook in enumerate(notebooks, 1):
        for place, cell in enumerate(notebook.cells):
            cell = nbformat.from_dict({**cell, "id": f"{number:02d}-{place:03d}"})
            if cell.cell_type == "code" and cell.execution_count is not None:
                count += 1
                cell.execution_count = count
                for output in cell.outputs:
                    if "execution_count" in output:
                        output.execution_count = count
            cells.append(cell)
    return new_notebook(cells=cells, metadata=notebooks[0].metadata)


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


def build_submission(sources: list[Path], report: Path, results: Path, manifest: Path) -> bytes:
    """The zip for the executed notebooks `sources` and the PDF `report`; `results` tells whether faces are drawn.

    The `manifest` of `checks` says what all was made of.
    """
    banner = find_banner(results)
    notebook = merge_notebooks([nbformat.read(path, as_version=4) for path in sources], banner)
    nbformat.validate(notebook)
    return pack(
        {
            f"{NAME}.ipynb": (nbformat.writes(notebook) + "\n").encode(),
            f"{NAME}.html": render_page(notebook, NAME, contents=False).encode(),
            "report.pdf": report.read_bytes(),
            "manifest.json": manifest.read_bytes(),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the zip")
    parser.add_argument("sources", type=Path, nargs="+", help="executed notebooks, in order")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="the folder of the notebooks' JSON files")
    parser.add_argument("--manifest", type=Path, required=True)
    arguments = parser.parse_args()
    content = build_submission(arguments.sources, arguments.report, arguments.results, arguments.manifest)
    write_atomically(arguments.target, content)
    print(f"{arguments.target}: {NAME}.ipynb, {NAME}.html, report.pdf, manifest.json, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
