"""The page to look at: its builder, and what a browser makes of it."""

import base64
import hashlib
import io
import json
import re

import browser
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from facelib.folders import printable
from facelib.measure import metrics
from facelib.publish import PublishingError
from facelib.publish.explore import PAGE_LIMIT, TILE, describe, draw_sheet, main, read_inputs, render_explorer
from facelib.publish.html import BANNER, FOLDER
from facelib.results import MissingResultError
from facelib.show import explore_data
from facelib.show.plots import COLOURS

HOSTILE = (
    "</script><img src=x onerror=harm()>", "\"><svg onload='harm()'>", "'); harm() //", "{{ harm() }}", "<!--<script>",
    "\\u003cscript>harm()", "__proto__", "&lt;b&gt;", "\udce9 no unicode", "javascript:harm()", "\u2028harm", "A_Name",
)  # fmt: skip


def made_up(pairs=400, images=60, noise=False):
    """What notebook 10 writes, of made-up scores of people with hostile names."""
    generator = np.random.default_rng(8)
    matched = np.arange(pairs) % 2 == 0
    scores = generator.normal(0.5 + 0.12 * matched, 0.07).round(3)  # with ties
    chosen = explore_data.choose_pairs(scores, matched, worst=24, spread=40)
    pixels = np.broadcast_to(generator.integers(0, 256, (images, 1, 1, 3), np.uint8), (images, 112, 112, 3))
    people = np.array([HOSTILE[row % len(HOSTILE)] for row in range(images)])
    return {
        "scores": scores,
        "matched": matched,
        "pairs": chosen,
        "first": generator.integers(0, images, len(chosen)),
        "second": generator.integers(0, images, len(chosen)),
        "pixels": generator.integers(0, 256, (images, 112, 112, 3), np.uint8) if noise else pixels,
        "people": people,
        "files": np.array([f"{row} {HOSTILE[row % 3]}.jpg" for row in range(images)]),
        "mapped": np.arange(images),
        "points": generator.normal(size=(images, 2)),
        "data_digest": np.array("digest"),
    }


MARKS = [
    {"kind": "validation", "name": "chosen on validation people", "threshold": 0.5437},
    {"kind": "best", "name": "best on these test pairs", "threshold": 0.56050000000000001},
    {"kind": "far", "name": "FAR 0.1 on validation people", "threshold": 0.6},
    {"kind": "far", "name": "FAR 0.01 on validation people", "threshold": 0.97},
]


@pytest.fixture(scope="module")
def page():
    return render_explorer(made_up(), MARKS, BANNER)


@pytest.fixture
def run_folder(tmp_path):
    """A run's results and its explore.npz."""
    training = {"data": "drawn", "thresholds": {"by_rate": [{"far": 0.1, "threshold": 0.6}]}}
    test = {"data": "drawn", "pairs": 400, "validation_threshold": 0.5, "best_threshold": 0.55}
    test["provenance"] = {"data_digest": "digest"}
    (tmp_path / "results").mkdir()
    for name, content in (("06_training", training), ("07_lfw_test", test)):
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(content))
    np.savez(tmp_path / "explore.npz", **made_up())
    return tmp_path


# --- the file --------------------------------------------------------------------------------------------------------


def test_names_reach_the_page_as_json_in_which_no_tag_can_be_written(page):
    soup = BeautifulSoup(page, "html.parser")
    tags = [tag.name for tag in soup.find_all(True)]
    assert tags.count("script") == 2 and tags.count("style") == 1 and "img" not in tags
    assert not [name for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]
    data = soup.find("script", id="data").string
    assert not set("<>&\u2028") & set(data) and "harm" in data
    assert set(json.loads(data)["people"]) == set(map(printable, HOSTILE))


def test_the_policy_allows_the_script_and_the_style_of_the_page_alone(page):
    soup = BeautifulSoup(page, "html.parser")
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    script = next(tag for tag in soup.find_all("script") if "id" not in tag.attrs)
    for kind, tag in (("script", script), ("style", soup.style)):
        digest = base64.b64encode(hashlib.sha256(tag.string.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy


def test_nothing_is_loaded_from_elsewhere(page):
    soup = BeautifulSoup(page, "html.parser")
    assert [tag["href"] for tag in soup.find_all("link")] == ["data:,"]
    assert not [tag for tag in soup.find_all(True) if "src" in tag.attrs]
    assert set(re.findall(r"url\(([^)]{0,15})", soup.style.string)) == {"data:image/jpeg"}
    addresses = {address for address in re.findall(r"https?://[^\"'`\s)]+", page)}
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, which nothing is read from


def test_scripts_put_data_into_the_page_as_text():
    for path in FOLDER.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(", path.read_text())


def test_the_page_has_the_same_bytes_on_every_run(page):
    assert render_explorer(made_up(), MARKS, BANNER) == page


def test_drawn_faces_are_announced_and_photographs_are_not(page):
    assert f'<p class="banner">{BANNER}</p>' in page
    assert BANNER not in render_explorer(made_up(), MARKS)


def test_the_page_keeps_to_its_size_whatever_the_pictures():
    """Noise is the worst that a JPEG can meet: its quality falls."""
    assert len(render_explorer(made_up(images=900, noise=True), MARKS).encode()) < PAGE_LIMIT


def test_the_script_reads_all_scores_sorted_and_to_the_last_digit():
    arrays = made_up()
    data = json.loads(json.dumps(describe(arrays, MARKS)))
    for name, kind in (("matched", arrays["matched"]), ("mismatched", ~arrays["matched"])):
        assert data[name] == sorted(arrays["scores"][kind])
    assert data["marks"] == MARKS
    for (score, matched, first, _), pair in zip(data["pairs"], arrays["pairs"], strict=True):
        assert score == arrays["scores"][pair] and bool(matched) == arrays["matched"][pair]
        person, file = data["images"][first]
        assert data["people"][person] == printable(arrays["people"][first]) and file == arrays["files"][first]
    assert {0.0, 1.0} <= {number for _, *point in data["map"] for number in point}
    assert all(0 <= number <= 1 for _, *point in data["map"] for number in point)


def test_each_tile_of_the_sheet_is_its_picture_and_reaches_into_no_other():
    pixels = made_up(images=70)["pixels"]
    sheet = np.asarray(Image.open(io.BytesIO(draw_sheet(pixels, PAGE_LIMIT))))
    for place, picture in enumerate(pixels):
        top, left = place // 32 * TILE, place % 32 * TILE
        tile = sheet[top : top + TILE, left : left + TILE].astype(int)
        assert np.abs(tile - picture[0, 0]).max() < 12


def test_colours_are_those_of_the_figures():
    style = (FOLDER / "explore.css").read_text()
    for name in ("matched", "mismatched"):
        assert f"--{name}: {COLOURS[name].lower()};" in style


# --- what can be missing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "notebook"),
    [
        ("explore.npz", "10_error_analysis"),
        ("results/07_lfw_test.json", "07_lfw_test"),
        ("results/06_training.json", "06_training"),
    ],
)
def test_a_missing_file_names_the_notebook_to_run(run_folder, name, notebook):
    (run_folder / name).unlink()
    with pytest.raises(MissingResultError, match=f"{name} is missing: run notebooks/{notebook}.ipynb first"):
        read_inputs(run_folder / "results", run_folder / "explore.npz")


def test_a_file_of_other_pairs_is_refused(run_folder):
    for change in ({"data_digest": np.array("other")}, {"scores": np.zeros(3)}):
        np.savez(run_folder / "explore.npz", **{**made_up(), **change})
        with pytest.raises(
            PublishingError,
            match="other test pairs than .*07_lfw_test.json: run notebooks/10_error_analysis.ipynb again",
        ):
            read_inputs(run_folder / "results", run_folder / "explore.npz")


def test_a_broken_file_is_one_message(run_folder):
    path = run_folder / "explore.npz"
    whole = path.read_bytes()
    for content in (whole[:1000], b"", b"no file of NumPy"):
        path.write_bytes(content)
        with pytest.raises(PublishingError, match="make no page .*run notebooks/10_error_analysis.ipynb again"):
            read_inputs(run_folder / "results", path)
    path.write_bytes(whole)
    (run_folder / "results" / "06_training.json").write_text('{"data": "drawn"}')
    with pytest.raises(PublishingError, match="no 'thresholds'"):
        read_inputs(run_folder / "results", path)


def test_the_command_writes_the_page(run_folder, monkeypatch, capsys):
    target = run_folder / "html" / "explore.html"
    arguments = ["explore", str(target), str(run_folder / "explore.npz"), "--results", str(run_folder / "results")]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    assert BANNER in target.read_text() and f"{target}: 0." in capsys.readouterr().out


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(page, tmp_path_factory):
    """The page in a headless Chromium, and where it lies."""
    if not browser.CHROMIUM:
        pytest.skip("no chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    (folder / "explore.html").write_text(page)
    with browser.open_page(folder) as tab:
        tab.address = (folder / "explore.html").as_uri()
        yield tab


@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing(opened, width):
    opened.open(opened.address, width)
    assert opened.violations() == []


@pytest.fixture
def opened(shown):
    """The page as it is when it has just been opened; afterwards: it reported no error, and asked for nothing else."""
    shown.events.clear()
    shown.open(shown.address)
    yield shown
    shown.settle()
    messages = [
        e for e in shown.events if re.search("exceptionThrown|consoleAPI|Log.entry|Dialog", e.get("method", ""))
    ]
    assert messages == []
    asked = {event["request"]["url"].split(",")[0] for event in shown.reported("Network.requestWillBeSent")}
    assert asked <= {shown.address, "data:image/jpeg;base64", "data:"}


def state(tab):
    """The threshold that the page is at, and the figures that it shows there, as numbers and as text."""
    tab.settle()
    figures = "Object.fromEntries(['tar', 'far', 'accuracy'].map(id => [id, document.getElementById(id)]))"
    code = f"Object.entries({figures}).map(([id, place]) => [id, Number(place.dataset.value), place.textContent])"
    return float(tab.run("document.documentElement.dataset.threshold")), tab.run(code)


def check_figures(tab):
    """The page shows the figures that `metrics` finds at its threshold; returns the threshold."""
    arrays = made_up()
    scores, matched = arrays["scores"], arrays["matched"]
    threshold, shown = state(tab)
    accepted = scores >= threshold
    right = {
        "tar": (accepted[matched].mean(), accepted[matched].sum(), matched.sum()),
        "far": (accepted[~matched].mean(), accepted[~matched].sum(), (~matched).sum()),
        "accuracy": (metrics.accuracy(scores, matched, threshold), (accepted == matched).sum(), len(scores)),
    }
    for name, value, text in shown:
        share, part, whole = right[name]
        assert value == share
        assert text == f"{100 * share:.2f} %{part} of {whole}"
    return threshold


def test_it_opens_at_the_validation_threshold_with_its_figures(opened):
    assert check_figures(opened) == MARKS[0]["threshold"]
    assert opened.run("document.title") == "facelib: explore the test"


def test_figures_follow_the_slider_over_its_whole_range(opened):
    move = "(s => {{ s.value = {}; s.dispatchEvent(new Event('input')) }})(document.getElementById('threshold'))"
    low, high = (float(opened.run(f"document.getElementById('threshold').{end}")) for end in ("min", "max"))
    reached = []
    for wanted in (low, *np.linspace(low, high, 9)[1:-1].round(3), high):
        opened.run(move.format(wanted))
        reached.append(check_figures(opened))
        assert reached[-1] == pytest.approx(wanted, abs=0.0006)
    assert state(opened)[1][0][1] == 0  # beyond all scores, no pair is accepted
    opened.run(move.format(low))
    assert [value for _, value, _ in state(opened)[1]] == [1, 1, 0.5]


def test_keys_move_the_slider_and_everything_with_it(opened):
    opened.run("document.getElementById('threshold').focus()")
    opened.press("ArrowRight")
    opened.press("ArrowRight")
    assert check_figures(opened) == pytest.approx(MARKS[0]["threshold"] + 0.002, abs=0.0006)
    spoken = opened.run("document.getElementById('threshold').getAttribute('aria-valuetext')")
    assert re.fullmatch(r"0\.54\d: true accept rate [\d.]+ %, false accept rate [\d.]+ %, accuracy [\d.]+ %", spoken)
    opened.press("End")
    assert check_figures(opened) > made_up()["scores"].max()


@pytest.mark.parametrize("threshold", [0.5, 0.5605, 0.7])
def test_both_charts_follow_the_threshold(opened, threshold):
    opened.run(f"moveTo({threshold})")
    scores, matched = made_up()["scores"], made_up()["matched"]
    accepted = scores >= threshold
    right, wrong = accepted == matched, accepted != matched
    corners = opened.run("[...document.querySelectorAll('#histogram .corner')].map(text => text.textContent)")
    assert corners == [
        f"{(wrong & matched).sum()} wrongly refused",
        f"{(right & matched).sum()} accepted",
        f"{(right & ~matched).sum()} refused",
        f"{(wrong & ~matched).sum()} wrongly accepted",
    ]
    low, high = (float(opened.run(f"document.getElementById('threshold').{end}")) for end in ("min", "max"))
    line = 44 + (threshold - low) / (high - low) * (opened.run("histogram.clientWidth") - 52)
    places = "document.querySelector('#histogram .cut').getAttribute('x1'), "
    places += "document.querySelector('#clip-right rect').getAttribute('x'), "
    places += "44 + Number(document.querySelector('#clip-left rect').getAttribute('width'))"
    assert [float(place) for place in opened.run(f"[{places}]")] == pytest.approx(3 * [line])
    chosen = "['cx', 'cy'].map(name => roc.querySelector('.chosen').getAttribute(name))"
    width, height, *point = opened.run(f"[roc.clientWidth, roc.clientHeight, ...{chosen}]")
    tar, far = accepted[matched].mean(), accepted[~matched].mean()
    expected = 44 + far * (width - 66), 12 + (1 - tar) * (height - 52)
    assert [float(number) for number in point] == pytest.approx(expected)
    spoken = opened.run("document.getElementById('roc-text').textContent")
    assert spoken == f"Chosen point: false accept rate {100 * far:.2f} %, true accept rate {100 * tar:.2f} %."
    told = opened.run("document.getElementById('histogram-text').textContent")
    assert told.endswith(f"{corners[0]}, of 200 of two people {corners[3]}.")


def test_each_point_of_the_roc_curve_has_a_threshold_of_its_own(opened):
    points = opened.run(
        "curve.map(p => [p.threshold, p.far, p.tar, measure(p.threshold).far, measure(p.threshold).tar])"
    )
    scores, matched = made_up()["scores"], made_up()["matched"]
    far, tar, _ = metrics.roc_curve(scores, matched)
    assert [point[1:3] for point in points] == np.transpose([far, tar]).tolist()
    assert all(point[1:3] == point[3:] for point in points)
    between = {point[0] for point in points[:-1]}  # the last accepts all
    assert not between & set(scores.tolist())


def test_named_thresholds_are_taken_to_the_last_digit(opened):
    for number, mark in reversed(list(enumerate(MARKS))):
        opened.run(f"document.querySelectorAll('#marks button')[{number}].click()")
        highest = float(opened.run("document.getElementById('threshold').max"))
        assert check_figures(opened) == min(mark["threshold"], highest)
    pressed = opened.run("[...document.querySelectorAll('#marks [aria-pressed=true]')].map(b => b.textContent)")
    assert pressed == ["chosen on validation people0.544"]


def test_a_typed_threshold_is_taken_and_nonsense_is_not(opened):
    enter = "(e => {{ e.value = '{}'; e.dispatchEvent(new Event('change')) }})(document.getElementById('exact'))"
    opened.run(enter.format("0.61234"))
    assert check_figures(opened) == 0.61234
    opened.run(enter.format(""))
    assert check_figures(opened) == 0.61234


def test_a_click_on_the_roc_curve_takes_a_threshold_of_that_point(opened):
    opened.run("document.getElementById('roc').scrollIntoView({block: 'center'})")
    opened.settle()
    x, y = opened.run("(b => [b.left + 0.5 * b.width, b.top + 0.02 * b.height])(roc.getBoundingClientRect())")
    for kind in ("mousePressed", "mouseReleased"):
        opened.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    threshold = check_figures(opened)
    assert threshold != MARKS[0]["threshold"] and 0.2 < state(opened)[1][1][1] < 0.8


@pytest.mark.parametrize("order", ["worst", "nearest"])
@pytest.mark.parametrize("threshold", [0.5, 0.5605, 0.7])
def test_errors_are_those_at_the_threshold(opened, order, threshold):
    opened.run(f"document.querySelector('[value={order}]').click(); moveTo({threshold})")
    opened.settle()
    arrays = made_up()
    scores, matched = arrays["scores"], arrays["matched"]
    pictured = np.isin(np.arange(len(scores)), arrays["pairs"])
    wrong = {"accepts": (scores >= threshold) & ~matched, "rejects": (scores < threshold) & matched}
    for name, errors in wrong.items():
        shown = opened.run(f"[...document.querySelectorAll('#{name} li')].map(item => Number(item.dataset.score))")
        candidates = scores[errors & pictured]
        distances = np.sort(np.abs(candidates - threshold))
        distances = distances[:12] if order == "nearest" else distances[::-1][:12]
        assert np.abs(np.array(shown) - threshold).tolist() == distances.tolist()
        note = opened.run(f"document.getElementById('{name}-note').textContent")
        assert note.startswith(f"{errors.sum()} pair" if errors.any() else "None")
        if order == "worst" and errors.any():  # of all pairs, not of the pictured ones alone
            assert abs(shown[0] - threshold) == np.abs(scores[errors] - threshold).max()


def test_hostile_names_are_shown_as_text_and_do_nothing(opened):
    assert opened.run("typeof harm") == "undefined"
    assert opened.run("document.querySelectorAll('main img, main script, [onload], [onerror]').length") == 0
    text = opened.run("document.getElementById('legend').textContent + document.querySelector('.errors').textContent")
    assert HOSTILE[0] in text and "{{ harm() }}" in text and "A Name" in text
    labels = opened.run("[...document.querySelectorAll('.dot')].map(dot => dot.getAttribute('aria-label'))")
    assert any(label.startswith("</script><img src=x onerror=harm()>, image ") for label in labels)


def test_the_map_is_walked_with_keys_and_shows_a_picture(opened):
    opened.run("document.querySelector('.dot[tabindex=\"0\"]').focus()")
    opened.settle()
    names = []
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "End", "Home"):
        opened.press(key)
        names.append(opened.run("document.activeElement.getAttribute('aria-label')"))
        card = opened.run("document.querySelector('.card.shown b').textContent")
        assert names[-1].startswith(card + ", image ")
        assert opened.run("document.querySelectorAll('.dot[tabindex=\"0\"]').length") == 1
    person = names[0].removesuffix(", image 2 of 5")
    assert names[2] == f"{person}, image 1 of 5" and names[3] == f"{person}, image 5 of 5"
    assert names[1].endswith(", image 1 of 5") and not names[1].startswith(person)
    assert names[5] == names[2] and not names[4].startswith(person)
    opened.press("Tab")
    assert opened.run("document.activeElement.closest('#legend') !== null")
    assert opened.run("document.querySelectorAll('.card.shown').length") == 0


def test_the_pointer_over_a_dot_shows_its_face_and_leaves_nothing_behind(opened):
    opened.run("document.querySelector('.dot').scrollIntoView({block: 'center'})")
    opened.settle()
    for number in (0, 7, 13):
        dot = f"[...document.querySelectorAll('.dot')][{number}]"
        x, y = opened.run(f"(b => [b.left + b.width / 2, b.top + b.height / 2])({dot}.getBoundingClientRect())")
        opened.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        opened.settle()
        over = opened.run(f"document.elementFromPoint({x}, {y}).closest('.dot').getAttribute('aria-label')")
        name, place = opened.run("[...document.querySelectorAll('.card.shown > *')].slice(1).map(e => e.textContent)")
        assert over.startswith(f"{name}, image ") and place
        assert opened.run("getComputedStyle(document.querySelector('.card.shown > *')).backgroundImage").startswith(
            "url("
        )
    opened.send("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    opened.settle()
    assert opened.run("document.querySelectorAll('.card.shown').length") == 0


def test_the_slider_follows_the_mouse(opened):
    opened.run("document.querySelector('[type=range]').scrollIntoView({block: 'center'})")
    opened.settle()
    x, y, width = opened.run(
        "(b => [b.left, b.top + b.height / 2, b.width])(document.querySelector('[type=range]').getBoundingClientRect())"
    )
    thresholds = []
    for share in (0.3, 0.8):
        for kind in ("mousePressed", "mouseReleased"):
            place = {"x": x + share * width, "y": y}
            opened.send("Input.dispatchMouseEvent", type=kind, **place, button="left", buttons=1, clickCount=1)
        thresholds.append(check_figures(opened))
    assert thresholds[0] < thresholds[1]


def test_every_control_and_picture_has_a_name_for_screen_readers(opened):
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "spinbutton", "checkbox", "radio", "option", "listbox", "image", "img", "link"}
    named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    found = {role for role, _ in named}
    assert {"button", "slider", "spinbutton", "checkbox", "radio", "option", "listbox"} <= found
    assert [role for role, name in named if role in roles and not name.strip()] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1400])
def test_it_fits_narrow_and_wide_and_follows_light_and_dark(shown, width, dark):
    shown.open(shown.address, width, 800, dark)
    check_figures(shown)
    assert shown.run("document.documentElement.scrollWidth") == width
    background = re.findall(r"\d+", shown.run("getComputedStyle(document.body).backgroundColor"))
    assert (int(background[0]) < 60) == dark
    small = "[...document.querySelectorAll('body *')].filter(e => e.childElementCount === 0 && e.textContent.trim() && "
    small += (
        "e.getBoundingClientRect().width > 2 && parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.outerHTML)"
    )
    assert shown.run(small) == []


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_two_pairs_of_one_image_and_one_score_have_a_page(shown, tmp_path, score):
    arrays = made_up(pairs=2, images=1) | {"scores": np.full(2, score)}
    (tmp_path / "explore.html").write_text(render_explorer(arrays, MARKS[:1]))
    shown.events.clear()
    shown.open((tmp_path / "explore.html").as_uri())
    for limit, figures in ((-1, [1, 1, 0.5]), (2, [0, 0, 0.5])):
        shown.run(f"moveTo({limit})")
        assert [value for _, value, _ in state(shown)[1]] == figures
    assert shown.run("document.querySelectorAll('#rejects li').length") == 1
    assert shown.reported("Runtime.exceptionThrown") == shown.reported("Runtime.consoleAPICalled") == []
    assert "NaN" not in shown.run("document.querySelector('main').innerHTML")


def test_names_of_any_bytes_reach_the_page():
    """As text of UTF-8 on one line; the file of the pictures keeps them as they are."""
    arrays, odd = made_up(), "Jos\udce9\nx"
    people, files = arrays["people"].astype(object), arrays["files"].astype(object)
    people[0], files[0] = odd, odd
    found = describe({**arrays, "people": people.astype(str), "files": files.astype(str)}, MARKS)
    whom, file = found["images"][0]
    assert found["people"][whom] == file == r"Jos\xe9\x0ax"
    json.dumps(found, ensure_ascii=False).encode()
