"""What the kernel of an execution runs of ours, before the first cell: see `kernel.build_command`."""

import os

from ipykernel.iostream import OutStream


class Stream(OutStream):
    """Standard output and error of cells, and of all that they run.

    Of the latter, standard error goes to its file as it is: the last words of a process would not come through a pipe
    to itself.
    """

    def __init__(self, session, thread, name, **options):
        super().__init__(session, thread, name, **{"watchfd": name == "stdout", **options})


def load_ipython_extension(_) -> None:
    """Import matplotlib where no `matplotlibrc` lies: it reads that of the working folder before any other."""
    working_folder = os.getcwd()
    os.chdir(os.environ["TMPDIR"])
    try:
        import matplotlib  # noqa: F401
    finally:
        os.chdir(working_folder)
