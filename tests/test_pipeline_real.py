"""The whole pipeline on photographs, in a process beside that of `test_pipeline`."""

import os
from pathlib import Path

import pytest
from test_pipeline import BANNERS, copy_tree, make, pages, results

from facelib.config import ROOT

REAL_FACES = Path(os.environ.get("FACELIB_TEST_DATA", ROOT.parent / "shared" / "data" / "faces"))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FACES.is_dir(), reason="no real faces on this machine")
def test_the_same_on_real_faces(tmp_path):
    tree = copy_tree(tmp_path / "facelib")
    done = make(tree, f"DATA={REAL_FACES}", "SET=identities_limit=150 images_limit=6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(tree, "07_lfw_test")["data"] == "real" and results(tree, "07_lfw_test")["pairs"] == 1200
    assert not any(banner in page for page in pages(tree) for banner in BANNERS)
