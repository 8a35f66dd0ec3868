"""Installs packages with uv: `.venv/bin/python install.py` and what `uv pip install` is to be told.

uv takes a fraction of pip's time, but it reads neither pip.conf nor PIP_INDEX_URL. Here it gets packages from where pip
would: from a mirror of the package index, for example. What is set for uv itself comes first. Needs uv and pip alone.
"""

import ast
import os
import subprocess
import sys
import tempfile

VARIABLES = {  # of pip's settings, those of uv with the same meaning
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
COMMAS = {"UV_FIND_LINKS"}  # lists with commas; the others have spaces
YES = ("1", "true", "t", "yes", "y", "on")  # of pip's switches


def read_pip_settings(listing: str) -> dict[str, str]:
    """pip's settings from what `pip config list` prints: the environment before `install` before `global`."""
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section):
                settings[name.removeprefix(section)] = ast.literal_eval(value)
    return settings


def translate(settings: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Variables and arguments for uv that say what `settings` say to pip."""
    variables = {}
    for name, variable in VARIABLES.items():
        if name in settings:
            variables[variable] = ("," if variable in COMMAS else " ").join(settings[name].split())
    return variables, ["--no-index"] if settings.get("no-index", "").lower() in YES else []


def is_writable(folder: str) -> bool:
    """Whether a file can be written into `folder`, which is made where it is missing."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    # An index of one's own may have some versions only. pip takes the best of all, and the hashes say which file it is.
    variables, options = translate(read_pip_settings(listing))
    # Certificates of the system count, as for pip.
    environment = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_SYSTEM_CERTS": "1"} | variables | os.environ
    uv = [sys.executable, "-m", "uv"]
    asked = [*uv, "cache", "dir", "--color", "never"]
    cache = subprocess.run(asked, env=environment, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="cache-", dir=sys.prefix) as own_cache:
        if not is_writable(cache):
            environment["UV_CACHE_DIR"] = own_cache
        command = [*uv, "pip", "install", "--python", sys.executable, *options, *arguments]
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
