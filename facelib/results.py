"""What a notebook found: one JSON file each, with provenance; timings apart, because they differ from run to run."""

import dataclasses
import json
import platform
from importlib.metadata import version
from pathlib import Path

from facelib.config import Config
from facelib.files import note_made, write_atomically
from facelib.locks import LOCK, hold
from facelib.provenance import commit, describe_computer

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pillow", "opencv-python-headless")


class MissingResultError(FileNotFoundError):
    """A file that an earlier notebook writes is not there, or damaged; the message names that notebook."""


def write_results(config: Config, name: str, figures: dict, data_digest: str) -> Path:
    """Write `figures` and where they come from to ``reports/<profile>/results/<name>.json``, keys at the top level."""
    provenance = commit() | {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        **describe_computer(),
        "seed": config.seed,
        "config": portable(config),
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


def portable(config: Config) -> dict:
    """The settings that results record: all but the places of data and exclusion list, which differ between machines.

    What lies there takes part in the digest of the data.
    """
    return {key: value for key, value in dataclasses.asdict(config).items() if key not in ("data", "exclude")}


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else str(value)
