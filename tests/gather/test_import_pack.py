"""A pack becomes a folder of images and a list of pairs, which say the same."""

import json

import pytest
from pack_files import python2_pack

from facelib.config import PAIRS_FILE, TEST_FOLDER
from facelib.data.packs import read_pack
from facelib.data.pair_list import read_pairs
from facelib.gather.import_pack import import_pack

IMAGES = [f"image {number}".encode() for number in range(16)]


@pytest.mark.parametrize("answers", [[1, 1, 0, 0] * 2, [1, 1, 1, 0, 0, 0, 0, 1]])
def test_the_list_of_pairs_is_that_of_the_pack(tmp_path, answers):
    (tmp_path / "lfw.bin").write_bytes(python2_pack(IMAGES, answers))
    taken, pack = import_pack(tmp_path / "lfw.bin", tmp_path / "out")
    assert taken.files == 17 and pack == read_pack(tmp_path / "lfw.bin")
    folder = tmp_path / "out" / TEST_FOLDER
    assert tuple(read_pairs(tmp_path / "out" / PAIRS_FILE, folder)) == pack.pairs
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpg")} == pack.images
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["source"]["files"][0]["name"] == "lfw.bin" and manifest["files"] == 17


def test_pairs_that_are_left_out_leave_the_others(tmp_path):
    (tmp_path / "lfw.bin").write_bytes(python2_pack([*IMAGES[:6], *IMAGES[:2]], [1, 0, 1, 1]))
    _, pack = import_pack(tmp_path / "lfw.bin", tmp_path / "out")
    assert len(pack.pairs) == 3 and pack.left_out == (("pair 4", "has the images of pair 1"),)
    assert tuple(read_pairs(tmp_path / "out" / PAIRS_FILE, tmp_path / "out" / TEST_FOLDER)) == pack.pairs
