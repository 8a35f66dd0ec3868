"""Why a kernel died: what its exit code, the system's counters and its own last words say."""

import os
import re
import resource
import signal
import sys
from itertools import pairwise
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROCESSES = Path("/proc")
MOST_WORDS = 5  # lines

LOG_LINE = re.compile(  # of TensorFlow, XLA, oneDNN and absl; not those of fatal errors, F
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]\d{4} \d\d:\d\d:\d\d|WARNING: All log messages before absl"
)
DYING = re.compile(
    r"Fatal Python error: |terminate called |\s*what\(\): |Killed\b|Bus error\b|Segmentation fault\b|Aborted\b|\*\*\* "
    r"|(malloc|free|realloc|munmap_chunk)\(\): |double free |corrupted |.*Assertion .* failed|.*Check failed: "
    r"|([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception): "
)
CELL = re.compile(r'File ".*/ipykernel_\d+/\d+\.py", ')  # which is no file, and gone


def explain(code: int, kills_before: int | None) -> str:
    """Why a kernel with this exit code (negative: the signal that ended it) died.

    `kills_before` is what `count_kills` gave before it was started.
    """
    if code >= 0:
        return f"the kernel ended by itself, with exit code {code}"
    if code == -signal.SIGKILL:
        return _explain_kill(kills_before)
    name = f"{signal.Signals(-code).name} (signal {-code})" if -code in {*signal.Signals} else f"signal {-code}"
    likely = ": most likely a disk is full, or a file that it was reading was cut" if code == -signal.SIGBUS else ""
    return f"the kernel died of {name}{likely}"


def _explain_kill(kills_before):
    used = f"it used up to {_gib(peak_memory())} of {_gib(memory())}"
    kills = count_kills()
    if kills is None or kills_before is None:
        return f"the kernel was killed from outside, or by the system for want of memory (signal 9); {used}"
    if kills == kills_before:
        return f"the kernel was killed from outside (signal 9); {used}"
    remedy = "close other programs, or take a machine with more memory"
    return f"the system killed the kernel because memory ran out (signal 9): {used}; {remedy}"


def last_words(log: str) -> list[str]:
    """What a kernel wrote about its death: fatal errors, and the innermost line of Python where one is named."""
    lines = [line for line in log.splitlines() if not LOG_LINE.match(line)]
    said = [line for before, line in pairwise(["", *lines]) if DYING.match(line) or before.startswith("Current thread")]
    return [CELL.sub("", line.strip()) for line in said][-MOST_WORDS:]


def count_kills() -> int | None:
    """How many processes the system has killed for want of memory, in this cgroup; None where it does not say."""
    files = [folder / name for folder in _cgroups() for name in ("memory.events", "memory.oom_control")]
    for path in (*files, PROCESSES / "vmstat"):
        counter = re.search(r"^oom_kill (\d+)$", _read(path), re.MULTILINE)
        if counter:
            return int(counter[1])
    return None


def memory() -> int:
    """Bytes of memory that this process can have: those of the machine, or fewer where its cgroup has a limit."""
    limits = [_read(folder / name) for folder in _cgroups() for name in ("memory.max", "memory.limit_in_bytes")]
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(int(limit) for limit in limits if limit.strip().isdecimal())])


def peak_memory() -> int:
    """Bytes of memory that the largest process had at most among those that this one has started and that are over."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def _cgroups() -> list[Path]:
    # this process's, and those around it, innermost first; what a container shows of them can be the outermost alone
    folders = []
    for line in _read(PROCESSES / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            root = CGROUPS / ("memory" if controllers else "")
            inner = root / path.lstrip("/")
            folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return folders


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def _gib(size):
    return f"{size / 2**30:.1f} GiB"
