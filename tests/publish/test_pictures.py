"""Pictures on pages: small, and what the notebook shows."""

import base64
import io

import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from facelib.publish.pictures import to_address


def to_png(picture):
    picture.save(content := io.BytesIO(), "PNG")
    return content.getvalue()


def show(png):
    """The picture at the address that a page gets for the PNG file `png`, and its kind and size."""
    address = to_address(base64.encodebytes(png).decode())  # with line ends, as in notebooks
    assert address == to_address(base64.encodebytes(png).decode())  # the same on every run
    kind, content = address.removeprefix("data:image/").split(";base64,")
    content = base64.b64decode(content)
    return Image.open(io.BytesIO(content)), kind, len(content)


def draw(mode="RGB"):
    """A drawing: a few colours, sharp lines."""
    pixels = np.full((300, 400, len(mode)), 255, np.uint8)
    pixels[20:24, 10:390, :3] = pixels[40:280:40, 10:390, :3] = (0, 114, 178)
    pixels[:, ::50, :3] = (230, 159, 0)
    return Image.fromarray(pixels)


def test_a_drawing_keeps_every_pixel():
    picture, kind, size = show(to_png(draw()))
    assert kind == "webp" and size < len(to_png(draw()))
    assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(draw()))


def test_a_photograph_loses_little(tmp_path):
    generator = np.random.default_rng(1)
    pixels = write_image(tmp_path / "a.png", size=(400, 300)) + generator.normal(0, 6, (300, 400, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    png = to_png(Image.fromarray(pixels))
    picture, kind, size = show(png)
    assert kind == "webp" and size < len(png) / 3
    assert np.abs(np.asarray(picture.convert("RGB"), np.float32) - pixels).mean() < 6


@pytest.mark.parametrize("alpha", [0, 128])
def test_what_is_transparent_stays_so(alpha):
    picture = draw("RGBA")
    picture.putalpha(alpha)
    shown, _, _ = show(to_png(picture))
    assert shown.mode == "RGBA" and shown.getextrema()[3] == (alpha, alpha)


def test_a_picture_that_is_smallest_as_it_is_stays_as_it_is(monkeypatch):
    monkeypatch.setattr("facelib.publish.pictures._to_webp", lambda *_, **__: bytes(10**6))
    _, kind, size = show(to_png(draw()))
    assert (kind, size) == ("png", len(to_png(draw())))
