"""The state of a training run in one file: written whole or not at all, checked on reading."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from facelib.results import write_atomically

REMEDY = " it is of another configuration: train with this one (notebook 06), or remove it"
FORMAT = "facelib checkpoint 1"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and says what to do."""


def save_checkpoint(path: Path, groups: dict, state: dict) -> None:
    """Write the values of variables, and a JSON-able `state`, to `path` (an ``.npz`` file).

    Args:
        groups: name -> list of variables in a fixed order, for example ``{"model": model.variables}``. That includes
            the states of seed generators, which `model.weights` leaves out.
    """
    arrays = {f"{name}/{i}": np.asarray(v) for name, variables in groups.items() for i, v in enumerate(variables)}
    content = io.BytesIO()
    np.savez(content, state=np.array(json.dumps({"format": FORMAT, **state})), **arrays)
    write_atomically(path, content.getvalue())


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
        raise CheckpointError(f"{path} is damaged ({error}): remove it to train again") from None
    if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is no {FORMAT!r} file: remove it to train again")
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
