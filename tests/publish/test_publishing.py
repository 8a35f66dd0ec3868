"""Publishing: what is executed, shown and handed in, tried on small notebooks in a temporary folder."""

import errno
import io
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pypdf
import pytest
from conftest import outputs, write_notebook
from nbformat.v4 import new_markdown_cell, new_notebook

from facelib import files
from facelib.config import ROOT, ConfigError
from facelib.files import UnwritableError
from facelib.publish import PublishingError, run
from facelib.publish import execute as publishing_execute
from facelib.publish.checks import check_notebooks, check_results
from facelib.publish.execute import execute, find_problem
from facelib.publish.formulas import latex_to_html, markdown_to_html, to_mathml
from facelib.publish.html import find_banner, read_heading, render_page, write_pages
from facelib.publish.report import compile_report, measure_body
from facelib.publish.stamp import write_stamp
from facelib.publish.submission import README, build_submission, merge_notebooks, pack, read_code
from facelib.startup import TRACE

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))

# --- execute ---------------------------------------------------------------------------------------------------------

GOOD = (
    "# 01 Good\n\n**Question.** Does $x^2$ work?\n\n## Part two",
    "import os, sys, warnings\nprint(profile, sys.executable, os.getcwd())",
    "print('loud', file=sys.stderr); warnings.warn('loud')\nobject()",
    "sorted({'b', 'a', 'c'}), hash('seeded')",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "from facelib.progress import track\nfor i in track(range(3), 'epochs', 'epoch'):\n    pass",
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The same notebook, executed twice."""
    folder = tmp_path_factory.mktemp("good")
    source = write_notebook(folder / "notebooks" / "01_good.ipynb", *GOOD)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("/")
        for target in ("first", "second"):
            execute(source, folder / target / "01_good.ipynb", {"profile": "smoke"})
    return folder


def test_execute_runs_with_the_parameters_this_python_and_the_notebooks_folder(good):
    assert f"smoke {sys.executable} {good / 'notebooks'}" in outputs(good / "first" / "01_good.ipynb")


def test_execute_gives_the_same_bytes_on_every_run(good):
    first, second = ((good / name / "01_good.ipynb").read_bytes() for name in ("first", "second"))
    assert first == second


def test_execute_keeps_figures_and_drops_stderr_and_addresses(good):
    text = (good / "first" / "01_good.ipynb").read_text()
    assert "image/png" in text and "<object>" in text
    assert 'stderr"' not in text and " at 0x" not in text and "papermill" not in text
    assert "epochs" not in outputs(good / "first" / "01_good.ipynb")


def test_execute_shows_title_seconds_and_progress_on_a_terminal(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    source = write_notebook(
        tmp_path / "a.ipynb", "from facelib.progress import track\nlist(track(range(3), 'ep', 'e'))"
    )
    execute(source, tmp_path / "out" / "a.ipynb", {}, "[3/7] a")
    assert terminal.getvalue().startswith("[3/7] a ...\n")
    assert "\rep: 100%" in terminal.getvalue() and terminal.getvalue().endswith(" s\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('no\\nluck')", r"bad.ipynb, cell 3 \(In \[4\]\): ValueError: no luck"),
        ("import sys; sys.exit(0)", r"cell 3 \(In \[4\]\): SystemExit: 0"),
        ("import os; os._exit(0)", "cell 3: the kernel ended by itself, with exit code 0"),
    ],
)
def test_execute_leaves_the_published_notebook_when_a_cell_fails(tmp_path, source, message):
    target = tmp_path / "executed" / "bad.ipynb"
    target.parent.mkdir()
    target.write_text("published before")
    notebook = write_notebook(tmp_path / "bad.ipynb", "print('reached')", source, "1")
    with pytest.raises(PublishingError, match=message) as error:
        execute(notebook, target, {"profile": "smoke"})
    assert target.read_text() == "published before"
    broken = target.parent / "broken" / "bad.ipynb"
    assert str(broken) in str(error.value) and "reached" in outputs(broken)


@pytest.fixture
def full_disk(monkeypatch):
    """No space is left where notebooks are published."""

    def fsync(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)


FULL = "cannot be written: No space left on device; make room, or choose another disk"


def test_a_full_disk_hides_no_failing_cell(tmp_path, full_disk):
    notebook = write_notebook(tmp_path / "bad.ipynb", "1 / 0")
    with pytest.raises(PublishingError) as error:
        execute(notebook, tmp_path / "executed" / "bad.ipynb", {})
    first, second = str(error.value).splitlines()
    assert first == f"{notebook}, cell 2 (In [2]): ZeroDivisionError: division by zero"
    broken = tmp_path / "executed" / "broken" / "bad.ipynb"
    assert second.strip() == f"the notebook as far as it ran could not be kept: {broken} {FULL}"


def test_a_full_disk_is_said_with_its_place(tmp_path, full_disk, ended):
    target = tmp_path / "executed" / "a.ipynb"
    said = ended(lambda: execute(write_notebook(tmp_path / "a.ipynb"), target, {})).splitlines()
    assert said == [*said[:-1], f"error: {target} {FULL}"] and all(line.startswith("a ...") for line in said[:-1])


def test_a_full_disk_is_said_with_the_temporary_folder(tmp_path, monkeypatch, ended):
    def write(notebook, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("papermill.engines.write_ipynb", write)
    message = ended(lambda: execute(write_notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {}))
    place = rf"'.*/facelib-{os.getpid()}-\w{{8}}'"
    assert re.search(rf"No space left on device: {place}; make room, or choose another disk$", message)


def test_execute_refuses_what_is_no_notebook(tmp_path):
    (tmp_path / "a.ipynb").write_text("# no\nnotebook")
    with pytest.raises(PublishingError, match="a.ipynb is no notebook: .*not appear to be JSON: '# no.nnotebook'"):
        execute(tmp_path / "a.ipynb", tmp_path / "out.ipynb", {})


def test_execute_refuses_an_unknown_parameter(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb", "1")
    with pytest.raises(PublishingError, match="no parameter profil; .* sets: data, overrides, profile"):
        execute(notebook, tmp_path / "out.ipynb", {"profil": "smoke"})


def test_execute_refuses_a_target_that_cannot_be_written_before_a_cell_runs(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb", f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match="file/a.ipynb cannot be written: Not a directory"):
        execute(notebook, tmp_path / "file" / "a.ipynb", {})
    assert not (tmp_path / "ran").exists()


def test_a_cell_that_never_ran_is_a_problem(good):
    notebook = nbformat.read(good / "first" / "01_good.ipynb", 4)
    assert find_problem(notebook) == ""
    notebook.cells[-1].execution_count = None
    assert find_problem(notebook) == f"cell {len(GOOD) + 1}: was not executed"  # the injected cell is not counted


@pytest.fixture
def ended(monkeypatch, capsys):
    """Function that runs a command's `main`, which fails, and returns what it says last."""
    monkeypatch.delenv(TRACE, raising=False)

    def end(main):
        with pytest.raises(SystemExit) as ending:
            run(main)
        assert ending.value.code == 1
        return capsys.readouterr().err.removesuffix("\n")

    return end


def raise_(error):
    raise error


@pytest.mark.parametrize("error", [PublishingError("what to do"), ConfigError("what to do"), OSError("what to do")])
def test_commands_end_with_one_message_and_no_trace(error, ended):
    assert ended(lambda: raise_(error)) == "error: what to do"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("a\n b"), "KeyError: 'a\\n b'"),
        (ValueError("one\n  two"), "ValueError: one two"),
        (MemoryError(), "MemoryError"),
        (OSError(errno.EMFILE, "Too many open files"), f"OSError: [Errno {errno.EMFILE}] Too many open files"),
        (OSError(errno.ENOSPC, "Full"), f"OSError: [Errno {errno.ENOSPC}] Full; make room, or choose another disk"),
    ],
)
def test_what_nobody_expected_is_one_line_with_its_kind_and_place(error, message, ended, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing_execute, "_check_parameters", lambda *_: raise_(error))
    monkeypatch.setattr(publishing_execute.nbformat, "read", lambda *_, **__: None)
    code = Path(publishing_execute.__file__).read_text().splitlines()
    line = 1 + code.index("    _check_parameters(notebook, source, parameters)")
    said = ended(lambda: execute(None, tmp_path / "out.ipynb", {}))
    assert said == f"error: {message} (facelib/publish/execute.py:{line}, {TRACE}=1 shows the whole trace)"


def test_a_place_that_is_forbidden_is_said_with_a_remedy(ended):
    error = PermissionError(errno.EACCES, "Permission denied", "reports/a")
    message = f"error: [Errno {errno.EACCES}] Permission denied: 'reports/a'; allow it, or choose another place"
    assert ended(lambda: raise_(error)) == message


def test_the_whole_trace_can_be_had(monkeypatch):
    monkeypatch.setenv(TRACE, "1")
    with pytest.raises(PublishingError, match="what to do"):
        run(lambda: raise_(PublishingError("what to do")))


def test_an_interrupted_command_says_nothing():
    with pytest.raises(SystemExit) as ending:
        run(lambda: raise_(KeyboardInterrupt()))
    assert ending.value.code == 130


# --- pages -----------------------------------------------------------------------------------------------------------


def test_page_holds_formulas_figures_and_anchors_and_loads_nothing(good):
    page = render_page(nbformat.read(good / "first" / "01_good.ipynb", 4), "01_good")
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page and 'src="data:image/webp;base64,' in page
    assert 'id="01-Good"' in page and 'href="#Part-two">Part two</a>' in page
    assert "<script" not in page and 'src="http' not in page and "<link" not in page and "cdn" not in page


def test_equal_headings_have_anchors_of_their_own():
    page = render_page(new_notebook(cells=[new_markdown_cell("# A\n\n## Findings\n\n## Findings")]), "a")
    assert 'id="Findings"' in page and page.count('id="Findings') == 2 and page.count('id="Findings"') == 1


def test_a_template_of_the_users_is_not_taken(good, tmp_path, monkeypatch):
    folder = tmp_path / "nbconvert" / "templates" / "basic"
    folder.mkdir(parents=True)
    (folder / "conf.json").write_text("{broken")
    (folder / "page.html.j2").write_text("the user's")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    page = render_page(nbformat.read(good / "first" / "01_good.ipynb", 4), "01_good")
    assert "the user's" not in page and "<h1" in page


def test_pages_have_the_same_bytes_on_every_run(good):
    for name in ("first", "second"):
        write_pages(good / name / "html", [good / name / "01_good.ipynb"], good / "no results")
    for page in ("01_good.html", "index.html"):
        assert (good / "first" / "html" / page).read_bytes() == (good / "second" / "html" / page).read_bytes()


def test_index_lists_heading_and_question_and_warns_of_drawn_faces(good, tmp_path):
    (tmp_path / "01_good.json").write_text('{"data": "drawn"}')
    write_pages(tmp_path / "html", [good / "first" / "01_good.ipynb"], tmp_path)
    index = (tmp_path / "html" / "index.html").read_text()
    assert 'href="01_good.html">01 Good</a>' in index and "Does x2 work?" in index and "../report.pdf" in index
    assert find_banner(tmp_path) in index and find_banner(tmp_path) in (tmp_path / "html" / "01_good.html").read_text()
    (tmp_path / "01_good.json").write_text('{"data": "real"}')
    assert find_banner(tmp_path) == ""


def test_first_question_of_the_first_cell():
    notebook = new_notebook(cells=[new_markdown_cell("# A *b*\n\nSome words. **Question.** Is it\nso? And this?")])
    assert read_heading(notebook) == ("A b", "Is it so?")


@pytest.mark.parametrize("tex", [r"\foo", r"x + \arg y", r"a & b", r"\left( x"])
def test_formula_that_cannot_be_shown_is_an_error(tex):
    with pytest.raises(PublishingError, match="MathML"):
        to_mathml(tex, display=True)
    with pytest.raises(PublishingError, match="03_x: "):
        render_page(new_notebook(cells=[new_markdown_cell(f"Here is ${tex}$.")]), "03_x")


@pytest.mark.parametrize(
    "tex",
    [r"\begin{aligned} a &= b \\ c &= d \end{aligned}", r"\frac{1}{\gamma} \log(1 + e^{\gamma x})", "a < b", r"\{x\}"],
)
def test_formula_becomes_mathml_in_every_place(tex):
    expected = to_mathml(tex, display=True)
    element = ElementTree.fromstring(expected)
    assert element.tag.endswith("math") and "\\" not in "".join(element.itertext())
    assert element.attrib.pop("alttext") == tex and "\\" not in ElementTree.tostring(element, "unicode")
    assert expected in markdown_to_html(f"$$\n{tex}\n$$")
    assert expected in latex_to_html(f"$$ {tex} $$")
    assert to_mathml(tex, display=False) in markdown_to_html(f"a formula ${tex}$ in text")


def test_dollar_signs_in_code_stay():
    assert "<code>$x$</code>" in markdown_to_html("`$x$`")


@pytest.mark.parametrize(
    "html", ["<script>1</script>", '<img src="http://a/b.png">', '<p style="background: url(b.png)">']
)
def test_page_that_would_load_something_is_an_error(html):
    with pytest.raises(PublishingError, match="page"):
        render_page(new_notebook(cells=[new_markdown_cell(f"# A\n\n{html}")]), "page")


# --- report ----------------------------------------------------------------------------------------------------------

TITLE = '#set document(title: "Report")\n'
REPORT = """#set page(width: 10cm, height: 10cm, margin: 0cm)
#let run = json(sys.inputs.folder + "/results/a.json")
#run.words
#for i in range(run.pages) { pagebreak() }
#v(run.down * 10cm)
#context [#metadata((page: here().page(), share: here().position().y / 10cm)) <body-end>]
#pagebreak()
"""


def write_report(folder, text=REPORT, **content):
    (folder / "run" / "results").mkdir(parents=True, exist_ok=True)
    (folder / "run" / "results" / "a.json").write_text(json.dumps({"words": "w", "pages": 0, "down": 0} | content))
    (folder / "report.typ").write_text(TITLE + text)
    return folder / "report.typ", folder / "run"


def test_report_shows_the_results_and_has_the_same_bytes_on_every_run(tmp_path):
    report = write_report(tmp_path, words="seventeen faces", pages=2, down=0.5)
    pdf = compile_report(*report)
    assert pdf == compile_report(*report)
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert "seventeen faces" in reader.pages[0].extract_text()
    assert len(reader.pages) == 4  # the references may begin on a fourth page
    assert measure_body(*report) == pytest.approx(2.5, abs=0.05)


def test_report_longer_than_three_pages_is_an_error(tmp_path):
    with pytest.raises(PublishingError, match=r"3\.5\d pages long, 0\.5\d more than the 3 .*shorten"):
        compile_report(*write_report(tmp_path, pages=3, down=0.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('#set text(font: "No Such Font")\nx', "unknown font"),
        ('#json("run/results/b.json")', "b.json"),
        ('#json("run/results/a.json").at("accuracy")', "accuracy"),
        ("x", "<body-end>"),
    ],
)
def test_report_with_a_warning_or_without_a_result_is_an_error(tmp_path, text, message):
    with pytest.raises(PublishingError, match=message):
        compile_report(*write_report(tmp_path, text))


# --- hand-in ---------------------------------------------------------------------------------------------------------


def test_merged_notebook_is_numbered_through_and_runs_in_one_kernel(good, tmp_path):
    notebook = nbformat.read(good / "first" / "01_good.ipynb", 4)
    merged = merge_notebooks([notebook, notebook])
    code = [cell for cell in merged.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    shown = [(output.get("execution_count"), cell.execution_count) for cell in code for output in cell.outputs]
    assert all(count in (None, number) for count, number in shown) and any(count for count, _ in shown)
    assert [cell.id for cell in merged.cells[:2]] == ["contents", "01-000"]
    assert len({cell.id for cell in merged.cells}) == len(merged.cells)
    assert merged.cells[0].source.count("[01 Good](#01-Good)") == 2
    nbformat.validate(merged)
    nbformat.write(merged, tmp_path / "merged.ipynb")
    execute(tmp_path / "merged.ipynb", tmp_path / "executed.ipynb", {})
    assert "smoke" in outputs(tmp_path / "executed.ipynb")


def test_parameters_stand_in_the_merged_notebook_once(good):
    notebook = nbformat.read(good / "first" / "01_good.ipynb", 4)
    merged = merge_notebooks([notebook, notebook, notebook])
    tags = [tag for cell in merged.cells for tag in cell.metadata.get("tags", [])]
    assert tags == ["parameters", "injected-parameters"]


@pytest.fixture
def handed_in(good, tmp_path):
    """What the hand-in is built of."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    (tmp_path / "manifest.json").write_bytes(b"{}")
    (tmp_path / "results").mkdir()
    sources = 2 * [good / "first" / "01_good.ipynb"]
    files = (tmp_path / name for name in ("report.pdf", "results", "manifest.json"))
    return sources, *files, [ROOT / "Makefile", ROOT / "facelib" / "config.py", *NOTEBOOKS]


def test_zip_holds_notebook_page_report_and_code_and_has_the_same_bytes_on_every_run(handed_in):
    content = build_submission(*handed_in)
    assert content == build_submission(*handed_in)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert [name for name in names if not name.startswith("code/")] == [
            "README", "facelib.html", "facelib.ipynb", "manifest.json", "report.pdf",
        ]  # fmt: skip
        assert archive.read("report.pdf") == b"%PDF" and archive.read("manifest.json") == b"{}"
        assert b"<math" in archive.read("facelib.html")
        assert {entry.date_time for entry in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
        code = {name.removeprefix("code/"): archive.read(name) for name in names if name.startswith("code/")}
    assert code == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in handed_in[-1]}


def test_notebooks_of_the_code_are_without_what_a_user_s_run_left(good, tmp_path):
    source, executed = good / "notebooks" / "01_good.ipynb", good / "first" / "01_good.ipynb"
    cleared = nbformat.reads(read_code(executed).decode(), 4)
    assert not [cell for cell in cleared.cells if cell.get("outputs") or cell.get("execution_count")]
    assert [cell.source for cell in nbformat.read(executed, 4).cells] == [cell.source for cell in cleared.cells]
    assert nbformat.reads(read_code(source).decode(), 4) == nbformat.read(source, 4)


def test_the_zip_s_words_are_about_what_is_in_it():
    lines = README.splitlines()
    assert len(lines) <= 12 and max(map(len, lines)) <= 120
    for name in ("facelib.ipynb", "facelib.html", "report.pdf", "manifest.json", "code/"):
        assert any(line.startswith(f"{name} ") for line in lines)


def test_zip_does_not_depend_on_the_order_of_its_files():
    assert pack({"a": b"1", "b": b"2"}) == pack({"b": b"2", "a": b"1"})


# --- checks ----------------------------------------------------------------------------------------------------------


def write_result(folder, name, data="drawn", threads=2, **config):
    content = {
        "data": data,
        "provenance": {"threads": threads, "processor": "x86_64", "config": {"gamma": 64.0} | config},
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_results_of_one_run_pass(tmp_path):
    for name in ("01_a", "02_b"):
        write_result(tmp_path, name)
    assert check_results(tmp_path, ["01_a", "02_b"]) == "results: 2 files from one configuration, drawn faces"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 32.0}, "gamma is 32.0 and 64.0"),
        ({"data": "real"}, "data is real"),
        ({"threads": 4}, "threads is 4 and 2"),
    ],
)
def test_results_of_two_runs_are_an_error(tmp_path, change, message):
    write_result(tmp_path, "01_a")
    write_result(tmp_path, "02_b", **change)
    with pytest.raises(PublishingError, match=f"02_b.json and .*01_a.json come from different runs: {message}"):
        check_results(tmp_path, ["01_a", "02_b"])


def test_a_missing_result_is_an_error(tmp_path):
    write_result(tmp_path, "01_a")
    with pytest.raises(PublishingError, match="02_b.json is missing"):
        check_results(tmp_path, ["01_a", "02_b"])


def test_cells_executed_out_of_order_are_an_error(good, tmp_path):
    path = good / "first" / "01_good.ipynb"
    assert check_notebooks([path]) == "notebooks: 1 executed from top to bottom"
    notebook = nbformat.read(path, 4)
    notebook.cells[-1].execution_count = 99
    nbformat.write(notebook, tmp_path / "a.ipynb")
    with pytest.raises(PublishingError, match="a.ipynb: its cells were not executed in order"):
        check_notebooks([tmp_path / "a.ipynb"])


# --- stamp -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def faces(tmp_path):
    """A data folder with one file in each of its three parts."""
    folder = tmp_path / "faces"
    for name in ("casia-webface/7/a.jpeg", "labeled-faces-in-the-wild/A/A_0001.jpg", "lfw_test_pairs.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_stamp_is_rewritten_only_when_something_changed(tmp_path, faces):
    stamp = tmp_path / "stamp.json"

    def changed(data=str(faces), overrides=""):
        if stamp.exists():
            os.utime(stamp, (0, 0))  # written long ago
        rewritten, _ = write_stamp(stamp, "smoke", data, overrides)
        assert rewritten == (stamp.stat().st_mtime > 0)
        return rewritten

    assert changed() and not changed()
    (faces / "casia-webface/7/a.jpeg").write_text("other content")
    assert changed() and not changed()
    (faces / "casia-webface/7/b.jpeg").write_text("another file")
    assert changed() and not changed()
    assert changed(overrides="gamma=32") and not changed(overrides=" gamma=32 ")
    assert changed(data="drawn") and not changed(data="drawn")
    (tmp_path / "list.csv").write_text("path\n")
    excluding = {"overrides": f"exclude={tmp_path}/list.csv"}
    assert changed(**excluding) and not changed(**excluding)
    (tmp_path / "list.csv").write_text("path\n7/a.jpeg\n")
    assert changed(**excluding) and not changed(**excluding)


def test_stamp_changes_with_records_in_the_place_of_the_training_folder(tmp_path, faces):
    shutil.rmtree(faces / "casia-webface")
    (faces / "train.rec").write_text("records")
    assert write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[1].startswith("profile smoke, 3 files")
    assert not write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0]
    for name in ("train.idx", "property", "train.rec"):
        (faces / name).write_text("other content")
        assert write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0], name


def test_stamp_ignores_what_is_not_part_of_the_data_set(tmp_path, faces):
    write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")
    (faces / "interim").mkdir()
    (faces / "interim" / "cache").write_text("derived")
    assert not write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0]


def test_stamp_ignores_what_systems_leave(tmp_path, faces):
    """A file browser that looks into a folder does not make all notebooks run again."""
    write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")
    for name in (".DS_Store", "7/.DS_Store", "7/._a.jpeg", "7/Thumbs.db", "@eaDir/7/a.jpeg", ".Trash-0/files/a.jpeg"):
        (faces / "casia-webface" / name).parent.mkdir(parents=True, exist_ok=True)
        (faces / "casia-webface" / name).write_text("left by a system")
    assert not write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0]


def test_stamp_is_made_of_links_and_names_of_any_kind(tmp_path, faces):
    folder = faces / "casia-webface" / "7"
    for name in ("a\n.jpeg", "é.jpeg", "e\u0301.jpeg", os.fsdecode(b"Jos\xe9.jpeg")):
        (folder / name).write_text("content")
    (folder / "circle").symlink_to(folder)
    (folder / "self.jpeg").symlink_to("self.jpeg")
    (folder / "nowhere.jpeg").symlink_to(tmp_path / "later")
    (faces / "labeled-faces-in-the-wild" / "B").symlink_to("nowhere")
    assert write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[1].startswith("profile smoke, 11 files")
    assert not write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0]
    (tmp_path / "later").write_text("the link leads somewhere")
    assert write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")[0]


def test_stamp_says_what_is_run_on(tmp_path, faces):
    assert write_stamp(tmp_path / "a", "smoke", "drawn", "gamma=2")[1] == "profile smoke, drawn faces, gamma=2"
    said = write_stamp(tmp_path / "a", "smoke", "drawn", " epochs=1  test_crop=(1, 2,  99)")[1]
    assert said == "profile smoke, drawn faces, epochs=1 test_crop=(1, 2, 99)"
    assert write_stamp(tmp_path / "a", "smoke", str(faces), "")[1] == f"profile smoke, 3 files in {Path(faces)}"


def test_stamp_of_an_incomplete_folder_is_an_error(tmp_path, faces):
    (faces / "lfw_test_pairs.txt").unlink()
    with pytest.raises(ConfigError, match="lfw_test_pairs.txt"):
        write_stamp(tmp_path / "stamp.json", "smoke", str(faces), "")
    assert not (tmp_path / "stamp.json").exists()
