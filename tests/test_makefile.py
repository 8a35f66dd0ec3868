"""The Makefile: its targets, its messages, and what it makes again after a change, with a stand-in for Python."""

import functools
import os
import re
import shutil
import subprocess
import sys

import pytest

from facelib.config import PROFILES, ROOT
from facelib.publish.depend import find_modules, look_into, read_notebook

MAKEFILE = (ROOT / "Makefile").read_text()
VARIABLES = dict(re.findall(r"^(\w+) := *(.*)$", MAKEFILE, re.MULTILINE))
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
PATHS = [ROOT / "notebooks" / f"{name}.ipynb" for name in NOTEBOOKS]
LOOK = functools.cache(look_into)
MODULES = {path.stem: find_modules(read_notebook(path), ROOT / "facelib", LOOK) for path in PATHS}
NEEDS = {  # whose results each reads
    "01_eda": [], "02_dataset": ["01_eda"], "03_loss_derivation": [], "04_model": ["02_dataset"],
    "05_mining": ["02_dataset"], "06_training": ["01_eda"], "07_lfw_test": ["01_eda", "06_training"],
    "08_experiments": [], "09_small_sets": ["01_eda", "06_training"],
    "10_error_analysis": ["01_eda", "06_training", "07_lfw_test", "09_small_sets"],  # the last by `facelib.use.load`
}  # fmt: skip

# Stands in for .venv/bin/python: runs the stamp for real, writes what the other steps would write, and logs them.
STAND_IN = f"""#!/bin/sh
case $2 in  # run what follows --
  *.guard) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
  *.step) while [ "$1" != -- ]; do shift; done; shift; set -- -m "$@" ;;
esac
echo "$2 $3 $4" >> calls
case $2 in
  *.stamp | *.depend) exec {sys.executable} "$@" ;;
  *.execute) target=$4 ;;
  *.html) target=$3/index.html ;;
  *.explore) target=$3 ;;
  *.report) target=$4/report.pdf ;;
  *.model_card) target=$3/model_card.md ;;
  *.checks) target=$3/checks.txt ;;
  *.submission) target=$3 ;;
  *) exit 0 ;;
esac
mkdir -p "$(dirname "$target")" && touch "$target"
"""


def run(tree, *command):
    """Run a command in `tree` without what an outer make or the caller's shell says to a make in it."""
    foreign = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PROFILE", "DATA", "SET", "VENV", "PYTHON3")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


def make(tree, *arguments):
    return run(tree, "make", *arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A copy of the project, in a folder whose name has a space, in which `make all` has run."""
    tree = tmp_path_factory.mktemp("a project")
    for name in ("Makefile", "LICENSE", "pyproject.toml", "requirements.lock", "environment.yml", "install.py"):
        shutil.copy(ROOT / name, tree)
    for folder in ("facelib", "notebooks"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("reports/report.typ", "reports/references.bib", "data/README.md"):
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    python = tree / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    done = make(tree, "all", "VENV=environment", "PROFILE=smoke")
    assert done.returncode == 0, done.stderr
    return tree


def calls(tree, *arguments, expected=0):
    """What `make all` with `arguments` runs, without the stamp, in order: module, or the notebook that is executed."""
    (tree / "calls").write_text("")
    done = make(tree, "all", "VENV=environment", "PROFILE=smoke", *arguments)
    assert done.returncode == expected, done.stderr
    rows = [line.split() for line in (tree / "calls").read_text().splitlines()]
    steps = [(row[0].rpartition(".")[2], row[1]) for row in rows]
    return [
        re.sub(r".*/|\.ipynb", "", first) if step == "execute" else step
        for step, first in steps
        if step not in ("stamp", "depend")
    ]


REST = ["html", "explore", "report", "model_card", "checks", "submission"]


def wait_until_older(tree):
    """Put what was made before the present, so that what is made now is newer by any clock."""
    for path in tree.rglob("*"):
        if path.is_file() and path.name != "calls":
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns - 10**10, status.st_mtime_ns - 10**10))


def test_all_makes_everything_in_order_and_then_nothing(made):
    shutil.rmtree(made / "reports" / "smoke")
    assert calls(made) == NOTEBOOKS + REST
    assert calls(made) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_changed_notebook_runs_again_with_those_that_read_its_results(made, name):
    wait_until_older(made)
    (made / "notebooks" / f"{name}.ipynb").touch()
    readers = {name}
    for other in NOTEBOOKS:
        if readers & {*NEEDS[other]}:
            readers.add(other)
    assert calls(made) == sorted(readers) + REST


CHANGED = ["__init__", "config", "data/images", "learn/__init__", "learn/losses", "measure/lfw_protocol", "study/plan"]


@pytest.mark.parametrize("module", CHANGED)
def test_changed_module_runs_the_notebooks_that_import_it(made, module):
    wait_until_older(made)
    (made / "facelib" / f"{module}.py").touch()
    ran = calls(made)
    importers = {name for name in NOTEBOOKS if ROOT / "facelib" / f"{module}.py" in MODULES[name]}
    assert importers and importers <= set(ran)
    assert all({*NEEDS[name]} & set(ran) for name in set(ran) & set(NOTEBOOKS) - importers)


def test_a_module_that_is_gone_is_no_error(made):
    """Where nothing imports it any more; a new import is seen at once."""
    wait_until_older(made)
    extra, losses = made / "facelib" / "learn" / "extra.py", made / "facelib" / "learn" / "losses.py"
    before = losses.read_text()
    extra.write_text("")
    losses.write_text(before + "\nimport facelib.learn.extra\n")
    assert "03_loss_derivation" in calls(made)
    wait_until_older(made)
    extra.touch()
    assert "03_loss_derivation" in calls(made)
    wait_until_older(made)
    extra.unlink()
    losses.write_text(before)
    assert "03_loss_derivation" in calls(made) and calls(made) == []


@pytest.mark.parametrize("module", ["execute", "inside", "kernel", "normalise"])
def test_changed_execution_runs_all_notebooks(made, module):
    wait_until_older(made)
    (made / "facelib" / "publish" / f"{module}.py").touch()
    assert calls(made) == NOTEBOOKS + REST


def test_a_user_s_settings_of_python_do_not_reach_the_commands(made, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")  # drops the texts that commands show as help
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    wait_until_older(made)
    (made / "reports" / "report.typ").touch()
    assert calls(made) == ["report", "checks", "submission"]


def test_changed_report_runs_no_notebook(made):
    wait_until_older(made)
    (made / "reports" / "report.typ").touch()
    assert calls(made) == ["report", "checks", "submission"]


@pytest.mark.parametrize("path", sorted((ROOT / "facelib" / "publish").glob("explore*")), ids=lambda path: path.name)
def test_changed_part_of_the_page_to_explore_makes_that_page_again(made, path):
    wait_until_older(made)
    (made / "facelib" / "publish" / path.name).touch()
    assert calls(made) == ["explore", "checks", "submission"]


@pytest.mark.parametrize("name", ["experiments.csv", "experiments-drawn.csv"])
def test_recorded_trials_are_shown_again_when_they_change(made, name):
    table = made / "reports" / name
    for content in ("one", "two"):
        wait_until_older(made)
        table.write_text(content)
        assert calls(made) == ["08_experiments"] + REST
    assert calls(made) == []
    table.unlink()


@pytest.mark.parametrize("setting", ["SET=image_size=48", "PROFILE=best"])
def test_experiments_refuses_settings_that_it_would_not_follow(made, setting):
    done = make(made, "-n", "experiments", setting)
    assert done.returncode != 0 and "make experiments takes neither SET nor PROFILE" in done.stderr


def test_experiments_hands_its_variables_on(made):
    shown = make(made, "-n", "experiments", "VENV=environment", "DATA=it's", "WORKERS=2", "ONLY=loss,P x K", "LIST=1")
    command = " ".join(shown.stdout.replace("\\\n", " ").split())
    assert command == (
        "environment/bin/python -m facelib.study --data 'it'\\''s' --workers 2 --only 'loss,P x K' --list"
    )
    shown = make(made, "-n", "experiments", "VENV=environment").stdout.replace("\\\n", " ")
    assert " ".join(shown.split()).endswith("facelib.study --data '' --workers 1")


def test_experiments_hands_the_storage_on_unseen(made):
    """Neither shown nor among the arguments, where others see them: there can be a password in it."""
    storage = "STORAGE=postgresql://me:$ecret'@host/x"
    shown = make(made, "-n", "experiments", "VENV=other", storage).stdout
    assert "-m facelib.study" in shown and "host" not in shown
    python = made / "other" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$FACELIB_STORAGE, $*"\n')
    python.chmod(0o755)
    assert make(made, "experiments", "VENV=other", storage).stdout.startswith(storage[8:] + ", -m facelib.study")
    shutil.rmtree(made / "other")


def test_changed_configuration_runs_all_notebooks(made):
    wait_until_older(made)
    assert calls(made, "SET=gamma=32 epochs=2") == NOTEBOOKS + REST
    assert calls(made, "SET=gamma=32 epochs=2") == []
    wait_until_older(made)
    assert calls(made) == NOTEBOOKS + REST


def test_changed_data_runs_all_notebooks(made, data_folder):
    wait_until_older(made)
    assert calls(made, f"DATA={data_folder}") == NOTEBOOKS + REST
    assert calls(made, f"DATA={data_folder}") == []
    wait_until_older(made)
    (data_folder / "casia-webface" / "new.jpeg").write_text("x")
    assert calls(made, f"DATA={data_folder}") == NOTEBOOKS + REST
    wait_until_older(made)
    assert calls(made) == NOTEBOOKS + REST


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("DATA=/no/such/folder", "no data folder at /no/such/folder"),
        ("DATA=it's not here", "it's not here"),
        ("SET=gama=2", "unknown configuration key 'gama'"),
        ("SET=epochs=two", "epochs='two' is no int"),
    ],
)
def test_mistake_is_one_message_before_anything_runs(made, argument, message):
    assert calls(made, argument, expected=2) == []
    done = make(made, "all", "VENV=environment", "PROFILE=smoke", argument)
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ") and message in first
    assert [re.sub(r": \*\*\*.*", "", line) for line in rest] == ["make[1]", "make"]  # the last words of both makes
    assert calls(made) == []  # and what was there is still up to date


@pytest.mark.parametrize("threads", ["two", "0", "-1", "1.5", "1 2"])
def test_what_is_no_number_of_threads_is_one_message(made, threads):
    done = make(made, "help", f"THREADS={threads}")
    assert done.returncode == 2 and done.stderr.endswith(f"*** THREADS={threads} is no number of threads.  Stop.\n")


def test_another_number_of_threads_runs_all_notebooks(made):
    wait_until_older(made)
    assert calls(made, "THREADS=3") == NOTEBOOKS + REST
    assert calls(made, "THREADS=3") == []
    wait_until_older(made)
    assert calls(made, "THREADS=2") == NOTEBOOKS + REST
    assert calls(made) == []


@pytest.mark.parametrize("goal", ["help", "all", "test", "clean"])
@pytest.mark.parametrize("profile", ["smok", "smoke laptop", ".."])
def test_unknown_profile_is_one_message(made, goal, profile):
    done = make(made, goal, f"PROFILE={profile}")
    assert done.returncode == 2
    assert f"PROFILE={profile} is unknown; choose one of: {' '.join(PROFILES)}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_unsuitable_python_is_one_message(made, tmp_path, version):
    python = tmp_path / "python3"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo Python {version}.4 && exit\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = ({version.replace(".", ", ")}); $2"\n'
    )
    python.chmod(0o755)
    done = make(made, "setup", f"PYTHON3={python}")
    assert done.returncode == 2 and not (made / ".venv").exists()
    first, *rest = done.stderr.splitlines()
    assert first.startswith(f"error: {python} is Python {version}.4, and Python 3.11, 3.12 or 3.13 is needed")
    assert len(rest) == 1 and rest[0].startswith("make: ***")


def test_missing_python_is_one_message(made):
    done = make(made, "setup", "PYTHON3=/no/python")
    assert done.returncode == 2 and done.stderr.startswith("error: there is no /no/python; install Python 3.11")


# Stands in for Python before there is an environment: makes one that consists of itself, and logs what it installs.
NEW_PYTHON = """#!/bin/sh
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip" | "install.py "*) echo "$@" >> "$(dirname "$0")/../../installs"
    if [ "$FAILS" = "$1" ]; then echo some words; echo the reason; exit 1; fi ;;
esac
"""


@pytest.fixture
def set_up(made, tmp_path, monkeypatch):
    """Function that sets up, with a command that fails or none, and what is said and installed."""
    python = tmp_path / "python3"
    python.write_text(NEW_PYTHON)
    python.chmod(0o755)

    def call(fails=""):
        monkeypatch.setenv("FAILS", fails)
        (made / "installs").write_text("")
        return make(made, "setup", f"PYTHON3={python}"), (made / "installs").read_text().splitlines()

    yield call
    shutil.rmtree(made / ".venv")


def test_set_up_has_pip_install_uv_and_uv_the_rest_each_with_hashes(made, set_up):
    done, installs = set_up()
    assert done.returncode == 0 and re.search(r"^set-up: done in \d+ s$", done.stdout, re.MULTILINE)
    assert installs == [
        "-m pip install --require-hashes -r .venv/uv.lock",
        "install.py --require-hashes -r requirements.lock",
        "install.py --no-deps --no-build-isolation -e .",
    ]
    lock = (made / ".venv" / "uv.lock").read_text()
    assert lock in (ROOT / "requirements.lock").read_text()
    assert re.fullmatch(r"uv==\S+ \\\n(    --hash=sha256:\w{64} \\\n)*    --hash=sha256:\w{64}\n    # via .*\n", lock)
    assert set_up()[1] == []


@pytest.mark.parametrize("fails", ["-m", "install.py"])
def test_set_up_that_fails_shows_the_reason_and_is_done_again(made, set_up, fails):
    done, _ = set_up(fails)
    assert done.returncode == 2 and not (made / ".venv" / ".ready").exists()
    first, second, message, last = done.stderr.splitlines()
    assert (first, second) == ("some words", "the reason")
    assert message == "error: set-up failed; everything that pip and uv said is in .venv/setup.log"
    assert last.startswith("make: ***")
    assert set_up()[0].returncode == 0


def test_venv_that_is_none_is_one_message(made):
    done = make(made, "all", "VENV=/no/such/environment")
    assert done.returncode == 2 and "VENV=/no/such/environment holds no bin/python" in done.stderr


def test_help_lists_every_target_and_is_the_default(made):
    targets = re.search(r"^\.PHONY: (.*) FORCE$", MAKEFILE, re.MULTILINE)[1].split()
    shown = make(made).stdout
    assert shown == make(made, "help").stdout
    assert set(re.findall(r"^make ([\w-]+)", shown, re.MULTILINE)) == set(targets) - {"help"}
    profiles = re.findall(r"(?:^PROFILE=|; )([\w-]+)(?:  |: )", shown, re.MULTILINE)
    assert sorted(profiles) == sorted(PROFILES)


def test_lfw_goes_to_the_data_folder_or_where_data_says(made):
    for given, folder in (("", "data"), ("DATA=a b", "a b")):
        done = make(made, "-n", "data-lfw", "VENV=environment", *filter(None, [given]))
        assert done.stdout == f"environment/bin/python -m facelib data fetch-lfw '{folder}'\n"


def test_every_test_is_run_by_make_test_or_by_make_test_slow(made):
    quick, slow = (make(made, "-n", goal, "VENV=environment").stdout.strip() for goal in ("test", "test-slow"))
    assert slow.startswith("environment/bin/python -m pytest ") and slow.endswith(" --dist worksteal -m slow")
    files = "--dist loadfile --no-loadscope-reorder"
    assert quick.endswith(slow.replace("--dist worksteal -m slow", f"{files} -m 'not slow'"))


@pytest.mark.parametrize("fails", ["", "test", "test-slow"])
def test_continuous_integration_runs_both_and_fails_where_one_does(tmp_path, fails):
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(f"test test-slow:\n\t@echo $@ in $(CURDIR)\n\t@test $@ != '{fails}'\n")
    done = run("/", tmp_path / ".ci" / "run")
    assert done.stdout.splitlines() == [f"test in {tmp_path}", f"test-slow in {tmp_path}"]
    assert (done.returncode == 0) == (not fails)


def test_the_hand_in_takes_the_code_by_rule_and_nothing_of_a_user_s(made):
    for name in ("data/casia-webface/1/a.jpeg", "data/interim/smoke/a.npz", "reports/laptop/report.pdf", "a.py",
                 ".venv/a.py", "facelib/__pycache__/a.pyc", "facelib/.ipynb_checkpoints/a.py", "notebooks/mine.ipynb",
                 "reports/experiments-drawn.csv", "facelib/notes.txt"):  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).touch()
    (made / "reports" / "smoke" / "submission.zip").unlink()
    shown = make(made, "-n", "submission", "GUARDED=yes", "VENV=environment", "PROFILE=smoke").stdout
    named = shown.partition("--code ")[2].split()
    kinds = (".py", ".j2", ".css", ".js")
    package = [path for path in (ROOT / "facelib").rglob("*") if path.suffix in kinds and "/." not in str(path)]
    assert sorted(named) == sorted(
        [path.relative_to(ROOT).as_posix() for path in [*PATHS, *package]]
        + ["Makefile", "LICENSE", "environment.yml", "install.py", "pyproject.toml", "requirements.lock"]
        + ["data/README.md", "reports/report.typ", "reports/references.bib"]
    )
    shutil.rmtree(made / ".venv")
    (made / "reports" / "experiments-drawn.csv").unlink()


def test_clean_removes_one_profile_and_nothing_else(made):
    for folder in ("reports/smoke", "reports/laptop", "data/interim/smoke"):
        (made / folder).mkdir(parents=True, exist_ok=True)
    assert make(made, "clean", "PROFILE=laptop").returncode == 0
    assert not (made / "reports/laptop").exists()
    assert (made / "reports/smoke").exists() and (made / "data/interim/smoke").exists()
    assert (made / "reports/report.typ").exists()


def test_profiles_and_notebooks_are_those_of_the_project():
    assert VARIABLES["PROFILES"].split() == list(PROFILES)
    assert VARIABLES["NOTEBOOKS"].split() == NOTEBOOKS
