import io
import struct

import numpy as np
import pytest
from PIL import Image

from facelib.data import jpeg


def encoded(mode="RGB", size=(131, 117), **options):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def exif():
    data = Image.Exif()
    data[0x0112] = 6
    return data


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restart", [0, 3])
@pytest.mark.parametrize(("mode", "components"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
def test_a_header_says_size_and_components(mode, components, progressive, restart):
    content = encoded(mode, progressive=progressive, restart_marker_blocks=restart)
    header = jpeg.read_header(content)
    assert header.size == (131, 117) and len(header.components) == components and not header.extra
    assert content[header.end : header.end + 2] == b"\xff\xda"
    assert not jpeg.lacks_scans(content, header)


def test_exif_and_xmp_data_are_noticed_wherever_they_stand():
    assert jpeg.read_header(encoded(exif=exif())).extra
    content = encoded()
    frame = content.index(b"\xff\xc0")
    xmp = b"\xff\xe1" + struct.pack(">H", 31) + b"http://ns.adobe.com/xap/1.0/\0"
    scan = content.index(b"\xff\xda")
    for place in (2, frame, scan):
        assert jpeg.read_header(content[:place] + xmp + content[place:]).extra
    assert not jpeg.read_header(content + xmp).extra


def test_fill_bytes_and_bytes_between_segments_are_passed_over():
    content = encoded()
    frame = content.index(b"\xff\xc0")
    for filling in (b"\xff", b"\xff" * 9, b"\0\0", b"\xff\0"):
        assert jpeg.read_header(content[:frame] + filling + content[frame:]).size == (131, 117)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0", b"\xff\xd8\xff\xc0\0\x05\x08\0\x70",
        b"\xff\xd8\xff\xd9", b"\xff\xd8" * 99, b"\xff" * 99,
    ],
)  # fmt: skip
def test_without_a_size_there_is_no_header(content):
    assert jpeg.read_header(content) is None


@pytest.mark.parametrize("size", [(0, 117), (131, 0)])
def test_a_size_of_nothing_is_no_size(size):
    content = bytearray(encoded())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", *size[::-1])
    assert jpeg.read_header(bytes(content)) is None


def test_a_header_is_read_wherever_a_file_ends():
    """No bytes raise: what is cut off or overwritten is found when the pixels are decoded."""
    content = encoded(progressive=True, exif=exif())
    found = {jpeg.read_header(content[:end]) is None for end in range(len(content))}
    assert found == {True, False}
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for place in generator.integers(2, 700, 5):
            damaged[place] = generator.integers(256)
        jpeg.read_header(bytes(damaged))


def test_a_progressive_image_lacks_scans_until_the_last():
    content = encoded(progressive=True)
    header = jpeg.read_header(content)
    scans = [place for place in range(len(content)) if content[place : place + 2] == b"\xff\xda"]
    assert len(scans) == 10
    for place in scans:
        assert jpeg.lacks_scans(content[:place] + jpeg.END, header)
    assert not jpeg.lacks_scans(content, header)
