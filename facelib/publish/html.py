"""Notebooks as HTML pages that need neither the network nor a script, with an index of them."""

import argparse
import json
import re
import sys
from html import escape
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from facelib.files import note_made, write_atomically
from facelib.publish import PublishingError, run
from facelib.publish.formulas import latex_to_html, markdown_to_html
from facelib.publish.pictures import to_address
from facelib.publish.questions import LABEL, TITLE, Answer, collect, find_answers, name_anchor, name_figure, to_html

FOLDER = Path(__file__).parent
BANNER = (
    "The faces here are drawn, not photographed: the figures show that the software works and say nothing of people."
)


class Exporter(HTMLExporter):
    """nbconvert's pages from the templates that are installed with it, whatever a user has of that name."""

    def get_prefix_root_dirs(self) -> list[str]:
        return [str(Path(sys.prefix, "share", "jupyter"))]


def find_banner(results: Path) -> str:
    """What every page has to say about the data, from the JSON files in the folder `results`; empty for photographs."""
    files = sorted(results.glob("*.json"))
    return BANNER if any(json.loads(path.read_text()).get("data") == "drawn" for path in files) else ""


def render_page(
    notebook, title: str, banner: str = "", links: list[tuple[str, str]] = (), contents: bool = True
) -> str:
    """`notebook` as one HTML page.

    `links` are (text, address) pairs shown on top, the front page first; an empty address marks the page itself.
    `contents` lists the headings after the first cell, which holds the title.

    Raises:
        PublishingError: a formula without MathML, or something that a reader without network would not see.
    """
    exporter = Exporter(
        template_name="basic",
        template_file="page.html.j2",
        extra_loaders=[FileSystemLoader(FOLDER)],
        filters={"markdown2html": markdown_to_html, "latex_to_html": latex_to_html, "to_address": to_address},
    )
    style = (FOLDER / "page.css").read_text() + HtmlFormatter(style="default").get_style_defs(".highlight")
    page = {"title": title, "banner": banner, "links": links, "style": style}
    try:
        body, _ = exporter.from_notebook_node(notebook, {"page": page})
    except PublishingError as error:
        raise PublishingError(f"{title}: {error}") from error
    soup = BeautifulSoup(body, "html.parser")
    _add_anchors(soup)
    _lead_back(soup, links[0][1] if links else "")
    _name_figures(soup)
    _mend_tables(soup)
    if contents:
        _add_contents(soup)
    _require_self_contained(soup, title)
    return str(soup)


def read_heading(notebook) -> tuple[str, str]:
    """The first heading of `notebook`, and the first question of its first cell (or its first sentence)."""
    text = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    soup = BeautifulSoup(markdown_to_html(text), "html.parser")
    heading = soup.find(["h1", "h2"])
    paragraphs = [" ".join(paragraph.get_text().split()) for paragraph in soup.find_all("p")]
    sentences = [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.?!])\s+", paragraph)]
    question = next((sentence for sentence in sentences if sentence.endswith("?")), next(iter(sentences), ""))
    return (heading.get_text() if heading else ""), question


def _add_anchors(soup: BeautifulSoup) -> None:
    """Give every heading an anchor of its own."""
    used = set()
    for place, heading in enumerate(soup.find_all(["h1", "h2", "h3"])):
        text = heading.get_text().strip()
        name = anchor = name_anchor(text)
        while anchor in used:
            anchor = f"{name}-{place}"
        used.add(anchor)
        heading["id"] = anchor
        link = soup.new_tag("a", href=f"#{anchor}", attrs={"class": "anchor", "aria-label": f"link to: {text}"})
        link.string = "#"
        heading.append(link)


def _lead_back(soup: BeautifulSoup, front: str) -> None:
    """Lead from each question to the table of all of them, which is on this page or on the `front` page."""
    table = name_anchor(TITLE)
    here = soup.find(id=table) is not None
    if not (front or here):
        return
    for heading in soup.find_all(["h1", "h2"]):
        label = heading.find(string=LABEL)
        if label:
            words = LABEL.search(label)[0]
            link = soup.new_tag("a", href=f"#{table}" if here else f"{front}#{table}")
            link.string = words.strip()
            label.replace_with(label.removesuffix(words) + " ", link)


def _name_figures(soup: BeautifulSoup) -> None:
    """Give the first figure of each cell an anchor, and lead links to the cell there."""
    for cell in soup.select("div.code_cell[id]"):
        figure = cell.select_one(".output img")
        if figure:
            figure["id"] = name_figure(cell["id"].removeprefix("cell-id="))
            for link in soup.find_all("a", href=f"#{cell['id']}"):
                link["href"] = f"#{figure['id']}"


def _mend_tables(soup: BeautifulSoup) -> None:
    """An empty corner is no header of anything; what can be too wide can be moved with keys; questions look alike."""
    for table in soup.find_all("table"):
        for header in table.find_all("th"):
            if not header.get_text(strip=True):
                header.name = "td"
        around = table.find_parent("div", "output_subarea")
        if around:
            around["tabindex"] = "0"
    questions = soup.find(id=name_anchor(TITLE))
    if questions:
        questions.find_next("table")["class"] = "questions"


def _add_contents(soup: BeautifulSoup) -> None:
    headings = soup.find_all("h2")
    contents = soup.new_tag("nav", attrs={"class": "contents", "aria-label": "Sections of this page"})
    for heading in headings:
        entry = soup.new_tag("a", href=f"#{heading['id']}")
        entry.string = heading.get_text().removesuffix("#")
        contents.append(entry)
    first = soup.find("div", "cell")
    if first and headings:
        first.insert_after(contents)


def _require_self_contained(soup: BeautifulSoup, title: str) -> None:
    for tag in soup.find_all(True):
        addresses = [tag.get(name, "") for name in ("src", "srcset", "poster", "data")]
        addresses += [tag.get("href", "")] if tag.name == "link" else []
        loaded = [address for address in addresses if address and not address.startswith("data:")]
        if tag.name in ("script", "iframe") or loaded:
            raise PublishingError(f"{title}: the page would need <{tag.name}> {' '.join(loaded)}, which is not in it")
        style = (tag.string or "") if tag.name == "style" else tag.get("style", "")
        if re.search(r"url\((?!['\"]?data:)|@import", style):
            raise PublishingError(f"{title}: a style of the page loads something from elsewhere")


def render_index(
    pages: dict[str, tuple[str, str]], banner: str, answers: list[Answer] = (), further: list[str] = ()
) -> str:
    """The front page: where each question is answered, then the pages, those in `further` last.

    `pages` maps the name of each page to its heading and its question.
    """
    items = {
        name: f'<li><a href="{name}.html">{escape(heading or name)}</a> <span>{escape(question)}</span></li>\n'
        for name, (heading, question) in pages.items()
    }
    lists = {"Notebooks": [name for name in pages if name not in further], "Further": list(further)}
    body = to_html(answers)
    for title, names in lists.items():
        if names:
            body += f'<h2>{title}</h2>\n<ol class="pages">\n{"".join(items[name] for name in names)}</ol>\n'
    note = f'<p class="banner">{escape(banner)}</p>\n' if banner else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>facelib</title>\n'
        f"<style>\n{(FOLDER / 'page.css').read_text()}</style>\n</head>\n<body>\n<main>\n<h1>facelib</h1>\n{note}"
        "<p>Are two images of the same person? The executed notebooks, in the order in which they are read, and the "
        '<a href="../report.pdf">report</a>. To look at and to move: '
        '<a href="explore.html">the threshold, the errors and a map of embeddings</a>.</p>\n'
        f"{body}</main>\n</body>\n</html>\n"
    )


def write_pages(target: Path, sources: list[Path], results: Path, further: list[Path] = ()) -> None:
    """Write a page for each executed notebook in `sources` and `further` into the folder `target`, last ``index.html``.

    Raises:
        PublishingError: see `render_page` and `questions.collect`.
    """
    banner = find_banner(results)
    headings, answers = {}, []
    paths = [*sources, *further]
    for source in paths:
        notebook = nbformat.read(source, as_version=4)
        headings[source.stem] = read_heading(notebook)
        answers += find_answers(notebook, f"{source.stem}.html")
        links = [("facelib", "index.html")]
        links += [(path.stem.replace("_", " "), "" if path == source else f"{path.stem}.html") for path in paths]
        links += [("explore", "explore.html"), ("report", "../report.pdf")]
        write_atomically(note_made(target / f"{source.stem}.html"), render_page(notebook, source.stem, banner, links))
    index = render_index(headings, banner, collect(answers, "../report.pdf"), [path.stem for path in further])
    write_atomically(target / "index.html", index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the folder of the pages")
    parser.add_argument("sources", type=Path, nargs="+", help="executed notebooks, in order")
    parser.add_argument("--further", type=Path, nargs="*", default=[], help="those that answer no question, in order")
    parser.add_argument("--results", type=Path, required=True, help="the folder of the notebooks' JSON files")
    arguments = parser.parse_args()
    write_pages(arguments.target, arguments.sources, arguments.results, arguments.further)
    print(f"{arguments.target / 'index.html'}: {len(arguments.sources) + len(arguments.further)} pages")


if __name__ == "__main__":
    run(main)
