"""Train the run of a profile, on one host or several, without notebooks; notebook 06 then finds it by its name."""

import dataclasses
import os
import re
import sys
from pathlib import Path

import tensorflow as tf

from facelib import progress
from facelib.config import Config
from facelib.data.drawn import draw_faces
from facelib.learn import build, engine
from facelib.provenance import describe_computer, digest_code
from facelib.show.tables import EPOCH_HEADING, epoch_line

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


def train_run(config: Config) -> Path:
    """Train what `config` says, or go on with it, on all devices of this process and of the hosts it has joined.

    Every host calls this, with one shared folder; the first prepares the faces, prints, and writes.

    Returns:
        The folder of the run, with ``best.npz`` and ``last.npz``.

    Raises:
        HostError: the hosts do not fit together, or one was lost. TrainingError: see `training.train`.
        ConfigError, NoFacesError, CheckpointError: these faces, or this run, cannot be trained.
    """
    try:
        return _train(config)
    except LOST as error:
        if engine.host(engine.choose_strategy())[1] == 1:
            raise
        reason = re.search(r"aborted by: ([^\n]{1,200})", str(error))
        raise engine.HostError(
            f"another host ended or was lost{f' ({reason[1]})' if reason else ''}: if it gave no reason, start the same"
            " command again on every host, and training goes on from the last epoch that was saved"
        ) from None


def _train(config):
    strategy = engine.choose_strategy()
    number, hosts = engine.host(strategy)
    own = {"code": digest_code(*build.DECISIVE), "computer": describe_computer()}
    engine.agree(strategy, dataclasses.asdict(config) | own)
    if number:  # the first host prepares the faces, which the others find in the shared folder then
        os.environ.setdefault(progress.VARIABLE, os.devnull)
        engine.agree(strategy, {"faces are prepared": True})
    if config.drawn:
        draw_faces(config)
    split = build.load_split(config)
    if not number:
        engine.agree(strategy, {"faces are prepared": True})
    engine.agree(strategy, {"faces": split.faces.digest})
    *_, records = build.start_training(config, split)
    folder = build.training_folder(config, split.faces.digest)
    if not number:
        print(f"devices: {strategy.num_replicas_in_sync}, hosts: {hosts}; the run is in {folder}")
        print(EPOCH_HEADING)
    for record in records:
        if not number:
            print(epoch_line(record))
            sys.stdout.flush()
    return folder
