"""What goes wrong in training, how it is noticed, and what to do about it."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from facelib.files import write_atomically

COLLAPSED_SIMILARITY = 0.95  # mean scaled similarity of all pairs; 0.5 where embeddings are unrelated
COLLAPSED_DEVIATION = 0.1  # of the embeddings, see `training.embedding_deviation`
FINITE = {
    "similarity": "embeddings are",
    "loss": "loss is",
    "auxiliary_loss": "auxiliary loss is",
    "gradient_norm": "gradient is",
}


class TrainingError(RuntimeError):
    """Training cannot go on; the message gives the step and the likely reason."""


def alarm(record: dict) -> str:
    """What is wrong with an epoch of training, judged by its `record`, and the remedy; empty where nothing is."""
    if record["similarity"] > COLLAPSED_SIMILARITY or record["embedding_deviation"] < COLLAPSED_DEVIATION:
        return (
            f"collapse: all embeddings are alike (mean similarity {record['similarity']:.3f}, standard deviation"
            f" {record['embedding_deviation']:.3f}); lower the learning rate, or mine semi-hard triplets before"
            " hard ones"
        )
    if record["skipped_steps"]:
        return (
            f"{record['skipped_steps']} steps found no triplet and were skipped; raise mining_margin, or mine hard ones"
        )
    return ""


def stop_if_broken(measured: dict, step: int, batch: dict, folder: Path | None) -> None:
    """Raise where what a step `measured` is not finite; with a `folder`, its batch goes to ``step_<step>.npz`` first.

    Args:
        measured: scalars by name, those of FINITE among them. step: counted from 1. batch: arrays by name.

    Raises:
        TrainingError: says what is not finite.
    """
    for name, subject in FINITE.items():
        if math.isfinite(measured[name]):
            continue
        saved = ""
        if folder:
            path, content = folder / f"step_{step}.npz", io.BytesIO()
            arrays: dict[str, Any] = {name: np.asarray(array) for name, array in batch.items()}
            np.savez_compressed(content, **arrays)
            write_atomically(path, content.getvalue())
            saved = f"; the batch is in {path}"
        raise TrainingError(f"the {subject} not finite at step {step}: lower the learning rate or gamma{saved}")
