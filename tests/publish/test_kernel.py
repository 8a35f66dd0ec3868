"""kernel.py, inside.py: a kernel has settings of its own, whatever the user's are, and its death is explained."""

import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import outputs, write_notebook

from facelib.config import ROOT
from facelib.publish import PublishingError, death, kernel, place, run
from facelib.publish.execute import execute
from facelib.publish.kernel import build_environment

KEPT = {
    "CUDA_VISIBLE_DEVICES": "1", "FACELIB_TRACE": "1", "HOME": "/home/me", "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": "/l",
    "MPLCONFIGDIR": "/cache", "PATH": "/bin", "XDG_CACHE_HOME": "/cache",
}  # fmt: skip
OTHERS = (
    "IPYTHON_X", "JUPYTER_CONFIG_DIR", "KERAS_BACKEND", "KMP_AFFINITY", "MKL_NUM_THREADS", "MPLSTYLE",
    "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONOPTIMIZE", "PYTHONSTARTUP",
    "PYTHONWARNINGS", "TF_NUM_INTRAOP_THREADS", "TF_XLA_FLAGS", "TZ", "XLA_FLAGS",
)  # fmt: skip


def test_a_kernel_gets_where_things_are_and_nothing_that_changes_results(tmp_path, monkeypatch):
    for name, value in (KEPT | dict.fromkeys(OTHERS, "9")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", "/packages")
    environment = build_environment(tmp_path, tmp_path / "progress")
    assert {environment.pop(name) for name in kernel.THREADS} == {os.environ["FACELIB_THREADS"]}
    assert KEPT.items() <= environment.items() and not set(OTHERS) & set(environment)
    assert environment["PYTHONPATH"] == f"{ROOT}{os.pathsep}/packages"


SETTINGS = """
import os, sys, matplotlib, tempfile
import keras
print(keras.config.backend(), keras.config.image_data_format(), keras.config.floatx())
print({name for name, value in matplotlib.rcParams.items() if value != matplotlib.rcParamsDefault[name]})
print(sys.flags.optimize, sys.warnoptions, get_ipython().pdb, "left" in globals(), sorted(os.environ.items() & hostile))
print(matplotlib.get_cachedir(), tempfile.gettempdir() == os.environ["TMPDIR"], os.getcwd())
"""


def test_the_settings_of_a_user_change_nothing(tmp_path):
    home, notebooks = tmp_path / "home", tmp_path / "notebooks"
    for name, content in {
        "home/.keras/keras.json": '{"backend": "jax", "image_data_format": "channels_first", "floatx": "float64"}',
        "home/.config/matplotlib/matplotlibrc": "figure.dpi: 31",
        "home/matplotlibrc": "figure.dpi: 32",
        "notebooks/matplotlibrc": "figure.dpi: 33",
        "home/.jupyter/jupyter_config.py": "raise SystemExit('read')",
        "home/.jupyter/jupyter_nbclient_config.py": "raise SystemExit('read')",
        "home/.ipython/profile_default/ipython_config.py": "get_config().InteractiveShell.pdb = True",
        "home/.ipython/profile_default/ipython_kernel_config.py": "get_config().InteractiveShell.pdb = True",
        "home/.ipython/profile_default/startup/00.py": "left = 1",
        "home/startup.py": "left = 1",
        "home/.local/share/jupyter/kernels/python3/kernel.json": '{"argv": ["false"], "display_name": "Python 3"}',
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    hostile = {
        "MATPLOTLIBRC": str(home / "matplotlibrc"), "MPLSTYLE": "ggplot", "MPLBACKEND": "svg", "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--no_such_flag", "PYTHONOPTIMIZE": "1", "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "7",
        "PYTHONSTARTUP": str(home / "startup.py"), "IPYTHONDIR": str(home / ".ipython"), "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"), "JUPYTER_PATH": str(home / ".local/share/jupyter"),
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "none", "JUPYTER_PREFER_ENV_PATH": "0",
    }  # fmt: skip
    cache = tmp_path / "cache"
    notebook = write_notebook(notebooks / "a.ipynb", f"hostile = {set(hostile.items())}{SETTINGS}", "hash('seeded')")
    command = [sys.executable, "-m", "facelib.publish.execute", notebook, tmp_path / "out.ipynb"]
    environment = os.environ | hostile | {"HOME": str(home), "XDG_CACHE_HOME": str(cache)}
    environment = {name: value for name, value in environment.items() if name != "MPLCONFIGDIR"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seeded = subprocess.check_output(
        [sys.executable, "-c", "print(hash('seeded'))"], env={"PYTHONHASHSEED": "0"}, text=True
    )
    assert outputs(tmp_path / "out.ipynb").split("\n") == [
        "tensorflow channels_last float32",
        "{'backend'}",
        "0 [] False False []",
        f"{cache / 'matplotlib'} True {notebooks}",
        *("", seeded.strip()),
    ]


# --- its death -------------------------------------------------------------------------------------------------------


def fail(tmp_path, source):
    """The lines of what is said about a notebook whose last cell is `source`."""
    notebook = write_notebook(tmp_path / "bad.ipynb", "print('reached')", source)
    with pytest.raises(PublishingError) as error:
        execute(notebook, tmp_path / "executed" / "bad.ipynb", {})
    broken = tmp_path / "executed" / "broken" / "bad.ipynb"
    first, *words, last = map(str.strip, str(error.value).splitlines())
    assert last == f"the notebook as far as it ran: {broken}" and "reached" in outputs(broken)
    return [first.removeprefix(f"{notebook}, "), *words]


KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_a_kernel_that_was_killed(tmp_path):
    (line,) = fail(tmp_path, KILL)
    used = r"it used up to \d+\.\d GiB of \d+\.\d GiB"
    assert re.fullmatch(rf"cell 3: the kernel was killed from outside \(signal 9\); {used}", line)


def test_a_kernel_that_the_system_killed_for_want_of_memory(tmp_path, monkeypatch):
    """The counter of this process's cgroup rises meanwhile."""
    monkeypatch.setattr(death, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(death, "CGROUPS", tmp_path)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/\n")
    events = tmp_path / "memory.events"
    events.write_text("oom 0\noom_kill 4\n")
    (line,) = fail(tmp_path, f"open({str(events)!r}, 'w').write('oom 1\\noom_kill 5\\n'); {KILL}")
    assert line.startswith("cell 3: the system killed the kernel because memory ran out (signal 9): it used up to ")
    assert line.endswith("GiB; close other programs, or take a machine with more memory")


BUS = """import mmap, tempfile
file = tempfile.TemporaryFile()
file.truncate(mmap.PAGESIZE)
mapped = mmap.mmap(file.fileno(), 0)
file.truncate(0)
mapped[0]"""


def test_a_kernel_whose_file_was_cut(tmp_path):
    line, *words = fail(tmp_path, BUS)
    why = "most likely a disk is full, or a file that it was reading was cut"
    assert line == f"cell 3: the kernel died of SIGBUS (signal {int(signal.SIGBUS)}): {why}"
    assert words == ["Fatal Python error: Bus error", "line 6 in <module>"]


def test_a_kernel_that_ends_itself_after_chatter(tmp_path):
    chatter = "2025-11-28 03:33:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on."
    said = f"{chatter}\\nterminate called without an active exception\\n".encode()
    source = f"import os; os.write(2, {said!r}.decode('unicode_escape').encode()); os._exit(3)"
    assert fail(tmp_path, source) == [
        "cell 3: the kernel ended by itself, with exit code 3",
        "terminate called without an active exception",
    ]


def test_a_kernel_that_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "build_command", lambda: [sys.executable, "-c", "import no_such_package"])
    notebook = write_notebook(tmp_path / "a.ipynb", "1")
    with pytest.raises(PublishingError, match="cell 1: the kernel ended by itself, with exit code 1") as error:
        execute(notebook, tmp_path / "out.ipynb", {})
    assert "\n       ModuleNotFoundError: No module named 'no_such_package'\n" in str(error.value)


def test_a_kernel_that_cannot_be_reached_is_one_line_and_leaves_nothing(tmp_path, set_tmpdir, monkeypatch, capsys):
    monkeypatch.setattr(place, "SOCKET_PATH", 1000)
    started = []
    monkeypatch.setattr(kernel.Kernel, "__exit__", lambda self, *_, end=kernel.Kernel.__exit__: (
        started.append(self.process), end(self)
    )[1])  # fmt: skip
    deep = set_tmpdir(tmp_path / ("d" * 90))
    deep.mkdir()
    notebook = write_notebook(tmp_path / "a.ipynb", "1")
    with pytest.raises(SystemExit) as ending:
        run(lambda: execute(notebook, tmp_path / "out.ipynb", {}))
    assert ending.value.code == 1
    message = r"error: ZMQError: .* \(facelib/publish/\w+.py:\d+, FACELIB_TRACE=1 .*\)"
    assert re.fullmatch(message, capsys.readouterr().err.splitlines()[-1])
    assert started[0].returncode is not None and list(deep.iterdir()) == []


def test_what_a_cell_runs_is_shown_and_no_more(tmp_path, capfd):
    notebook = write_notebook(tmp_path / "a.ipynb", "import os; os.system('echo out; echo err >&2');")
    execute(notebook, tmp_path / "out.ipynb", {})
    assert outputs(tmp_path / "out.ipynb") == "out\n"
    assert "out" not in capfd.readouterr().out


PRODUCTS = (  # large enough that other threads give other bytes
    "import hashlib, os\nimport numpy as np",
    "x = np.random.default_rng(0).normal(size=(350, 450))",
    "print(hashlib.sha256((x @ x.T).tobytes()).hexdigest(), hashlib.sha256(np.linalg.eigh(x.T @ x)[0]).hexdigest())",
)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process can be bound to a core on Linux only")
def test_numpy_computes_the_same_bytes_on_one_core(tmp_path):
    """Though OpenBLAS takes no more threads than cores from a variable."""
    notebook = write_notebook(tmp_path / "a.ipynb", *PRODUCTS)
    execute(notebook, tmp_path / "all.ipynb", {})
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        execute(notebook, tmp_path / "one.ipynb", {})
    finally:
        os.sched_setaffinity(0, cores)
    assert outputs(tmp_path / "one.ipynb") == outputs(tmp_path / "all.ipynb") != ""
