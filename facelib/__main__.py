"""`python -m facelib`: see `commands`."""

import sys

from facelib.use.commands import main

if __name__ == "__main__":
    sys.exit(main())
