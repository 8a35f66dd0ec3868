import hashlib
import os
import shutil
import tracemalloc

import numpy as np
import pytest

from facelib.data import faces as faces_module
from facelib.data.faces import ChosenRows, load_faces
from facelib.data.identities import NoFacesError
from facelib.data.images import decode


def test_faces_of_a_folder(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"10": 2, "9": 3, "8": 1})
    faces = load_faces(folder, tmp_path / "cache", identities_limit=2, images_limit=2)
    assert faces.table.paths == ("8/000.jpeg", "9/000.jpeg", "9/001.jpeg")
    assert faces.table.labels.tolist() == [0, 1, 1]
    for row, path in enumerate(faces.table.paths):
        np.testing.assert_array_equal(faces.pixels[row], decode(folder / path))


def test_unreadable_images_are_listed_and_rows_stay_aligned(write_faces, tmp_path):  # slip 10
    folder = write_faces(tmp_path / "faces", {"1": 2, "2": 1, "3": 2})
    for path in ("1/000.jpeg", "2/000.jpeg"):
        (folder / path).write_bytes(b"no image")
    faces = load_faces(folder, tmp_path / "cache")
    assert [path for path, _ in faces.problems] == ["1/000.jpeg", "2/000.jpeg"]
    assert faces.table.paths == ("1/001.jpeg", "3/000.jpeg", "3/001.jpeg")
    assert faces.table.names == ("1", "3")
    assert faces.table.labels.tolist() == [0, 1, 1]
    for row, path in enumerate(faces.table.paths):
        np.testing.assert_array_equal(faces.pixels[row], decode(folder / path))


def test_a_folder_of_broken_images_is_named_with_a_reason(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "a.jpeg").write_bytes(b"no image")
    with pytest.raises(NoFacesError, match=f"{tmp_path}: none of 1 images can be read; 1/a.jpeg: cannot identify"):
        load_faces(tmp_path, tmp_path / "cache")


# limits, duplicates, and the rows that are left


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3), np.uint8)


def check_rows(faces, folder):
    """The pixels, contents and files of every row are those of its path."""
    assert len(faces.pixels) == len(faces.table.paths) == len(faces.table.labels)
    for row, path in enumerate(faces.table.paths):
        np.testing.assert_array_equal(faces.pixels[row], decode(folder / path))
    for found, whole in (
        (faces.contents, faces.pixels),
        (faces.files, [(folder / path).read_bytes() for path in faces.table.paths]),
    ):
        assert [row.tobytes() for row in found] == [hashlib.sha256(each).digest()[:16] for each in whole]


def test_limits_count_images_that_are_used(write_faces, tmp_path):
    """Companion files, broken images and repeats push no photograph out."""
    folder = write_faces(tmp_path / "faces", {"1": 7, "2": 2, "3": 3, "4": 3})
    for number in range(5):
        (folder / "1" / f"._{number:03d}.jpeg").write_bytes(b"companion")
    (folder / "1" / "000.jpeg").write_bytes(b"no image")
    shutil.copy(folder / "1" / "001.jpeg", folder / "1" / "002.jpeg")
    for path in (folder / "2").iterdir():
        path.write_bytes(b"no image")
    faces = load_faces(folder, tmp_path / "cache", identities_limit=2, images_limit=3)
    assert faces.table.names == ("1", "3")
    assert faces.table.paths == tuple(f"{path}.jpeg" for path in ("1/001", "1/003", "1/004", "3/000", "3/001", "3/002"))
    assert faces.duplicates.repeated == (("1/002.jpeg", "1/001.jpeg"),)
    assert [path for path, _ in faces.problems] == ["1/000.jpeg", "2/000.jpeg", "2/001.jpeg"]
    check_rows(faces, folder)


def test_identities_are_decoded_up_to_the_last_that_is_needed(write_faces, tmp_path, monkeypatch):
    folder = write_faces(tmp_path / "faces", {str(name): 2 for name in range(9)})
    for path in (folder / "1").iterdir():
        path.write_bytes(b"no image")
    for path in (folder / "2").iterdir():
        shutil.copy(folder / "0" / path.name, path)
    (folder / "3" / "000.jpeg").write_bytes(b"no image")
    looked, load = [], faces_module.load_images
    monkeypatch.setattr(faces_module, "load_images", lambda *args: looked.extend(args[1]) or load(*args))
    faces = load_faces(folder, tmp_path / "cache", identities_limit=4)
    assert faces.table.names == ("0", "3", "4", "5")
    assert looked == [f"{name}/{number:03d}.jpeg" for name in range(6) for number in range(2)]
    check_rows(faces, folder)
    assert load_faces(folder, tmp_path / "cache", identities_limit=4).digest == faces.digest


def test_equal_identities_are_merged_and_contradictions_left_out(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"0": 3, "1": 2, "45": 3, "6": 3})
    (folder / "00000").symlink_to("0")
    shutil.copytree(folder / "45", folder / "0000045")
    shutil.copy(folder / "1" / "001.jpeg", folder / "6" / "copy.jpeg")
    faces = load_faces(folder, tmp_path / "cache")
    assert faces.table.names == ("0", "1", "6", "0000045")
    assert faces.duplicates.merged == (("00000", "0"), ("45", "0000045"))
    assert faces.duplicates.contradictions == (("1/001.jpeg", "6/copy.jpeg"),)
    assert (faces.duplicates.repeated, faces.duplicates.left_out) == ((), 8)
    assert np.bincount(faces.table.labels).tolist() == [3, 1, 3, 3]
    check_rows(faces, folder)


def test_all_rows_are_the_memory_map_itself(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"1": 2, "2": 3})
    whole = load_faces(folder, tmp_path / "cache")
    assert isinstance(whole.pixels, np.memmap) and whole.duplicates == ((), (), (), 0)
    part = load_faces(folder, tmp_path / "cache", images_limit=2)
    assert isinstance(part.pixels, ChosenRows)
    assert part.digest == whole.digest  # that of all that was decoded
    check_rows(part, folder)


def test_nothing_but_contradictions_is_an_error(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"1": 1, "2": 1, "3": 1})
    files = [folder / str(name) / "000.jpeg" for name in (1, 2, 3)]
    for number, path in enumerate(files):
        shutil.copy(path, folder / str((number + 1) % 3 + 1) / "copy.jpeg")
    with pytest.raises(NoFacesError, match="none of 6 images can be used; all occur under two identities"):
        load_faces(folder, tmp_path / "cache")


def test_names_of_any_bytes_are_decoded(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"é": 1, "e\u0301": 1, os.fsdecode(b"Jos\xe9"): 2, "中 $_\n": 1})
    (folder / os.fsdecode(b"Jos\xe9") / "000.jpeg").write_bytes(b"no image")
    faces = load_faces(folder, tmp_path / "cache")
    assert faces.table.names == (os.fsdecode(b"Jos\xe9"), "e\u0301", "é", "中 $_\n")
    check_rows(faces, folder)
    assert load_faces(folder, tmp_path / "cache").digest == faces.digest


@pytest.mark.parametrize("sizes", [(40,), (10, 1, 29)])
def test_chosen_rows_index_as_an_array_does(sizes):
    rows = np.random.default_rng(1).permutation(40)[:25]
    chosen, expected = ChosenRows(np.split(PIXELS, np.cumsum(sizes)[:-1]), rows), PIXELS[rows]
    assert (chosen.shape, chosen.dtype, len(chosen)) == (expected.shape, expected.dtype, 25)
    mask = np.arange(25) % 3 == 0
    ints, square = np.array([3, 0, -1, 3]), np.array([[1, 2], [3, 4]])
    for index in (0, -1, np.int64(7), slice(None), slice(3, 9), slice(None, None, 7), slice(30, 40), ints, square, mask,
                  [4, 5], np.zeros(0, int)):  # fmt: skip
        np.testing.assert_array_equal(chosen[index], expected[index])
    np.testing.assert_array_equal(np.stack([*chosen]), expected)
    with pytest.raises(IndexError):
        chosen[25]
    with pytest.raises(TypeError):
        chosen[0] = 0


def test_chosen_rows_hold_no_pixels(tmp_path):
    """What is asked for is gathered; 100,000 rows of 3.8 GB take no more memory than their numbers."""
    shape = (100_000, 112, 112, 3)
    part = np.lib.format.open_memmap(tmp_path / "sparse.npy", "w+", np.uint8, shape)
    tracemalloc.start()
    chosen = ChosenRows([part], np.arange(1, 100_000))
    assert chosen[5:9].shape == (4, 112, 112, 3)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


# the exclusion list


def write_list(file, *paths):
    file.write_text("path,reason\n" + "".join(f"{path},why\n" for path in paths))
    return file


def test_excluded_images_are_left_out_before_duplicates_and_limits(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"1": 3, "2": 1, "3": 2, "4": 1})
    shutil.copy(folder / "1/000.jpeg", folder / "1/003.jpeg")  # what repeats an excluded image is used
    (folder / "3/000.jpeg").write_bytes(b"no image")
    listed = write_list(tmp_path / "list.csv", "1/000.jpeg", "1/001.jpeg", "2/000.jpeg")
    faces = load_faces(folder, tmp_path / "cache", identities_limit=2, images_limit=2, exclude=listed)
    assert faces.table.paths == ("1/002.jpeg", "1/003.jpeg", "3/001.jpeg")
    assert (faces.table.names, faces.excluded, faces.duplicates.left_out) == (("1", "3"), 3, 0)
    check_rows(faces, folder)
    with pytest.raises(
        NoFacesError, match="none of 4 images can be used; all occur under two identities, or are excluded"
    ):
        every = write_list(tmp_path / "list.csv", *(f"1/00{number}.jpeg" for number in range(4)))
        load_faces(write_faces(tmp_path / "one", {"1": 4}), tmp_path / "cache", exclude=every)


def test_what_is_excluded_takes_part_in_the_digest_and_where_the_list_lies_does_not(write_faces, tmp_path):
    folder = write_faces(tmp_path / "faces", {"1": 3, "2": 2})

    def digest(*paths, name="list.csv"):
        return load_faces(folder, tmp_path / "cache", exclude=write_list(tmp_path / name, *paths)).digest

    whole = load_faces(folder, tmp_path / "cache")
    assert digest() == whole.digest and whole.excluded == 0
    assert digest("1/000.jpeg", "2/000.jpeg") == digest("2/000.jpeg", "1/000.jpeg", name="other.csv")
    assert len({whole.digest, digest("1/000.jpeg"), digest("1/001.jpeg"), digest("1/000.jpeg", "2/000.jpeg")}) == 4
    assert len([*(tmp_path / "cache").iterdir()]) == 1  # decoded once
