"""What a trained network doubts, as findings in words: labels, identities, and test people in training."""

import numpy as np

from facelib.gather import label_faults
from facelib.gather.findings import SHOWN, Exclusion, Finding, Material, Section
from facelib.gather.lines import WRONG, chances, draw_line

DOUBT = 0.1  # the largest chance of a finding


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
