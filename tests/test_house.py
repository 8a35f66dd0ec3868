"""The rules of the house, held against the code."""

import ast
import dataclasses
import json
import re
from pathlib import Path

import pytest

from facelib.config import ROOT, Config

PACKAGE = ROOT / "facelib"
BENCH = ROOT / "bench"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = (PACKAGE, PACKAGE / "experiments")  # whose modules have their floors; publishing stands beside the house
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): path
    for path in FILES
    if path.parent in ROOMS and path.stem != "__init__"
}
TESTS = Path(__file__).parent

# From the ground up: each module and what it may import of facelib.
FLOORS = {
    "profiles": set(),
    "config": {"profiles"},
    "progress": set(),
    "folders": set(),
    "duplicates": {"folders"},
    "pairwise": set(),
    "identities": {"folders"},
    "permutation": set(),
    "sampling": {"identities", "permutation"},
    "lfw": {"folders"},
    "verification": set(),
    "dyads": set(),
    "intervals": {"dyads", "verification"},
    "breakdown": {"dyads", "intervals"},
    "protocols": {"dyads", "intervals", "verification"},
    "calibration": {"verification"},
    "discriminant": set(),
    "cohort": set(),
    "all_pairs": {"cohort"},
    "thresholds": {"all_pairs", "cohort", "verification"},
    "cartoon": set(),
    "files": set(),
    "locks": {"files", "progress"},
    "results": {"config", "files", "locks"},
    "alarms": {"files"},
    "jpeg": set(),
    "image_files": {"jpeg"},
    "pixels": {"files", "progress"},
    "images": {"image_files", "pixels", "progress", "results"},
    "pairs": {"duplicates", "folders", "images", "lfw"},
    "alignment": {"config", "images", "lfw", "pairs"},
    "augmentation": {"image_files", "images"},  # the grey and the size of an image
    "synthetic": {"cartoon", "config", "files", "progress", "results"},
    "normalisation": set(),
    "models": {"images", "normalisation"},  # the size of an image
    "texture": {"images", "normalisation"},  # the size of an image, the unit norm
    "checkpoint": {"files", "progress"},
    "parity": {"alignment", "breakdown", "checkpoint", "config", "files", "images", "results"},
    "similarity_transform": set(),
    "congealing": {"checkpoint", "images", "progress", "similarity_transform"},
    "losses": {"pairwise"},
    "memory": set(),
    "mining": {"pairwise"},
    "configured": {"config", "images", "models"},
    "faces": {"duplicates", "folders", "identities", "images", "pixels", "progress", "results"},
    "dataset": {"augmentation", "images", "sampling"},
    "embedding": {"cohort", "images"},
    "training": {"alarms", "checkpoint", "locks", "memory", "pairwise", "progress"},
    "lettering": {"folders"},
    "plots": {"config", "lettering", "results"},
    "exploration": {"config", "results"},
    "recipe": {
        "cohort", "config", "configured", "congealing", "dataset", "duplicates", "embedding", "faces", "identities",
        "losses", "memory", "mining", "results", "sampling", "training", "verification",
    },
    "streams": {
        "augmentation", "checkpoint", "cohort", "config", "discriminant", "embedding", "files", "images", "progress",
        "recipe", "results", "texture",
    },
    "trained": {"checkpoint", "cohort", "config", "configured", "congealing", "results", "texture"},
    "verifier": {"cohort", "embedding", "folders", "images", "pairs", "progress", "trained"},
    "evaluation": {"files", "intervals", "lfw", "pairs", "parity", "progress", "protocols", "verification", "verifier"},
    "export": {"cartoon", "cohort", "config", "embedding", "files", "images", "normalisation", "synthetic", "trained"},
    "startup": {"files", "folders"},
    "commands": {"dyads", "evaluation", "export", "files", "folders", "profiles", "protocols", "startup", "verifier"},
    "__main__": {"commands"},
    "experiments/study": {"config", "profiles"},
    "experiments/table": {"config", "experiments/study", "files"},
    "experiments/summary": {"experiments/study", "experiments/table"},
    "experiments/trial": {
        "alarms", "alignment", "config", "configured", "congealing", "duplicates", "embedding", "experiments/study",
        "experiments/table", "pairs", "recipe", "results", "streams", "synthetic", "texture", "training",
        "verification",
    },
    "experiments/storage": {"experiments/study", "experiments/table"},
    "experiments/queue": {"experiments/storage", "experiments/study", "experiments/table"},
    "experiments/__main__": {
        "checkpoint", "config", "configured", "experiments/queue", "experiments/storage", "experiments/study",
        "experiments/summary", "experiments/table", "experiments/trial", "identities", "progress", "results", "startup",
    },
}  # fmt: skip
PUBLISHING = {
    "config",
    "files",
    "folders",
    "locks",
    "progress",
    "publishing",
    "results",
    "startup",
}  # knows nothing of faces

# What else the light modules import, beside the standard library.
LIGHT = {
    "profiles": set(),
    "config": set(),
    "folders": set(),
    "experiments/study": set(),
    "experiments/table": set(),
    "experiments/summary": set(),
    "lfw": set(),
    "results": set(),
    "identities": {"numpy"},
    "duplicates": {"numpy"},
    "permutation": {"numpy"},
    "sampling": {"numpy"},
    "checkpoint": {"numpy"},
    "alarms": {"numpy"},
    "cohort": {"numpy"},
    "discriminant": {"numpy"},
    "all_pairs": {"numpy"},
    "verification": {"numpy", "sklearn"},
    "dyads": {"numpy"},
    "intervals": {"numpy"},
    "breakdown": {"numpy"},
    "protocols": {"numpy"},
    "calibration": {"numpy", "sklearn"},
    "thresholds": {"numpy"},
    "commands": {"numpy"},
    "startup": set(),
    "__main__": set(),
}
HEAVY = {"IPython", "PIL", "cv2", "keras", "matplotlib", "numpy", "sklearn", "tensorflow"}


def imported(path):
    """Full names of all that a file imports: facelib.results, numpy, ..."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_of_facelib(path):
    names = [name.split(".")[1:] for name in imported(path) if name.startswith("facelib.")]
    return {"/".join(name[: 1 + (name[0] == "experiments")]) for name in names}


def test_the_table_goes_down_only():
    below = set()
    for module, may_import in FLOORS.items():
        assert may_import <= below, f"{module} imports what does not lie below it"
        below.add(module)


def test_every_module_has_its_floor():
    assert MODULES.keys() == FLOORS.keys()


@pytest.mark.parametrize("module", FLOORS)
def test_imports_are_those_of_the_table(module):
    assert modules_of_facelib(MODULES[module]) <= FLOORS[module]


def test_verifying_loads_nothing_that_only_training_and_figures_need():
    """It would take seconds: scikit-learn, matplotlib, what trains."""
    loaded, pending = set(), {"verifier"}
    while pending:
        module = pending.pop()
        loaded.add(module)
        pending |= modules_of_facelib(MODULES[module]) - loaded
    assert not loaded & {"plots", "recipe", "streams", "training", "verification"}
    assert not {name.split(".")[0] for module in loaded for name in imported(MODULES[module])} & {
        "IPython",
        "matplotlib",
        "sklearn",
    }


@pytest.mark.parametrize("path", sorted((PACKAGE / "publishing").glob("*.py")), ids=lambda path: path.stem)
def test_publishing_knows_nothing_of_faces(path):
    assert modules_of_facelib(path) <= PUBLISHING


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_stay_light(module):
    heavy = {name.split(".")[0] for name in imported(MODULES[module])} & HEAVY
    assert heavy <= LIGHT[module]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_facelib_knows_nothing_of_the_benchmark(path):
    assert not {name.split(".")[0] for name in imported(path)} & {"bench", "torch", "pytorch_metric_learning"}


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
    """But for `facelib.verify`, which imports what it needs when it is called."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    assert modules_of_facelib(PACKAGE / "__init__.py") == {"startup", "verifier"}
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == ["import os", "import sys"]


@pytest.mark.parametrize("path", FILES + sorted(BENCH.glob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_200_lines(path):
    assert len(path.read_text().splitlines()) <= 200


def test_there_is_no_drawer_for_everything():
    assert not [path for path in FILES + sorted(BENCH.glob("*.py")) if re.search("util|helper|misc|common", path.stem)]


def notebook_code():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        yield "\n".join("".join(cell["source"]) for cell in cells)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_cells_of_a_notebook_are_few_named_by_their_place_and_without_output(path):
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) <= 50
    assert [cell["id"] for cell in cells] == [f"{path.stem[:2]}-{place:02d}" for place in range(1, len(cells) + 1)]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


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


def test_every_module_has_a_test_file():
    tested = {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}
    modules = {name.removesuffix("/__main__").rpartition("/")[2] for name in MODULES}
    # cartoon is tested with synthetic, __main__ with commands
    assert {*modules, "publishing"} - tested - {"cartoon", "__main__"} == set()


def test_every_slip_of_the_reference_system_is_pinned_by_a_test():
    text = "\n".join(path.read_text() for path in sorted(TESTS.glob("test_*.py")))
    pinned = {int(number) for number in re.findall(r"^def test_.*# slip (\d+)$", text, re.MULTILINE)}
    assert pinned == set(range(1, 11))


def test_labels_come_before_embeddings():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.Lambda):
                names = [argument.arg for argument in node.args.args]
                if {"labels", "embeddings"} <= set(names):
                    assert names.index("embeddings") == names.index("labels") + 1, f"{path}, line {node.lineno}"
