import json
import os

import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from facelib import images as images_module
from facelib.images import UnreadableImageError, decode, load_images


def noise(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


# decoder


@pytest.mark.parametrize("name", ["a.jpeg", "a.png"])
def test_decoded_pixels_are_pillows(tmp_path, name):
    write_image(tmp_path / name, seed=1)
    pixels = decode(tmp_path / name)
    assert (pixels.shape, pixels.dtype) == ((112, 112, 3), np.uint8)
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(tmp_path / name)))


def test_png_keeps_its_pixels(tmp_path):
    written = write_image(tmp_path / "a.png", seed=2)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), written)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpeg" if mode == "CMYK" else "a.png")
    Image.fromarray(noise(1)[0]).convert(mode).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
        np.testing.assert_array_equal(decode(path), np.asarray(image.convert("RGB")))


def test_sixteen_bit_grey_is_not_clipped_to_white(tmp_path):
    ramp = np.linspace(0, 65535, 112 * 112).reshape(112, 112)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_allclose(decode(tmp_path / "a.png")[..., 0], ramp / 257, atol=1)


def test_other_sizes_are_scaled_to_112(tmp_path):
    write_image(tmp_path / "a.png", size=(160, 90))
    with Image.open(tmp_path / "a.png") as image:
        expected = image.resize((112, 112), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), expected)


def test_crop_is_left_top_side(tmp_path):
    """In an image whose red is the column and whose green is the row, colours are places."""
    rows, columns = np.mgrid[:250, :250].astype(np.uint8)
    Image.fromarray(np.stack([columns, rows, rows * 0], axis=2)).save(tmp_path / "a.png")
    pixels = decode(tmp_path / "a.png", crop=(61, 64, 128)).astype(float)
    middles = (np.arange(112) + 0.5) * 128 / 112 - 0.5
    np.testing.assert_allclose(pixels[50, :, 0], 61 + middles, atol=1)
    np.testing.assert_allclose(pixels[:, 50, 1], 64 + middles, atol=1)


@pytest.mark.parametrize("crop", [(0, 0, 113), (1, 0, 112), (0, 1, 112), (-1, 0, 50), (0, -1, 50)])
def test_crop_outside_the_image_is_refused(tmp_path, crop):
    write_image(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="a.png: "):
        decode(tmp_path / "a.png", crop=crop)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match=f"{tmp_path}/none.jpeg"):
        decode(tmp_path / "none.jpeg")


@pytest.mark.parametrize("suffix", ["jpeg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_file_is_named(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    write_image(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UnreadableImageError, match=f"{path}: "):
        decode(path)


@pytest.mark.parametrize("content", [b"no image at all", b"GIF89a" + bytes(40), bytes(1000)])
def test_what_is_no_jpeg_or_png_is_refused(tmp_path, content):
    (tmp_path / "a.jpeg").write_bytes(content)
    with pytest.raises(UnreadableImageError, match="a.jpeg: cannot identify"):
        decode(tmp_path / "a.jpeg")


def test_a_whole_image_of_another_format_is_refused(tmp_path):
    Image.fromarray(noise(1)[0]).save(tmp_path / "a.png", format="BMP")
    with pytest.raises(UnreadableImageError, match="a.png: "):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("side", [8_000, 60_000])
def test_a_huge_claimed_size_is_refused_before_decoding(tmp_path, monkeypatch, side):
    write_image(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = __import__("zlib").crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match="a.png: .*pixels"):
        decode(tmp_path / "a.png")


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


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_animations_of_other_formats_are_refused(tmp_path, format):
    first, *others = (Image.fromarray(frame) for frame in noise(3))
    first.save(tmp_path / "a.jpg", format=format, save_all=True, append_images=others)
    with pytest.raises(UnreadableImageError, match="a.jpg: cannot identify image file: .* save it again"):
        decode(tmp_path / "a.jpg")


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
    assert images_module.measure(tmp_path / "a.png") == (200, 130)
    for crop in (None, (90, 10, 108)):
        expected = decode(tmp_path / "upright.png", crop)
        np.testing.assert_array_equal(decode(tmp_path / "a.png", crop), expected)
    Image.fromarray(stored).save(tmp_path / "a.jpeg", exif=exif, quality=95, subsampling=0)
    assert np.abs(decode(tmp_path / "a.jpeg").astype(int) - decode(tmp_path / "upright.png")).mean() < 4
    with pytest.raises(UnreadableImageError, match="200x130 pixels do not hold the crop"):
        decode(tmp_path / "a.png", (90, 10, 125))


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 9
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


# cache


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        write_image(tmp_path / "faces" / f"{number}.jpeg", seed=number)
    return tmp_path / "faces"


PATHS = ("0.jpeg", "1.jpeg", "2.jpeg", "3.jpeg")


def fail_to_decode(monkeypatch):
    monkeypatch.setattr(images_module, "_decode", lambda *_: pytest.fail("decoded again"))


def test_rows_are_the_decoded_files(folder, tmp_path):
    images = load_images(folder, PATHS, tmp_path / "cache")
    assert isinstance(images.pixels, np.memmap)
    assert images.readable.tolist() == [True] * 4
    assert images.problems == ()
    for row, path in enumerate(PATHS):
        np.testing.assert_array_equal(images.pixels[row], decode(folder / path))


def test_second_call_takes_the_cache(folder, tmp_path, monkeypatch):
    first = load_images(folder, PATHS, tmp_path / "cache")
    fail_to_decode(monkeypatch)
    second = load_images(folder, PATHS, tmp_path / "cache")
    for kept, made in zip(second, first, strict=True):
        np.testing.assert_array_equal(kept, made)


def test_a_changed_file_is_decoded_again(folder, tmp_path):
    before = load_images(folder, PATHS, tmp_path / "cache")
    status = (folder / "1.jpeg").stat()
    write_image(folder / "1.jpeg", seed=99)
    os.utime(folder / "1.jpeg", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = load_images(folder, PATHS, tmp_path / "cache")
    np.testing.assert_array_equal(after.pixels[1], decode(folder / "1.jpeg"))
    np.testing.assert_array_equal(after.pixels[2], before.pixels[2])
    assert after.digest != before.digest


def test_another_decoder_does_not_take_the_cache(folder, tmp_path, monkeypatch):
    load_images(folder, PATHS, tmp_path / "cache")
    monkeypatch.setattr(images_module, "DECODER", "another")
    load_images(folder, PATHS, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.json"))) == 2


def test_other_paths_and_other_crops_have_their_own_cache(folder, tmp_path):
    load_images(folder, PATHS, tmp_path / "cache")
    backwards = load_images(folder, PATHS[::-1], tmp_path / "cache")
    np.testing.assert_array_equal(backwards.pixels[0], decode(folder / "3.jpeg"))
    cropped = load_images(folder, PATHS, tmp_path / "cache", crop=(10, 20, 60))
    np.testing.assert_array_equal(cropped.pixels[0], decode(folder / "0.jpeg", crop=(10, 20, 60)))


def test_digest_is_of_the_content_not_of_the_place(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in PATHS:
        (elsewhere / path).write_bytes((folder / path).read_bytes())
    digests = [load_images(place, PATHS, tmp_path / f"cache of {place.name}").digest for place in (folder, elsewhere)]
    assert digests[0] == digests[1]
    assert load_images(folder, PATHS[:3], tmp_path / "cache").digest != digests[0]


def test_unreadable_images_are_listed_and_left_out_with_rows_aligned(folder, tmp_path):  # slip 10
    (folder / "1.jpeg").write_bytes(b"no image")
    images = load_images(folder, (*PATHS, "gone.jpeg"), tmp_path / "cache")
    assert images.readable.tolist() == [True, False, True, True, False]
    assert [path for path, _ in images.problems] == ["1.jpeg", "gone.jpeg"]
    assert images.problems[0][1].startswith("cannot identify image file")
    assert str(tmp_path) not in str(images.problems)
    assert len(images.pixels) == 3
    np.testing.assert_array_equal(images.pixels[1], decode(folder / "2.jpeg"))
    again = load_images(folder, (*PATHS, "gone.jpeg"), tmp_path / "cache")
    assert again.problems == images.problems
    assert again.readable.tolist() == images.readable.tolist()


def test_an_interrupted_decoding_is_not_taken_for_complete(folder, tmp_path, monkeypatch):
    whole = images_module._decode

    def interrupted(path, crop):
        if path.name == "2.jpeg":
            raise KeyboardInterrupt
        return whole(path, crop)

    with monkeypatch.context() as patch:
        patch.setattr(images_module, "_decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_images(folder, PATHS, tmp_path / "cache")
    images = load_images(folder, PATHS, tmp_path / "cache")
    for row, path in enumerate(PATHS):
        np.testing.assert_array_equal(images.pixels[row], decode(folder / path))


def test_a_cache_without_its_record_is_not_taken_for_complete(folder, tmp_path):
    """As an interruption leaves it between the two files."""
    load_images(folder, PATHS, tmp_path / "cache")
    (record,) = (tmp_path / "cache").glob("*.json")
    array = record.with_suffix(".npy")
    record.unlink()
    np.save(array, np.zeros((4, 112, 112, 3), np.uint8))
    np.testing.assert_array_equal(load_images(folder, PATHS, tmp_path / "cache").pixels[0], decode(folder / "0.jpeg"))
    assert json.loads(record.read_text())["problems"] == []
