import dataclasses
import json
import os
import time

import pytest
from conftest import write_notebook

from facelib.config import ROOT, load_config
from facelib.results import write_results
from facelib.show.contents import list_notebooks

HEAD = """# 01 A | title (question 1a)

**Question.** Which faces
are there? And more.

**Expected time and result.** Seconds: or 1.5 minutes. Then more.

**Reads** nothing."""


@pytest.fixture
def config(project):
    return load_config("smoke", "drawn")


def lines(config, folder):
    return [
        [cell.strip() for cell in line[1:-1].split(" | ")] for line in list_notebooks(config, folder).data.splitlines()
    ]


def write(folder, name, head):
    path = write_notebook(folder / name, "x = 1")
    notebook = json.loads(path.read_text())
    notebook["cells"][0] = {
        "cell_type": "markdown",
        "id": "h",
        "metadata": {},
        "source": head.splitlines(keepends=True),
    }
    path.write_text(json.dumps(notebook))


def test_a_notebook_is_described_as_it_says_itself(config, tmp_path):
    write(tmp_path, "01_eda.ipynb", HEAD.replace(" | ", " "))
    write(tmp_path, "02_bare.ipynb", "nothing")
    write(tmp_path, "index.ipynb", HEAD)
    head, _, first, second = lines(config, tmp_path)
    assert head == ["notebook", "question", "time", "run, profile smoke"]
    assert first == ["[01 A title](01_eda.ipynb)", "Which faces are there?", "Seconds", "not yet"]
    assert second == ["[02_bare](02_bare.ipynb)", "", "", "not yet"]


def test_what_has_been_run_is_said_with_its_time_unless_settings_differ(config, tmp_path):
    write(tmp_path, "01_eda.ipynb", HEAD.replace(" | ", " "))
    path = write_results(config, "01_eda", {}, "digest")
    os.utime(path, (0, 86400 * 365))
    assert lines(config, tmp_path)[2][3] == time.strftime("%Y-%m-%d %H:%M", time.localtime(86400 * 365))
    other = dataclasses.replace(config, epochs=config.epochs + 1)
    assert lines(other, tmp_path)[2][3] == "with other settings"
    path.write_text("{")
    assert lines(config, tmp_path)[2][3] == "damaged"


def test_every_notebook_of_the_project_says_its_question_and_its_time(config):
    head, _, *rows = lines(config, ROOT / "notebooks")
    assert len(rows) == len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    for name, question, cost, _ in rows:
        assert name.startswith("[") and question.endswith("?") and cost, name
