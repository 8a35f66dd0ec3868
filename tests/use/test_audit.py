"""The audit as a whole: planted faults in a small data set, with and without a trained network."""

import csv
import shutil

import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import write_image
from PIL import Image

from facelib import config as config_module
from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER, load_config
from facelib.data.faces import load_faces
from facelib.use.audit import FACES, LIST, PAGE, UNKNOWN, UNTRAINED, EditedError, audit
from facelib.use.commands import main


def write_test(folder, people=6):
    """Test frames of some people, of the size of the crops, two of each, and pairs of them."""
    lines = []
    for person in range(people):
        name = f"Per_Son{person}"
        for number in (1, 2):
            write_image(folder / TEST_FOLDER / name / f"{name}_{number:04d}.jpg", (90, person, number))
        lines += [f"{name}\t1\t2", f"{name}\t1\tPer_Son{(person + 1) % people}\t2"]
    (folder / PAIRS_FILE).write_text("\n".join([f"1\t{people}", *sorted(lines, key=lambda line: line.count("\t")), ""]))


def save_again(source, target):
    image = Image.open(source).convert("RGB")
    Image.fromarray(np.asarray(image) // 2 + 60).save(target, quality=60)


def plant(folder):
    """A copy within an identity, one in another identity, one of a test image, and a damaged file."""
    training = folder / TRAINING_FOLDER
    first = {name: sorted((training / name).iterdir())[0] for name in "0123"}
    save_again(first["0"], training / "0" / "copy.jpeg")
    save_again(first["1"], training / "2" / "copy.jpeg")
    save_again(folder / TEST_FOLDER / "Per_Son0" / "Per_Son0_0001.jpg", training / "3" / "copy.jpeg")
    (training / "3" / "damaged.jpeg").write_bytes(b"no image")
    return {"0/copy.jpeg", f"1/{first['1'].name}", "2/copy.jpeg", "3/copy.jpeg"}


def listed(done):
    with open(done.folder / LIST, newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture
def untrained(project, data_folder, write_faces):
    write_test(data_folder)
    write_faces(data_folder / TRAINING_FOLDER, {str(name): 3 for name in range(8)})
    return data_folder


def test_without_a_network_copies_names_and_damaged_files_are_found(untrained, tmp_path):
    planted = plant(untrained)
    (tmp_path / "names.txt").write_text("7 Per Son5\n")
    done = audit("smoke", str(untrained), names=tmp_path / "names.txt")
    assert set(listed(done)) == planted | {f"7/{number:03d}.jpeg" for number in range(3)}
    assert (done.excluded, done.notes) == (7, (UNTRAINED,))
    assert [*done.counts.values()] == [1, 1, 1, 1, 1]
    page = (done.folder / PAGE).read_text()
    assert UNTRAINED in page and FACES in page and "3/damaged.jpeg: cannot identify" in page
    excluding = load_config("smoke", str(untrained), f"exclude={done.folder / LIST}").exclude
    faces = load_faces(untrained / TRAINING_FOLDER, tmp_path / "cache", exclude=excluding)
    assert faces.excluded == 7 and not {*listed(done)} & {*faces.table.paths}
    again = audit("smoke", str(untrained), exclude=shutil.copy(done.folder / LIST, tmp_path / "mine.csv"))
    assert again.excluded == 0 and [*again.counts.values()] == [0, 0, 0, 0, 1]


def test_a_list_that_somebody_has_edited_is_not_overwritten(untrained):
    done = audit("smoke", str(untrained))
    audit("smoke", str(untrained))
    with open(done.folder / LIST, "a") as file:
        file.write("0/000.jpeg,mine,,\n")
    with pytest.raises(EditedError, match="exclude.csv has been edited, .*: move it, for example to data/exclude.csv$"):
        audit("smoke", str(untrained))
    assert "mine" in (done.folder / LIST).read_text()


@pytest.fixture(scope="module")
def copied_root(trained_root, tmp_path_factory):
    """A copy of `trained_root` with test images, the network alone, which is traced in no time."""
    root = shutil.copytree(trained_root, tmp_path_factory.mktemp("audit") / "root")
    (root / "reports/smoke/results/09_small_sets.json").unlink()
    write_test(root / "faces")
    return root


@pytest.fixture
def trained(copied_root, trained_project, monkeypatch):
    monkeypatch.setattr(config_module, "ROOT", copied_root)
    return copied_root / "faces"


def test_with_a_trained_network_labels_are_looked_at(trained, capsys):
    assert main(["data", "audit", "--profile", "smoke", "--data", str(trained)]) == 0
    out, err = capsys.readouterr()
    for title in ("Likely wrong labels", "Identities that may be one person", "by face", "Identities that may be two"):
        assert title in out
    page = BeautifulSoup((trained.parent / "reports/smoke/audit" / PAGE).read_text(), "html.parser")
    assert len(page.find_all("h2")) == 9 and UNKNOWN not in page.get_text()
    assert "images to exclude" in out and "note:" not in err


def test_other_faces_than_those_of_training_are_said_to_be_others(trained, tmp_path):
    other = shutil.copytree(trained, tmp_path / "other")
    planted = plant(other)
    done = audit("smoke", str(other))
    assert UNKNOWN in (done.folder / PAGE).read_text() and done.notes == (UNKNOWN,)
    found = listed(done)
    assert {"0/copy.jpeg", "3/copy.jpeg"} <= set(found) and planted & {"1/0.png", "2/copy.jpeg"} & set(found)
    assert found["3/copy.jpeg"]["other path"] == "Per_Son0/Per_Son0_0001.jpg"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--names", "nowhere: No such file or directory; --names names a file of lines `id name`"),
        ("--exclude", "nowhere: No such file or directory; exclude names an exclusion list"),
        ("--data", "no data folder at "),
    ],
)
def test_what_is_missing_is_one_message(trained, capsys, tmp_path, option, message):
    arguments = ["data", "audit", "--profile", "smoke", "--data", str(trained), option, str(tmp_path / "nowhere")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
