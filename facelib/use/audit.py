"""Look for faults of a data set: copies, wrong labels, test people in training; see `facelib.gather.findings`."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facelib.config import Config, load_config
from facelib.data.drawn import draw_faces
from facelib.data.faces import ChosenRows, load_training_faces
from facelib.data.identities import split_identities
from facelib.data.pair_images import load_test_pairs
from facelib.data.test_crop import find_test_crop
from facelib.folders import printable
from facelib.gather import findings, label_faults, label_findings
from facelib.gather.audit_page import render_exclusion, render_page
from facelib.gather.names import read_names
from facelib.gather.near_duplicates import find_near_duplicates
from facelib.results import MissingResultError, publish
from facelib.use.load import Trained, load_trained
from facelib.use.verify import Verifier

PAGE, LIST, RECORD = "index.html", "exclude.csv", "audit.json"
FACES = "This page shows photographs of people: keep it to yourself, and do not publish it."
UNTRAINED = "No network has been trained for this profile, so labels were not looked at: make all trains one."
UNKNOWN = (
    "The network was trained on other faces than these. Where it has seen some of them, the lines that are drawn by "
    "held-out identities can be wrong."
)


class EditedError(ValueError):
    """An exclusion list that somebody has edited, and that would be overwritten; the message says what to do."""


class Audit(NamedTuple):
    """What an audit has found and written."""

    folder: Path  # holds PAGE, LIST and RECORD
    counts: dict[str, int]  # findings by the title of their section
    excluded: int  # lines of the exclusion list
    notes: tuple[str, ...]  # what the findings cannot be relied on for


def audit(profile: str, data: str = "", names: Path | None = None, exclude: Path | None = None) -> Audit:
    """Audit the faces of `data`, see `config.load_config`, and write page and exclusion list.

    They are written to ``reports/<profile>/audit``. Where `profile` has been trained, its network takes part.

    Args:
        names: list of the names of training identities, see `names.read_names`.
        exclude: exclusion list; these images are left out, and its lines are not written again.

    Raises:
        EditedError: the exclusion list there is not as the last audit wrote it.
        CheckpointError: the trained network cannot be used.
        NoFacesError, RecordsError, ExclusionError, NamesError, PairsError, SizesError, UnreadableImageError,
            ConfigError: what is read cannot be used.
    """
    config, trained = load_config(profile, data), None
    known = read_names(names) if names else None
    try:
        trained = load_trained(profile)
        config = dataclasses.replace(trained.config, data=config.data)
    except MissingResultError:
        pass
    config = dataclasses.replace(config, exclude=str(Path(exclude).resolve()) if exclude else "")
    folder = config.reports / "audit"
    _refuse_edited(folder)
    if config.drawn:
        draw_faces(config)
    faces = load_training_faces(config)
    test = load_test_pairs(config, find_test_crop(config, faces.pixels).crop)
    paths = (*faces.table.paths, *test.readable)
    material = findings.Material(paths, faces.table.labels, faces.table.names, test.image_people)
    pixels = ChosenRows([faces.pixels, test.images.pixels], np.arange(len(paths)))
    sections, excluded = _look(config, material, pixels, trained, known)
    unreadable = [*faces.problems, *test.images.problems]
    unreadable = [findings.Finding(f"{path}: {reason}", ()) for path, reason in unreadable]
    sections.append(findings.Section("Files that cannot be read", "They take part in nothing.", unreadable))
    content = render_exclusion(excluded)
    notes = _note(trained, faces)
    page = render_page(sections, pixels, [*_introduce(faces, test), *notes], "" if config.drawn else FACES)
    counts = {section.title: len(section.findings) for section in sections}
    lines = len({exclusion.path for exclusion in excluded})
    record = {"list": hashlib.sha256(content).hexdigest(), "findings": counts, "excluded": lines}
    publish(config, folder / RECORD, json.dumps(record, indent=2) + "\n")
    publish(config, folder / LIST, content)
    publish(config, folder / PAGE, page)
    return Audit(folder, counts, lines, notes)


def _refuse_edited(folder):
    file = folder / LIST
    if not file.exists():
        return
    try:
        written = json.loads((folder / RECORD).read_bytes())["list"]
    except (OSError, ValueError, KeyError, TypeError):
        written = ""
    if hashlib.sha256(file.read_bytes()).hexdigest() != written:
        raise EditedError(
            f"{printable(file)} has been edited, and an audit would write it anew: move it, for example to data/{LIST}"
        )


def _look(config: Config, material, pixels, trained: Trained | None, names):
    # sections and exclusions
    named, excluded_named = findings.find_named(material, names)
    if trained is None:
        copies, excluded = findings.find_copies(material, find_near_duplicates(pixels), None)
        return [*copies, named], [*excluded, *excluded_named]
    count = len(material.labels)
    embeddings = Verifier(trained).embed_all(pixels)
    training, tested = embeddings[:count], embeddings[count:]
    held_out = split_identities(material.labels, config.validation_share, config.seed)[1]
    fit = label_faults.measure_fit(material.labels, training)
    people = np.unique(material.people, return_inverse=True)[1]
    owners = np.concatenate([material.labels, -1 - people])  # pairs of one test person are no finding
    alike, _ = label_faults.find_alike(owners, embeddings, findings.ALIKE_PAIRS)
    copies, excluded = findings.find_copies(material, find_near_duplicates(pixels, alike), fit)
    wrong, excluded_wrong = label_findings.find_wrong_labels(material, fit, held_out)
    leaked, excluded_leaked = label_findings.find_leaked(material, training, tested, held_out)
    twins = label_findings.find_twins(material, training, held_out)
    mixtures = label_findings.find_mixtures(material, training, held_out)
    sections = [*copies, named, leaked, wrong, mixtures, twins]
    return sections, [*excluded, *excluded_named, *excluded_leaked, *excluded_wrong]


def _note(trained, faces):
    if trained is None:
        return (UNTRAINED,)
    return () if trained.results["provenance"]["data_digest"] == faces.digest else (UNKNOWN,)


def _introduce(faces, test):
    return [
        f"{len(faces.pixels):,} training images of {len(faces.table.names):,} identities and {len(test.readable):,} "
        f"test images. Left out before: {faces.excluded:,} that were excluded, and {faces.duplicates.left_out:,} exact "
        "duplicates, which notebook 01 lists.",
        f"{LIST}, beside this page, lists what is near certain; look through it, and edit it: remove lines, or add "
        f"paths. Then copy it, for example to data/{LIST}, and train without these images: make all "
        f'SET="exclude=data/{LIST}".',
    ]
