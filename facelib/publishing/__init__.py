"""Publishing: execute notebooks, export pages, compile the report, pack the hand-in. Nothing here knows about faces."""

import sys

from facelib.config import ConfigError
from facelib.folders import printable
from facelib.startup import print_any_name


class PublishingError(Exception):
    """Something that cannot be published; the message says what, where and what to do."""


def run(main) -> None:
    """Run a command's `main`; a user's mistake ends it with its message alone and exit code 1, never a stack trace."""
    print_any_name()
    try:
        main()
    except (PublishingError, ConfigError, OSError) as error:
        sys.exit("\n".join(map(printable, f"error: {error}".split("\n"))))
    except KeyboardInterrupt:
        sys.exit(130)
