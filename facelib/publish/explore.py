"""A page to look at: the scores of the test and its errors, moved by one slider, and a map of embeddings.

One file that needs no network, no server and no library: its two charts are some hundred lines of SVG, where a plotting
library alone would be as large as the page may be. Names come from folders and may be anything: they reach the page as
JSON in which no tag can be written, its script puts them there as text, and its content security policy names the one
script and the one style that may run, by their digests.
"""

import argparse
import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from facelib.files import write_atomically
from facelib.folders import printable
from facelib.publish import PublishingError, run
from facelib.publish.html import FOLDER, find_banner
from facelib.results import require

NOTEBOOK = "10_error_analysis"  # which writes what the page shows
SCRIPTS = ("explore.js", "explore_charts.js", "explore_faces.js")
PAGE_LIMIT = 5_000_000  # bytes, which pictures keep to
TILE = 96  # pixels; a multiple of 8, the blocks of a JPEG, so that no picture reaches into another
COLUMNS = 32
QUALITIES = (85, 75, 65, 55, 45, 35, 25)


def read_inputs(results: Path, exploration: Path) -> tuple[dict, list[dict], str]:
    """What the page shows.

    Returns:
        the arrays of the exploration (see `facelib.show.explore_data`) by their names, the marks, the banner.

    Raises:
        MissingResultError: a notebook has not been run; the message names it.
        PublishingError: files that cannot be read, or that come from different runs.
    """
    figures = {}
    for name in ("06_training", "07_lfw_test"):
        require(results / f"{name}.json", name)
        figures[name] = json.loads((results / f"{name}.json").read_text())
    require(exploration, NOTEBOOK)
    test, again = figures["07_lfw_test"], f"run notebooks/{NOTEBOOK}.ipynb again (or `make all`)"
    try:
        with open(exploration, "rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = dict(file)
        marks = find_marks(figures["06_training"], test)
        written = (str(arrays["data_digest"]), len(arrays["scores"]))
        expected = (test["provenance"]["data_digest"], test["pairs"])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else error
        raise PublishingError(f"{exploration} and {results} make no page ({problem}): {again}") from None
    if written != expected:
        raise PublishingError(f"{exploration} is about other test pairs than {results / '07_lfw_test.json'}: {again}")
    return arrays, marks, find_banner(results)


def find_marks(training: dict, test: dict) -> list[dict]:
    """The thresholds that have a name: ``kind``, ``name`` and ``threshold`` of each."""
    named = [("validation", "chosen on validation people", test["validation_threshold"])]
    named += [("best", "best on these test pairs", test["best_threshold"])]
    for row in training["thresholds"]["by_rate"]:
        named += [("far", f"FAR {row['far']:g} on validation people", row["threshold"])]
    return [dict(zip(("kind", "name", "threshold"), mark, strict=True)) for mark in named]


def describe(arrays: dict, marks: list[dict]) -> dict:
    """What the script of the page reads: all scores, sorted; the pairs, images and points that have pictures."""
    scores, matched, pairs = arrays["scores"], arrays["matched"], arrays["pairs"]
    people, whom = np.unique(arrays["people"], return_inverse=True)
    columns = (scores[pairs], matched[pairs].astype(int), arrays["first"], arrays["second"])
    points = arrays["points"] - arrays["points"].min(axis=0)
    points = points / np.maximum(points.max(axis=0), 1e-9)
    return {
        "matched": np.sort(scores[matched]).tolist(),
        "mismatched": np.sort(scores[~matched]).tolist(),
        "marks": marks,
        "pairs": list(zip(*(column.tolist() for column in columns), strict=True)),
        "people": [printable(name) for name in people.tolist()],
        "images": list(zip(whom.tolist(), map(printable, arrays["files"].tolist()), strict=True)),
        "map": list(zip(arrays["mapped"].tolist(), *points.T.round(4).tolist(), strict=True)),
        "columns": COLUMNS,
    }


def draw_sheet(pixels: np.ndarray, limit: int) -> bytes:
    """All of `pixels` (n, height, width, 3) uint8 as the tiles of one JPEG, row by row.

    Its quality is the highest of QUALITIES with which it has at most `limit` bytes, or the lowest.
    """
    sheet = Image.new("RGB", (COLUMNS * TILE, max(-(-len(pixels) // COLUMNS), 1) * TILE))
    for place, image in enumerate(pixels):
        tile = Image.fromarray(image).resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (place % COLUMNS * TILE, place // COLUMNS * TILE))
    for quality in QUALITIES:
        content = io.BytesIO()
        sheet.save(content, "JPEG", quality=quality, subsampling=0)
        if content.tell() <= limit:
            break
    return content.getvalue()


def render_explorer(arrays: dict, marks: list[dict], banner: str = "") -> str:
    """The page, as HTML; see `read_inputs`."""
    data = _to_json(describe(arrays, marks))
    script = "\n".join((FOLDER / name).read_text() for name in SCRIPTS)
    style = "\n".join((FOLDER / name).read_text() for name in ("page.css", "explore.css"))
    left = (PAGE_LIMIT - len(data) - len(script) - len(style) - 20_000) * 3 // 4  # base64 makes 4 bytes of 3
    sheet, rows = draw_sheet(arrays["pixels"], left), -(-len(arrays["pixels"]) // COLUMNS)
    style += f".face {{ background-size: {COLUMNS * 100}% {rows * 100}%; background-image: url(data:image/jpeg;base64,"
    style += base64.b64encode(sheet).decode() + "); }\n"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    inline = {name: f"\n{text}" for name, text in (("style", style), ("script", script))}
    digests = {f"{name}_digest": _digest(text) for name, text in inline.items()}
    figures = {"pairs": len(arrays["scores"]), "pictured": len(arrays["pairs"]), "mapped": len(arrays["mapped"])}
    page = environment.get_template("explore.html.j2")
    return page.render(banner=banner, data=data, **inline, **digests, **figures) + "\n"


def _to_json(content) -> str:
    """`content` as JSON in ASCII that can stand in a script element: no ``<``, ``>`` or ``&``."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="the page")
    parser.add_argument("exploration", type=Path, help="explore.npz, which notebook 10 writes")
    parser.add_argument("--results", type=Path, required=True, help="the folder of the notebooks' JSON files")
    arguments = parser.parse_args()
    page = render_explorer(*read_inputs(arguments.results, arguments.exploration))
    write_atomically(arguments.target, page)
    print(f"{arguments.target}: {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
