"""Where each question of the task is answered: under headings of the notebooks that end with ``(question 2b)``."""

import re
from dataclasses import dataclass
from html import escape

from bs4 import BeautifulSoup

from facelib.publish import PublishingError
from facelib.publish.formulas import markdown_to_html

HEADING = re.compile(r"(#{1,6}) +(.*?)[ #]*")
NUMBER = re.compile(r"(\d+)\.? +")  # of a notebook or a section, before its title
LABEL = re.compile(r" *\(question (\d[a-z]?)\)$")
LEAD = re.compile(r"^\*\*\w+\.\*\* +")  # such as **Question.**
FENCE = re.compile(r" {0,3}(```|~~~)")
NO_PARAGRAPH = ("#", ">", "|", "- ", "* ", "$$", "![", "<", "    ", "```", "~~~")  # what other blocks begin with
SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[^\sa-z\d])")  # not that of "et al. 2020"
PICTURES = ("image/png", "image/svg+xml", "image/jpeg")
TITLE = "Where each question is answered"
COLUMNS = ("Question", "Where", "What it shows", "Figure")
REPORT = "The choices, the experiments with the best one highlighted, the difficulties, and what to do next."


@dataclass
class Answer:
    """One row of the table; `title` and `shows` are markdown."""

    question: str
    title: str  # of the section
    place: str  # in words
    address: str
    shows: str = ""
    figure: str = ""  # id of the cell that draws it


def find_answers(notebook, page: str = "") -> list[Answer]:
    """The sections of an executed notebook that answer questions, in its order; `page` is where they are shown."""
    answers: list[Answer] = []
    pending: list[tuple[int, Answer]] = []  # those whose section is being read, with the level of its heading
    number = ""  # of the notebook
    for cell in notebook.cells:
        if cell.cell_type == "code" and any(
            kind in output.get("data", {}) for output in cell.outputs for kind in PICTURES
        ):
            for _, answer in pending:
                answer.figure = answer.figure or cell.id
        for heading, text in _split(cell.source) if cell.cell_type == "markdown" else ():
            if heading:
                level = heading.index(" ")
                pending = [(above, answer) for above, answer in pending if above < level]
                title = heading[level + 1 :]
                number = _number(title) if level == 1 else number
                label = LABEL.search(title)
                if label and level <= 2:
                    words = NUMBER.sub("", LABEL.sub("", title), count=1)
                    place = f"notebook {number}" if number else words
                    if number and level == 2:
                        place += f", section {_number(title)}" if _number(title) else f", {words}"
                    answers.append(Answer(label[1], words, place, f"{page}#{name_anchor(_to_text(title))}"))
                    pending.append((level, answers[-1]))
            for _, answer in pending:
                answer.shows = answer.shows or _first_sentence(text)
    return answers


def collect(answers: list[Answer], report: str) -> list[Answer]:
    """`answers` sorted by question, and that to question 4, which is the `report`; none where there are none.

    Raises:
        PublishingError: two of them answer one question.
    """
    found: dict[str, Answer] = {}
    for answer in answers:
        other = found.setdefault(answer.question, answer)
        if other is not answer:
            places = " and ".join(f"{one.place} ({one.address})" for one in (other, answer))
            raise PublishingError(
                f"question {answer.question} is answered in two places, {places}: name it in one heading"
            )
    if found:
        found.setdefault("4", Answer("4", "Report", "report", report, REPORT))
    return [found[question] for question in sorted(found)]


def to_html(answers: list[Answer]) -> str:
    """The table for a page; empty where there are no answers."""
    rows = ""
    for answer in answers:
        page = answer.address.partition("#")[0]
        figure = f'<a href="{escape(page)}#{name_figure(answer.figure)}">figure for {answer.question}</a>'
        rows += (
            f'<tr><th scope="row"><strong>{answer.question}</strong> {_to_inline(answer.title)}</th>'
            f'<td><a href="{escape(answer.address)}">{escape(answer.place)}</a></td>'
            f"<td>{_to_inline(answer.shows)}</td><td>{figure if answer.figure else 'no figure'}</td></tr>\n"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    table = f'<table class="questions">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n'
    return f'<h2 id="{name_anchor(TITLE)}">{TITLE}</h2>\n{table}' if answers else ""


def to_markdown(answers: list[Answer]) -> str:
    """The table for a notebook; empty where there are no answers.

    A figure is named by its cell, as JupyterLab does it; `html.render_page` leads such links to the figure itself.
    """
    lines = [f"## {TITLE}\n", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for answer in answers:
        where = f"[{answer.place}](<{answer.address}>)"
        figure = f"[figure for {answer.question}](#cell-id={answer.figure})" if answer.figure else "no figure"
        row = [f"**{answer.question}** {_in_table(answer.title)}", where, _in_table(answer.shows), figure]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) if answers else ""


def name_anchor(text: str) -> str:
    """The anchor of the heading with this `text`, as JupyterLab names it."""
    return text.strip().replace(" ", "-")


def name_figure(cell: str) -> str:
    """The anchor of the first figure of the cell with this id."""
    return f"figure-{cell}"


def _split(source):
    # (heading, text below it) for each heading of a cell; before the first one with an empty heading
    parts, fence = [["", []]], ""
    for line in source.splitlines():
        mark = FENCE.match(line)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        heading = None if fence else HEADING.fullmatch(line)
        if heading:
            parts.append([f"{heading[1]} {heading[2]}", []])
        else:
            parts[-1][1].append(line)
    return [(heading, "\n".join(lines)) for heading, lines in parts]


def _first_sentence(text):
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if block.strip() and not block.startswith(NO_PARAGRAPH) and not re.match(r"\d+\. ", block):
            return SENTENCE_END.split(LEAD.sub("", " ".join(block.split())))[0]
    return ""


def _number(title):
    number = NUMBER.match(title)
    return number[1] if number else ""


def _to_text(title):
    return BeautifulSoup(markdown_to_html(f"# {title}"), "html.parser").get_text()


def _to_inline(markdown):
    return markdown_to_html(markdown).strip().removeprefix("<p>").removesuffix("</p>")


def _in_table(markdown):
    # a bar ends a column, wherever it stands
    return re.sub(r"\$[^$]+\$|`[^`]+`|\|", _without_bar, markdown)


def _without_bar(part):
    text = part[0]
    if text == "|":
        return r"\|"
    if text[0] == "`" and "|" in text:
        return f"<code>{escape(text.strip('`')).replace('|', '&#124;')}</code>"
    return text.replace("|", r"\vert ") if text[0] == "$" else text
