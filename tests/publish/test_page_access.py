"""Pages for who does not see them, sees little, or prints them: what can be told from the page and its colours."""

import base64
import io
import re
from collections import Counter

import browser
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from facelib.publish.html import BANNER, FOLDER, render_page, write_pages
from facelib.publish.submission import merge_notebooks

ALT = 'Histogram of "scores": 0.3 < s & s < 0.9'
AA = 4.5  # contrast of text, WCAG 2.2, 1.4.3


def draw(alt=None):
    Image.new("RGB", (2, 2)).save(content := io.BytesIO(), "PNG")
    metadata = {"image/png": {"alt": alt}} if alt else {}
    picture = {"image/png": base64.b64encode(content.getvalue()).decode()}
    return new_code_cell("draw()", outputs=[new_output("display_data", picture, metadata=metadata)], execution_count=1)


def write(name):
    cells = [
        new_markdown_cell(f"# {name} A notebook\n\n**Question.** Which $x$?"),
        new_markdown_cell("## 1. Scores (question 1a)" if name == "01" else "## 1. Scores"),
        draw(ALT),
        new_markdown_cell(
            "### Details\n\n| | a |\n|---|---|\n| b | $$\\gamma$$ |\n\n> A note.\n\n## 2. Others\n\n`code`"
        ),
        draw(),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A front page, the pages of two notebooks, and that of the two as one."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "results").mkdir()
    (folder / "results" / "01_a.json").write_text('{"data": "drawn"}')
    sources = [folder / "01_a.ipynb", folder / "02_b.ipynb"]
    for path in sources:
        nbformat.write(write(path.name[:2]), path)
    write_pages(folder / "html", sources[:1], folder / "results", sources[1:])
    texts = {path.name: path.read_text() for path in (folder / "html").iterdir()}
    merged = merge_notebooks([nbformat.read(path, 4) for path in sources], BANNER)
    texts["merged.html"] = render_page(merged, "facelib", contents=False)
    return {name: BeautifulSoup(text, "html.parser") for name, text in texts.items()}


PAGES = ["index.html", "01_a.html", "02_b.html", "merged.html"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_language_a_title_and_named_landmarks(pages, name):
    page = pages[name]
    assert page.html["lang"] == "en" and page.title.get_text()
    assert "scal" not in page.find("meta", attrs={"name": "viewport"})["content"].replace("initial-scale=1", "")
    assert len(page.find_all("main")) == 1
    labels = [landmark.get("aria-label") for landmark in page.find_all("nav")]
    assert all(labels) and len({*labels}) == len(labels)
    outside = [part for part in page.body.find_all(True, recursive=False) if part.name not in ("main", "header")]
    assert outside == []


@pytest.mark.parametrize("name", PAGES)
def test_headings_go_down_by_one_level_at_a_time(pages, name):
    levels = [int(heading.name[1]) for heading in pages[name].find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1 and all(below <= above + 1 for above, below in zip(levels, levels[1:], strict=False))
    assert levels.count(1) == 1 or name == "merged.html"


@pytest.mark.parametrize("name", PAGES)
def test_what_is_linked_and_shown_has_words(pages, name):
    page = pages[name]
    for link in page.find_all("a"):
        assert link.get("aria-label") or re.search(r"\w", link.get_text())
    words = Counter((link.get("aria-label") or link.get_text(), link["href"]) for link in page.find_all("a"))
    targets = {}
    for word, target in words:
        if not word.startswith("link to: "):
            assert targets.setdefault(word, target) == target, word
    assert all(picture["alt"].strip() for picture in page.find_all("img"))
    assert all(formula["alttext"] for formula in page.find_all("math"))
    assert all(header.get_text(strip=True) for header in page.find_all("th"))
    names = [tag["id"] for tag in page.find_all(id=True)]
    assert len({*names}) == len(names)
    assert not page.find("script")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if not browser.CHROMIUM:
        pytest.skip("no chromium on this machine")
    with browser.open_page(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(pages, tab, tmp_path, name, width):
    (tmp_path / name).write_text(str(pages[name]))
    tab.open((tmp_path / name).as_uri(), width)
    assert tab.violations() == []


def test_axe_finds_what_is_wrong(tab, tmp_path):
    (tmp_path / "wrong.html").write_text('<html><body><p style="color: #ccc">pale</p><img src="data:,"></body></html>')
    tab.open((tmp_path / "wrong.html").as_uri())
    found = " ".join(tab.violations())
    assert all(rule in found for rule in ("color-contrast", "image-alt", "html-has-lang", "document-title"))


def test_a_figure_has_the_notebook_s_words_or_says_that_it_is_one(pages):
    described, other = pages["01_a.html"].find_all("img")
    assert described["alt"] == ALT and other["alt"] == "Figure drawn by the code above"
    assert described["id"] and other["id"] and described["id"] != other["id"]


def test_a_table_that_can_be_too_wide_can_be_moved_with_keys():
    output = new_output("display_data", {"text/markdown": "| | a |\n|---|---|\n| b | c |"})
    page = render_page(new_notebook(cells=[new_code_cell("show()", outputs=[output], execution_count=1)]), "a")
    table = BeautifulSoup(page, "html.parser").table
    assert table.find_parent("div", "output_subarea")["tabindex"] == "0"
    assert [header.get_text() for header in table.find_all("th")] == ["a"]


# --- colours ---------------------------------------------------------------------------------------------------------


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    darker, lighter = sorted([luminance(first), luminance(second)])
    return (lighter + 0.05) / (darker + 0.05)


def read_rules(style):
    """Selector and declarations of each rule, colours in the place of variables."""
    variables = dict(re.findall(r"(--\w+): (#\w+)", style))
    style = re.sub(r"var\((--\w+)\)", lambda use: variables[use[1]], style)
    style = re.sub(r"/\*.*?\*/", "", style)
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", style):
        if ":root" not in selector:
            yield (
                selector.strip(),
                dict(part.strip().split(":", 1) for part in body.split(";") if ":" in part),
                variables,
            )


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", PAGES)
def test_every_colour_of_text_can_be_read(pages, name):
    seen = 0
    for selector, body, variables in read_rules(pages[name].style.string):
        colour = re.search(r"#\w+", body.get("color", ""))
        own = re.search(r"#\w+", body.get("background", "") + body.get("background-color", ""))
        if selector == ".highlight .w":  # blanks
            continue
        assert "transparent" not in body.get("color", ""), selector
        if colour:
            grounds = [own[0]] if own else [variables["--paper"], variables["--code"]]
            assert all(contrast(colour[0], ground) >= AA for ground in grounds), (selector, colour[0])
            seen += 1
        elif own:
            assert contrast(variables["--ink"], own[0]) >= AA, selector
    assert seen >= (5 if name == "index.html" else 40)


def test_no_line_of_code_is_cut_and_print_leaves_out_what_only_leads_on():
    style, _, printed = (FOLDER / "page.css").read_text().partition("@media print")
    rules = {selector: body for selector, body, _ in read_rules(style)}
    assert rules["pre"]["white-space"].strip() == "pre-wrap" and "overflow-x" not in rules["pre"]
    assert re.search(r"nav\.site, nav\.contents, a\.anchor \{ display: none; \}", printed)
