"""The table of questions: what headings say, and where its links lead, on pages and in the merged notebook."""

import base64
import io

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from facelib.publish import PublishingError
from facelib.publish.html import render_page, write_pages
from facelib.publish.questions import TITLE, collect, find_answers, to_html, to_markdown
from facelib.publish.submission import merge_notebooks


def write(*sources):
    """A notebook of markdown cells, and of code cells that draw where a source is `draw`."""
    Image.new("RGB", (2, 2)).save(content := io.BytesIO(), "PNG")
    picture = base64.b64encode(content.getvalue()).decode()
    cells = []
    for number, source in enumerate(sources):
        cell = new_markdown_cell(source, id=f"c-{number}")
        if source == "draw":
            output = new_output("display_data", {"image/png": picture})
            cell = new_code_cell(source, outputs=[output], execution_count=number, id=f"c-{number}")
        cells.append(cell)
    return new_notebook(cells=cells)


LOSS = write(
    "# 03 The loss\n\nWords.",
    "draw",
    "## 1. Words\n\n```python\n## 9. Code (question 9z)\n```\n\nIn the text (question 3a) is no heading.",
    "## 2. The limit of $L$ (question 2a)",
    "> A note.\n\n- a list\n\nFor $|x| < 1$, `a|b` and Sun et al. 2020\nthe limit holds. More words.",
    "### Details\n\nMore.",
    "draw",
    "draw",
    "## 3. As code: `circle_loss` (question 2b)\n\nIt *is* short.",
    "# No number",
    "draw",
)
MODEL = write("# 04 The model (question 2c)\n\n**Question.** Which? One.", "## 1. Part", "Words.", "draw", "draw")


def test_a_heading_gives_a_row():
    first, second = find_answers(LOSS, "03_loss.html")
    assert (first.question, first.title, first.place) == ("2a", "The limit of $L$", "notebook 03, section 2")
    assert first.address == "03_loss.html#2.-The-limit-of-L-(question-2a)"
    assert first.shows == "For $|x| < 1$, `a|b` and Sun et al. 2020 the limit holds."
    assert first.figure == "c-6"  # not that of an earlier section, and the first of two
    assert (second.question, second.title, second.shows) == ("2b", "As code: `circle_loss`", "It *is* short.")
    assert second.figure == ""  # the next figure is below a heading of a higher level


def test_a_title_answers_with_the_whole_notebook():
    (answer,) = find_answers(MODEL)
    assert (answer.question, answer.title, answer.place) == ("2c", "The model", "notebook 04")
    assert (answer.shows, answer.figure) == ("Which?", "c-3")


def test_without_such_headings_there_is_no_table():
    assert find_answers(write("# A", "## 1. B (question)", "### C (question 1a)", "## (question 1) D")) == []
    assert collect([], "report.pdf") == [] and to_html([]) == to_markdown([]) == ""
    assert TITLE not in merge_notebooks([write("# A\n\nWords.")]).cells[0].source


def test_questions_are_sorted_and_the_report_is_the_fourth():
    answers = collect([*find_answers(MODEL, "04.html"), *find_answers(LOSS, "03.html")], "../report.pdf")
    assert [answer.question for answer in answers] == ["2a", "2b", "2c", "4"]
    assert answers[-1].address == "../report.pdf"


def test_a_question_that_is_answered_twice_is_an_error_with_both_places():
    places = r"notebook 03, section 2 \(a.html#2.-The.*\) and notebook 03, section 2 \(b.html#2.-The.*\)"
    with pytest.raises(PublishingError, match=f"question 2a is answered in two places, {places}"):
        collect([*find_answers(LOSS, "a.html"), *find_answers(LOSS, "b.html")], "report.pdf")
    with pytest.raises(PublishingError, match="question 2c is answered in two places"):
        merge_notebooks([MODEL, MODEL])


@pytest.fixture
def site(tmp_path):
    """The pages of three notebooks, the last of which answers nothing."""
    (tmp_path / "results").mkdir()
    paths = {"03_loss": LOSS, "04_model": MODEL, "08_more": write("# 08 More <\n\nWhat else?", "draw")}
    for name, notebook in paths.items():
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    *sources, further = (tmp_path / f"{name}.ipynb" for name in paths)
    write_pages(tmp_path / "html", sources, tmp_path / "results", [further])
    return {path.name: BeautifulSoup(path.read_text(), "html.parser") for path in (tmp_path / "html").iterdir()}


def rows(soup):
    table = soup.find(string=TITLE).find_parent("h2").find_next("table")
    return [row.find_all(["th", "td"]) for row in table.find_all("tr")]


def test_the_index_begins_with_the_table_and_ends_with_what_is_further(site):
    index = site["index.html"]
    assert [heading.get_text() for heading in index.find_all("h2")] == [TITLE, "Notebooks", "Further"]
    head, *body = rows(index)
    assert [cell.get_text() for cell in head] == ["Question", "Where", "What it shows", "Figure"]
    assert [row[0].get_text() for row in body] == [
        "2a The limit of L", "2b As code: circle_loss", "2c The model", "4 Report",
    ]  # fmt: skip
    assert body[1][2].decode_contents() == "It <em>is</em> short." and body[1][3].get_text() == "no figure"
    lists = [[link["href"] for link in block.find_all("a")] for block in index.find_all("ol")]
    assert lists == [["03_loss.html", "04_model.html"], ["08_more.html"]]


def test_every_link_of_the_index_leads_somewhere(site):
    followed = 0
    for link in site["index.html"].find_all("a"):
        page, _, anchor = link["href"].partition("#")
        if anchor:
            place = site[page].find(id=anchor)
            assert place.name in ("h1", "h2") or place.name == "img" and anchor.startswith("figure-")
            followed += 1
    assert followed == 3 + 2


def test_every_link_of_the_merged_notebook_s_page_leads_somewhere():
    merged = merge_notebooks([LOSS, MODEL])
    assert merged.cells[0].source.startswith(
        f"# facelib\n\n## {TITLE}\n\n| Question | Where | What it shows | Figure |\n"
    )
    soup = BeautifulSoup(render_page(merged, "facelib", contents=False), "html.parser")
    _, *body = rows(soup)
    assert [row[0].get_text() for row in body] == [
        "2a The limit of L", "2b As code: circle_loss", "2c The model", "4 Report",
    ]  # fmt: skip
    assert body[0][2].find("code").get_text() == "a|b" and body[0][2].math["alttext"] == r"\vert x\vert < 1"
    links = [link["href"] for row in body for cell in row[1:] for link in cell.find_all("a")]
    anchors = [link.removeprefix("#") for link in links if link != "report.pdf"]
    places = [soup.find(id=anchor) for anchor in anchors]
    assert [place.name for place in places] == ["h2", "img", "h2", "h1", "img"]
    cells = [cell.id for cell in merged.cells if "draw" in cell.source and cell.cell_type == "code"]
    assert f"](#cell-id={cells[1]})" in merged.cells[0].source  # where JupyterLab goes


def test_a_question_leads_back_to_the_table(site):
    merged = merge_notebooks([LOSS, MODEL])
    soup = BeautifulSoup(render_page(merged, "facelib", contents=False), "html.parser")
    place = TITLE.replace(" ", "-")
    for page, front in ((soup, ""), (site["03_loss.html"], "index.html"), (site["04_model.html"], "index.html")):
        headings = [heading for heading in page.find_all(["h1", "h2"]) if "(question" in heading.get_text()]
        assert headings
        for heading in headings:
            link, anchor = heading.find_all("a")
            assert link.get_text() in heading["id"].replace("-", " ") and link["href"] == f"{front}#{place}"
            assert anchor["href"] == f"#{heading['id']}"
    assert soup.find(id=place).name == site["index.html"].find(id=place).name == "h2"
    alone = BeautifulSoup(render_page(LOSS, "03_loss"), "html.parser")  # of which there is no table
    assert all(link["href"].startswith("#") and place not in link["href"] for link in alone.find_all("a"))
