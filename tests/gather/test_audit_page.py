"""The page of an audit is whole in itself and harmless, and its exclusion list is read back."""

import numpy as np
import pytest
from bs4 import BeautifulSoup

from facelib.data.exclusion import read_exclusion
from facelib.gather import audit_page
from facelib.gather.audit_page import render_exclusion, render_page
from facelib.gather.findings import Exclusion, Finding, Section

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
SECTIONS = [
    Section("Copies", "Words <b>.", [Finding("x/1 & y/2", (("x/1", 0), ('<script>alert("1")</script>\udce9\n', 2)))]),
    Section("Unreadable", "Words.", [Finding("z/3: damaged", ())] * 60),
    Section("Nothing", "Words.", []),
]


@pytest.fixture(scope="module")
def page():
    return render_page(SECTIONS, PIXELS, ["An introduction."], "Keep it to yourself.")


def test_the_page_needs_nothing_else_and_runs_nothing(page):
    soup = BeautifulSoup(page, "html.parser")
    assert not soup.find_all(["script", "link", "iframe"]) and "http" not in page.replace("http-equiv", "")
    assert all(image["src"].startswith("data:image/webp;base64,") for image in soup.find_all("img"))
    assert "default-src 'none'" in soup.find("meta", {"http-equiv": True})["content"]
    page.encode()  # no letter that UTF-8 has not


def test_headings_are_in_order_and_pictures_have_a_text(page):
    soup = BeautifulSoup(page, "html.parser")
    assert [tag.name for tag in soup.find_all(["h1", "h2", "h3"])] == ["h1", "h2", "h2", "h2"]
    assert soup.html["lang"] == "en" and soup.find("title")
    assert [image["alt"] for image in soup.find_all("img")] == [
        "Face in x/1", 'Face in <script>alert("1")</script>\\xe9\\x0a'
    ]  # fmt: skip
    targets = {tag["id"] for tag in soup.find_all(id=True)}
    assert {link["href"][1:] for link in soup.select("nav a")} == targets


def test_what_is_too_much_to_show_is_counted(page):
    soup = BeautifulSoup(page, "html.parser")
    assert len(soup.select("ol.findings > li")) == 1 + audit_page.MOST
    assert "The first 50 of 60:" in page and "None." in page
    assert [item.get_text() for item in soup.select("nav li")] == ["Copies: 1", "Unreadable: 60", "Nothing: 0"]


def test_the_banner_is_there_only_where_it_is_given(page):
    assert "Keep it to yourself." in page
    assert "banner" not in render_page([], PIXELS, [], "").partition("</style>")[2]


def test_the_exclusion_list_is_read_back_with_each_path_once(tmp_path):
    paths = ("1/a, b.png", "2/\udce9.png", "3/c.png")
    excluded = [Exclusion(path, "is a test image", 0.98765, "T/1.jpg") for path in paths[:2]]
    content = render_exclusion(
        [*excluded, Exclusion(paths[0], "fits 9 better", 0.5, ""), Exclusion(paths[2], "why", None, "")]
    )
    assert content.decode("utf-8", "surrogateescape").splitlines()[::3] == [
        "path,reason,score,other path",
        "3/c.png,why,,",
    ]
    assert content.decode("utf-8", "surrogateescape").splitlines()[:2] == [
        "path,reason,score,other path", '"1/a, b.png",is a test image,0.988,T/1.jpg'
    ]  # fmt: skip
    (tmp_path / "exclude.csv").write_bytes(content)
    assert read_exclusion(tmp_path / "exclude.csv", tmp_path, paths).tolist() == [True, True, True]
