"""What an audit found as a page of pictures and as an exclusion list."""

import base64
import csv
import io
from html import escape

from PIL import Image

from facelib.data.exclusion import COLUMNS
from facelib.folders import printable
from facelib.gather.findings import Section

MOST = 50  # findings of a section that are shown
TILE = 80  # pixels a side of a picture
QUALITY = 60
STYLE = """
:root { color-scheme: light; } * { box-sizing: border-box; }
body { margin: 0; color: #1d2126; background: #fff; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 950px; margin: 0 auto; padding: 1rem 1.25rem 4rem; overflow-wrap: anywhere; }
h2 { margin-top: 2.4rem; padding-top: .5rem; border-top: 1px solid #dfe3e8; }
.banner { padding: .6rem .9rem; color: #8a4b00; background: #fff4e0; border-left: 4px solid #e69f00; font-weight: 600; }
ol.findings > li { margin: 1rem 0; }
ul.faces { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
figure { margin: 0; width: 96px; font-size: .75rem; line-height: 1.25; }
img { display: block; width: 80px; height: 80px; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render_page(sections: list[Section], pixels, introduction: list[str], banner: str) -> str:
    """The findings as one HTML page without script and network; of a section at most `MOST`.

    Args:
        pixels: (n + m, 112, 112, 3) uint8, see `findings.Material`; only what is shown is read.
        introduction: paragraphs. banner: a warning on top; none where it is empty.
    """
    parts = [f'<p class="banner">{escape(banner)}</p>'] if banner else []
    parts += [f"<p>{escape(printable(paragraph))}</p>" for paragraph in introduction]
    items = [
        f'<li><a href="#s{number}">{escape(section.title)}</a>: {len(section.findings):,}</li>'
        for number, section in enumerate(sections)
    ]
    parts.append(f'<nav aria-label="Sections of this page"><ul>{"".join(items)}</ul></nav>')
    for number, section in enumerate(sections):
        more = len(section.findings) - MOST
        parts.append(f'<h2 id="s{number}">{escape(section.title)}</h2>\n<p>{escape(printable(section.words))}</p>')
        parts.append(f"<p>The first {MOST} of {len(section.findings):,}:</p>" if more > 0 else "")
        found = [_render_finding(finding, pixels) for finding in section.findings[:MOST]]
        parts.append('<ol class="findings">\n' + "\n".join(found) + "\n</ol>" if found else "<p>None.</p>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Audit of the faces</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Audit of the faces</h1>\n"
        + "\n".join(filter(None, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def _render_finding(finding, pixels):
    faces = []
    for caption, row in finding.images:
        caption = escape(printable(caption))
        picture = f'<img alt="Face in {caption}" src="{_to_address(pixels[row])}" width="{TILE}" height="{TILE}">'
        faces.append(f"<li><figure>{picture}<figcaption>{caption}</figcaption></figure></li>")
    pictures = f'<ul class="faces">{"".join(faces)}</ul>' if faces else ""
    return f"<li>{escape(printable(finding.words))}{pictures}</li>"


def _to_address(pixels):
    target = io.BytesIO()
    Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.BILINEAR).save(target, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(target.getvalue()).decode()}"


def render_exclusion(excluded) -> bytes:
    """The exclusion list, see `facelib.data.exclusion`: a line for each path, with the first of its reasons.

    Args:
        excluded: iterable of `findings.Exclusion`.
    """
    content, seen = io.StringIO(newline=""), set()
    writer = csv.writer(content)
    writer.writerow(COLUMNS)
    for path, reason, score, other in excluded:
        if path not in seen:
            seen.add(path)
            writer.writerow([path, printable(reason), "" if score is None else f"{score:.3f}", other])
    return content.getvalue().encode("utf-8", "surrogateescape")
