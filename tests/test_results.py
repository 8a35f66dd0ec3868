import errno
import json
import math
import os
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from facelib import results
from facelib.config import ROOT, load_config
from facelib.results import (
    MissingResultError,
    UnwritableError,
    check_writable,
    digest,
    digest_modules,
    read_results,
    record_timings,
    require,
    temporary_folder,
    write_atomically,
    write_results,
)


@pytest.fixture
def config(project, monkeypatch):
    monkeypatch.setattr(results, "ROOT", project)
    return load_config("smoke", overrides="seed=11")


def test_figures_come_back(config):
    path = write_results(config, "01_eda", {"identities": 12, "mean": 2.5, "names": ["a", "b"]}, "abc")
    assert path == config.reports / "results" / "01_eda.json"
    found = read_results(config, "01_eda")
    assert (found["identities"], found["mean"], found["names"]) == (12, 2.5, ["a", "b"])


def test_arrays_and_scalars_of_numpy_become_plain_numbers(config):
    figures = {"array": np.arange(3, dtype=np.int32), "scalar": np.float32(0.5), "count": np.int64(7), "yes": np.True_}
    write_results(config, "01_eda", figures, "abc")
    found = read_results(config, "01_eda")
    assert (found["array"], found["scalar"], found["count"], found["yes"]) == ([0, 1, 2], 0.5, 7, True)


def test_provenance_says_what_the_figures_come_from(config):
    write_results(config, "01_eda", {}, "abc")
    provenance = read_results(config, "01_eda")["provenance"]
    assert provenance.keys() == {"commit", "dirty", "python", "versions", "seed", "config", "data_digest"}
    assert provenance["versions"]["tensorflow"] == version("tensorflow")
    assert provenance["versions"]["keras"] == version("keras")
    assert (provenance["seed"], provenance["data_digest"]) == (11, "abc")
    assert provenance["config"]["profile"] == "smoke"
    assert provenance["config"]["seed"] == 11
    assert provenance["config"]["test_crop"] == list(config.test_crop)


def test_results_do_not_tell_where_the_data_lies(project, data_folder):
    config = load_config("smoke", str(data_folder))
    text = write_results(config, "01_eda", {}, "abc").read_text()
    assert str(data_folder) not in text
    assert json.loads(text)["data"] == "real"


def test_drawn_faces_are_called_drawn(config):
    write_results(config, "01_eda", {}, "abc")
    assert read_results(config, "01_eda")["data"] == "drawn"


def test_commit_and_whether_it_was_changed(config, project):
    def provenance():
        write_results(config, "01_eda", {}, "abc")
        found = read_results(config, "01_eda")["provenance"]
        return found["commit"], found["dirty"]

    def git(*arguments):
        command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *arguments]
        return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (project / ".gitignore").write_text("reports/*/\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert provenance() == (git("rev-parse", "HEAD"), False)
    (project / "reports" / "experiments.csv").write_text("settings,seed\n")  # what the study writes is no code
    assert provenance() == (git("rev-parse", "HEAD"), False)
    (project / ".gitignore").write_text("reports\ndata\n")
    assert provenance() == (git("rev-parse", "HEAD"), True)


def git(folder, *arguments):
    names = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def start_repository(folder):
    """A repository with one commit of what makes up the project for git, and the digest of that commit."""
    for name in ("data/README.md", "reports/report.typ", "facelib/config.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("content\n")
    shutil.copy(ROOT / ".gitignore", folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def commit_of(root, monkeypatch):
    monkeypatch.setattr(results, "ROOT", root)
    return tuple(results.commit().values())


@pytest.mark.parametrize("name", [".venv", ".bench-venv", "data", "reports", "data/interim", "reports/laptop"])
def test_a_folder_of_a_checkout_can_be_a_link(tmp_path, monkeypatch, name):
    first = start_repository(tmp_path / "project")
    place, elsewhere = tmp_path / "project" / name, tmp_path / "elsewhere"
    if place.exists():
        place.rename(elsewhere)
    elsewhere.mkdir(exist_ok=True)
    place.symlink_to(elsewhere)
    assert commit_of(tmp_path / "project", monkeypatch) == (first, False)
    (tmp_path / "project" / "facelib" / "config.py").write_text("changed\n")
    assert commit_of(tmp_path / "project", monkeypatch) == (first, True)


def test_a_copy_inside_another_repository_has_no_commit_of_that_one(tmp_path, monkeypatch):
    start_repository(tmp_path)
    shutil.copytree(tmp_path / "facelib", tmp_path / "unzipped" / "facelib")
    assert commit_of(tmp_path / "unzipped", monkeypatch) == (None, None)
    (tmp_path / ".gitignore").write_text("/unzipped\n")
    assert commit_of(tmp_path / "unzipped", monkeypatch) == (None, None)


def test_worktrees_submodules_and_links_to_a_checkout_have_their_commit(tmp_path, monkeypatch):
    first = start_repository(tmp_path / "project")
    git(tmp_path / "project", "worktree", "add", "-q", str(tmp_path / "worktree"))
    (tmp_path / "outer").mkdir()
    git(tmp_path / "outer", "init", "-q")
    git(tmp_path / "outer", "submodule", "add", "-q", str(tmp_path / "project"), "inner")
    (tmp_path / "link").symlink_to("project")
    for place in ("worktree", "outer/inner", "link"):
        assert commit_of(tmp_path / place, monkeypatch) == (first, False), place


def test_a_variable_that_points_git_elsewhere_is_not_followed(tmp_path, monkeypatch):
    first = start_repository(tmp_path / "project")
    (tmp_path / "other" / "reports").mkdir(parents=True)
    (tmp_path / "other" / "reports" / "more").write_text("content")
    start_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    assert commit_of(tmp_path / "project", monkeypatch) == (first, False)
    assert commit_of(tmp_path, monkeypatch) == (None, None)


def test_a_repository_that_git_refuses_or_without_a_commit_has_none(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path, monkeypatch) == (None, None)
    start_repository(tmp_path)
    assert None not in commit_of(tmp_path, monkeypatch)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as of another user, see safe.directory
    assert commit_of(tmp_path, monkeypatch) == (None, None)


def test_without_git_there_is_no_commit(config, monkeypatch):
    monkeypatch.setenv("PATH", "")
    write_results(config, "01_eda", {}, "abc")
    provenance = read_results(config, "01_eda")["provenance"]
    assert (provenance["commit"], provenance["dirty"]) == (None, None)


def test_the_same_figures_are_the_same_bytes(config):
    first = write_results(config, "01_eda", {"b": 1, "a": 0.1}, "abc").read_bytes()
    assert write_results(config, "01_eda", {"b": 1, "a": 0.1}, "abc").read_bytes() == first


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32("nan"), np.array([1.0, np.nan])])
def test_a_figure_that_is_no_number_is_refused_and_nothing_is_written(config, value):
    before = write_results(config, "01_eda", {"auc": 0.5}, "abc").read_text()
    with pytest.raises(ValueError):
        write_results(config, "01_eda", {"auc": value}, "abc")
    assert (config.reports / "results" / "01_eda.json").read_text() == before


def test_a_missing_result_names_the_notebook_to_run_first(config):
    with pytest.raises(MissingResultError, match="04_model.json is missing: run notebooks/04_model.ipynb first"):
        read_results(config, "04_model")


def test_a_missing_file_names_the_notebook_to_run_first(tmp_path):
    (tmp_path / "here").touch()
    require(tmp_path / "here", "06_training")
    with pytest.raises(MissingResultError, match=f"^{tmp_path}/best.npz is missing: run notebooks/06_training.ipynb"):
        require(tmp_path / "best.npz", "06_training")


def test_timings_gather_in_one_file_apart_from_the_results(config):
    record_timings(config, training_seconds=12.34567, test_seconds=1)
    record_timings(config, training_seconds=2.0)
    timings = json.loads((config.reports / "timings.json").read_text())
    assert timings == {"training_seconds": 2.0, "test_seconds": 1}


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "new folder" / "a.txt", "old")
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: open(path, "wb").write(content[:2]) and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "new folder" / "a.txt", "a longer text")
    assert (tmp_path / "new folder" / "a.txt").read_text() == "old"


@pytest.mark.parametrize("content", ["text: ä", b"\x00\xff"])
def test_text_and_bytes_are_written_as_they_are_and_nothing_else_is_left(tmp_path, content):
    write_atomically(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path):
    (tmp_path / "old").write_text("old")
    for path in (tmp_path / "old", tmp_path / "new", tmp_path / "some" / "deep" / "folder" / "new"):
        check_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "is a folder; name a file"),
        ("", "is a folder; name a file"),
        ("file/x", "Not a directory"),
        ("file/deep/x", "Not a directory"),
        ("pipe", "is a pipe or a device; name a file"),
        ("dangling/x", "No such file or directory"),
        ("n" * 255, "File name too long"),  # a name alone could be as long, but not with what `write_atomically` adds
        ("n" * 300, "File name too long"),
        ("/dev/null", "is a pipe or a device; name a file"),  # root would replace it
        ("/proc/x", "No such file or directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_with_the_reason(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnwritableError, match=rf"^{tmp_path / name} cannot be written: {reason}; choose another"):
        check_writable(tmp_path / name)


@pytest.mark.parametrize(("number", "reason"), [(errno.EROFS, "Read-only file system"), (errno.EACCES, "Permission")])
def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch, number, reason):
    def refuse(path, *arguments, **options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(UnwritableError, match=f"x.npz cannot be written: {reason}"):
        check_writable(tmp_path / "x.npz")


def test_temporary_files_lie_where_tmpdir_says_or_it_is_said(tmp_path, monkeypatch):
    def look(value):
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", str(value))
        return temporary_folder()

    assert look(tmp_path) == look(f"{tmp_path}/") == tmp_path
    (tmp_path / "file").write_text("")
    for name in ("nowhere", "file"):
        with pytest.raises(UnwritableError, match=f"TMPDIR={tmp_path / name} is no folder that can be written"):
            look(tmp_path / name)
    assert look("") == Path(tempfile.gettempdir())


def test_digest_tells_contents_apart_and_not_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest(1), digest("1"), digest([1]), digest(1, 2), digest([1, 2]), digest({"a": 1})}) == 6
    assert len(digest("x")) == 16


def test_code_is_named_by_what_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "__file__", str(tmp_path / "results.py"))

    def name_of(*sources):
        for number, source in enumerate(sources):
            (tmp_path / f"m{number}.py").write_text(source)
        return digest_modules(f"m{number}" for number in range(len(sources)))

    plain = "def f(x):\n    return x + 1\n"
    commented = '"""Module."""\n\n\n# why\ndef f(x):\n    """Doc."""\n    return x + 1  # so\n'
    assert name_of(plain, "A = 1\n") == name_of(plain + "\n\n", "A = 1  # one\n")
    assert name_of(commented) == name_of(commented.replace("Doc", "Longer").replace("# so", "# because"))
    assert name_of(plain) != name_of(plain.replace("+ 1", "+ 2"))
    assert name_of('X = "a"\n') != name_of('X = "b"\n') and name_of(plain) != name_of(plain, "A = 1\n")
    assert digest_modules(["m0", "m1"]) == digest_modules(["m1", "m0", "m1"])
