"""The whole pipeline through the real Makefile, in copies of the project: minutes, not seconds.

Of two processes the second begins with the second half, so there comes first what does not wait for `executed`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import browser
import nbformat
import pytest
from conftest import REAL_FACES, make_once
from pypdf import PdfReader

from facelib.config import ROOT

pytestmark = pytest.mark.slow  # all of them need a whole run

NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
BANNERS = ("The faces here are drawn", "This run was given no photographs")  # above a page, in a notebook
# Not on one thread, as other tests: the bytes have to be the same on every run also where all cores share the work.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS") and not key.endswith("_THREADS")
}


def copy_tree(target: Path) -> Path:
    """The tracked parts of the project, without anything that a run derives."""
    leave = shutil.ignore_patterns(
        ".git", ".*venv", ".hypothesis", "interim", "smoke", "laptop", "full", "__pycache__", "*.egg-info", ".*_cache"
    )
    shutil.copytree(ROOT, target, ignore=leave)
    return target


def make(tree: Path, *arguments: str):
    """`make all` of the smoke profile with the environment that runs the tests."""
    command = ["make", "all", f"VENV={sys.prefix}", "PROFILE=smoke", *arguments]
    return subprocess.run(command, cwd=tree, env=ENVIRONMENT, capture_output=True, text=True, timeout=1800)


def published(tree: Path) -> dict[str, bytes]:
    """Everything under reports/smoke that has to be the same on every run."""
    files = [path for path in sorted((tree / "reports" / "smoke").rglob("*")) if path.is_file()]
    return {str(path.relative_to(tree)): path.read_bytes() for path in files if path.name != "timings.json"}


def pages(tree: Path) -> list[str]:
    return [path.read_text() for path in sorted((tree / "reports" / "smoke" / "html").glob("*.html"))]


def trainings(tree: Path) -> dict[str, int]:
    """When each training run was last written."""
    return {str(path): path.stat().st_mtime_ns for path in (tree / "data/interim/smoke/runs").rglob("last.npz")}


def results(tree: Path, name: str) -> dict:
    return json.loads((tree / "reports" / "smoke" / "results" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """A copy of the project in which `make all` has run once, on drawn faces; tests leave it as it is."""

    def execute(tree):
        done = make(copy_tree(tree), "DATA=drawn")
        assert done.returncode == 0, done.stdout + done.stderr

    return make_once(tmp_path_factory, "executed", execute)


@pytest.fixture
def tree(executed, tmp_path):
    """A copy of `executed`, which goes on as if it were that one."""
    return shutil.copytree(executed, tmp_path / "facelib")


def test_everything_that_the_readme_promises_is_there(executed):
    reports = executed / "reports" / "smoke"
    for name in NOTEBOOKS:
        assert (reports / "executed" / f"{name}.ipynb").exists() and (reports / "html" / f"{name}.html").exists()
        assert results(executed, name)["data"] == "drawn"
    assert (reports / "html" / "index.html").exists()
    assert 100_000 < (reports / "html" / "explore.html").stat().st_size < 5_000_000
    assert "All faces behind these figures are drawn" in (reports / "model_card.md").read_text()
    assert 1 <= len(PdfReader(reports / "report.pdf").pages) <= 4  # 3 of body, and references
    assert {"training_seconds", "training_images_per_second"} <= json.loads(
        (reports / "timings.json").read_text()
    ).keys()


@pytest.mark.skipif(not browser.CHROMIUM, reason="no chromium on this machine")
def test_axe_finds_nothing_on_any_page(executed, tmp_path):
    with browser.open_page(tmp_path) as tab:
        for path in sorted((executed / "reports" / "smoke" / "html").glob("*.html")):
            tab.open(path.as_uri(), width=400)  # small pages are tried in other widths, see test_page_access
            assert tab.violations() == [], path.name


def test_every_number_of_the_report_leads_to_a_section(executed):
    folder = executed / "reports" / "smoke"
    found = [
        note.get("/A", {}).get("/URI", "")
        for page in PdfReader(folder / "report.pdf").pages
        for note in page.get("/Annots", [])
    ]
    links = {link for link in found if link.startswith("html/")}
    assert len(links) > 20
    for link in links:
        page, _, anchor = link.partition("#")
        assert f' id="{anchor}"' in (folder / page).read_text(), link


def test_every_page_says_that_its_faces_are_drawn(executed):
    assert len(pages(executed)) == len(NOTEBOOKS) + 2  # the index, and the page to explore
    assert all(BANNERS[0] in page for page in pages(executed))
    assert sum(BANNERS[1] in page for page in pages(executed)) == len(NOTEBOOKS)


def test_results_hold_the_agreed_keys(executed):
    assert {"steps", "final_loss", "validation_roc_auc", "validation_accuracy"} <= results(
        executed, "06_training"
    ).keys()
    test = results(executed, "07_lfw_test")
    assert {
        "pairs", "roc_auc_keras", "pr_auc_keras", "roc_auc", "average_precision", "validation_threshold",
        "accuracy_at_validation_threshold", "best_threshold", "best_accuracy", "data", "summaries",
    } <= test.keys()  # fmt: skip
    assert {
        "all_pairs", "operating_points", "expected_calibration_error", "properties", "crops", "differences",
    } <= results(executed, "10_error_analysis").keys()  # fmt: skip
    honest = test["summaries"]["configured"]
    assert honest["validation_accuracy"]["value"] == test["accuracy_at_validation_threshold"]
    assert honest["roc_auc"]["lower"] < test["roc_auc"] < honest["roc_auc"]["upper"]
    assert test["pairs"] == 120 and test["best_accuracy"] >= test["accuracy_at_validation_threshold"]
    assert test["validation_threshold"] == results(executed, "06_training")["validation_threshold"]  # slip 5
    assert abs(test["roc_auc_keras"] - test["roc_auc"]) < 2e-3
    provenance = test["provenance"]
    assert provenance["config"]["profile"] == "smoke" and provenance["data_digest"] and provenance["versions"]["keras"]


def test_no_page_or_notebook_holds_progress_or_machine_paths(executed):
    for name in NOTEBOOKS:
        notebook = nbformat.read(executed / "reports" / "smoke" / "executed" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        for output in outputs:  # the letters of a picture can spell anything
            output.get("data", {}).pop("image/png", None)
        text = json.dumps(outputs)
        assert str(executed) not in text and str(ROOT) not in text, name
        assert "it/s" not in text and "images/s" not in text and "%|" not in text, name
        assert all(output.get("name") != "stderr" for output in outputs), name


def test_a_second_make_does_nothing(tree):
    def times():
        files = [path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in str(path)]
        return {path: path.stat().st_mtime_ns for path in files if path.name != ".lock"}  # which says who holds it

    before = times()
    done = make(tree, "DATA=drawn")
    assert done.returncode == 0, done.stderr
    assert times() == before


@pytest.mark.skipif(not REAL_FACES.is_dir(), reason="no real faces on this machine")
def test_the_same_on_real_faces(tmp_path):
    tree = copy_tree(tmp_path / "facelib")
    done = make(tree, f"DATA={REAL_FACES}", "SET=identities_limit=150 images_limit=6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(tree, "07_lfw_test")["data"] == "real" and results(tree, "07_lfw_test")["pairs"] == 1200
    assert not any(banner in page for page in pages(tree) for banner in BANNERS)


def test_a_failing_cell_is_one_message_and_spoils_nothing(tree):
    source = tree / "notebooks" / "03_loss_derivation.ipynb"
    original, before = source.read_text(), published(tree)
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.insert(5, nbformat.v4.new_code_cell("1 / 0"))
    source.write_text(nbformat.writes(notebook))
    done = make(tree, "DATA=drawn")
    source.write_text(original)
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert "03_loss_derivation" in done.stderr and "ZeroDivisionError" in done.stderr
    broken = tree / "reports/smoke/executed/broken/03_loss_derivation.ipynb"
    assert broken.exists() and str(broken.relative_to(tree)) in done.stderr
    assert {name: content for name, content in published(tree).items() if "broken" not in name} == before


def test_what_only_shows_runs_again_without_training_and_gives_the_same_bytes(tree):
    before, trained = published(tree), trainings(tree)
    with open(tree / "facelib" / "show" / "recipe.py", "a") as file:  # which few notebooks show, so that few run again
        file.write("# a comment\n")
    executed = tree / "reports/smoke/executed/06_training.ipynb"
    earlier = executed.stat().st_mtime_ns
    done = make(tree, "DATA=drawn")
    assert done.returncode == 0, done.stderr
    assert executed.stat().st_mtime_ns > earlier and trainings(tree) == trained
    after = published(tree)
    named = ["reports/smoke/manifest.json", "reports/smoke/submission.zip"]  # the digest of that code, in both
    assert sorted(name for name in before if after[name] != before[name]) == named and after.keys() == before.keys()


def test_a_changed_loss_trains_again_and_gives_the_same_bytes(tree):
    before, trained = published(tree), trainings(tree)
    with open(tree / "facelib" / "learn" / "losses.py", "a") as file:
        file.write("CHANGED = True\n")  # a comment would not be a change: see `provenance.digest_code`
    done = make(tree, "DATA=drawn")
    assert done.returncode == 0, done.stderr
    assert len(trainings(tree)) == 2 * len(trained)
    after = published(tree)
    figures = [name for name in before if "/figures/" in name]
    assert figures and all(after[name] == before[name] for name in figures)
    for notebook, files in (("06_training", ["checkpoint"]), ("09_small_sets", ["checkpoint", "texture"])):
        old, new = (json.loads(made[f"reports/smoke/results/{notebook}.json"]) for made in (before, after))
        for name in files:  # what is named by the folder that the loss is in
            assert old.pop(name) != new.pop(name)
        assert old == new


def test_notebooks_that_are_run_by_hand_give_the_files_of_make(tree):
    """Each from top to bottom in its own kernel, in the notebooks' folder, as JupyterLab runs them."""
    before = published(tree)
    trained = tree / "data/interim/smoke" / results(tree, "06_training")["checkpoint"]
    shutil.rmtree(trained.parent)  # so that it trains
    for folder in ("results", "figures"):
        shutil.rmtree(tree / "reports/smoke" / folder)
    for name in NOTEBOOKS:
        path = tree / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        parameters.source = parameters.source.replace('"laptop"', '"smoke"').replace('data = ""', 'data = "drawn"')
        nbformat.write(notebook, path)
        command = [f"{sys.prefix}/bin/jupyter", "execute", "--inplace", path.name]
        done = subprocess.run(
            command, cwd=path.parent, env=ENVIRONMENT | {"PYTHONPATH": str(tree)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    after = published(tree)
    for name in before:
        if "/results/" in name or "/figures/" in name:
            assert after[name] == before[name], name
    training = nbformat.read(tree / "notebooks" / "06_training.ipynb", as_version=4)
    shown = [output.text for cell in training.cells for output in cell.get("outputs", []) if output.get("text")]
    assert any("training: " in text and "loss" in text and "images/s" in text for text in shown)


def test_the_hand_in_runs_where_it_is_unpacked(executed, tmp_path):
    """With what it says itself, in an empty folder, with nothing of this project on the path."""
    with zipfile.ZipFile(executed / "reports" / "smoke" / "submission.zip") as file:
        names = [name for name in file.namelist() if not name.startswith(("code/", "html/"))]
        assert names == ["README", "facelib.html", "facelib.ipynb", "manifest.json", "report.pdf"]
        file.extractall(tmp_path)
    merged = nbformat.read(tmp_path / "facelib.ipynb", as_version=4)
    code = [cell for cell in merged.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)) and len({cell.id for cell in merged.cells}) == len(merged.cells)
    assert (tmp_path / "facelib.html").stat().st_size < 6e6
    assert all(page.stat().st_size < 1.5e6 for page in (executed / "reports" / "smoke" / "html").glob("*.html"))

    said = (tmp_path / "README").read_text().splitlines()
    environment = {key: value for key, value in ENVIRONMENT.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    set_up, lab, execute = (re.split(" {2,}", line.strip())[0] for line in said if line.startswith("    "))
    assert lab.endswith("jupyter lab ../facelib.ipynb")  # which waits for a browser
    command = f"{set_up} && {execute}".replace("make setup", f"make setup PYTHON3={sys.executable}")
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again = nbformat.read(tmp_path / "again.ipynb", as_version=4)
    assert len([cell for cell in again.cells if cell.get("outputs")]) >= len([cell for cell in code if cell.outputs])
    figures = sorted(path.name for path in (tmp_path / "code" / "reports" / "smoke" / "figures").iterdir())
    assert figures and all((executed / "reports" / "smoke" / "figures" / name).exists() for name in figures)
