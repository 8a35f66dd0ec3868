"""From what was measured to what people look at: findings in words, and the near certain ones to exclude.

Here are those that need no trained network; the others are in `label_findings`.
"""

from typing import NamedTuple

import numpy as np

from facelib.gather.label_faults import Fit
from facelib.gather.names import find_shared
from facelib.gather.near_duplicates import ALIKE, SAME, NearDuplicates, find_repeats

SHOWN = 3  # images of an identity beside a finding
ALIKE_PAIRS = 1000  # of two identities, the most alike by embedding, that are compared by pixels


class Material(NamedTuple):
    """Faces that are audited: n training images, then m test images."""

    paths: tuple[str, ...]  # (n + m,), of the training images below the training folder
    labels: np.ndarray  # (n,) int, dense
    names: tuple[str, ...]  # folder of each label
    people: np.ndarray  # (m,) str, who is on each test image

    def show(self, rows) -> tuple[tuple[str, int], ...]:
        """Caption and row of images."""
        return tuple((self.paths[row], int(row)) for row in rows)

    def some(self, label: int, but=()) -> tuple[tuple[str, int], ...]:
        """`SHOWN` images of an identity."""
        rows = np.flatnonzero(self.labels == label)
        return self.show(rows[~np.isin(rows, but)][:SHOWN])


class Finding(NamedTuple):
    """One doubt, with what to look at."""

    words: str
    images: tuple[tuple[str, int], ...]  # caption, and row in `Material`


class Section(NamedTuple):
    """Findings of a kind, the most certain first."""

    title: str
    words: str
    findings: list[Finding]


class Exclusion(NamedTuple):
    """A line of the exclusion list."""

    path: str
    reason: str
    score: float | None  # likeness, cosine or suspicion; None where there is none
    other: str  # path of another image that says so; empty where there is none


def find_copies(material: Material, found: NearDuplicates, fit: Fit | None):
    """Sections and exclusions of near duplicates: in training and test, under two identities, and within one.

    Of a photograph under two identities that image goes whose label fits worse, where one fits and the other does not;
    else, and without a trained network (`fit` None), both.
    """
    count, excluded = len(material.labels), []
    kinds: dict[str, list[Finding]] = {"test": [], "two": [], "one": []}
    for row, (stays, likeness) in sorted(find_repeats(material.labels, found).items()):
        excluded.append(
            Exclusion(material.paths[row], "repeats an image of its identity", likeness, material.paths[stays])
        )
    for (one, other), likeness in zip(found.pairs.tolist(), found.likeness.tolist(), strict=True):
        if one >= count:
            continue
        certain = likeness >= SAME
        paths = material.paths[one], material.paths[other]
        if other >= count:
            kind, reason, gone = "test", "is a test image", [(one, other)]
        elif material.labels[one] == material.labels[other]:
            kind, reason, gone = "one", "", []
        else:
            kind, reason, gone = "two", "is under two identities", _wrong_of_two(one, other, fit)
        words = f"{paths[0]} and {paths[1]}: likeness {likeness:.2f}, {_name_likeness(likeness)}."
        kinds[kind].append(Finding(words, material.show([one, other])))
        if certain:
            excluded += [Exclusion(material.paths[a], reason, likeness, material.paths[b]) for a, b in gone]
    explained = f"Compared by their edges. From a likeness of {SAME} on, it is one photograph saved twice: "
    rest = f"Pairs from {ALIKE} to {SAME} are often photographs of one moment; they are not excluded."
    sections = [
        Section("Training images like test images", f"{explained}the training image is excluded. {rest}",
                kinds["test"]),
        Section("Images alike under two identities", f"{explained}excluded is the image whose label fits worse, or "
                f"both where that is not known. {rest}", kinds["two"]),
        Section("Images alike within an identity", f"{explained}the first image stays. {rest}", kinds["one"]),
    ]  # fmt: skip
    return sections, excluded


def _wrong_of_two(one, other, fit):
    pairs = [(one, other), (other, one)]
    if fit is None:
        return pairs
    wrong = [(a, b) for a, b in pairs if fit.suspicion[a] > 0]
    return wrong if len(wrong) == 1 else pairs


def _name_likeness(likeness):
    return "one photograph" if likeness >= SAME else "perhaps of one moment"


def find_named(material: Material, names: dict | None):
    """Section and exclusions of identities that have the name of a test person."""
    labels = {name: label for label, name in enumerate(material.names)}
    findings, excluded = [], []
    for folder, person in find_shared(material.names, np.unique(material.people), names):
        test = np.flatnonzero(material.people == person)[:SHOWN] + len(material.labels)
        findings.append(Finding(f"{folder} is {person}.", material.some(labels[folder]) + material.show(test)))
        rows = np.flatnonzero(material.labels == labels[folder])
        excluded += [
            Exclusion(material.paths[row], f"has the name of the test person {person}", None, "") for row in rows
        ]
    words = "Training folders, or names in the list of names, that are names of test people. All images are excluded."
    return Section("Test people among the training identities, by name", words, findings), excluded
