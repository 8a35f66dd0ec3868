"""lfw_protocol.py: View 2 against a slow twin, the summary against the figures it is made of."""

import json

import numpy as np
import pytest
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st
from reference import cross_validated, peers_accuracies

from facelib.learn.embedding import pair_scores
from facelib.measure import all_vs_all, intervals, lfw_protocol, metrics
from facelib.measure.scored_pairs import ScoredPairs


@st.composite
def scored_folds(draw):
    """Scores with many ties and folds of several sizes, each with both kinds of pair."""
    rows = []
    for fold in range(draw(st.integers(2, 6))):
        kinds = [True, False, *draw(st.lists(st.booleans(), max_size=6))]
        rows += [(draw(st.integers(0, 8)) / 8, same, fold) for same in kinds]
    scores, matched, folds = zip(*draw(st.permutations(rows)), strict=True)
    return np.array(scores), np.array(matched), np.array(folds)


@given(scored_folds(), st.integers(-3, 3))
def test_cross_validation_equals_its_twin(pairs, first):
    scores, matched, folds = pairs
    accuracies, mean, standard_error, standard_deviation = cross_validated(scores, matched, folds)
    found = lfw_protocol.cross_validate(scores, matched, folds + first)
    np.testing.assert_allclose(found.accuracies, accuracies)
    expected = pytest.approx((mean, standard_error, standard_deviation), abs=1e-12)
    assert (found.accuracy, found.standard_error, found.standard_deviation) == expected
    assert found.standard_deviation == pytest.approx(np.std(found.accuracies))  # as peers print it
    assert found.standard_deviation == pytest.approx(np.sqrt(len(accuracies) - 1) * found.standard_error)
    for number, threshold in enumerate(found.thresholds):
        others = folds != number
        assert threshold == metrics.best_threshold(scores[others], matched[others])[0]


def test_cross_validation_worked_out_by_hand():
    """Two folds of four: the threshold of the one is 0.5 by the other, of the other 0.3 by the one."""
    scores = np.array([0.9, 0.4, 0.2, 0.1, 0.8, 0.6, 0.4, 0.35])
    matched = np.array([True, True, False, False, True, True, False, False])
    found = lfw_protocol.cross_validate(scores, matched, np.repeat([0, 1], 4))
    assert found.thresholds == pytest.approx([0.5, 0.3])
    assert list(found.accuracies) == [0.75, 0.5]  # 0.4 refused; 0.4 and 0.35 accepted
    assert found.accuracy == 0.625
    assert found.standard_error == pytest.approx(0.125)  # sqrt((0.125^2 + 0.125^2) / 1) / sqrt(2)
    assert found.standard_deviation == pytest.approx(0.125)


def view2(pairs=1200, folds=10, seed=0):
    """Scores, people and folds of a list like LFW's, matched and mismatched pairs in turns."""
    generator = np.random.default_rng(seed)
    folds = np.arange(pairs) * folds // pairs
    matched = np.arange(pairs) // 60 % 2 == 0
    first = generator.integers(0, 900, pairs)
    second = np.where(matched, first, (first + generator.integers(1, 900, pairs)) % 900)
    scores = np.clip(generator.normal(np.where(matched, 0.7, 0.5), 0.08), 0, 1)
    return scores, np.stack([first, second], axis=1), folds


def test_peers_deviation_is_three_standard_errors_and_their_accuracy_another():
    scores, people, folds = view2(seed=1)
    matched = people[:, 0] == people[:, 1]
    ours = lfw_protocol.cross_validate(scores, matched, folds)
    theirs = peers_accuracies(4 * (1 - scores), matched)
    assert ours.standard_deviation == pytest.approx(3 * ours.standard_error)
    assert theirs.mean() == pytest.approx(ours.accuracy, abs=0.01)  # the same folds, another grid
    assert theirs.mean() != ours.accuracy
    # a list that is not in the order of its folds: theirs are cut as the list comes
    rows = np.argsort(~matched, kind="stable")
    assert lfw_protocol.cross_validate(scores[rows], matched[rows], folds[rows]).accuracy == ours.accuracy
    assert peers_accuracies(4 * (1 - scores[rows]), matched[rows]).mean() != theirs.mean()


def test_folds_that_cannot_be_used_are_named():
    scores, matched = np.arange(8) / 8, np.arange(8) % 2 == 0
    with pytest.raises(
        lfw_protocol.NoFoldsError, match="all 8 pairs are in fold 0: the header of the list names no folds"
    ):
        lfw_protocol.cross_validate(scores, matched, np.zeros(8, int))
    with pytest.raises(ValueError, match="8 pairs for 10 folds: each needs a matched and a mismatched pair"):
        lfw_protocol.cross_validate(scores, matched, [0, 1, 2, 3, 4, 5, 6, 9])
    with pytest.raises(ValueError, match="fold 1 has 2 matched and 0 mismatched pairs"):
        lfw_protocol.cross_validate(scores, matched, [0, 0, 1, 0, 1, 0, 0, 0])
    with pytest.raises(ValueError, match="fold 1 has 0 matched and 0 mismatched pairs.*unreadable"):
        lfw_protocol.cross_validate(scores, matched, [0, 0, 0, 0, 2, 2, 2, 2])
    for folds in ([0, 1], np.arange(8) / 8, None):
        with pytest.raises(ValueError, match=r"expected an integer each"):
            lfw_protocol.cross_validate(scores, matched, folds)


def test_the_summary_holds_the_figures_of_their_own_functions():
    scores, people, folds = view2()
    variants = {"plain": ScoredPairs(scores, people), "with mirror images": ScoredPairs(scores**2, people)}
    thresholds = {"plain": 0.6}
    found = lfw_protocol.summarise(variants, folds, thresholds)
    assert list(found) == list(variants)
    matched = people[:, 0] == people[:, 1]
    for name, pairs in variants.items():
        summary, values = found[name], pairs.scores
        assert (summary.pairs, summary.people) == (1200, len(np.unique(people)))
        assert summary.roc_auc == intervals.roc_auc_interval(pairs)
        assert summary.average_precision == intervals.average_precision_interval(pairs)
        assert summary.precision_recall_area == metrics.precision_recall_area(values, matched)
        assert summary.equal_error_rate == intervals.equal_error_rate_interval(pairs)
        best = (summary.best_threshold, summary.best_accuracy)
        assert best == metrics.best_threshold(values, matched)
        expected = lfw_protocol.cross_validate(values, matched, folds)
        assert summary.cross_validation.accuracy == expected.accuracy <= summary.best_accuracy
        for point in summary.tars[:2]:
            assert point.tar.value == metrics.operating_point(metrics.counts(values, matched), point.far).tar
            assert point.threshold == metrics.operating_point(metrics.counts(values, matched), point.far).threshold
        assert summary.tars[2][:3] == (0.001, None, None) and "at least 1,000" in summary.tars[2].reason
    plain, other = found.values()
    assert plain.validation_threshold == 0.6
    assert plain.validation_accuracy == intervals.accuracy_interval(ScoredPairs(scores, people), 0.6)
    assert plain.validation_rates == intervals.rate_intervals(ScoredPairs(scores, people), 0.6)
    assert (other.validation_threshold, other.validation_accuracy, other.validation_rates) == (None, None, None)


def test_the_table_shows_the_summary():
    scores, people, folds = view2()
    variants = {"plain": ScoredPairs(scores, people), "mirrored": ScoredPairs(scores**2, people)}
    summaries = lfw_protocol.summarise(variants, folds, {"plain": 0.6})
    lines = lfw_protocol.as_table(summaries).splitlines()
    assert lines[:2] == ["| | plain | mirrored |", "|---|---|---|"]
    cells = {line.split(" | ")[0].removeprefix("| "): line.rstrip(" |").split(" | ")[1:] for line in lines[2:]}
    accuracy = summaries["plain"].validation_accuracy
    shown = f"{accuracy.value:.4f} [{accuracy.lower:.4f}, {accuracy.upper:.4f}]"
    assert cells["accuracy, threshold of validation"] == [f"{shown}, at 0.6000", "not given"]
    folds, best = summaries["plain"].cross_validation, summaries["plain"].best_threshold
    ends = f"{min(folds.thresholds):.4f} to {max(folds.thresholds):.4f}"
    assert cells["accuracy, cross-validated"][0] == f"{folds.accuracy:.4f}, at {ends}"
    assert cells["accuracy, best threshold on these pairs (optimistic)"][0].endswith(f", at {best:.4f}")
    assert cells["its standard error"][1] == f"{summaries['mirrored'].cross_validation.standard_error:.4f}"
    assert cells["TAR at FAR 0.001"] == ["too few pairs"] * 2
    few = int((people[:, 0] != people[:, 1]).sum()) * 0.01 < 10
    assert [cell.endswith("(from fewer than ten false accepts: nearer 90 %)") for cell in cells["TAR at FAR 0.01"]] == [
        few
    ] * 2
    assert few and "nearer" not in "".join(cells["TAR at FAR 0.1"])
    without = lfw_protocol.as_table(lfw_protocol.summarise({"plain": variants["plain"]}, np.zeros(len(scores), int)))
    assert "| accuracy, cross-validated | no folds |" in without


def test_the_summary_goes_into_a_json_file():
    scores, people, folds = view2()
    found = lfw_protocol.as_data(lfw_protocol.summarise({"plain": ScoredPairs(scores, people)}, folds, {"plain": 0.6}))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert again["plain"]["roc_auc"]["lower"] < again["plain"]["roc_auc"]["value"]
    assert len(again["plain"]["cross_validation"]["accuracies"]) == 10
    assert again["plain"]["tars"][2]["tar"] is None


def test_a_summary_refuses_what_does_not_fit():
    scores, people, folds = view2(120)
    pairs = ScoredPairs(scores, people)
    with pytest.raises(ValueError, match="threshold of 'flip', but the variants are 'plain'"):
        lfw_protocol.summarise({"plain": pairs}, folds, {"flip": 0.5})
    with pytest.raises(ValueError, match="no scores"):
        lfw_protocol.summarise({})
    with pytest.raises(ValueError, match="expected an integer each"):
        lfw_protocol.summarise({"plain": pairs}, folds[1:])


def test_an_interval_as_text_has_its_ends_in_brackets():
    assert lfw_protocol.as_text(intervals.Interval(0.91234, 0.01, 0.9, 0.95)) == "0.9123 [0.9000, 0.9500]"
    assert lfw_protocol.as_text(None) == "not given"
    difference = intervals.Difference(0.0123, 0.01, -0.0073, 0.0319, 0.2)
    assert lfw_protocol.as_text(difference) == "+0.0123 [-0.0073, +0.0319]"


@pytest.mark.parametrize(
    "found", [intervals.Interval(0.91234, 0.01, 0.9, 0.95), intervals.Difference(0.0123, 0.01, -0.0073, 0.0319, 0.2)]
)
def test_what_was_read_back_from_a_file_has_the_same_text(found):
    again = json.loads(json.dumps(lfw_protocol.as_data(found)))
    assert lfw_protocol.as_text(again) == lfw_protocol.as_text(found)


def faces(images, people, seed=0):
    generator = np.random.default_rng(seed)
    names = np.array([f"person {number}" for number in generator.integers(0, people, images)])
    return names, unit(generator.normal(size=(images, 8))).astype(np.float32)


def test_true_accept_rates_on_all_pairs_are_those_of_their_scores():
    names, embeddings = faces(60, 12)
    found = lfw_protocol.tars_on_all_pairs(all_vs_all.build_score, names, embeddings, seed=3)
    rows = [(row, other) for other in range(60) for row in range(other)]
    assert found.images == 60 and len(found.pairs) == len(rows)
    expected = ScoredPairs(pair_scores(embeddings, *np.transpose(rows)), [names[list(pair)] for pair in rows])
    np.testing.assert_allclose(np.sort(found.pairs.scores), np.sort(expected.scores), atol=1e-6)
    mismatched = int((~expected.matched).sum())
    assert 300 <= mismatched < 3000 and int((~found.pairs.matched).sum()) == mismatched
    assert [point.far for point in found.tars] == [0.1]  # 0.01 amounts to fewer than 30 pairs
    for point, twin in zip(found.tars, lfw_protocol.tars_at_fars(expected, [0.1]), strict=True):
        assert point.tar == pytest.approx(twin.tar)


def test_of_many_images_the_seed_draws_some():
    names, embeddings = faces(60, 6)
    asked = []

    def build_score(vectors):
        asked.append(vectors)
        return all_vs_all.build_score(vectors)

    for seed in (1, 1, 2):
        found = lfw_protocol.tars_on_all_pairs(build_score, names, embeddings, seed, most=20)
        assert found.images == 20 and len(found.pairs) == 190 and found.tars == ()
    first, again, other = asked
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    places = [int(np.flatnonzero((embeddings == vector).all(axis=1))[0]) for vector in first]
    assert places == sorted(set(places))
