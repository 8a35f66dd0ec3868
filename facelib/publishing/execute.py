"""Execute a notebook with papermill; publish it only when every cell has completed, and as the same bytes on every run.

Papermill alone is not enough: a failing cell leaves the broken notebook over the good one, ``sys.exit(0)`` counts as
success, a parameter that the notebook does not know is a warning. Here the notebook is executed into a temporary file,
checked, normalised and then moved to its place in one step.
"""

import argparse
import ast
import json
import logging
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers
from traitlets.config import Config

from facelib.config import ROOT
from facelib.files import check_writable, temporary_folder, write_atomically
from facelib.progress import VARIABLE
from facelib.publishing import PublishingError, run
from facelib.publishing.normalise import normalise
from facelib.publishing.terminal import show_progress

PREFIX = "nb-"  # of the temporary folder, which ends in 8 letters
SOCKET = "k-ipc-10"  # the longest name of a kernel's socket in it
SOCKET_PATH = 107  # bytes that the path of a socket can have (unix(7), sun_path)
SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # where it is put if the folder for temporary files lies too deep


def execute(source: Path, target: Path, parameters: dict[str, str], title: str = "") -> None:
    """Execute the notebook `source` with `parameters` and write it to `target`, in the folder of `source`.

    Raises:
        PublishingError: a parameter that the notebook's `parameters` cell does not set, a cell that failed or never
            ran, a kernel that died. `target` is then left as it was, and the broken notebook put into ``broken/``.
        UnwritableError: `target`, or the folder for temporary files.
    """
    check_writable(target)
    notebook = nbformat.read(source, as_version=4)
    _check_parameters(notebook, source, parameters)
    broken = target.parent / "broken" / target.name
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=_find_place()) as name:
        folder = Path(name)
        partial, progress, log = folder / "partial.ipynb", folder / "progress", folder / "stderr"
        options = _start_options(folder, progress, log)
        with show_progress(title or source.stem, progress):
            died = _run(notebook, partial, parameters, source.resolve().parent, options)
            executed = remove_error_markers(nbformat.read(partial, as_version=4))
            problem = find_problem(executed, died)
            if problem:
                write_atomically(broken, nbformat.writes(executed) + "\n")
                last_words = log.read_text(errors="replace").splitlines()[-3:] if died else []
                lines = [f"{source}, {problem}", *last_words, f"the notebook as far as it ran: {broken}"]
                raise PublishingError("\n       ".join(lines))
    normalise(executed)
    write_atomically(target, nbformat.writes(executed) + "\n")
    broken.unlink(missing_ok=True)


def find_problem(notebook, died: bool = False) -> str:
    """The first code cell of an executed notebook that did not complete, and why; empty when all did.

    `died` says that the kernel is gone: papermill then marks even the cell that killed it as completed.
    """
    written = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    code = [(i, cell) for i, cell in enumerate(written, 1) if cell.cell_type == "code" and cell.source.strip()]
    for i, cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                reason = f"{output.ename}: {' '.join(output.evalue.split())}"
                return f"cell {i} (In [{cell.execution_count}]): {reason[:600]}"
    if died:
        started = [i for i, cell in code if cell.metadata.papermill.start_time]
        return f"cell {started[-1] if started else 1}: the kernel died (killed from outside, or out of memory)"
    missing = [i for i, cell in code if cell.execution_count is None]
    return f"cell {missing[0]}: was not executed" if missing else ""


def _find_place() -> Path:
    """A folder that can be written to, in which the path of a kernel's socket is short enough."""
    places = (temporary_folder(), *map(Path, SHORT))
    for place in places:
        length = len(os.fsencode(place / f"{PREFIX}12345678" / SOCKET))
        if length <= SOCKET_PATH and os.access(place, os.W_OK | os.X_OK):
            return place
    raise PublishingError(f"{places[0]} is too long a path for sockets: set TMPDIR to a folder nearer to the root")


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


def _start_options(folder: Path, progress: Path, log: Path) -> Config:
    """Make this very Python the kernel that Jupyter finds first, with an environment that is the same everywhere."""
    environment = {
        VARIABLE: str(progress),
        "IPYTHONDIR": str(folder),  # no start-up files, no history
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),  # this very facelib
    }
    kernel = folder / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    quietly = ["/bin/sh", "-c", f'exec "$0" "$@" 2> {shlex.quote(str(log))}']  # TensorFlow chatters past Python
    command = [*quietly, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    description = {"argv": command, "display_name": "Python 3", "language": "python", "env": environment}
    kernel.write_text(json.dumps(description))
    os.environ["JUPYTER_PATH"] = str(folder)
    # over TCP, ipykernel writes a warning about open ports into every run
    return Config(KernelManager={"transport": "ipc", "connection_file": str(folder / "k.json")})


def _run(notebook, partial: Path, parameters: dict[str, str], folder: Path, options: Config) -> bool:
    """Execute into `partial`, which holds what was done even if it fails; whether the kernel died on the way."""
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
            config=options,
        )
    except PapermillExecutionError:
        pass  # the cell holds the error
    except (DeadKernelError, RuntimeError):  # RuntimeError: it did not even start
        return True
    return False


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
