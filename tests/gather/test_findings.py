"""From measured doubts to words and to what is excluded."""

import numpy as np
import pytest

from facelib.gather import findings
from facelib.gather.findings import Material
from facelib.gather.label_faults import Fit
from facelib.gather.near_duplicates import NearDuplicates


@pytest.fixture
def material():
    """Identities a, b (three images each) and c (two); two test images of Ann_Lee."""
    paths = ("a/0", "a/1", "a/2", "b/0", "b/1", "b/2", "c/0", "c/1", "Ann_Lee/1.jpg", "Ann_Lee/2.jpg")
    return Material(paths, np.repeat([0, 1, 2], [3, 3, 2]), ("a", "b", "c"), np.array(["Ann_Lee"] * 2))


COPIES = NearDuplicates(
    np.array([[0, 2], [1, 3], [4, 6], [5, 8], [7, 9], [8, 9]]), np.float32([0.99, 0.95, 0.91, 0.89, 0.7, 0.99])
)


def test_copies_are_sorted_by_kind_and_the_certain_ones_are_excluded(material):
    sections, excluded = findings.find_copies(material, COPIES, None)
    assert [len(section.findings) for section in sections] == [2, 2, 1]  # with the test, of two identities, of one
    assert sections[0].findings[0].images == (("b/2", 5), ("Ann_Lee/1.jpg", 8))
    assert "likeness 0.89, one photograph" in sections[0].findings[0].words
    assert "likeness 0.70, perhaps of one moment" in sections[0].findings[1].words
    assert [(one.path, one.other) for one in excluded] == [
        ("a/2", "a/0"), ("a/1", "b/0"), ("b/0", "a/1"), ("b/1", "c/0"), ("c/0", "b/1"), ("b/2", "Ann_Lee/1.jpg"),
    ]  # fmt: skip


def test_of_a_photograph_under_two_identities_the_one_that_fits_worse_is_excluded(material):
    suspicion = np.float32([-1, 0.4, -1, -0.2, -1, -1, -1, -1])
    fit = Fit(-suspicion, np.zeros(8, np.float32), np.zeros(8, int))
    excluded = findings.find_copies(material, COPIES, fit)[1]
    two = [one.path for one in excluded if one.reason == "is under two identities"]
    assert two == ["a/1", "b/1", "c/0"]  # the second pair fits twice: nobody knows


def test_identities_with_the_name_of_a_test_person_are_excluded(material):
    section, excluded = findings.find_named(material, {"b": "ann lee"})
    assert [finding.words for finding in section.findings] == ["b is Ann_Lee."]
    assert [one.path for one in excluded] == ["b/0", "b/1", "b/2"]
    assert findings.find_named(material, None)[0].findings == []
