"""What each notebook depends on, for make: the modules that it imports, with what they import in turn, and the
notebooks whose results it reads.

A notebook reads the results of an earlier one where its code, or a module that it imports, holds that one's name.
"""

import argparse
import ast
import functools
import json
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from facelib.config import ROOT
from facelib.files import write_atomically
from facelib.publish import PublishingError, run


def find_modules(tree: ast.Module, package: Path, look=None) -> dict[Path, ast.Module]:
    """The files of `package` that the code `tree` imports, with what they import in turn, and their code.

    Args:
        look: `look_into`, or what remembers what it has found.
    """
    look = look or look_into
    found, pending = {}, _imported(ast.walk(tree), package)
    while pending:
        path = pending.pop()
        found[path], imported = look(path, package)
        pending |= imported - found.keys()
    return found


def look_into(path: Path, package: Path) -> tuple[ast.Module, set[Path]]:
    """The code of a module of `package`, and the files of the package that it imports itself."""
    tree = read_module(path)
    # `facelib.verify` imports when it is called
    nodes = tree.body if path.name == "__init__.py" else ast.walk(tree)
    return tree, _imported(nodes, package)


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


def read_module(path: Path) -> ast.Module:
    """The code of a module.

    Raises:
        PublishingError: it is no Python.
    """
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise PublishingError(f"{path} is no Python: {error}") from None


def read_notebook(path: Path) -> ast.Module:
    """The code of a notebook, commands of IPython such as ``%matplotlib`` too.

    Raises:
        PublishingError: it is no notebook, or a cell is no Python.
    """
    try:
        cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise PublishingError(f"{path} is no notebook: {' '.join(repr(error).split())}") from None
    body = []
    for number, source in enumerate(sources, 1):
        try:
            body += ast.parse(TransformerManager().transform_cell(source)).body
        except SyntaxError as error:
            raise PublishingError(f"{path}, code cell {number} is no Python: {error}") from None
    return ast.Module(body, [])


def find_needs(trees: list[ast.Module], earlier: list[str]) -> list[str]:
    """Those of the names `earlier` that are a text in the code `trees`."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return [name for name in earlier if name in texts]


def describe(target: Path, notebooks: list[Path], package: Path) -> str:
    """Rules of make for the executed `notebooks`, whose folder is ``$(REPORTS)/executed``, and for the file `target`.

    Raises:
        PublishingError: see `read_module` and `read_notebook`.
    """
    rules, known, look = [], set(), functools.cache(look_into)
    for number, notebook in enumerate(notebooks):
        code = read_notebook(notebook)
        modules = find_modules(code, package, look)
        needs = find_needs([code, *modules.values()], [other.stem for other in notebooks[:number]])
        names = sorted(path.relative_to(package.parent).as_posix() for path in modules)
        known |= {*names}
        executed = [f"$(REPORTS)/executed/{name}.ipynb" for name in (notebook.stem, *needs)]
        rules.append(_rule(executed[0], *names, *executed[1:]))
    rules.append(_rule(target, *sorted(known)))
    rules += [_rule(name) for name in sorted(known)]  # one that is gone counts as changed, and `target` is made again
    return "\n\n".join(rules) + "\n"


def _rule(target, *sources):
    return " \\\n  ".join([f"{target}:", *sources])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+", help="in order")
    arguments = parser.parse_args()
    write_atomically(arguments.target, describe(arguments.target, arguments.notebooks, ROOT / "facelib"))


if __name__ == "__main__":
    run(main)
