"""What a notebook found: one JSON file each, with provenance; timings apart, because they differ from run to run."""

import ast
import dataclasses
import hashlib
import json
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from facelib.config import ROOT, Config
from facelib.files import note_made, write_atomically
from facelib.locks import LOCK, hold

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pillow", "opencv-python-headless")
NO_CODE = ("data", "reports/experiments*.csv")  # inputs, and what the study writes
LINKED = ("data", "reports")  # can be links, which git takes for a change
# of processors, by which libraries choose how to compute
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "sve", "bf16")
REDIRECTS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")


class MissingResultError(FileNotFoundError):
    """A file that an earlier notebook writes is not there, or damaged; the message names that notebook."""


def write_results(config: Config, name: str, figures: dict, data_digest: str) -> Path:
    """Write `figures` and where they come from to ``reports/<profile>/results/<name>.json``, keys at the top level."""
    provenance = commit() | {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        **describe_computer(),
        "seed": config.seed,
        "config": _portable(config),
        "data_digest": data_digest,
    }
    path = config.reports / "results" / f"{name}.json"
    content = {**figures, "data": "drawn" if config.drawn else "real", "provenance": provenance}
    return publish(config, path, json.dumps(content, indent=2, allow_nan=False, default=_plain) + "\n")


def read_results(config: Config, name: str) -> dict:
    """Read back what notebook `name` wrote.

    Raises:
        MissingResultError: the notebook has not been run for this profile, or its file is damaged.
    """
    path = config.reports / "results" / f"{name}.json"
    require(path, name)
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        raise MissingResultError(f"{path} is damaged: run notebooks/{name}.ipynb again (or `make all`)") from None


def require(path: Path, notebook: str) -> None:
    """Raise MissingResultError, naming the notebook to run first, unless `path` exists."""
    if not path.exists():
        raise MissingResultError(f"{path} is missing: run notebooks/{notebook}.ipynb first (or `make all`)")


def record_timings(config: Config, **seconds: float) -> None:
    """Add named timings to ``reports/<profile>/timings.json``; they go nowhere else."""
    path = config.reports / "timings.json"
    with run_lock(config):
        try:
            timings = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):  # they only inform: where they are damaged, they begin anew
            timings = {}
        timings.update({name: round(value, 3) for name, value in seconds.items()})
        write_atomically(path, json.dumps(timings, indent=2, sort_keys=True) + "\n")


def publish(config: Config, path: Path, content: str | bytes) -> Path:
    """Write a file of the run of `config`, whole or not at all, while nobody else is at work on it; return `path`."""
    with run_lock(config):
        write_atomically(path, content)
    return note_made(path)


def run_lock(config: Config):
    """The lock on all that is made for the profile of `config`, see `locks.hold`; `make` holds it from end to end."""
    return hold(config.interim / LOCK, f"facelib, profile {config.profile}")


def digest(*parts) -> str:
    """A short name for `parts`: the first 16 hexadecimal digits of the SHA-256 of their JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def digest_modules(names) -> str:
    """A short name for what the modules `names` of this package do, whatever their order, comments and docstrings."""
    folder = Path(__file__).parent
    return digest([_bare((folder / f"{name}.py").read_text(encoding="utf-8")) for name in sorted(set(names))])


def _bare(source):
    # the code without comments, docstrings and layout
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def describe_computer() -> dict:
    """What decides the last digits of a figure beside the versions of packages: threads, and kind of processor."""
    cpu = Path("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpu.read_text() if cpu.exists() else "", re.MULTILINE)
    known = [flag for flag in INSTRUCTIONS if flags and flag in flags[1].split()]
    return {"threads": int(os.environ["TF_NUM_INTRAOP_THREADS"]), "processor": " ".join([platform.machine(), *known])}


def _portable(config: Config) -> dict:
    # the place of the data differs between machines, its digest does not
    return {key: value for key, value in dataclasses.asdict(config).items() if key != "data"}


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)


def commit() -> dict:
    """The commit of this code, and whether files of it differ (what lies in NO_CODE is none of it).

    Both are None where git does not say, and where this is no repository of its own: a copy without its history that
    lies inside another repository has none of that one's commits.
    """

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, env=environment, capture_output=True, check=True)
        return os.fsdecode(done.stdout).rstrip("\n")

    environment = {name: value for name, value in os.environ.items() if name not in REDIRECTS}
    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT.resolve():
            return {"commit": None, "dirty": None}
        left_out = [*NO_CODE, *(name for name in LINKED if (ROOT / name).is_symlink())]
        paths = [".", *(f":(exclude){name}" for name in left_out)]
        differs = git("status", "--porcelain", "--untracked-files=normal", "--", *paths)
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(differs)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
