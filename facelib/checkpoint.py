"""The state of a training run in one file: written whole or not at all, checked on reading."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from facelib.files import note_made, write_atomically
from facelib.progress import say

REMEDY = " it is of another configuration: train with this one (make all)"
FORMAT = "facelib checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that is not as it was written."""


def keep_checkpoint(path: Path, groups: dict, make) -> None:
    """Assign the values in `path` to the variables in `groups`; where there is no such file, or a damaged one, make it.

    Args:
        make: function without arguments that gives the variables their values.

    Raises:
        CheckpointError: the file does not fit the variables.
    """
    note_made(path)
    if path.exists():
        try:
            restore_checkpoint(path, groups)
            return
        except DamagedCheckpointError:
            say(f"{path} is damaged: it is made again")
    make()
    save_checkpoint(path, groups, {})


def save_checkpoint(path: Path, groups: dict, state: dict) -> None:
    """Write the values of variables, and a JSON-able `state`, to `path` (an ``.npz`` file).

    Args:
        groups: name -> list of variables in a fixed order, for example ``{"model": model.variables}``. That includes
            the states of seed generators, which `model.weights` leaves out.
    """
    write_atomically(path, pack(groups, state))


def pack(groups: dict, state: dict) -> bytes:
    """The content of the file that `save_checkpoint` writes."""
    arrays = {f"{name}/{i}": np.asarray(v) for name, variables in groups.items() for i, v in enumerate(variables)}
    content = io.BytesIO()
    np.savez(content, state=np.array(json.dumps({"format": FORMAT, **state})), **arrays)
    return content.getvalue()


def read_checkpoint(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The state in `path`, and the values: ``group/number`` -> array.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            state = json.loads(str(file["state"]))
            arrays = {name: file[name] for name in file.files if name != "state"}
    except FileNotFoundError:
        raise CheckpointError(f"no checkpoint at {path}: train first") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise DamagedCheckpointError(f"{path} is damaged ({error}): make all makes it again") from None
    if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
        raise DamagedCheckpointError(f"{path} is no {FORMAT!r} file: make all makes it again")
    return state, arrays


def restore_checkpoint(path: Path, groups: dict) -> dict:
    """Assign the values in `path` to the variables in `groups` and return the state. Nothing is assigned on an error.

    Raises:
        CheckpointError: the file is missing, damaged, or does not fit the variables in number, shape or dtype.
    """
    state, arrays = read_checkpoint(path)
    variables = {f"{name}/{i}": v for name, group in groups.items() for i, v in enumerate(group)}
    for name, variable in variables.items():
        array = arrays.get(name)
        if array is None or array.shape != tuple(variable.shape) or array.dtype != np.asarray(variable).dtype:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            expected = f"{np.asarray(variable).dtype} {tuple(variable.shape)}"
            raise CheckpointError(f"{path} does not fit: {name} is {found}, expected {expected};{REMEDY}")
    for name in arrays.keys() - variables.keys():
        if name.partition("/")[0] in groups:
            raise CheckpointError(f"{path} does not fit: it holds {name}, which is not expected;{REMEDY}")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return state


def save_run(folder: Path, groups: dict, state: dict, improved: bool) -> None:
    """Write the state of a training after an epoch, the last of ``state["history"]``, for `restore_run`.

    ``last.npz`` gets everything, and ``best.npz`` the model if it has `improved`; that comes second, since the model of
    an epoch that is the last and the best is in both.
    """
    if improved:
        best = pack({"model": groups["model"]}, {"epoch": len(state["history"])})
        state |= {"best_epoch": len(state["history"]), "best_file": hashlib.sha256(best).hexdigest()}
    save_checkpoint(folder / "last.npz", groups, state)
    if improved:
        write_atomically(folder / "best.npz", best)
    note_made(folder / "best.npz")


def restore_run(folder: Path, groups: dict, mend: bool = True) -> dict | None:
    """The state that `save_run` wrote, and its values to the variables in `groups`; None where training has to begin.

    That is where there is no ``last.npz``, where it is damaged, or where the ``best.npz`` of an earlier epoch is gone.

    Args:
        mend: write ``best.npz`` again where it is gone, and ``last.npz`` has the model of that epoch.

    Raises:
        CheckpointError: it does not fit the variables.
    """
    last, best = folder / "last.npz", folder / "best.npz"
    if not last.exists():
        return None
    try:
        state, _ = read_checkpoint(last)
        whole = best.exists() and hashlib.sha256(best.read_bytes()).hexdigest() == state.get("best_file")
        if not whole and state.get("best_epoch", 0) < len(state["history"]):
            raise DamagedCheckpointError(f"{best} is missing or damaged")
    except DamagedCheckpointError as error:
        say(f"{error}: training begins anew")
        return None
    restore_checkpoint(last, groups)
    if mend and not whole:
        save_checkpoint(best, {"model": groups["model"]}, {"epoch": state["best_epoch"]})
    note_made(best)
    return state
