"""pyproject.toml, requirements.lock and environment.yml say the same, and it is what the code imports."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import version

import yaml
from packaging.requirements import Requirement

from facelib.config import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
LOCK = (ROOT / "requirements.lock").read_text()
CONDA_TEXT = (ROOT / "environment.yml").read_text()
CONDA = yaml.safe_load(CONDA_TEXT)
EXTRAS = PROJECT["optional-dependencies"]
INSTALLED = PROJECT["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
INSTALLED += [line for name in ("detect", "experiments", "onnx", "postgres") for line in EXTRAS[name]]
DIRECT = [Requirement(line) for line in INSTALLED]
LOCKED = [Requirement(line) for line in re.findall(r"^([a-z0-9][^\\\n]*==[^\\\n]*?) *\\?$", LOCK, re.MULTILINE)]
# distributions whose package has another name
PACKAGES = {
    "beautifulsoup4": "bs4", "ipython": "IPython", "jupyter-client": "jupyter_client",
    "opencv-python-headless": "cv2", "pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn",
}  # fmt: skip


def versions(name):
    """The versions of a distribution in the lock, with the condition of each."""
    return [requirement for requirement in LOCKED if requirement.name == name]


def third_party_imports():
    """The top-level packages that the project's code imports, beside the standard library and itself."""
    sources = [path.read_text() for folder in ("facelib", "tests") for path in (ROOT / folder).rglob("*.py")]
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        sources += ["".join(c["source"]) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    names = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"facelib", "bench"}
    return names - set(sys.stdlib_module_names) - own


def test_every_import_is_a_direct_requirement():
    declared = {PACKAGES.get(requirement.name, requirement.name.replace("-", "_")) for requirement in DIRECT}
    assert third_party_imports() <= declared


def test_lock_holds_every_direct_requirement_in_one_version_that_suits():
    for requirement in DIRECT:
        (locked,) = versions(requirement.name)  # one version for every Python and system
        assert locked.marker is None
        assert next(iter(locked.specifier)).version in requirement.specifier


def test_lock_has_hashes_and_no_addresses():
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    assert not re.search(r"://|--index|--find-links|file:|^/| @ ", "\n".join(lines), re.MULTILINE)


def test_lock_has_exactly_one_version_for_every_python_and_system():
    for name in {requirement.name for requirement in LOCKED}:
        for python in ("3.11.0", "3.11.7", "3.12.1", "3.13.0"):
            for system in ("linux", "darwin"):
                here = {
                    "python_version": python[:4],
                    "python_full_version": python,
                    "sys_platform": system,
                    "os_name": "posix",
                }
                chosen = [r for r in versions(name) if r.marker is None or r.marker.evaluate(here)]
                assert len(chosen) <= 1, f"{name} on {python}, {system}"


def test_conda_environment_has_the_locked_versions_of_the_direct_requirements():
    (pip,) = [item["pip"] for item in CONDA["dependencies"] if isinstance(item, dict)]
    assert pip == sorted(str(versions(requirement.name)[0]) for requirement in DIRECT)


def test_conda_environment_says_who_needs_each_line():
    lines = [line for line in CONDA_TEXT.splitlines() if "==" in line]
    assert len(lines) == len(DIRECT)
    assert all(re.search(r"  # \S+", line) for line in lines)


def test_python_versions_agree():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    python = next(item for item in CONDA["dependencies"] if str(item).startswith("python="))
    assert python.removeprefix("python=") in ("3.11", "3.12", "3.13")
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "Makefile").read_text()
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["image"] in ("python:3.11", "python:3.12", "python:3.13")
    assert PYPROJECT["tool"]["mypy"]["python_version"] == "3.11"  # the oldest


def test_gpu_extra_has_the_locked_version_of_tensorflow():
    (gpu,) = [Requirement(line) for line in PROJECT["optional-dependencies"]["gpu"]]
    assert gpu.name == "tensorflow" and gpu.extras == {"and-cuda"}
    assert gpu.specifier == versions("tensorflow")[0].specifier


def test_the_packages_installed_here_are_the_locked_ones():
    for requirement in DIRECT:
        assert version(requirement.name) in versions(requirement.name)[0].specifier
