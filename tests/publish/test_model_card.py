"""The model card of made-up results."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from facelib.config import ROOT, Config
from facelib.publish import PublishingError
from facelib.publish.model_card import build_card

RESULTS = {
    "01_eda": dict(unreadable=3, test_frame=[250, 250], test_crop=[62, 65, 126], warnings=[]),
    "04_model": dict(networks=dict(residual=dict(parameters=1254321), other=dict(parameters=1))),
    "06_training": dict(
        training_identities=1056, training_images=5251, validation_identities=144, validation_images=675,
        validation_pairs=2646, best_epoch=11,
        checkpoint="runs/a/best.npz", alignment="alignments/d.npz",
        validation_roc_auc=0.9812, validation_average_precision=0.9834, validation_accuracy=0.9287,
        validation_accuracy_interval=dict(lower=0.9012, upper=0.9488),
        calibration=dict(slope=45.678, intercept=-27.5),
    ),
    "07_lfw_test": dict(
        people=600, images=1539, pairs=1200, unreadable=2, training_names=0, shared_names=0,
        accuracy_at_validation_threshold=0.9017,
        roc_auc=0.9633, average_precision=0.9655, eer=0.0977,
        summaries=dict(configured=dict(
            roc_auc=dict(value=0.9633, lower=0.9512, upper=0.9724),
            average_precision=dict(value=0.9655, lower=0.9531, upper=0.9747),
            equal_error_rate=dict(value=0.0977, lower=0.0812, upper=0.1171),
            validation_accuracy=dict(lower=0.8832, upper=0.9176),
            cross_validation=dict(accuracies=[0.9, 0.904], accuracy=0.902, standard_error=0.002),
        )),
    ),
    "09_small_sets": dict(
        texture="textures/b.npz", texture_components=40, cohort="cohorts/c.npz", cohort_images=1056,
        thresholds=dict(
            mismatched_pairs=225225, smallest_far=30 / 225225,
            accuracy=dict(far=None, threshold=0.6131, false_accepts=12345, true_accept_rate=0.9123),
            by_rate=[dict(far=0.01, threshold=0.6789, false_accepts=2252, true_accept_rate=0.7654)],
        ),
        parts=[
            dict(name=name, test=dict(
                roc_auc=dict(value=area, lower=area - 0.01, upper=area + 0.01),
                validation_accuracy=dict(value=area - 0.05, lower=area - 0.07, upper=area - 0.03),
            )) for name, area in (("network", 0.9633), ("network and texture, normalised", 0.9744))
        ],
    ),
    "10_error_analysis": dict(
        expected_calibration_error=0.0456,
        all_pairs=dict(images=1539, mismatched=1179432, tar_at_far=[
            dict(far=0.01, tar=dict(value=0.7123, lower=0.6812, upper=0.7412)),
        ]),
    ),
}  # fmt: skip


@pytest.fixture
def results(tmp_path):
    """Function that writes the made-up results, changed where they have such a key, and returns their folder."""

    def write(data="real", **changes):
        (tmp_path / "results").mkdir(exist_ok=True)
        for name, figures in RESULTS.items():
            versions = dict(tensorflow="2.21.0", keras="3.15.1")
            provenance = dict(commit="0123abc", versions=versions, python="3.11.7", seed=7, data_digest=f"of {name}")
            content = {**figures, "data": data, "provenance": {**provenance, "config": config}}
            content |= {key: value for key, value in changes.items() if key in figures}
            (tmp_path / "results" / f"{name}.json").write_text(json.dumps(content))
        return tmp_path / "results"

    config = dataclasses.asdict(Config(profile="laptop"))
    return write


def test_numbers_are_those_of_the_results(results):
    card = build_card(results())
    for line in (
        "| training | 1,056 | 5,251 | weights",
        "| test | 600 | 1,539 | 1,200 pairs",
        "| test pairs | accuracy | 0.9017 | 0.8832 to 0.9176 |",
        "| test pairs | roc auc | 0.9633 | 0.9512 to 0.9724 |",
        "| test pairs | equal error rate | 0.0977 | 0.0812 to 0.1171 |",
        "| all pairs of test images | TAR at FAR 0.01 | 0.7123 | 0.6812 to 0.7412 |",
        "validation pairs.\nWith that of each of 2 folds chosen on the others it is 0.9020, standard error 0.0020.\n",
        "all pairs of 1,539 test images, 1,179,432 of them of two people",
        "log(p / (1 - p)) = -27.50 + 45.68 score",
        "off by 0.046 on average",
        "| validation pairs | roc auc | 0.9812 |  |",
        "| validation pairs | accuracy | 0.9287 | 0.9012 to 0.9488 |",
        "| accuracy | 0.6131 | 12,345 (5.48%) | 0.9123 |",
        "| false accept rate 0.01 | 0.6789 | 2,252 (1.00%) | 0.7654 |",
        "| `gamma` | 64.0 |",
        "digest `of 06_training`; of the test images `of 07_lfw_test`",
        "3 of the training folder, 2 of the test pairs",
        "Of test frames, 250x250 pixels, the square left 62, top 65, side 126 is taken.",
        "1,254,321 parameters",
        "they support rates down to 0.00013",
        "`runs/a/best.npz`, `alignments/d.npz`, `textures/b.npz`, `cohorts/c.npz`",
        "commit 0123abc",
        "on 225,225 pairs of two held-out people",
        "- Beside it: 40 numbers of texture features, projected by LDA, with a share of 0.5 in the similarity.",
        "- Scores are normalised by how rare both faces are in a cohort of 1,056 training faces.",
        "| test pairs, network and texture, normalised | accuracy | 0.9244 | 0.9044 to 0.9444 |",
        'Of the scores "network and texture, normalised". The most accurate one was chosen on the 2,646',
    ):
        assert line in card, line
    assert not re.search("[{}]", card) and "\n\n\n" not in card


def test_drawn_faces_are_labelled_before_anything_else(results):
    assert "drawn" not in build_card(results()).lower()
    card = build_card(results(data="drawn"))
    assert card.index("All faces behind these figures are drawn") < card.index("## Model") and "Drawn faces" in card


def test_what_is_fitted_to_the_test_images_is_said(results):
    card = build_card(results())
    assert "| 1,200 pairs; the crop is fitted to their images |" in card
    assert "to the mean test frame,\nwithout names and pairs: in this respect the test is transductive.\n" in card
    assert "optimistic" in card
    folder = results()
    small, eda = (json.loads((folder / f"{name}.json").read_text()) for name in ("09_small_sets", "01_eda"))
    small["provenance"]["config"]["test_crop"] = [61, 64, 128]
    for name, content in (("09_small_sets", small), ("01_eda", eda | {"test_frame": [112, 112]})):
        results()
        (folder / f"{name}.json").write_text(json.dumps(content))
        card = build_card(folder)
        assert "| 1,200 pairs; nothing is fitted to them |" in card and "transductive" not in card


def test_people_in_both_training_and_test_are_known_by_name_only(results):
    assert "bear numbers: whether some of the test people are among them is not known. Images" in build_card(results())
    assert "Nobody is in both training and test. Images" in build_card(results(data="drawn"))
    folder = results()
    content = json.loads((folder / "07_lfw_test.json").read_text()) | dict(training_names=1056, shared_names=17)
    (folder / "07_lfw_test.json").write_text(json.dumps(content))
    assert "1,056 training folders bear names, of which 17 are names of test people. Images" in build_card(folder)


def test_crops_that_differ_are_among_the_limits(results):
    assert "not alike" not in build_card(results())
    folder = results()
    warnings = ["faces are 12% larger", "a <b> & {{ b }}"]
    content = json.loads((folder / "01_eda.json").read_text()) | {"warnings": warnings}
    (folder / "01_eda.json").write_text(json.dumps(content))
    card = build_card(folder)
    first, second = (f"- Training and test images are not alike: {warning}\n" for warning in warnings)
    assert card.index("limits") < card.index(first + second + "- Embeddings")  # as they are: no HTML, no template


def test_what_the_residual_network_sees_is_said_of_it_alone(results):
    assert "| `image_size` | 112 |\n| `local_contrast` | True |" in build_card(results())
    folder = results()
    model, small = (json.loads((folder / f"{name}.json").read_text()) for name in ("04_model", "09_small_sets"))
    model["networks"]["shallow_inception_resnet_v2"] = model["networks"]["residual"]
    small["provenance"]["config"]["network"] = "shallow_inception_resnet_v2"
    for name, content in (("04_model", model), ("09_small_sets", small)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    assert not re.search("image_size|local_contrast", build_card(folder))


def test_a_network_alone_has_no_texture_and_no_cohort(results):
    assert "onto the mean training face" in build_card(results())
    alone = RESULTS["09_small_sets"]["parts"][:1]
    card = build_card(results(texture=None, alignment=None, cohort=None, texture_components=0, parts=alone))
    assert "onto the mean training face" not in card
    assert "- Network: residual" in card and "texture features" not in card and "how rare" not in card
    assert "cohorts/" not in card and 'Of the scores "network". The most' in card


def test_pairs_too_few_for_any_rate_are_said_to_be(results):
    few = RESULTS["09_small_sets"]["thresholds"] | dict(smallest_far=None, by_rate=[], mismatched_pairs=20)
    assert "20 pairs of two held-out people, too few for any rate" in build_card(results(thresholds=few))


def test_a_list_without_folds_has_nothing_cross_validated(results):
    folder = results()
    content = json.loads((folder / "07_lfw_test.json").read_text())
    content["summaries"]["configured"]["cross_validation"] = None
    (folder / "07_lfw_test.json").write_text(json.dumps(content))
    assert "folds" not in build_card(folder)


def test_it_says_what_the_model_is_not_for(results):
    card = build_card(results())
    assert "## Intended use" in card and "Decisions about people" in card and "biometric data" in card


def test_what_is_missing_is_named(results):
    folder = results()
    content = json.loads((folder / "06_training.json").read_text())
    del content["calibration"]
    (folder / "06_training.json").write_text(json.dumps(content))
    with pytest.raises(PublishingError, match="no 'calibration'.*make all"):
        build_card(folder)
    (folder / "04_model.json").unlink()
    with pytest.raises(PublishingError, match="04_model.json"):
        build_card(folder)


def test_the_command_writes_it_beside_the_results(results):
    folder = results().parent
    command = [sys.executable, "-m", "facelib.publish.model_card", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == str(folder / "model_card.md")
    assert (folder / "model_card.md").read_text() == build_card(folder / "results")
