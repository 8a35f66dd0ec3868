"""Processes that decode one folder at once, some of them killed: every pixel is right, or there is no file.

``TRIALS=200 make test-slow`` runs more of them than are needed to see that nothing has broken.
"""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import write_image

from facelib.config import ROOT
from facelib.data.images import decode, load_images
from facelib.files import sweep

TRIALS = int(os.environ.get("TRIALS", 8))
IMAGES = 240
WORKER = """
import sys
from pathlib import Path
from facelib.data.images import load_images
folder, cache = map(Path, sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
images = load_images(folder, sorted(path.name for path in folder.iterdir()), cache)
print(images.digest, len(images.pixels), int(images.pixels.sum(dtype="uint64")), flush=True)
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for number in range(IMAGES):
        write_image(folder / f"{number:03d}.jpeg", number)
    paths = sorted(path.name for path in folder.iterdir())
    expected = np.stack([decode(folder / path) for path in paths])
    return folder, paths, expected


def start(folder, cache):
    command = [sys.executable, "-c", WORKER, str(folder), str(cache)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_processes_that_decode_at_once_give_right_pixels_or_none(faces, tmp_path):
    folder, paths, expected = faces
    answer = f"{load_images(folder, paths, tmp_path / 'alone').digest} {IMAGES} {expected.sum(dtype='uint64')}\n"
    generator, killed = random.Random(0), 0
    for trial in range(TRIALS):
        cache = tmp_path / str(trial)
        processes = [start(folder, cache) for _ in range(generator.choice((2, 3)))]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
            time.sleep(generator.uniform(0, 0.1))
        victims = [process for process in processes if generator.random() < 0.5]
        for process in victims:
            time.sleep(generator.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        for process in processes:
            out, err = process.communicate(timeout=60)
            if process.returncode == -signal.SIGKILL:
                killed += 1
                continue
            assert (process.returncode, out) == (0, answer), (trial, err)
        for file in cache.glob("*.npy") if cache.exists() else ():
            np.testing.assert_array_equal(np.load(file, mmap_mode="r"), expected)
        images = load_images(folder, paths, cache)
        np.testing.assert_array_equal(images.pixels, expected)
        sweep(cache)
        assert len(list(cache.iterdir())) == 1
    assert killed or TRIALS < 8
