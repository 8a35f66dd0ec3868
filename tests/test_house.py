"""The rules of the house, held against the code."""

import ast
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from facelib.config import ROOT, Config

PACKAGE = ROOT / "facelib"
BENCH = ROOT / "bench"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = Path(__file__).parent


def imported(path):
    """Full names of all that a file imports: facelib.results, numpy, ..."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_keep_the_contracts():
    """Those of pyproject.toml: floors, no circles, what is light."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout


def test_the_benchmark_loads_others_only_where_they_are_measured():
    """What the measuring process loads reaches both sides: it stays free of TensorFlow and PyTorch."""
    heavy = {"torch": {"peers"}, "tensorflow": {"steps", "feeding", "selecting", "verifying"}}
    for package, modules in heavy.items():
        importers = {
            path.stem for path in BENCH.glob("*.py") if package in {name.split(".")[0] for name in imported(path)}
        }
        assert importers == modules
    for path in BENCH.glob("*.py"):
        sides = {f"bench.{module}" for modules in heavy.values() for module in modules}
        assert not sides & {name.rpartition(".")[0] for name in imported(path)} | sides & {*imported(path)}


def test_there_are_no_re_exports_and_the_package_alone_loads_next_to_nothing():
    """But for `facelib.verify` and its like, which import what they need when they are called."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    lazy = {name.rpartition(".")[0] for name in imported(PACKAGE / "__init__.py") if name.startswith("facelib.")}
    assert lazy == {"facelib.startup", "facelib.use.verify", "facelib.gather.detector"}
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == ["import os", "import sys"]


def test_there_is_no_drawer_for_everything():
    assert not [path for path in FILES + sorted(BENCH.glob("*.py")) if re.search("util|helper|misc|common", path.stem)]


def notebook_code():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        yield "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_committed_without_output(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_every_setting_is_read():
    """As `config.setting`, outside of config.py; `profile` and `data` by the paths that Config makes of them."""
    sources = [path.read_text() for path in FILES if path.name != "config.py"] + list(notebook_code())
    read = {
        node.attr
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "config"
    }
    assert {field.name for field in dataclasses.fields(Config)} - read - {"profile", "data"} == set()


FOLDERS = ["."] + sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_is_imported_by_a_test_in_the_folder_of_its_name(folder):
    modules = {path.relative_to(ROOT).with_suffix("") for path in (PACKAGE / folder).glob("[!_]*.py")}
    named = {Path(*name.split(".")) for path in (TESTS / folder).glob("*.py") for name in imported(path)}
    tested = named | {name.parent for name in named}
    assert modules - tested == set()


def test_every_slip_of_the_reference_system_is_pinned_by_a_test():
    text = "\n".join(path.read_text() for path in sorted(TESTS.rglob("test_*.py")))
    pinned = {int(number) for number in re.findall(r"^def test_.*# slip (\d+)$", text, re.MULTILINE)}
    assert pinned == set(range(1, 11))


def test_labels_come_before_embeddings():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                names = [argument.arg for argument in node.args.args]
                if {"labels", "embeddings"} <= set(names):
                    assert names.index("embeddings") == names.index("labels") + 1, f"{path}, line {node.lineno}"
