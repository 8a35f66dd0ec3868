"""What a result stands on, and the names of derived files: digests of code and settings, the computer, the commit."""

import ast
import functools
import hashlib
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from facelib.config import ROOT

NO_CODE = ("data", "reports/experiments*.csv")  # inputs, and what the study writes
LINKED = ("data", "reports")  # can be links, which git takes for a change
# of processors, by which libraries choose how to compute
INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "sve", "bf16")
REDIRECTS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")


def digest(*parts) -> str:
    """A short name for `parts`: the first 16 hexadecimal digits of the SHA-256 of their JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def digest_code(*folders: str) -> str:
    """A short name for what the modules in `folders` of this package do, whatever their comments and docstrings."""
    package = Path(__file__).parent
    paths = sorted(path for folder in set(folders) for path in (package / folder).glob("[!.]*.py"))
    if missing := set(folders) - {path.parent.name for path in paths}:
        raise FileNotFoundError(f"{package / min(missing)} holds no code")
    return digest({str(path.relative_to(package)): _bare(path.read_text(encoding="utf-8")) for path in paths})


@functools.cache  # a run names several files by the same modules, and most of the time goes here
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
