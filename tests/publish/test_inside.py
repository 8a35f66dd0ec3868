"""What a kernel runs before its first cell, in a process of its own; test_kernel.py tries it in kernels."""

import json
import os
import subprocess
import sys

import pytest

from facelib.config import ROOT
from facelib.publish import inside

CODE = f"""
import json, os
from {inside.__name__} import load_ipython_extension
load_ipython_extension(None)
import matplotlib, threadpoolctl
threads = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
print(json.dumps([os.getcwd(), matplotlib.rcParams["lines.linewidth"], threads]))
"""


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_matplotlibrc_beside_the_notebook_is_not_read_and_threads_are_as_many_as_asked(tmp_path, threads):
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 77")
    (tmp_path / "place").mkdir()
    places = {"TMPDIR": str(tmp_path / "place"), "MPLCONFIGDIR": str(tmp_path / "place"), "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **places, "FACELIB_THREADS": threads, "MATPLOTLIBRC": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    folder, width, found = json.loads(done.stdout.splitlines()[-1])
    assert folder == str(tmp_path) and width != 77
    assert found and set(found) == {int(threads)}
