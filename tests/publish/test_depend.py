"""What make is told of the notebooks' sources, on a small package; and of the real ones, against what Python loads."""

import ast
import json
import subprocess
import sys

import pytest
from conftest import write_notebook

from facelib.config import ROOT
from facelib.publish import PublishingError
from facelib.publish.depend import describe, find_modules, find_needs, read_notebook

FILES = {
    "__init__": "def verify():\n    import facelib.use.late\n",
    "top": "",
    "data/__init__": "from facelib import top\n",
    "data/images": "import numpy\nfrom facelib.data import pixels as bits\n",
    "data/pixels": "def later():\n    from facelib.use.late import thing\n",
    "use/late": "NOTEBOOK = '01_a'\n",
    "use/other": "",
}


@pytest.fixture
def package(tmp_path):
    for name, source in FILES.items():
        path = tmp_path / "facelib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "facelib"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import numpy, os\nfrom numpy import random\nfrom . import data", ""),
        ("import facelib", "__init__"),
        ("from facelib import top", "__init__ top"),
        ("if True:\n    import facelib.top as t", "__init__ top"),
        ("from facelib.data import *", "__init__ top data/__init__"),
        ("from facelib.data.images import decode, bits", "__init__ top data/__init__ data/images data/pixels use/late"),
        ("from facelib.use import other", "__init__ use/other"),
        ("from facelib_other import top", ""),
    ],
)
def test_what_is_imported_is_found_with_what_that_imports(package, source, found):
    names = {path.relative_to(package).with_suffix("").as_posix() for path in find_modules(ast.parse(source), package)}
    assert names == {*found.split()}


def test_a_notebook_needs_those_that_its_code_names():
    sources = ["read_results(config, '01_a')", "NAME = '02_b'", "# 03_c", "text = 'see 04_d'"]
    assert find_needs([*map(ast.parse, sources)], ["01_a", "02_b", "03_c", "04_d"]) == ["01_a", "02_b"]


def test_the_rules_are_those_of_the_notebooks(package, tmp_path):
    first = write_notebook(tmp_path / "01_a.ipynb", "# import facelib.top", "import numpy")
    second = write_notebook(tmp_path / "02_b.ipynb", "from facelib.data import pixels")
    lines = [
        line.rstrip(" \\").strip()
        for line in describe(tmp_path / "d.mk", [first, second], package).splitlines()
        if line
    ]
    assert lines[:2] == ["$(REPORTS)/executed/01_a.ipynb:", "$(REPORTS)/executed/02_b.ipynb:"]
    used = ["__init__", "data/__init__", "data/pixels", "top", "use/late"]
    assert lines[2:7] == [f"facelib/{name}.py" for name in used]
    assert lines[7] == "$(REPORTS)/executed/01_a.ipynb"
    assert lines[8:14] == [f"{tmp_path}/d.mk:", *lines[2:7]]
    assert lines[14:] == [f"facelib/{name}.py:" for name in used]


def test_commands_of_ipython_are_no_error(package, tmp_path):
    notebook = write_notebook(tmp_path / "01_a.ipynb", "%matplotlib inline\n!ls\nfrom facelib import top", "x?")
    found = find_modules(read_notebook(notebook), package)
    assert {*found} == {package / "__init__.py", package / "top.py"}


def test_what_cannot_be_read_is_named(package, tmp_path):
    good = write_notebook(tmp_path / "01_a.ipynb", "from facelib.data import pixels")
    bad = write_notebook(tmp_path / "02_b.ipynb", "1 +")
    with pytest.raises(PublishingError, match="02_b.ipynb, code cell 2 is no Python: invalid syntax"):
        describe(tmp_path / "d.mk", [good, bad], package)
    for content in ("no", "[]", "{}"):
        bad.write_text(content)
        with pytest.raises(PublishingError, match="02_b.ipynb is no notebook"):
            describe(tmp_path / "d.mk", [good, bad], package)
    (package / "data" / "pixels.py").write_text("def")
    with pytest.raises(PublishingError, match="facelib/data/pixels.py is no Python: invalid syntax"):
        describe(tmp_path / "d.mk", [good], package)


LOADER = """
import json, sys
import keras, matplotlib.pyplot, sklearn.metrics  # they take seconds, and load nothing of facelib: once for all
for imports in json.load(sys.stdin):
    for name in [name for name in sys.modules if name.partition(".")[0] == "facelib"]:
        del sys.modules[name]
    exec(imports, {})
    print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "facelib"]))
"""


def test_what_a_notebook_loads_is_among_its_sources():
    trees = [read_notebook(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    imports = [
        "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        for tree in trees
    ]
    command = [sys.executable, "-c", LOADER]
    done = subprocess.run(command, input=json.dumps(imports), cwd=ROOT, capture_output=True, text=True, check=True)
    for tree, line in zip(trees, done.stdout.splitlines(), strict=True):
        loaded = {file for file in json.loads(line) if file}
        found = {str(path) for path in find_modules(tree, ROOT / "facelib")}
        assert len(loaded) > 8 and loaded <= found
