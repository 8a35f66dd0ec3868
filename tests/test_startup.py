"""startup.py: TensorFlow alone, in silence, and everything else as it was."""

import importlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import facelib
from facelib import startup
from facelib.config import ROOT


@pytest.fixture
def unloaded(monkeypatch):
    for name in ("sklearn", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_what_tensorflow_does_not_need_is_there_again_afterwards(unloaded, monkeypatch):
    seen = []
    monkeypatch.setattr(
        startup.importlib, "import_module", lambda name: seen.append((name, sys.modules.get("sklearn")))
    )
    startup.load_tensorflow()
    assert seen == [("tensorflow", None)] and "sklearn" not in sys.modules
    monkeypatch.setattr(startup.importlib, "import_module", lambda name: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        startup.load_tensorflow()
    assert "sklearn" not in sys.modules


def test_any_name_can_be_printed(monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    startup.print_any_name()
    for stream in streams:
        print("Zoë \udcff", file=stream, flush=True)
        assert stream.buffer.getvalue() == b"Zo\\xeb \\udcff\n"
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # caught, which takes any letter
    startup.print_any_name()


def test_what_is_loaded_is_not_loaded_again(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    monkeypatch.setattr(startup.importlib, "import_module", lambda name: pytest.fail("again"))
    startup.load_tensorflow()


def test_a_process_of_its_own_hears_nothing_and_has_no_pictures():
    code = (
        "import sys; from facelib.startup import load_tensorflow; load_tensorflow(); import keras; print('here')\n"
        "print(sorted({'matplotlib', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("here\n", "[]\n")


def test_the_backend_of_keras_is_tensorflow_whatever_a_user_has_set(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    importlib.reload(facelib)
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_keras_that_was_imported_with_another_backend_is_said(monkeypatch):
    backends = ["tensorflow"]
    loaded = SimpleNamespace(config=SimpleNamespace(backend=lambda: backends[-1]))
    monkeypatch.setitem(sys.modules, "keras", loaded)
    importlib.reload(facelib)
    backends.append("jax")
    with pytest.raises(ImportError, match="imported before facelib, with the backend jax; .* set KERAS_BACKEND=tensor"):
        importlib.reload(facelib)


def look_at_threads(**environment):
    code = (
        "import numpy, facelib, os; from facelib.results import describe_computer\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'], describe_computer()['threads'])"
    )
    kept = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=kept | environment
    )
    return done.stdout or done.stderr.splitlines()[-1]


def test_two_threads_compute_whatever_the_machine_has():
    assert look_at_threads() == look_at_threads(FACELIB_THREADS="") == "2 2 2\n"
    assert look_at_threads(FACELIB_THREADS="16") == "16 16 16\n"
    assert look_at_threads(TF_NUM_INTRAOP_THREADS="1", OMP_NUM_THREADS="3") == "3 2 1\n"
    for wrong in ("two", "0", "-1", "1.5", "\u0661"):
        assert look_at_threads(FACELIB_THREADS=wrong).startswith(f"ImportError: FACELIB_THREADS={wrong!r} is no number")
