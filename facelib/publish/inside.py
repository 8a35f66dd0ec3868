"""What the kernel of an execution runs of ours, before the first cell: see `kernel.build_command`."""

import os

from ipykernel.iostream import OutStream
from threadpoolctl import threadpool_limits


class Stream(OutStream):
    """Standard output and error of cells, and of all that they run.

    Of the latter, standard error goes to its file as it is: the last words of a process would not come through a pipe
    to itself.
    """

    def __init__(self, session, thread, name, **options):
        super().__init__(session, thread, name, **{"watchfd": name == "stdout", **options})


def load_ipython_extension(_) -> None:
    """Settings that no variable gives.

    matplotlib is imported where no `matplotlibrc` lies: it reads that of the working folder before any other. NumPy's
    products are cut by the number of threads, which OpenBLAS takes from a variable only up to the number of cores.
    """
    working_folder = os.getcwd()
    os.chdir(os.environ["TMPDIR"])
    try:
        import matplotlib  # noqa: F401, which imports NumPy
    finally:
        os.chdir(working_folder)
    threadpool_limits(int(os.environ["FACELIB_THREADS"]), "blas")
