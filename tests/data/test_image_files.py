import io
import os
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from conftest import write_image
from PIL import Image

from facelib.data import image_files
from facelib.data.image_files import UnreadableImageError
from facelib.data.images import decode, decode_whole, measure


def noise(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


# every kind of JPEG


def picture(seed=0, size=(131, 117)):
    """A smooth image in which no two blocks are alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 14, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image, format="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def segments(content):
    """Marker and place of each segment of a JPEG with its data, as the standard has them, and where it ends."""
    place, found = 2, []
    while content[place + 1] != 0xD9:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        while content[place + 1] == 0xDA and (content[end] != 0xFF or content[end + 1] in (0, *range(0xD0, 0xD8))):
            end += 1
        found.append((content[place + 1], place, end))
        place = end
    return found


def one_scan_each(image):
    """A sequential JPEG whose three components have a scan each, out of three grey ones with the same tables."""
    parts = [encoded(channel, quality=90) for channel in image.convert("YCbCr").split()]
    tables = b"".join(parts[0][start:end] for kind, start, end in segments(parts[0]) if kind in (0xDB, 0xC4))
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, image.height, image.width, 3) + components
    scans = []
    for number, part in enumerate(parts, 1):
        ((start, end),) = [(start, end) for kind, start, end in segments(part) if kind == 0xDA]
        scans.append(b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, number, 0, 0, 63, 0) + part[start + 10 : end])
    return b"\xff\xd8" + tables + frame + b"".join(scans) + b"\xff\xd9"


def jpegs():
    image = picture()
    inks = 255 - np.asarray(image.convert("CMYK"))  # Adobe's files hold them inverted
    kinds = {"several frames": encoded(image, "MPO", save_all=True, append_images=[picture(1)])}
    kinds["a scan for each component"] = one_scan_each(image)
    for progressive in (False, True):
        name = "progressive" if progressive else "sequential"
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            for restart in (0, 3):
                kinds[f"{name} {subsampling} restart {restart}"] = encoded(
                    image, progressive=progressive, subsampling=subsampling, restart_marker_blocks=restart
                )
        for mode in ("L", "CMYK"):
            kinds[f"{name} {mode}"] = encoded(image.convert(mode), progressive=progressive)
        kinds[f"{name} Adobe RGB"] = encoded(image, progressive=progressive, keep_rgb=True, quality=95)
    for subsampling in ("444", "420"):
        kinds[f"YCCK {subsampling}"] = simplejpeg.encode_jpeg(inks, colorspace="CMYK", colorsubsampling=subsampling)
    for subsampling in ("440", "411"):
        kinds[subsampling] = simplejpeg.encode_jpeg(np.asarray(image), colorsubsampling=subsampling)
    return kinds


JPEGS = jpegs()


@pytest.mark.parametrize("kind", JPEGS)
def test_every_kind_of_jpeg_has_pillows_pixels(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(JPEGS[kind])  # what a file is says its content, not its name
    with Image.open(tmp_path / "a.png") as image:
        image = image.convert("RGB")
    np.testing.assert_array_equal(decode_whole(tmp_path / "a.png"), np.asarray(image))
    expected = image.resize((112, 112), Image.Resampling.BILINEAR, box=(7, 9, 107, 109))
    np.testing.assert_array_equal(decode(tmp_path / "a.png", (7, 9, 100)), np.asarray(expected))


def test_an_image_is_read_whole_and_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = picture()
    image.save(tmp_path / "a.jpeg", exif=exif)
    with Image.open(tmp_path / "a.jpeg") as stored:
        expected = np.rot90(np.asarray(stored), -1)
    np.testing.assert_array_equal(decode_whole(tmp_path / "a.jpeg"), expected)
    assert measure(tmp_path / "a.jpeg") == image.size[::-1]


def test_a_palette_image_without_a_palette_is_one_that_cannot_be_read(tmp_path):
    """Pillow raises an AssertionError on it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 112, 112, 8, 3, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(range(113)) * 112))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b""))
    with pytest.raises(UnreadableImageError, match="a.png"):
        decode(tmp_path / "a.png")


# damage


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("change", ["no end", "half an end", "bytes behind", "bytes behind no end marker"])
def test_a_jpeg_with_all_its_data_is_read_whatever_its_end(tmp_path, kind, change):
    """The end marker is no data, and what follows it is no part of the image."""
    content = JPEGS[kind]
    last = content.index(b"\xff\xd9")
    assert kind == "several frames" or last == len(content) - 2
    ends = {"no end": b"", "half an end": b"\xff", "bytes behind": b"\xff\xd9" + bytes(99) + b"\xff\xd8\xff"}
    ends["bytes behind no end marker"] = b"\xff\xd9 behind \xff\xd9"
    (tmp_path / "whole.jpeg").write_bytes(content)
    (tmp_path / "a.jpeg").write_bytes(content[:last] + ends[change])
    np.testing.assert_array_equal(decode_whole(tmp_path / "a.jpeg"), decode_whole(tmp_path / "whole.jpeg"))


def pngs():
    image = picture()
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    kinds = {f"PNG {level}": encoded(image, "PNG", compress_level=level, exif=exif) for level in (0, 9)}
    kinds["PNG palette"] = encoded(image.convert("P"), "PNG", transparency=3)
    kinds["PNG alpha"] = encoded(image.convert("RGBA"), "PNG")
    return kinds


@pytest.mark.parametrize(("kind", "content"), (JPEGS | pngs()).items())
def test_a_file_cut_anywhere_is_refused_or_has_all_its_pixels(tmp_path, kind, content):
    """At scan boundaries a decoder sees nothing wrong: the image is only blurred, or without its colours."""
    path = tmp_path / "a.jpeg"
    path.write_bytes(content)
    whole, refused = decode_whole(path), 0
    places = set(range(0, len(content), max(1, len(content) // 60))) | set(range(len(content) - 6, len(content)))
    if not kind.startswith(("PNG", "several")):
        places |= {place + more for _, start, end in segments(content) for place in (start, end) for more in (0, 1, 2)}
    for place in sorted(places):
        path.write_bytes(content[:place])
        try:
            found = decode_whole(path)
        except UnreadableImageError as error:
            refused += 1
            assert "damaged" in str(error) and "again" in str(error)
        else:
            np.testing.assert_array_equal(found, whole, err_msg=f"{kind} cut at {place} of {len(content)}")
    assert refused > 20


def scans(content):
    return [(start, end) for kind, start, end in segments(content) if kind == 0xDA]


@pytest.mark.parametrize("kind", ["progressive 4:2:0 restart 0", "progressive CMYK", "a scan for each component"])
def test_a_jpeg_that_misses_a_scan_is_refused_though_it_ends(tmp_path, kind):
    content = JPEGS[kind]
    for start, end in scans(content)[1:]:
        (tmp_path / "a.jpeg").write_bytes(content[:start] + content[end:])
        with pytest.raises(
            UnreadableImageError, match=r"a.jpeg: damaged, or of a rare kind \(.*copy it from its source"
        ):
            decode(tmp_path / "a.jpeg")


@pytest.mark.parametrize("kind", JPEGS)
def test_bytes_that_are_too_many_are_damage(tmp_path, kind):
    """Between the data of a scan and the next marker: they are all that some damage leaves to see."""
    content = JPEGS[kind]
    for _, end in scans(content):
        (tmp_path / "a.jpeg").write_bytes(content[:end] + bytes(range(20)) + content[end:])
        with pytest.raises(
            UnreadableImageError, match="damaged, .*Corrupt JPEG data: .*extraneous bytes before marker"
        ):
            decode(tmp_path / "a.jpeg")


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_whose_data_were_overwritten_is_refused(tmp_path, kind):
    """By zeros, noise or what a defective disk leaves; a single changed bit may leave data that mean another image."""
    content = bytearray(JPEGS[kind])
    start, end = max(scans(content), key=lambda scan: scan[1] - scan[0])
    overwritten = np.random.default_rng(3).integers(0, 255, 150, np.uint8).tobytes()
    for written in (bytes(150), overwritten):
        place = (start + end) // 2
        (tmp_path / "a.jpeg").write_bytes(content[:place] + written + content[place + 150 :])
        with pytest.raises(UnreadableImageError, match="damaged"):
            decode(tmp_path / "a.jpeg")


def test_a_second_size_in_a_jpeg_is_refused(tmp_path, monkeypatch):
    write_image(tmp_path / "a.jpeg")
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, buffer: buffer[:60])
    with pytest.raises(UnreadableImageError, match="two sizes"):
        decode(tmp_path / "a.jpeg")


def test_a_png_whose_sum_is_wrong_is_refused(tmp_path):
    """Near the end of its data Pillow passes over what is wrong, and over the sum everywhere."""
    whole = encoded(picture(), "PNG")
    shown = 0
    for place in range(len(whole) - 900, len(whole) - 16, 8):
        content = bytearray(whole)
        content[place] ^= 255
        (tmp_path / "a.png").write_bytes(content)
        for reading in (decode, decode_whole, measure):
            with pytest.raises(UnreadableImageError, match="a.png: damaged, .*checksum .*again"):
                reading(tmp_path / "a.png")
        try:
            with Image.open(tmp_path / "a.png") as image:
                shown += not np.array_equal(np.asarray(image), np.asarray(picture()))
        except OSError:
            pass
    assert shown


def test_a_png_without_its_end_is_read(tmp_path):
    content = encoded(picture(), "PNG")
    (tmp_path / "a.png").write_bytes(content[:-12])
    np.testing.assert_array_equal(decode_whole(tmp_path / "a.png"), np.asarray(picture()))


TIFF = b"MM\0*" + struct.pack(">LH", 8, 2) + struct.pack(">HHLHH", 0x0128, 3, 1, 2, 0)
SIX = struct.pack(">HHLHH", 0x0112, 3, 1, 6, 0)
SIX_IN_LETTERS = struct.pack(">HHL4s", 0x0112, 2, 2, b"6")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("dpi", [(0, 0), (72, 72)])  # without them Pillow reads the EXIF data as it opens the file
@pytest.mark.parametrize("suffix", ["jpeg", "png"])
@pytest.mark.parametrize(
    "exif", [b"no TIFF at all", b"MM", TIFF[:8], TIFF[:10], TIFF, TIFF + SIX[:-1], b"MM\0*\xff\xff\xff\xff"]
)
def test_an_image_whose_upper_side_was_lost_is_refused(tmp_path, exif, suffix, dpi):
    path = tmp_path / f"a.{suffix}"
    picture().save(path, exif=b"Exif\0\0" + exif, dpi=dpi)
    with pytest.raises(UnreadableImageError, match=f"{path}: its EXIF data are damaged"):
        decode(path)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("suffix", ["jpeg", "png"])
def test_exif_data_that_cannot_be_written_again_are_read(tmp_path, suffix):
    """A width in letters, before the orientation: Pillow fails to save the rest where it turns the file's own image."""
    width = struct.pack(">HHL4s", 0x0100, 2, 4, b"abc\0")
    exif = b"MM\0*" + struct.pack(">LH", 8, 2) + width + SIX
    picture().save(tmp_path / f"a.{suffix}", exif=b"Exif\0\0" + exif)
    assert decode_whole(tmp_path / f"a.{suffix}").shape == (131, 117, 3)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("suffix", ["jpeg", "png"])
@pytest.mark.parametrize(
    ("exif", "turned"),
    [
        (b"", False),
        (TIFF + SIX, True),
        (TIFF + SIX + bytes(4), True),
        (TIFF + bytes(16), False),
        (TIFF + SIX_IN_LETTERS, False),
    ],
)
def test_exif_data_need_only_their_first_directory(tmp_path, exif, turned, suffix):
    """Many cameras and programs leave out what follows it."""
    picture().save(tmp_path / f"a.{suffix}", exif=b"Exif\0\0" + exif)
    assert measure(tmp_path / f"a.{suffix}") == ((117, 131) if turned else (131, 117))


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_exif_data_may_follow_the_pixels_of_a_png(tmp_path):
    for exif in (TIFF + SIX, TIFF):
        chunk = b"eXIf" + exif
        chunk = struct.pack(">L", len(exif)) + chunk + struct.pack(">L", zlib.crc32(chunk))
        content = encoded(picture(), "PNG")
        (tmp_path / "a.png").write_bytes(content[:-12] + chunk + content[-12:])
        if exif == TIFF + SIX:
            assert measure(tmp_path / "a.png") == (117, 131)
        else:
            with pytest.raises(UnreadableImageError, match="its EXIF data are damaged"):
                measure(tmp_path / "a.png")


def test_a_file_of_too_many_bytes_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.jpeg"
    write_image(path)
    os.truncate(path, 10**10)
    monkeypatch.setattr(image_files, "open", lambda *_, **__: pytest.fail("opened"), raising=False)
    with pytest.raises(UnreadableImageError, match="a.jpeg: 10,000,000,000 bytes are too many .* at most 200,000,000"):
        decode(path)


@pytest.mark.parametrize("size", [(55, 55), (8000, 8000)])
def test_limits_hold_before_a_jpeg_is_decoded(tmp_path, monkeypatch, size):
    path = tmp_path / "a.jpeg"
    content = bytearray(encoded(picture(size=(56, 56))))
    ((_, start, _),) = [segment for segment in segments(content) if segment[0] == 0xC0]
    content[start + 5 : start + 9] = struct.pack(">HH", *size)
    path.write_bytes(content)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match=f"a.jpeg: {size[0]}x{size[1]} pixels are too"):
        decode(path)


# what else comes as an image


def test_a_cmyk_jpeg_has_the_colours_that_it_shows(tmp_path):
    """Inverted, as Adobe writes it and Pillow does; cyan ink takes red away."""
    ink = Image.new("CMYK", (112, 112), (255, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (0, 0, 112, 56))
    ink.save(tmp_path / "a.jpeg", quality=95)
    pixels = decode(tmp_path / "a.jpeg").astype(int)
    np.testing.assert_allclose(pixels[:40].mean((0, 1)), 0, atol=6)
    np.testing.assert_allclose(pixels[-40:].mean((0, 1)), (0, 255, 255), atol=6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_what_is_transparent_shows_grey(tmp_path, mode):
    """Left opaque white, right transparent black; between them, where the mode has it, white at a half."""
    image = Image.new("RGBA", (112, 112), (255, 255, 255, 255))
    image.paste((0, 0, 0, 0), (72, 0, 112, 112))
    image.paste((255, 255, 255, 128), (40, 0, 72, 112))
    if mode in ("P", "L"):
        image = image.convert("L").convert(mode)
        image.save(tmp_path / "a.png", transparency=0)
    else:
        image.convert(mode).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == mode
    pixels = decode(tmp_path / "a.png")
    assert (pixels[:, :40] == 255).all() and (pixels[:, 72:] == 128).all()
    np.testing.assert_allclose(pixels[:, 41:71].astype(int), 192 if mode in ("RGBA", "LA") else 255, atol=1)


def test_sixteen_bits_with_a_transparent_value_are_read(tmp_path):
    ramp = np.linspace(0, 65535, 112 * 112).reshape(112, 112).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png", transparency=40_000)
    np.testing.assert_allclose(decode(tmp_path / "a.png")[..., 1], ramp / 257, atol=1)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in noise(3))
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=10)
    with Image.open(tmp_path / "a.png") as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), noise(3)[0])


def test_animations_of_other_formats_are_refused(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in noise(3))
    first.save(tmp_path / "a.jpg", format="ICNS", append_images=others)
    with pytest.raises(UnreadableImageError, match="a.jpg: cannot identify image file: .* save it again"):
        decode(tmp_path / "a.jpg")


# formats beside JPEG and PNG

TIFFS = (None, "tiff_lzw", "tiff_deflate", "jpeg", "packbits")
OTHERS = {f"TIFF {kind}": ("TIFF", {"compression": kind}) for kind in TIFFS} | {
    "TIFF pages": ("TIFF", {"save_all": True, "append_images": [picture(1)]}),
    "WebP": ("WEBP", {"lossless": True}),
    "WebP lossy": ("WEBP", {"quality": 90}),
    "WebP frames": ("WEBP", {"lossless": True, "save_all": True, "append_images": [picture(1)]}),
    "AVIF": ("AVIF", {"quality": 95}),
    "AVIF frames": ("AVIF", {"quality": 95, "save_all": True, "append_images": [picture(1)]}),
    "BMP": ("BMP", {}),
    "GIF frames": ("GIF", {"save_all": True, "append_images": [picture(1)]}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_show_their_first_frame(tmp_path, kind):
    format, options = OTHERS[kind]
    (tmp_path / "a.jpg").write_bytes(encoded(picture(), format, **options))
    found = decode_whole(tmp_path / "a.jpg").astype(int)
    assert np.abs(found - np.asarray(picture())).mean() < 12 and measure(tmp_path / "a.jpg") == (131, 117)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_format_that_is_cut_is_refused_or_has_all_its_pixels(tmp_path, kind):
    format, options = OTHERS[kind]
    content, path = encoded(picture(), format, **options), tmp_path / "a"
    path.write_bytes(content)
    whole, refused = decode_whole(path), 0
    for place in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:place])
        try:
            np.testing.assert_array_equal(decode_whole(path), whole)
        except UnreadableImageError:
            refused += 1
    assert refused > 15


@pytest.mark.parametrize("format", ["TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_other_formats_are_turned_upright_once(tmp_path, format, orientation):
    upright = np.asarray(picture(size=(200, 130)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format == "AVIF" else {"lossless": True} if format == "WEBP" else {}
    stored = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](upright)))
    (tmp_path / "a").write_bytes(encoded(stored, format, exif=exif, **options))
    assert measure(tmp_path / "a") == (200, 130)
    assert np.abs(decode_whole(tmp_path / "a").astype(int) - upright).mean() < 4


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_a_tiff_of_16_bits_keeps_its_levels(tmp_path, order):
    grey = np.asarray(picture().convert("L"))
    Image.fromarray((grey.astype(np.uint16) * 257).astype(order)).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(decode_whole(tmp_path / "a.tiff")[..., 0], grey)


@pytest.mark.parametrize(("mode", "options"), [("F", {}), ("I", {}), ("I;16", {"tiffinfo": {262: 0}})])
def test_a_tiff_whose_white_is_not_known_is_refused(tmp_path, mode, options):
    values = np.asarray(picture().convert("L")).astype({"F": np.float32, "I": np.int32, "I;16": np.uint16}[mode])
    Image.fromarray(values).save(tmp_path / "a.tiff", **options)
    with pytest.raises(UnreadableImageError, match="a.tiff: of its numbers it is not known which is white: save it"):
        decode_whole(tmp_path / "a.tiff")


def test_a_tiff_of_many_pieces_is_refused_before_pillow_lists_them(tmp_path, monkeypatch):
    """5 million of them in 20 MB take Pillow half a minute and 1.3 GB."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    entries = [(256, 3, 1, 100), (257, 3, 1, 100), (273, 4, 70_000, 200)]
    content = b"II*\0" + struct.pack("<LH", 8, 3) + b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    (tmp_path / "a.tiff").write_bytes(content.ljust(280_200, b"\0"))
    with pytest.raises(UnreadableImageError, match="a.tiff: its pixels lie in 70,000 pieces: at most 65,536"):
        decode_whole(tmp_path / "a.tiff")
    (tmp_path / "big.tiff").write_bytes(b"II+\0" + bytes(500))  # with numbers of 64 bits, which are not followed
    with pytest.raises(UnreadableImageError, match=r"big.tiff: damaged, or of a rare kind \(a TIFF of 64"):
        decode_whole(tmp_path / "big.tiff")


def claim(format, size):
    """A file of `format` that claims to have `size`, width and height."""
    content = bytearray(encoded(picture(size=(60, 60)), format))
    if format == "BMP":
        content[18:26] = struct.pack("<ll", *size)
    elif format == "GIF":
        content[6:10] = struct.pack("<HH", *size)
    else:
        for tag, length in zip((256, 257), size, strict=True):
            place = content.index(struct.pack("<HHL", tag, 4, 1))
            content[place + 8 : place + 12] = struct.pack("<L", length)
    return bytes(content)


@pytest.mark.parametrize("format", ["BMP", "GIF", "TIFF"])
def test_the_limit_of_pixels_holds_for_other_formats(tmp_path, format):
    (tmp_path / "a").write_bytes(claim(format, (8000, 8000)))
    with pytest.raises(UnreadableImageError, match="a: 8000x8000 pixels are too many: at most 50,000,000 in all"):
        decode_whole(tmp_path / "a")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", ["TIFF None", "TIFF tiff_lzw", "WebP lossy", "AVIF", "BMP", "GIF frames"])
def test_whatever_bytes_come_in_another_format_a_reason_comes_back(tmp_path, kind):
    format, options = OTHERS[kind]
    content = encoded(picture(size=(64, 60)), format, **options)
    generator, path = np.random.default_rng(0), tmp_path / "a"
    for number in range(60):
        broken = bytearray(content)
        for place in generator.integers(0, (60, 300, len(broken))[number % 3], 3):
            broken[place % len(broken)] = generator.integers(256)
        path.write_bytes(broken)
        try:
            assert decode(path).shape == (112, 112, 3)
        except UnreadableImageError as error:
            assert str(error).startswith(f"{path}: ")


def test_a_heic_names_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "HEIF_VERSION", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(UnreadableImageError, match="a.heic: is a HEIC image: pip install pillow-heif, or save it as"):
        decode(tmp_path / "a.heic")


@pytest.mark.parametrize("size", [(1, 1), (55, 112), (112, 55), (3000, 5)])
def test_faces_of_a_few_pixels_are_refused(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match=f"a.png: {size[0]}x{size[1]} pixels are too few .* at least 56x56"):
        decode(tmp_path / "a.png")


def test_a_crop_of_a_few_pixels_is_refused(tmp_path):
    write_image(tmp_path / "a.png", size=(300, 300))
    assert decode(tmp_path / "a.png", (5, 5, 56)).shape == (112, 112, 3)
    with pytest.raises(UnreadableImageError, match="55x55 pixels are too few"):
        decode(tmp_path / "a.png", (5, 5, 55))


UPRIGHT = {  # by EXIF orientation, how the stored pixels come from the upright ones
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x), 7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, -1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_image_is_put_upright_and_then_cropped(tmp_path, orientation):
    upright = write_image(tmp_path / "upright.png", size=(200, 130))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(UPRIGHT[orientation](upright))
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    assert measure(tmp_path / "a.png") == (200, 130)
    for crop in (None, (90, 10, 108)):
        expected = decode(tmp_path / "upright.png", crop)
        np.testing.assert_array_equal(decode(tmp_path / "a.png", crop), expected)
    Image.fromarray(stored).save(tmp_path / "a.jpeg", exif=exif, quality=95, subsampling=0)
    assert np.abs(decode(tmp_path / "a.jpeg").astype(int) - decode(tmp_path / "upright.png")).mean() < 4
    with pytest.raises(UnreadableImageError, match="200x130 pixels do not hold the crop"):
        decode(tmp_path / "a.png", (90, 10, 125))


@pytest.mark.parametrize("orientation", [0, 9, 2**16 - 1])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = noise(1)[0]
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device", "dangling link"])
def test_what_is_no_file_is_refused_unopened(tmp_path, kind):
    path = tmp_path / "a.jpeg"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # to open it would be to wait for ever
    elif kind == "device":
        path = "/dev/zero"
    else:
        path.symlink_to("/dev/zero" if kind == "link to a device" else "nowhere")
    reason = {"folder": "is a folder", "dangling link": "No such file"}.get(kind, "is a pipe or a device")
    with pytest.raises(UnreadableImageError, match=f"{path}: {reason}"):
        decode(path)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_whatever_bytes_come_a_reason_comes_back(tmp_path):
    """Files with bytes changed, cut out or doubled: an image, or the one error that callers know."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    sources = []
    for suffix, options in (
        (".jpeg", {"quality": 60}),
        (".png", {"compress_level": 1}),
        (".png", {"compress_level": 0}),
    ):
        Image.fromarray(noise(1)[0][:64, :60]).save(tmp_path / f"a{suffix}", exif=exif, **options)
        sources.append((tmp_path / f"a{suffix}").read_bytes())
    generator, refused = np.random.default_rng(0), 0
    path = tmp_path / "broken.jpeg"
    for number in range(300):
        content = bytearray(sources[number % 3])
        for place in generator.integers(
            0, min(len(content), (100, 400, 10**6)[number % 9 // 3]), generator.integers(1, 6)
        ):
            start, stop = place, place + int(generator.integers(0, 4))
            content[start:stop] = generator.integers(0, 256, int(generator.integers(0, 5)), np.uint8).tobytes()
        path.write_bytes(content)
        try:
            assert decode(path).shape == (112, 112, 3)
        except UnreadableImageError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and str(error).count(str(path)) == 1
    assert refused > 100
