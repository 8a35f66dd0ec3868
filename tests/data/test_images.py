import hashlib
import importlib.metadata
import importlib.util
import os
import zlib

import numpy as np
import pytest
from conftest import write_image
from PIL import Image

from facelib import files
from facelib.data import images as images_module
from facelib.data.images import BLANK, UnreadableImageError, decode, load_images


def noise(count=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


# decoder


def test_an_image_of_two_levels_shows_something_and_one_of_alike_pixels_does_not(tmp_path):
    pixels = np.full((112, 112, 3), (90, 60, 30), np.uint8)
    for difference in (0, 1, 2):
        pixels[40:60, 40:60, 1] = 60 + difference
        Image.fromarray(pixels).save(tmp_path / "a.png")
        if difference < BLANK:
            with pytest.raises(UnreadableImageError, match="a.png: is blank: all of its pixels"):
                decode(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), pixels)


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
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match="a.png: .*pixels"):
        decode(tmp_path / "a.png")


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
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


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


def test_every_image_has_a_digest_of_its_pixels_and_of_its_file(folder, tmp_path):
    """For the search for duplicates: rows are those of the pixels."""
    (folder / "1.jpeg").write_bytes(b"no image")
    copy = (folder / "0.jpeg").read_bytes()
    (folder / "3.jpeg").write_bytes(copy + b"behind the end")
    (folder / "4.jpeg").write_bytes(copy)
    paths = [*PATHS, "4.jpeg"]
    images = load_images(folder, paths, tmp_path / "cache")
    assert images.contents.dtype == images.files.dtype == np.uint8
    assert images.contents.shape == images.files.shape == (4, 16)
    for row, path in enumerate(["0.jpeg", "2.jpeg", "3.jpeg", "4.jpeg"]):
        content = (folder / path).read_bytes()
        assert images.files[row].tobytes() == hashlib.sha256(content).digest()[:16]
        pixels = decode(folder / path).tobytes()
        assert images.contents[row].tobytes() == hashlib.sha256(pixels).digest()[:16]
    assert [(images.contents == row).all(1).sum() for row in images.contents] == [3, 1, 3, 3]
    assert [(images.files == row).all(1).sum() for row in images.files] == [2, 1, 1, 2]


@pytest.mark.parametrize("paths", [(), ("gone.jpeg",), ("gone.jpeg", "lost.jpeg")])
def test_no_image_at_all(folder, tmp_path, paths):
    images = load_images(folder, paths, tmp_path / "cache")
    assert images.pixels.shape == (0, 112, 112, 3)
    assert images.contents.shape == images.files.shape == (0, 16)
    assert len(images.problems) == len(images.readable) == len(paths)


def test_the_digest_is_of_names_and_pixels(folder, tmp_path):
    """As results that are recorded name it: SHA-256 of each name and the pixels, where there are some, in order."""
    (folder / "1.jpeg").write_bytes(b"no image")
    content = hashlib.sha256()
    for path in PATHS:
        content.update(path.encode())
        if path != "1.jpeg":
            content.update(decode(folder / path).tobytes())
    assert load_images(folder, PATHS, tmp_path / "cache").digest == content.hexdigest()[:16]


def test_many_blocks_keep_their_order(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(images_module, "BLOCK", 3)
    monkeypatch.setattr(images_module, "AHEAD", 2)
    paths = [PATHS[row] for row in np.random.default_rng(0).integers(0, 4, 50)]
    images = load_images(folder, paths, tmp_path / "cache")
    for path, pixels in zip(paths, images.pixels, strict=True):
        np.testing.assert_array_equal(pixels, decode(folder / path))


def test_threads_are_ahead_by_a_fixed_number(monkeypatch):
    """So that what is decoded and not yet written does not grow with the number of images."""
    monkeypatch.setattr(images_module, "AHEAD", 5)
    started = []
    results = images_module._map_ahead(lambda item: started.append(item) or item * item, iter(range(1000)))
    for item in range(1000):
        assert next(results) == item * item
        assert len(started) <= item + 6
    assert next(results, None) is None


@pytest.mark.parametrize("damage", ["removed", "cut off", "flipped", "emptied"])
def test_a_cache_that_is_not_whole_is_made_again(folder, tmp_path, capsys, damage):
    (folder / "2.jpeg").write_bytes(b"no image")
    first = load_images(folder, PATHS, tmp_path / "cache")
    pixels = first.pixels.copy()
    (cache,) = (tmp_path / "cache").iterdir()
    content = cache.read_bytes()
    damages = {"cut off": content[:-1], "flipped": content[:999] + b"?" + content[1000:], "emptied": b""}
    cache.unlink() if damage == "removed" else cache.write_bytes(damages[damage])
    for kept, made in zip(load_images(folder, PATHS, tmp_path / "cache"), first._replace(pixels=pixels), strict=True):
        np.testing.assert_array_equal(kept, made)
    assert (f"note: {cache} is damaged" in capsys.readouterr().err) == (damage != "removed")
    assert cache.read_bytes() == content


@pytest.mark.parametrize("package", ["pillow", "simplejpeg"])
def test_the_decoder_is_named_by_the_libraries_versions(monkeypatch, package):
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == package else known(name))
    spec = importlib.util.spec_from_file_location("another", images_module.__file__)
    another = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(another)
    assert another.DECODER != images_module.DECODER


NAMES = {  # what is wrong with a file, and what is said of it
    "circle.jpeg": "Too many levels of symbolic links",
    "nowhere.jpeg": "No such file or directory",
    "folder.jpeg": "is a folder, not an image",
    "gone.jpeg": "No such file or directory",
    "0.jpeg/inside.jpeg": "Not a directory",
    "with\0zero.jpeg": "embedded null byte",
    "l" * 300 + ".jpeg": "File name too long",
    "no permission.jpeg": "Permission denied",
    "empty.jpeg": "cannot identify image file",
}


def test_a_file_that_cannot_be_read_is_one_unreadable_image(folder, tmp_path, monkeypatch):
    (folder / "circle.jpeg").symlink_to("circle.jpeg")
    (folder / "nowhere.jpeg").symlink_to("nowhere")
    (folder / "folder.jpeg").mkdir()
    for name in ("empty.jpeg", "no permission.jpeg"):
        (folder / name).touch()

    def refuse(path, mode, **options):
        if path.name == "no permission.jpeg":
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, mode, **options)

    monkeypatch.setattr(files, "open", refuse, raising=False)
    for _ in range(2):
        images = load_images(folder, ("0.jpeg", *NAMES, "1.jpeg"), tmp_path / "cache")
        assert images.readable.sum() == 2 and images.readable[[0, -1]].all()
        assert [path for path, _ in images.problems] == list(NAMES)
        for (path, reason), expected in zip(images.problems, NAMES.values(), strict=True):
            assert reason.startswith(expected), path
            assert str(folder) not in reason


def test_names_are_bytes(folder, tmp_path):
    """Latin-1, as an old disk has it, is no UTF-8; twice, since the second time they come out of the record."""
    good, bad = (os.fsdecode(name) for name in (b"Zo\xeb.jpeg", b"Ren\xe9e.jpeg"))
    os.rename(folder / "0.jpeg", folder / good)
    (folder / bad).write_bytes(b"no image")
    for _ in range(2):
        images = load_images(folder, (good, bad), tmp_path / "cache")
        assert images.readable.tolist() == [True, False]
        assert [path for path, _ in images.problems] == [bad]
        np.testing.assert_array_equal(images.pixels[0], decode(folder / good))
    content = hashlib.sha256(b"Zo\xeb.jpeg" + decode(folder / good).tobytes() + b"Ren\xe9e.jpeg")
    assert images.digest == content.hexdigest()[:16]


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
