"""The kernel of an execution: this very Python, with settings of its own in the place of the user's."""

import os
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from facelib.config import ROOT
from facelib.progress import VARIABLE
from facelib.publish.death import count_kills, explain, last_words

# Of the user's environment a kernel gets what says where things are, in what language, and on which GPU. All else, such
# as MATPLOTLIBRC, KERAS_*, TF_*, XLA_FLAGS, OMP_NUM_THREADS or PYTHONOPTIMIZE, could change what it computes or draws.
KEPT = {"HOME", "LANG", "LANGUAGE", "LOGNAME", "MPLCONFIGDIR", "PATH", "PYTHONDONTWRITEBYTECODE", "USER"}
KEPT_PREFIXES = ("CUDA_", "DYLD_", "FACELIB_", "GIT_", "LC_", "LD_", "XDG_")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
INSIDE = "facelib.publish.inside"


class Kernel:
    """How a kernel is started in the temporary folder of its execution, and how it ended.

    What is in `manager` is for nbclient, which makes one, starts the kernel with it, and stops it.
    """

    def __init__(self, folder: Path):
        self.progress, self.log = folder / "progress", folder / "log"
        self.process = self.context = None
        self.kills_before = count_kills()
        environment, command = build_environment(folder, self.progress), build_command()
        provisioner = {"provisioner_name": "local-provisioner"}  # whatever JUPYTER_DEFAULT_PROVISIONER_NAME says
        options = {"language": "python", "metadata": {"kernel_provisioner": provisioner}}
        kernel = self

        class Manager(AsyncKernelManager):
            kernel_spec = KernelSpec(argv=command, **options)

            def __init__(self, **options):
                # over TCP, ipykernel writes a warning about open ports into every run
                super().__init__(transport="ipc", connection_file=str(folder / "k.json"), **options)

            async def start_kernel(self, **options):
                try:
                    with open(kernel.log, "wb") as log:  # TensorFlow chatters past Python
                        await super().start_kernel(env=environment, stdout=log, stderr=log, **options)
                finally:
                    kernel.process, kernel.context = self.provisioner and self.provisioner.process, self.context

        self.manager = Manager

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        """End what nbclient has not ended, such as a kernel that it could not reach."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.context:
            self.context.destroy(linger=0)

    def explain_death(self) -> str:
        """Why the kernel is gone."""
        return explain(self.process.wait(), self.kills_before)

    def last_words(self) -> list[str]:
        """What it said about its death."""
        return last_words(self.log.read_text("utf-8", "replace")) if self.log.exists() else []


def build_environment(folder: Path, progress: Path) -> dict[str, str]:
    """The environment of a kernel, which is the same everywhere but for where things are."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return kept | {
        VARIABLE: str(progress),
        "IPYTHONDIR": str(folder),  # no start-up files, no history
        "KERAS_HOME": str(folder),  # no keras.json
        "MATPLOTLIBRC": os.devnull,  # and the cache of fonts where it is
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONFAULTHANDLER": "1",  # says where it died
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),  # this very facelib
        "TMPDIR": str(folder),
        **dict.fromkeys(THREADS, os.environ["FACELIB_THREADS"]),
    }


def build_command() -> list[str]:
    """The command that starts a kernel, whose connection file jupyter_client puts in."""
    options = {
        "IPKernelApp.outstream_class": f"{INSIDE}.Stream",
        "InteractiveShellApp.extensions": INSIDE,
        "InteractiveShellApp.reraise_ipython_extension_failures": "True",
    }
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return start + [f"--{name}={value}" for name, value in options.items()]
