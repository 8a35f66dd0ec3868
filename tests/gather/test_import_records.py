"""Records become a folder of identities, with the same images and digests as where they are read in place."""

import json
import os

import numpy as np
import pytest
from conftest import write_image
from record_files import write_records

from facelib.data.faces import load_faces
from facelib.data.identities import read_identities
from facelib.data.recordio import RecordsError
from facelib.gather.import_records import import_records


@pytest.fixture
def people(tmp_path):
    """The content of 2 or 3 images of each of 11 people, JPEG or PNG."""

    def content(person, number):
        path = tmp_path / f"image.{'png' if number == 1 else 'jpeg'}"
        write_image(path, (person, number))
        return path.read_bytes()

    return [[content(person, number) for number in range(2 + person % 2)] for person in range(11)]


@pytest.mark.parametrize("several", [False, True])
def test_images_come_out_byte_for_byte(tmp_path, people, several):
    write_records(tmp_path / "records", people, several)
    taken = import_records(tmp_path / "records", tmp_path / "out")
    assert taken.files == sum(map(len, people)) and taken.problems == ()
    for label, images in enumerate(people):
        folder = tmp_path / "out" / str(label)
        assert [path.read_bytes() for path in sorted(folder.iterdir())] == images
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [file["name"] for file in manifest["source"]["files"]] == ["train.rec", "train.idx", "property"]
    assert manifest["folders"]["3"] == {"source": "3", "files": 3}


def test_records_that_are_read_in_place_give_the_same_faces_as_the_imported_folder(tmp_path, people):
    people[4][1] = b"no image"
    people[6] = people[5]  # merged, or contradictory: the same both ways
    write_records(tmp_path / "records", people)
    import_records(tmp_path / "records", tmp_path / "out")
    in_place, imported = (load_faces(tmp_path / name, tmp_path / f"cache of {name}", 9) for name in ("records", "out"))
    assert in_place.table.paths == imported.table.paths and in_place.table.names == imported.table.names
    assert np.array_equal(in_place.table.labels, imported.table.labels)
    assert np.array_equal(in_place.pixels[:], imported.pixels[:]) and in_place.digest == imported.digest
    assert np.array_equal(in_place.contents, imported.contents) and np.array_equal(in_place.files, imported.files)
    assert read_identities(tmp_path / "out").unread == ()  # not even the manifest
    assert in_place.problems == imported.problems != () and in_place.duplicates == imported.duplicates


def test_a_folder_without_records_is_told_so(tmp_path):
    with pytest.raises(RecordsError, match="holds no train.rec: name the folder that does"):
        import_records(tmp_path, tmp_path / "out")
    assert os.listdir(tmp_path) == []
