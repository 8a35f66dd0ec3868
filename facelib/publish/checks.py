"""What has to hold before anything is handed in; each check says in one line what it found."""

import argparse
import json
from pathlib import Path

import nbformat

from facelib.files import note_made, write_atomically
from facelib.publish import PublishingError, run
from facelib.publish.execute import find_problem
from facelib.publish.manifest import describe, find_changes, read_record
from facelib.publish.report import PAGE_LIMIT, measure_body


def check_results(results: Path, names: list[str]) -> str:
    """Every notebook left its figures, and all of them come from one configuration and one kind of data."""
    first = None
    for name in names:
        path = results / f"{name}.json"
        if not path.exists():
            raise PublishingError(f"{path} is missing: the notebook {name} has to write it")
        content = json.loads(path.read_text())
        provenance = content["provenance"]
        computer = {key: provenance[key] for key in ("threads", "processor")}
        described = {"data": content["data"], **computer, **provenance["config"]}
        first = first or (path, described)
        keys = sorted(key for key in described if described[key] != first[1].get(key))
        if keys:
            raise PublishingError(
                f"{path} and {first[0]} come from different runs: {keys[0]} is {described[keys[0]]} and "
                f"{first[1].get(keys[0])}; `make clean all` brings them together"
            )
    return f"results: {len(names)} files from one configuration, {first[1]['data']} faces"


def check_notebooks(sources: list[Path]) -> str:
    """Every executed notebook shows the output of one run from its first cell to its last."""
    for source in sources:
        notebook = nbformat.read(source, as_version=4)
        problem = find_problem(notebook)
        counts = [c.execution_count for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
        if problem or counts != list(range(1, len(counts) + 1)):
            raise PublishingError(f"{source}: {problem or 'its cells were not executed in order'}")
    return f"notebooks: {len(sources)} executed from top to bottom"


def check_report(source: Path, folder: Path) -> str:
    """The body of the report keeps to its limit."""
    pages = measure_body(source, folder)
    if pages > PAGE_LIMIT:
        raise PublishingError(f"{source}: the body is {pages:.2f} pages long, {PAGE_LIMIT} are allowed: shorten it")
    return f"report: {pages:.2f} of at most {PAGE_LIMIT} pages"


def check_manifest(targets: list[Path]) -> str:
    """Every file of the run is as the step that made it left it, and was made of what is there now.

    Raises:
        PublishingError: it is not; the message names the file.
    """
    count = 0
    for target in targets:
        record = read_record(target)
        if record is None:
            raise PublishingError(f"{target}: there is no record of how it was made: make all makes it again")
        for path, fault in find_changes(record.made).items():
            raise PublishingError(f"{path} is {fault}, not as it was made with {target}: make all makes it again")
        for path in find_changes(record.of):
            raise PublishingError(f"{target} was made of another {path}: make all makes it again")
        count += len(record.made)
    return f"manifest: {count} files as {len(targets)} steps made them"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the run, with results/; checks.txt is written into it")
    parser.add_argument("sources", type=Path, nargs="+", help="executed notebooks, in order")
    parser.add_argument("--shown", type=Path, nargs="*", default=[], help="what else was made of the notebooks")
    parser.add_argument("--report", type=Path, required=True, help="the .typ file")
    arguments = parser.parse_args()
    lines = [
        check_notebooks(arguments.sources),
        check_results(arguments.folder / "results", [path.stem for path in arguments.sources]),
        check_report(arguments.report, arguments.folder),
        check_manifest([*arguments.sources, *arguments.shown]),
    ]
    manifest = arguments.folder / "manifest.json"
    write_atomically(note_made(manifest), describe([*arguments.sources, *arguments.shown]))
    write_atomically(arguments.folder / "checks.txt", "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
