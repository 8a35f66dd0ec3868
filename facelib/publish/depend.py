"""What each notebook depends on, for make: the modules that it imports, with what they import in turn, and the
notebooks whose results it reads.

A notebook reads the results of an earlier one where its code, or a module that it imports, holds that one's name.
"""

import argparse
import ast
import json
from pathlib import Path

from facelib.config import ROOT
from facelib.files import write_atomically
from facelib.publish import run


def find_modules(source: str, package: Path) -> set[Path]:
    """The files of `package` that the code `source` imports, with what they import in turn."""
    found, pending = set(), _imported(ast.walk(ast.parse(source)), package)
    while pending:
        found |= pending
        pending = set().union(*(_imported(_nodes(path), package) for path in pending)) - found
    return found


def _nodes(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree.body if path.name == "__init__.py" else ast.walk(tree)  # `facelib.verify` imports when it is called


def _imported(nodes, package):
    paths = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [[*node.module.split("."), alias.name] for alias in node.names]
        else:
            continue
        paths |= {path for name in names if name[0] == package.name for path in _files(name[1:], package)}
    return paths


def _files(name, package):
    # what is executed when the dotted `name` is imported, of which the last part can be no module
    yield package / "__init__.py"
    for length in range(1, len(name) + 1):
        place = package.joinpath(*name[:length])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.exists())


def read_code(notebook: Path) -> str:
    """The code cells of `notebook`."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def find_needs(sources: list[str], earlier: list[str]) -> list[str]:
    """Those of the names `earlier` that are a text in the code `sources`."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return [name for name in earlier if name in texts]


def describe(notebooks: list[Path], package: Path) -> str:
    """Rules of make for the executed `notebooks`, whose folder is ``$(REPORTS)/executed``."""
    rules, known = [], set()
    for number, notebook in enumerate(notebooks):
        code = read_code(notebook)
        modules = sorted(find_modules(code, package))
        sources = [code, *(path.read_text(encoding="utf-8") for path in modules)]
        needs = find_needs(sources, [other.stem for other in notebooks[:number]])
        names = [path.relative_to(package.parent).as_posix() for path in modules]
        known |= {*names}
        targets = [f"$(REPORTS)/executed/{name}.ipynb" for name in (notebook.stem, *needs)]
        rules.append(" \\\n  ".join([f"{targets[0]}:", *names, *targets[1:]]))
    rules += [f"{name}:" for name in sorted(known)]  # one that is gone counts as changed
    return "\n\n".join(rules) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+", help="in order")
    arguments = parser.parse_args()
    write_atomically(arguments.target, describe(arguments.notebooks, ROOT / "facelib"))


if __name__ == "__main__":
    run(main)
