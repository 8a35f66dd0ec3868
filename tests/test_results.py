import contextlib
import json
import math
import os
import platform
import shutil
import subprocess
from importlib.metadata import version

import numpy as np
import pytest

from facelib import provenance, results
from facelib.config import ROOT, load_config
from facelib.results import MissingResultError, publish, read_results, record_timings, require, write_results


@pytest.fixture
def config(project, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", project)
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
    computer = {"threads", "processor"}
    assert provenance.keys() == {"commit", "dirty", "python", "versions", "seed", "config", "data_digest"} | computer
    assert provenance["threads"] == int(os.environ["TF_NUM_INTRAOP_THREADS"])
    assert provenance["processor"].split()[0] == platform.machine()
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
    monkeypatch.setattr(provenance, "ROOT", root)
    return tuple(provenance.commit().values())


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


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_a_damaged_result_names_the_notebook(config, content):
    path = write_results(config, "01_eda", {}, "abc")
    path.write_bytes(content)
    with pytest.raises(MissingResultError, match=rf"{path} is damaged: run notebooks/01_eda.ipynb again"):
        read_results(config, "01_eda")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"null"])
def test_damaged_timings_stop_nothing(config, content):
    config.reports.mkdir(parents=True)
    (config.reports / "timings.json").write_bytes(content)
    record_timings(config, test_seconds=1)
    assert json.loads((config.reports / "timings.json").read_text()) == {"test_seconds": 1}


def test_what_is_published_is_listed_and_waits_for_the_run_at_work(config, monkeypatch, tmp_path):
    monkeypatch.setenv("FACELIB_JOURNAL", str(tmp_path / "journal"))
    held = []
    monkeypatch.setattr(results, "hold", lambda path, purpose: held.append((path, purpose)) or contextlib.nullcontext())
    path = publish(config, config.reports / "a.txt", "text")
    assert path.read_text() == "text"
    assert [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()] == [str(path)]
    assert held == [(config.interim / ".lock", f"facelib, profile {config.profile}")]
