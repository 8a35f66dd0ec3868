"""Thresholds of the trained model, carried over to a folder of photographs."""

import json

import numpy as np
import pytest
from conftest import write_image
from reference import matched_quantile

from facelib.measure.carried_thresholds import LEAST, CohortError
from facelib.measure.operating_points import FALSE_ACCEPTS
from facelib.use import commands
from facelib.use.carry import carry_to, decide_again
from facelib.use.evaluate import evaluate


@pytest.fixture
def pairs(trained_project, tmp_path):
    for person, name in enumerate(("anna", "bert")):
        for number in (1, 2):
            write_image(tmp_path / "images" / name / f"{name}_{number:04d}.jpg", 2 * person + number)
    (tmp_path / "pairs.txt").write_text("1\t0\nanna 1 2\nbert 1 2\nanna 1 bert 1\nanna 2 bert 2\n")
    return tmp_path / "pairs.txt", tmp_path / "images"


def test_each_threshold_accepts_as_large_a_share_of_the_cohort(verifier, faces):
    found = carry_to(verifier, faces)
    embedded = verifier.embed_folder(faces)
    first, second = np.triu_indices(len(embedded.paths), 1)
    scores = verifier.scores(embedded.embeddings, first, second)
    thresholds = verifier.trained.results["thresholds"]
    rows = [thresholds["accuracy"], *thresholds["by_rate"]]
    assert found.images == len(embedded.paths) == 108 and found.problems == ()
    assert [(row["far"], row["threshold"]) for row in found.thresholds] == [
        (row["far"], row["threshold"]) for row in rows
    ]
    for row, was in zip(found.thresholds, rows, strict=True):
        rate = was["false_accepts"] / thresholds["mismatched_pairs"]
        assert (scores >= row["carried"]).sum() == (scores >= matched_quantile(rate, scores, FALSE_ACCEPTS)).sum()


def test_names_of_people_are_not_read(verifier, faces, tmp_path):
    for number, path in enumerate(sorted(faces.rglob("*.png"))):
        (tmp_path / f"{number:03d}.png").write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no image")
    found = carry_to(verifier, tmp_path)
    for row, also in zip(found.thresholds, carry_to(verifier, faces).thresholds, strict=True):
        assert row["carried"] == pytest.approx(also["carried"], abs=1e-6)
    assert [path for path, _ in found.problems] == ["broken.png"] and found.images == 108


def test_too_few_faces_are_refused_by_name_and_number(verifier, tmp_path):
    for number in range(LEAST - 1):
        write_image(tmp_path / f"{number}.jpg", number)
    with pytest.raises(CohortError, match=f"{tmp_path}: 29 faces are too few to carry a threshold over: at least 30"):
        carry_to(verifier, tmp_path)


def test_a_verdict_at_the_threshold_carried_over(verifier, faces):
    images = faces / "0/0.png", faces / "1/0.png"
    verdict, carried = verifier.verify(*images, far=0.1), carry_to(verifier, faces)
    found = decide_again(verdict, carried)
    (threshold,) = (row["carried"] for row in carried.thresholds if row["far"] == 0.1)
    assert found.threshold == threshold != verdict.threshold and found.same == (verdict.score >= threshold)
    assert (found.score, found.far, found.validation_far) == (verdict.score, 0.1, verdict.validation_far)
    assert (verdict.cohort, found.cohort) == (None, 108)
    few = carried._replace(thresholds=[row | {"carried": None} for row in carried.thresholds])
    with pytest.raises(CohortError, match=r"108 faces of a cohort are too few for a false accept rate of 0\.\d+"):
        decide_again(verdict, few)


def test_evaluate_measures_the_thresholds_carried_over(verifier, faces, pairs):
    found, carried = evaluate(verifier, *pairs, cohort=faces), carry_to(verifier, faces)
    assert evaluate(verifier, *pairs) == found | {"cohort": None}
    cohort = found["cohort"]
    assert cohort["images"] == 108 and cohort["unreadable"] == [] and json.loads(json.dumps(found)) == found
    assert [row["threshold"] for row in cohort["thresholds"]] == [row["carried"] for row in carried.thresholds]
    for row in cohort["thresholds"]:
        rates = row["true_accept_rate"], 1 - row["false_accept_rate"]
        assert row["accuracy"] == pytest.approx(np.mean(rates))  # as many pairs of either kind


def test_the_commands_say_what_was_carried_over(trained_project, faces, pairs, capfd):
    options = ["--profile", "smoke", "--cohort", str(faces)]
    given = ["--pairs", str(pairs[0]), "--images", str(pairs[1])]
    assert commands.main(["evaluate", *options, *given]) == 0
    out = capfd.readouterr().out
    assert f"\ncarried over to 108 photographs in {faces}, without labels:\naccuracy  " in out
    assert out.count("\nfalse accept rate 0.1  ") == 2
    two = [str(faces / "0/0.png"), str(faces / "1/0.png")]
    assert commands.main(["verify", *options, *two]) == 0
    out = capfd.readouterr().out
    assert f"It was carried over to 108 photographs in {faces}: of their pairs it accepts as many.\n" in out
    assert commands.main(["verify", *options, "--json", *two]) == 0
    assert json.loads(capfd.readouterr().out)["cohort"] == 108
    assert commands.main(["verify", *options[:2], "--cohort", str(faces / "0"), *two]) == 1
    assert f"error: {faces / '0'}: 3 faces are too few to carry a threshold over" in capfd.readouterr().err
