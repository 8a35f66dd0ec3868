"""What a trained network doubts: planted faults of labels are found, and only what is near certain is excluded."""

import numpy as np
import pytest
from test_label_faults import people

from facelib.gather.findings import Material
from facelib.gather.label_faults import measure_fit
from facelib.gather.label_findings import find_leaked, find_mixtures, find_twins, find_wrong_labels


@pytest.fixture(scope="module")
def labelled():
    """100 people with 8 images each, the last 60 held out; three wrong labels; test people, two of them in training."""
    labels, embeddings = people([8] * 110, spread=0.6, size=128)
    tested, test_embeddings = labels[labels >= 100] - 100, embeddings[labels >= 100].copy()
    test_embeddings[tested == 0] = embeddings[labels == 5]
    test_embeddings[tested == 1] = embeddings[labels == 6]
    labels, embeddings = labels[labels < 100].copy(), embeddings[labels < 100]
    held_out = labels >= 40
    labels[[3, 100, 200]] = [1, 2, 4]
    names = tuple(map(str, range(100)))
    paths = tuple(f"{label}/{row}" for row, label in enumerate(labels))
    people_of = np.array([f"T{number}" for number in tested])
    paths += tuple(f"{person}/{row}" for row, person in enumerate(people_of))
    return Material(paths, labels, names, people_of), embeddings, test_embeddings, held_out


def test_wrong_labels_lie_beyond_the_line_and_say_why(labelled):
    material, embeddings, _, held_out = labelled
    section, excluded = find_wrong_labels(material, measure_fit(material.labels, embeddings), held_out)
    assert [one.path for one in excluded[:3]] == [finding.images[0][0] for finding in section.findings[:3]]
    assert {one.path for one in excluded[:3]} == {"1/3", "2/100", "4/200"} and len(excluded) <= 4
    first = section.findings[0]
    assert "fits" in first.words and "better than the others of" in first.words and first.words.endswith("Excluded.")
    assert len(first.images) == 7 and first.images[0][0] in {"1/3", "2/100", "4/200"}
    assert f"Beyond it: {len(excluded)}." in section.words


def test_test_people_in_training_are_found_by_face_and_all_their_images_excluded(labelled):
    material, embeddings, tested, held_out = labelled
    section, excluded = find_leaked(material, embeddings, tested, held_out)
    assert {one.path.split("/")[0] for one in excluded} == {"5", "6"}
    assert len(excluded) == np.isin(material.labels, [5, 6]).sum()
    assert section.findings[0].words.startswith(("T0 resembles 5", "T1 resembles 6"))


def test_twins_and_mixtures_are_shown_and_not_excluded(labelled):
    material, embeddings, _, held_out = labelled
    labels = material.labels.copy()
    labels[np.flatnonzero(labels == 10)[::2]] = 11  # half of 10 is in 11
    labels[labels == 20] = 21
    labels = np.unique(labels, return_inverse=True)[1]
    mixed = material._replace(labels=labels, names=tuple(name for name in material.names if name != "20"))
    mixtures = find_mixtures(mixed, embeddings, held_out)
    assert {finding.words.split(":")[0] for finding in mixtures.findings[:2]} == {"11", "21"}
    assert all(4 <= len(finding.images) <= 6 for finding in mixtures.findings)
    twins = find_twins(mixed, embeddings, held_out)
    assert twins.findings[0].words.startswith("10 and 11: cosine 0.")
