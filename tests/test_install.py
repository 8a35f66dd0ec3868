"""install.py: what is set for pip reaches uv, which a stand-in takes the place of."""

import json
import os
import subprocess
import sys

import pytest

from facelib.config import ROOT

STAND_IN = """
import json, os, sys
if sys.argv[1:] == ["cache", "dir", "--color", "never"]:  # colours would be part of the path
    print(os.environ["TEST_CACHE"])
else:
    names = ("UV_", "SSL_CERT_FILE", "ALL_PROXY")
    variables = {name: value for name, value in os.environ.items() if name.startswith(names)}
    cache = os.environ.get("UV_CACHE_DIR")
    print(json.dumps([sys.argv[1:], variables, bool(cache) and os.path.isdir(cache)]))
    sys.exit(3)
"""


@pytest.fixture
def install(tmp_path):
    """Function from pip.conf and variables to what uv gets: arguments, variables, and whether a cache of its own."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "uv.py").write_text(STAND_IN)

    def call(configuration="", **variables):
        (tmp_path / "pip.conf").write_text(configuration)
        foreign = ("PIP_", "UV_", "SSL_CERT_FILE", "ALL_PROXY", "XDG_CONFIG")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # this file in the place of all others that pip reads
        environment |= {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "XDG_CONFIG_DIRS": str(tmp_path)}
        environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "modules")}
        environment |= {"TEST_CACHE": str(tmp_path / "home" / "uv")} | variables
        command = [sys.executable, ROOT / "install.py", "-r", "some.lock"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 3, done.stderr
        return json.loads(done.stdout)

    return call


def test_uv_installs_into_the_environment_that_runs_it(install):
    arguments, variables, _ = install()
    assert arguments == ["pip", "install", "--python", sys.executable, "-r", "some.lock"]
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "UV_CACHE_DIR" not in variables


CONFIGURATION = """
[global]
index-url = https://mirror.example/simple
cert = /certificates.pem
[install]
extra-index-url = https://one.example https://two.example
find-links =
    /wheels
    /more wheels
"""


def test_what_a_file_sets_for_pip_reaches_uv(install):
    variables = install(CONFIGURATION)[1]
    assert variables["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert variables["UV_INDEX"] == "https://one.example https://two.example"
    assert variables["SSL_CERT_FILE"] == "/certificates.pem"
    assert variables["UV_FIND_LINKS"] == "/wheels,/more,wheels"  # pip, too, splits at spaces


def test_the_environment_comes_before_files_and_what_is_for_uv_before_what_is_for_pip(install):
    mine = {"PIP_INDEX_URL": "https://mine.example", "PIP_CERT": "/mine.pem", "SSL_CERT_FILE": "/uv.pem"}
    variables = install(CONFIGURATION, **mine)[1]
    assert variables["UV_DEFAULT_INDEX"] == "https://mine.example"
    assert variables["SSL_CERT_FILE"] == "/uv.pem"
    assert install(UV_DEFAULT_INDEX="https://uv.example", **mine)[1]["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_files_alone_without_an_index(install):
    arguments = install("[global]\nno-index = yes\nfind-links = /wheels\n")[0]
    assert arguments[4:] == ["--no-index", "-r", "some.lock"]
    assert "--no-index" not in install("[global]\nno-index = false\n")[0]


def test_without_a_cache_that_can_be_written_one_in_the_environment_is_used_and_removed(install, tmp_path):
    _, variables, there = install(TEST_CACHE=os.devnull + "/uv")
    assert there and not os.path.exists(variables["UV_CACHE_DIR"])
    assert os.path.dirname(variables["UV_CACHE_DIR"]) == sys.prefix
