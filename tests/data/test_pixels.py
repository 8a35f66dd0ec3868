import os
import resource

import numpy as np
import pytest

from facelib.data import pixels
from facelib.data.pixels import DamagedPixelsError, checksum, keep_pixels, read_pixels, write_pixels
from facelib.files import UnwritableError

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 112, 112, 3), np.uint8)


def summed(images=IMAGES):
    return ((image, checksum(image)) for image in images)


@pytest.mark.parametrize("most", [7, 8, 10**4])
def test_images_come_back_with_what_belongs_to_them(tmp_path, most):
    write_pixels(tmp_path / "a.npy", most, summed(), lambda: {"files": np.arange(7)})
    found, known = read_pixels(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, IMAGES)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), IMAGES)
    assert known.keys() == {"sums", "files"} and known["files"].tolist() == list(range(7))
    assert [row.tobytes() for row in known["sums"]] == [checksum(image) for image in IMAGES]
    assert not found.flags.writeable


@pytest.mark.parametrize("most", [0, 3])
def test_no_image_at_all(tmp_path, most):
    write_pixels(tmp_path / "a.npy", most, [])
    found, known = read_pixels(tmp_path / "a.npy")
    assert found.shape == (0, 112, 112, 3) and known["sums"].shape == (0, 16)


def test_many_blocks_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "BLOCK", 3)
    write_pixels(tmp_path / "a.npy", 7, summed())
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.npy")[0], IMAGES)
    with open(tmp_path / "a.npy", "r+b") as file:
        file.seek(128 + 5 * 112 * 112 * 3)
        file.write(bytes([IMAGES[5, 0, 0, 0] ^ 128]))
    with pytest.raises(DamagedPixelsError, match="another checksum of an image from 3 on"):
        read_pixels(tmp_path / "a.npy")


def damages(content):
    """A byte flipped anywhere, a part zeroed, the end cut off or longer; in a file of 7 images."""
    ends = len(content)
    places = [0, 7, 60, 127, 128, 129, 150_000, ends - 1, ends - 8, ends - 9, ends - 40, ends - 41, ends - 300]
    for place in places:
        yield f"flipped {place}", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    for start in (0, 100_000, ends - 500):
        yield f"zeroed {start}", content[:start] + bytes(500) + content[start + 500 :]
    for end in (0, 1, 39, 40, 41, 128, 5000, ends // 2, ends - 41, ends - 1):
        yield f"cut {end}", content[:end]
    yield "longer", content + b"\0"
    yield "zeros", bytes(ends)
    yield "an image less", content[: 128 + 6 * 112 * 112 * 3] + content[128 + 7 * 112 * 112 * 3 :]


def test_whatever_is_damaged_is_found_and_made_again(tmp_path, capsys):
    path = tmp_path / "a.npy"
    write_pixels(path, 7, summed(), lambda: {"files": np.arange(7)})
    content = path.read_bytes()
    for name, damaged in damages(content):
        path.write_bytes(damaged)
        with pytest.raises(DamagedPixelsError):
            read_pixels(path)
            pytest.fail(name)
        found, known = keep_pixels(path, lambda path: write_pixels(path, 7, summed(), lambda: {"files": np.arange(7)}))
        np.testing.assert_array_equal(found, IMAGES)
        assert path.read_bytes() == content
        assert capsys.readouterr().err.startswith(f"note: {path} is damaged (")


def test_a_file_of_other_images_is_made_again(tmp_path, capsys):
    write_pixels(tmp_path / "a.npy", 5, summed(IMAGES[:5]))
    made = []
    found, _ = keep_pixels(tmp_path / "a.npy", lambda path: made.append(write_pixels(path, 7, summed())), 7)
    assert len(found) == 7 and len(made) == 1 and "5 images for 7" in capsys.readouterr().err
    keep_pixels(tmp_path / "a.npy", pytest.fail, 7)


def test_what_is_left_half_way_is_no_file(tmp_path):
    def broken():
        yield from summed(IMAGES[:3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pixels(tmp_path / "a.npy", 7, broken())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_known_before_the_first_image(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(UnwritableError, match="a.npy cannot be written"):
            write_pixels(tmp_path / "a.npy", 7, map(pytest.fail, [""]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_reader_keeps_its_pixels_while_the_file_is_replaced(tmp_path):
    write_pixels(tmp_path / "a.npy", 7, summed())
    found, _ = read_pixels(tmp_path / "a.npy")
    write_pixels(tmp_path / "a.npy", 7, summed(255 - IMAGES))
    np.testing.assert_array_equal(found, IMAGES)
    os.remove(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, IMAGES)
