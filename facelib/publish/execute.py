"""Execute a notebook with papermill; publish it only when every cell has completed, and as the same bytes on every run.

Papermill alone is not enough: a failing cell leaves the broken notebook over the good one, ``sys.exit(0)`` counts as
success, a parameter that the notebook does not know is a warning. Here the notebook is executed into a temporary file,
checked, normalised and then moved to its place in one step.
"""

import argparse
import ast
import logging
import signal
import sys
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers

from facelib.files import check_writable, write_atomically
from facelib.publish import PublishingError, naming, run
from facelib.publish.kernel import Kernel
from facelib.publish.normalise import normalise
from facelib.publish.place import temporary_place
from facelib.publish.terminal import show_progress


def execute(source: Path, target: Path, parameters: dict[str, str], title: str = "") -> None:
    """Execute the notebook `source` with `parameters` and write it to `target`, in the folder of `source`.

    Raises:
        PublishingError: `source` is no notebook, a parameter that its `parameters` cell does not set, a cell that
            failed or never ran, a kernel that died. `target` is then left as it was, and the broken notebook put into
            ``broken/``.
        OSError: `target`, or the folder for temporary files, cannot be written.
    """
    check_writable(target)
    try:
        notebook = nbformat.read(source, as_version=4)
    except ValueError as error:  # what nbformat and json raise
        raise PublishingError(f"{source} is no notebook: {' '.join(str(error).split())}") from error
    _check_parameters(notebook, source, parameters)
    broken = target.parent / "broken" / target.name
    with temporary_place() as folder, naming(folder), Kernel(folder) as kernel:
        partial = folder / "partial.ipynb"
        with show_progress(title or source.stem, kernel.progress):
            death = _run(notebook, partial, parameters, source.resolve().parent, kernel)
            executed = remove_error_markers(nbformat.read(partial, as_version=4))
            problem = find_problem(executed, death)
            if problem:
                lines = [f"{source}, {problem}", *(kernel.last_words() if death else []), _keep(executed, broken)]
                raise PublishingError("\n       ".join(lines))
    normalise(executed)
    write_atomically(target, nbformat.writes(executed) + "\n")
    broken.unlink(missing_ok=True)


def _keep(notebook, broken: Path) -> str:
    """Write a notebook that failed to `broken`; says where it is, or why it is not, which hides no failing cell."""
    try:
        write_atomically(broken, nbformat.writes(notebook) + "\n")
    except OSError as error:
        return f"the notebook as far as it ran could not be kept: {error}"
    return f"the notebook as far as it ran: {broken}"


def find_problem(notebook, death: str = "") -> str:
    """The first code cell of an executed notebook that did not complete, and why; empty when all did.

    `death` says why the kernel is gone, where it is: papermill then marks even the cell that killed it as completed.
    """
    written = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    code = [(i, cell) for i, cell in enumerate(written, 1) if cell.cell_type == "code" and cell.source.strip()]
    for i, cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                reason = f"{output.ename}: {' '.join(output.evalue.split())}"
                return f"cell {i} (In [{cell.execution_count}]): {reason[:600]}"
    if death:
        started = [i for i, cell in code if cell.metadata.papermill.start_time]
        return f"cell {started[-1] if started else 1}: {death}"
    missing = [i for i, cell in code if cell.execution_count is None]
    return f"cell {missing[0]}: was not executed" if missing else ""


def _check_parameters(notebook, source: Path, parameters: dict[str, str]) -> None:
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    nodes = [node for cell in cells for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)]
    known = {target.id for node in nodes for target in node.targets if isinstance(target, ast.Name)}
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise PublishingError(
            f"{source} has no parameter {', '.join(unknown)}; its cell tagged `parameters` sets: "
            f"{', '.join(sorted(known)) or 'nothing'}"
        )


def _run(notebook, partial: Path, parameters: dict[str, str], folder: Path, kernel: Kernel) -> str:
    """Execute into `partial`, which holds what was done even if it fails; why the kernel died on the way, if it did."""
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # its errors are reported once, by find_problem
    try:
        papermill.execute_notebook(
            notebook,
            partial,
            parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=folder,
            record_timing=False,
            coalesce_streams=True,
            kernel_manager_class=kernel.manager,
        )
    except PapermillExecutionError:
        pass  # the cell holds the error
    except RuntimeError as error:  # nbclient's: it died, maybe before its first cell, or it did not answer
        return kernel.explain_death() if "died" in str(error) else f"the kernel could not be started: {error}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters")
    parser.add_argument("--number", type=int, default=1, help="the notebook's place, for the terminal")
    parser.add_argument("--of", type=int, default=1, help="how many notebooks there are")
    arguments = parser.parse_args()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(130))  # so that the kernel is stopped too
    title = f"[{arguments.number}/{arguments.of}] {arguments.source.stem}"
    execute(arguments.source, arguments.target, dict(arguments.parameters), title)


if __name__ == "__main__":
    run(main)
