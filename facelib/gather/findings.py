"""From what was measured to what people look at: findings in words, by kind, and the near certain ones to exclude."""

from typing import NamedTuple

import numpy as np

from facelib.gather import label_faults
from facelib.gather.lines import WRONG, chances, draw_line
from facelib.gather.names import find_shared
from facelib.gather.near_duplicates import ALIKE, SAME, NearDuplicates, find_repeats

SHOWN = 3  # images of an identity beside a finding
ALIKE_PAIRS = 1000  # of two identities, the most alike by embedding, that are compared by pixels
DOUBT = 0.1  # the largest chance of a finding


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


def find_copies(material: Material, found: NearDuplicates, fit: label_faults.Fit | None):
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
        Section("Test images among the training images", f"{explained}the training image is excluded. {rest}",
                kinds["test"]),
        Section("One photograph under two identities", f"{explained}excluded is the image whose label fits worse, or "
                f"both where that is not known. {rest}", kinds["two"]),
        Section("One photograph twice in an identity", f"{explained}the first image stays. {rest}", kinds["one"]),
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


def find_wrong_labels(material: Material, fit: label_faults.Fit, held_out: np.ndarray):
    """Section and exclusions of images that another identity fits better. held_out: (n,) bool."""
    sizes, chance = np.bincount(material.labels)[material.labels], np.ones(len(material.labels))
    beyond = np.zeros(len(chance), bool)
    for stratum in ((sizes > 1) & (sizes < label_faults.FEW), sizes >= label_faults.FEW):
        chance[stratum] = chances(fit.suspicion[stratum], fit.suspicion[stratum & held_out])
        beyond[stratum] = draw_line(chance[stratum])
    findings, excluded = [], []
    for row in _doubtful(chance):
        own, other = material.names[material.labels[row]], material.names[fit.nearest[row]]
        words = (
            f"{material.paths[row]} fits {other} (cosine {fit.other[row]:.2f}) better than the others of {own} "
            f"({fit.own[row]:.2f}). {_say_chance(chance[row], beyond[row])}"
        )
        images = material.show([row]) + material.some(material.labels[row], [row]) + material.some(fit.nearest[row])
        findings.append(Finding(words, images))
        if beyond[row]:
            excluded.append(Exclusion(material.paths[row], f"fits {other} better", float(fit.suspicion[row]), ""))
    words = (
        "The image, others of its identity, images of the identity that fits better. Large and small identities "
        f"(fewer than {label_faults.FEW} images) are judged apart: a small one says less of who is in it. "
        f"{_say_line('images', beyond.sum())}"
    )
    return Section("Likely wrong labels", words, findings), excluded


def find_leaked(material: Material, embeddings, test_embeddings, held_out: np.ndarray):
    """Section and exclusions of test people that a training identity resembles. held_out: (n,) bool."""
    people, number = np.unique(material.people, return_inverse=True)
    tested = label_faults.find_centroids(number, test_embeddings)
    centroids = label_faults.find_centroids(material.labels, embeddings)
    strangers = label_faults.find_twins(centroids).cosine[np.unique(material.labels[held_out])]
    nearest = label_faults.find_nearest(tested, centroids)
    chance = chances(nearest.cosine, strangers)
    beyond, findings, excluded = draw_line(chance), [], []
    for place in _doubtful(chance):
        label = nearest.which[place]
        words = (
            f"{people[place]} resembles {material.names[label]}: cosine {nearest.cosine[place]:.2f}. "
            f"{_say_chance(chance[place], beyond[place])}"
        )
        rows = len(material.labels) + np.flatnonzero(number == place)[:SHOWN]
        findings.append(Finding(words, material.show(rows) + material.some(label)))
        if beyond[place]:
            reason, score = f"shows the test person {people[place]}, by face", float(nearest.cosine[place])
            rows = np.flatnonzero(material.labels == label)
            excluded += [Exclusion(material.paths[row], reason, score, "") for row in rows]
    words = (
        "Test people with the most similar training identity. How similar a stranger can be is told by the identities "
        "that were held out, each with the most similar other one. "
        f"{_say_line('test people', beyond.sum())} Of those all images are excluded."
    )
    return Section("Test people among the training identities, by face", words, findings), excluded


def find_twins(material: Material, embeddings, held_out: np.ndarray) -> Section:
    """Section of pairs of identities that may be one person; held_out: (n,) bool."""
    twins = label_faults.find_twins(label_faults.find_centroids(material.labels, embeddings))
    chance = chances(twins.cosine, twins.cosine[np.unique(material.labels[held_out])])
    findings, seen = [], set()
    for label in _doubtful(chance):
        pair = frozenset((int(label), int(twins.which[label])))
        if pair not in seen:
            seen.add(pair)
            one, other = sorted(pair)
            words = f"{material.names[one]} and {material.names[other]}: cosine {twins.cosine[label]:.2f}. "
            words += _say_chance(chance[label], False)
            findings.append(Finding(words, material.some(one) + material.some(other)))
    words = (
        "Pairs of identities by how similar they are. Nothing of this is excluded: join the folders of one person by "
        "hand. Training pushes two folders of one person apart, so the order says more than the chance."
    )
    return Section("Identities that may be one person", words, findings)


def find_mixtures(material: Material, embeddings, held_out: np.ndarray) -> Section:
    """Section of identities that may be two people; held_out: (n,) bool."""
    mixtures = label_faults.find_mixtures(material.labels, embeddings)
    scores, held = -np.array([mixture.cosine for mixture in mixtures]), {*material.labels[held_out].tolist()}
    chance = chances(scores, scores[np.array([mixture.label in held for mixture in mixtures], bool)])
    findings = []
    for place in _doubtful(chance):
        mixture = mixtures[place]
        groups = [mixture.rows[side] for side in (~mixture.second, mixture.second)]
        words = (
            f"{material.names[mixture.label]}: groups of {len(groups[0])} and {len(groups[1])} images, cosine "
            f"{mixture.cosine:.2f}. {_say_chance(chance[place], False)}"
        )
        findings.append(Finding(words, material.show(groups[0][:SHOWN]) + material.show(groups[1][:SHOWN])))
    words = (
        f"Identities of at least {label_faults.FEW} images, parted into two groups, by how little these resemble each "
        "other; the smaller group comes second. Nothing of this is excluded: part the folder by hand."
    )
    return Section("Identities that may be two people", words, findings)


def _doubtful(chance):
    # places of the small chances, the smallest first
    order = np.argsort(chance, kind="stable")
    return order[chance[order] <= DOUBT].tolist()


def _say_chance(chance, beyond):
    return f"1 in {1 / chance:,.0f} without a fault looks like this.{' Excluded.' if beyond else ''}"


def _say_line(what, count):
    return (
        f"The line is drawn by identities that were held out of training: of the {what} beyond it one in "
        f"{1 / WRONG:.0f} is expected to be a false alarm. Beyond it: {count:,}."
    )
