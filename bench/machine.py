"""What the numbers were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy", "torch", "pytorch-metric-learning")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PROCESSOR = Path("/proc/cpuinfo")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def flags() -> list[str]:
    """Those of FLAGS that the processor lists."""
    words = set(PROCESSOR.read_text().split()) if PROCESSOR.exists() else set()
    return [flag for flag in FLAGS if flag in words]


def has_bfloat16() -> bool:
    """Whether the processor is fast in bfloat16."""
    return bool({"avx512_bf16", "amx_bf16"} & set(flags()))


def memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def facts() -> dict:
    """Processor, cores, flags, memory in GiB, load before the start, and the versions of what is compared."""
    lines = PROCESSOR.read_text().splitlines() if PROCESSOR.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": cores(),
        "flags": flags(),
        "memory_gib": round(memory() / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in PACKAGES},
    }


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
