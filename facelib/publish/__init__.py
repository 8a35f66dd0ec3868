"""Publishing: execute notebooks, export pages, compile the report, pack the hand-in. Nothing here knows about faces."""

import contextlib
import sys
from pathlib import Path

from facelib.config import ConfigError
from facelib.startup import run_command

# nbformat imports jsonschema, which goes without this package where it is missing: it takes a second to import, and
# checks international addresses, of which a notebook has none
sys.modules.setdefault("rfc3987_syntax", None)


class PublishingError(Exception):
    """Something that cannot be published; the message says what, where and what to do."""


def run(main) -> None:
    """Run a command's `main`; an error ends it with one message and exit code 1, see `startup.run_command`."""
    code = run_command(main, (PublishingError, ConfigError))
    if code:
        sys.exit(code)


@contextlib.contextmanager
def naming(path: Path):
    """Let an error of the system that names no file, such as that of a full disk, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
