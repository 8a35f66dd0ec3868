"""intervals.py against slow sums over all pairs of pairs, and its intervals against simulated truth."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import dyadic_sum, independent_difference, placement_influences, share_influences
from sklearn.metrics import average_precision_score

from facelib.measure import intervals, metrics
from facelib.measure.scored_pairs import ScoredPairs

STEPS = st.integers(0, 4).map(lambda step: step / 4)  # many ties


@st.composite
def scored_dyads(draw):
    """Scores and people: few people, so that pairs share one or both, on either side."""
    person = st.integers(0, draw(st.integers(1, 6)))
    same = draw(st.lists(person.map(lambda single: (single, single)), min_size=1, max_size=10))
    other = draw(st.lists(st.tuples(person, person).filter(lambda dyad: dyad[0] != dyad[1]), min_size=1, max_size=15))
    people = np.array(draw(st.permutations(same + other)))
    scores = draw(st.lists(STEPS, min_size=len(people), max_size=len(people)))
    return np.array(scores), people


def logit_interval(value, variance):
    """log(p / (1 - p)) +- 1.96 s / (p (1 - p)), back on the scale of p."""
    middle, reach = math.log(value / (1 - value)), 1.959964 * math.sqrt(variance) / (value * (1 - value))
    return [1 / (1 + math.exp(-(middle + side * reach))) for side in (-1, 1)]


def check(found, value, variance):
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.standard_error**2 == pytest.approx(variance, abs=1e-12)  # near 0 a root makes rounding large
    assert 0 <= found.lower <= found.value <= found.upper <= 1
    if 0 < value < 1 and variance > 1e-9:
        assert [found.lower, found.upper] == pytest.approx(logit_interval(value, variance), abs=1e-6)


@given(scored_dyads(), STEPS)
def test_intervals_of_shares_are_made_of_the_sum_over_all_pairs_of_pairs(dyads, threshold):
    scores, people = dyads
    matched = people[:, 0] == people[:, 1]
    accepted = scores >= threshold
    right = accepted == matched
    influences = share_influences(right, np.ones_like(matched))
    found = intervals.accuracy_interval(ScoredPairs(scores, people), threshold)
    check(found, metrics.accuracy(scores, matched, threshold), dyadic_sum(influences, people))
    rates = intervals.rate_intervals(ScoredPairs(scores, people), threshold)
    for rate, kind in ((rates.tar, matched), (rates.far, ~matched)):
        check(rate, accepted[kind].mean(), dyadic_sum(share_influences(accepted, kind), people))


@given(scored_dyads())
def test_interval_of_the_area_is_made_of_placement_values(dyads):
    scores, people = dyads
    matched = people[:, 0] == people[:, 1]
    variance = dyadic_sum(placement_influences(scores, matched), people)
    check(intervals.roc_auc_interval(ScoredPairs(scores, people)), metrics.roc_auc(scores, matched), variance)


@given(scored_dyads())
def test_interval_of_average_precision_is_made_of_derivatives_by_weight(dyads):
    scores, people = dyads
    matched = people[:, 0] == people[:, 1]

    def weighted(pair, change):
        weights = np.ones(len(scores))
        weights[pair] += change
        return average_precision_score(matched, scores, sample_weight=weights)

    step = 1e-6
    influences = [(weighted(pair, step) - weighted(pair, -step)) / (2 * step) for pair in range(len(scores))]
    found = intervals.average_precision_interval(ScoredPairs(scores, people))
    assert found.value == metrics.average_precision(scores, matched)
    assert found.standard_error**2 == pytest.approx(dyadic_sum(influences, people), abs=1e-8)
    assert 0 <= found.lower <= found.value <= found.upper <= 1


def test_interval_of_the_equal_error_rate_goes_along_the_curve():
    """Scores spread evenly, so that the slope is known: matched ones over [0, 2], mismatched ones over [-1, 1]."""
    count = 3000
    scores = np.concatenate([np.linspace(0, 2, count), np.linspace(-1, 1, count)])
    people = np.concatenate([np.arange(count)[:, None] + [0, 0], count + 2 * np.arange(count)[:, None] + [0, 1]])
    found = intervals.equal_error_rate_interval(ScoredPairs(scores, people))
    assert found.value == pytest.approx(0.25, abs=1e-3)  # at 0.5; both densities are equal there, the slope is 1
    assert found.standard_error == pytest.approx(math.sqrt(2 * 0.25 * 0.75 / count) / 2, rel=1e-2)


@given(scored_dyads())
def test_interval_of_the_equal_error_rate_holds_it(dyads):
    scores, people = dyads
    found = intervals.equal_error_rate_interval(ScoredPairs(scores, people))
    assert found.value == metrics.equal_error_rate(scores, people[:, 0] == people[:, 1])
    assert 0 <= found.lower <= found.value <= found.upper <= 1


@given(scored_dyads(), STEPS, STEPS, st.randoms(use_true_random=False))
def test_differences_are_made_of_the_differences_of_influences(dyads, threshold, its, random):
    scores, people = dyads
    others = np.array([random.randrange(5) / 4 for _ in scores])
    matched = people[:, 0] == people[:, 1]
    all_pairs = np.ones_like(matched)
    right, also = (scores >= threshold) == matched, (others >= its) == matched
    pairs = zip(share_influences(right, all_pairs), share_influences(also, all_pairs), strict=True)
    found = intervals.compare_accuracy(ScoredPairs(scores, people), ScoredPairs(others, people), (threshold, its))
    assert found.value == pytest.approx(right.mean() - also.mean(), abs=1e-12)
    assert found.standard_error**2 == pytest.approx(dyadic_sum([u - v for u, v in pairs], people), abs=1e-12)
    pairs = zip(placement_influences(scores, matched), placement_influences(others, matched), strict=True)
    found = intervals.compare_roc_auc(ScoredPairs(scores, people), ScoredPairs(others, people))
    area = metrics.roc_auc(scores, matched) - metrics.roc_auc(others, matched)
    assert found.value == pytest.approx(area, abs=1e-12)
    assert found.standard_error**2 == pytest.approx(dyadic_sum([u - v for u, v in pairs], people), abs=1e-12)
    if found.standard_error > 1e-6:
        reach = 1.959964 * found.standard_error
        assert [found.lower, found.upper] == pytest.approx(np.clip([area - reach, area + reach], -1, 1), abs=1e-6)
        z = abs(area) / found.standard_error
        assert found.p_value == pytest.approx(2 - 2 * NormalDist().cdf(z), abs=1e-9)


@given(scored_dyads(), st.randoms(use_true_random=False))
def test_two_thresholds_are_compared_pair_by_pair_where_each_pair_has_its_own(dyads, random):
    scores, people = dyads
    own = np.array([random.randrange(5) / 4 for _ in scores])
    matched = people[:, 0] == people[:, 1]
    right = np.array([(s >= t) == m for s, t, m in zip(scores, own, matched, strict=True)])
    also = (scores >= 0.5) == matched
    gains = [a - b for a, b in zip(right.astype(float), also.astype(float), strict=True)]
    influences = [(gain - np.mean(gains)) / len(gains) for gain in gains]
    found = intervals.compare_accuracy(ScoredPairs(scores, people), ScoredPairs(scores, people), (own, 0.5))
    assert found.value == pytest.approx(np.mean(gains), abs=1e-12)
    assert found.standard_error**2 == pytest.approx(dyadic_sum(influences, people), abs=1e-12)
    everywhere = intervals.compare_accuracy(
        ScoredPairs(scores, people), ScoredPairs(scores, people), (np.full(len(scores), 0.25), 0.5)
    )
    assert everywhere == intervals.compare_accuracy(
        ScoredPairs(scores, people), ScoredPairs(scores, people), (0.25, 0.5)
    )


SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)  # lower end, value, upper end


@given(SHARES, SHARES, st.floats(0, 0.2), st.floats(0, 0.2))
def test_the_difference_of_independent_shares_adds_the_squares_of_their_errors(one, other, error, its_error):
    first = intervals.Interval(one[1], error, one[0], one[2])
    second = intervals.Interval(other[1], its_error, other[0], other[2])
    found = intervals.compare_independent(first, second)
    assert found[:4] == pytest.approx(independent_difference(first, second), abs=1e-12)
    assert -1 - 1e-12 <= found.lower <= found.value <= found.upper <= 1 + 1e-12
    if min(abs(found.lower), abs(found.upper)) > 1e-9:  # the interval leaves out 0 where p < 0.05
        assert (found.p_value < 0.05) == (found.lower > 0 or found.upper < 0)


def wilson(right, pairs):
    """The score interval of a share of independent pairs."""
    p, z = right / pairs, 1.959964
    middle, reach = p + z * z / (2 * pairs), z * math.sqrt(p * (1 - p) / pairs + z * z / (4 * pairs**2))
    ends = [(middle + side * reach) / (1 + z * z / pairs) for side in (-1, 1)]
    return intervals.Interval(p, math.sqrt(p * (1 - p) / pairs), *ends)


def test_the_difference_of_independent_shares_is_newcombes():
    """56 of 70 minus 48 of 80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    found = intervals.compare_independent(wilson(56, 70), wilson(48, 80))
    assert [found.lower, found.upper] == pytest.approx([0.0524, 0.3339], abs=5e-5)
    sure = intervals.compare_independent(wilson(20, 20), wilson(19, 20))  # nothing was seen to vary in the first
    assert sure.value > 0 > sure.lower and sure.p_value > 0.05
    many = intervals.compare_independent(wilson(9300, 10000), wilson(9000, 10000))
    assert (many.upper - many.lower) / 2 == pytest.approx(1.96 * math.hypot(0.00255, 0.003), rel=0.01)
    assert intervals.compare_independent(wilson(5, 9), wilson(5, 9)).p_value == 1


@given(scored_dyads(), st.randoms(use_true_random=False))
def test_intervals_depend_on_neither_order_nor_sides_nor_names(dyads, random):
    scores, people = dyads
    rows = random.sample(range(len(scores)), len(scores))
    swapped = np.array([pair[::-1] if random.random() < 0.5 else pair for pair in people])
    renamed = np.array([f"Person_{'abcdefg'[6 - i]}" for i in range(7)])[swapped][rows]
    for measure in (lambda pairs: intervals.accuracy_interval(pairs, 0.5), intervals.roc_auc_interval):
        expected, found = measure(ScoredPairs(scores, people)), measure(ScoredPairs(scores[rows], renamed))
        assume(expected.standard_error > 1e-6 or expected.standard_error == 0)
        assert found == pytest.approx(expected, abs=1e-6)


def test_without_shared_people_the_standard_error_is_that_of_independent_pairs():
    matched = np.arange(10) < 5
    scores = np.where(np.arange(10) % 5 < 4, matched, ~matched)  # 8 of 10 right at 0.5
    people = np.stack([np.arange(10), np.where(matched, np.arange(10), np.arange(10) + 10)], axis=1)
    found = intervals.accuracy_interval(ScoredPairs(scores, people), 0.5)
    assert found.standard_error == pytest.approx(np.sqrt(0.8 * 0.2 / 10))


def test_the_standard_error_grows_where_one_person_decides_many_pairs():
    # anna's four pairs are wrong, the other four are right: what is drawn is people, not pairs
    first = np.array(["anna"] * 4 + ["bert", "carl", "dora", "emil"])
    second = np.array(["anna", "fay", "gil", "hal", "bert", "ida", "jon", "kim"])
    matched = first == second
    scores = np.where(first == "anna", ~matched, matched)
    found = intervals.accuracy_interval(ScoredPairs(scores, np.stack([first, second], axis=1)), 0.5)
    assert found.standard_error == pytest.approx(np.sqrt((16 * 0.25 + 4 * 0.25) / 64))
    assert found.standard_error > np.sqrt(0.5 * 0.5 / 8)


def test_where_nothing_varies_the_interval_is_wilsons():
    """40 people, 20 matched and 20 mismatched pairs, none wrong: z^2 / (n + z^2) for n = 40, and 20 for a rate."""
    people = np.array([(i, i) for i in range(20)] + [(20 + i, i) for i in range(20)])
    scores = np.arange(40) < 20
    z2 = 1.959964**2
    assert intervals.accuracy_interval(ScoredPairs(scores, people), 0.5) == pytest.approx(
        (1, 0, 1 - z2 / (40 + z2), 1), abs=1e-6
    )
    rates = intervals.rate_intervals(ScoredPairs(scores, people), 0.5)
    assert rates.tar == pytest.approx((1, 0, 1 - z2 / (20 + z2), 1), abs=1e-6)
    assert rates.far == pytest.approx((0, 0, 0, z2 / (20 + z2)), abs=1e-6)
    assert intervals.roc_auc_interval(ScoredPairs(scores, people)) == pytest.approx(
        (1, 0, 1 - z2 / (20 + z2), 1), abs=1e-6
    )
    few = np.array([(0, 0)] * 30 + [(0, 1)] * 30)  # 60 pairs, but two people
    lower = intervals.accuracy_interval(ScoredPairs(np.arange(60) < 30, few), 0.5).lower
    assert lower == pytest.approx(1 - z2 / (2 + z2), abs=1e-6)


def test_two_models_that_decide_alike_do_not_differ():
    people = lfw_like_people(30, 60)
    scores = np.random.default_rng(0).random(60)
    same = intervals.compare_accuracy(ScoredPairs(scores, people), ScoredPairs(scores**2, people), (0.5, 0.25))
    assert same == (0, 0, 0, 0, 1)
    assert intervals.compare_roc_auc(ScoredPairs(scores, people), ScoredPairs(scores**2, people)) == (0, 0, 0, 0, 1)
    matched = people[:, 0] == people[:, 1]
    always = intervals.compare_accuracy(ScoredPairs(matched, people), ScoredPairs(~matched, people), (0.5, 0.5))
    assert always == (1, 0, 1, 1, 0)


def test_roc_band_goes_through_the_operating_points():
    people = lfw_like_people(600, 1120)
    scores = person_scores(people, np.random.default_rng(2), 2.0)[0]
    matched = people[:, 0] == people[:, 1]
    fars = (0.01, 0.05, 0.1, 0.5, 1)
    band = intervals.roc_band(ScoredPairs(scores, people), fars)
    for place, far in enumerate(fars):
        point = metrics.operating_point(metrics.counts(scores, matched), far)
        assert (band.far[place], band.threshold[place], band.tar[place]) == (far, point.threshold, point.tar)
        fixed = intervals.rate_intervals(ScoredPairs(scores, people), point.threshold).tar
        assert band.lower[place] <= band.tar[place] <= band.upper[place] <= 1
        if far < 1:  # a threshold from the same pairs is no fixed one
            assert band.standard_error[place] > fixed.standard_error
    with pytest.raises(metrics.TooFewPairsError, match="at least 1,000"):
        intervals.roc_band(ScoredPairs(scores, people), [0.1, 0.001])


def test_models_are_compared_on_the_same_pairs():
    pairs = ScoredPairs([0.1, 0.2, 0.3], [["a", "a"], ["a", "b"], ["b", "b"]])
    others = ScoredPairs([0.1, 0.2, 0.3], [["a", "a"], ["a", "b"], ["c", "c"]])
    for other in (others, pairs[:2]):
        with pytest.raises(ValueError, match="3 and . pairs that are not the same"):
            intervals.compare_roc_auc(pairs, other)
        with pytest.raises(ValueError, match="3 and . pairs that are not the same"):
            intervals.compare_accuracy(pairs, other, (0.5, 0.5))
    with pytest.raises(ValueError):
        intervals.compare_accuracy(pairs, pairs, (0.5,))


def lfw_like_people(pairs, count, seed=1):
    """`pairs` matched pairs of 5/9 of the people, some in many of them, and as many mismatched pairs of all people."""
    generator = np.random.default_rng(seed)
    famous = 1 / np.sqrt(np.arange(1, count * 5 // 9 + 1))
    same = generator.choice(len(famous), pairs, p=famous / famous.sum())
    first = generator.integers(0, count, pairs)
    second = (first + generator.integers(1, count, pairs)) % count
    return np.stack([np.concatenate([same, first]), np.concatenate([same, second])], axis=1)


# standard deviations: of how steady a person's own images are, of how common a face is, of the images
STEADY, COMMON, NOISE = 0.8, 0.6, 0.5
WITHIN, BETWEEN = math.hypot(STEADY, NOISE), math.hypot(math.sqrt(2) * COMMON, NOISE)


def person_scores(people, generator, distance, models=1):
    """Scores with effects of the people: matched pairs about `distance`, mismatched ones about 0; a row for each model.

    The models are of equal worth: people are as easy or hard for one as for the other, images are not.
    """
    steady, common = generator.standard_normal((2, people.max() + 1)) * [[STEADY], [COMMON]]
    first, second = people.T
    scores = np.where(first == second, distance + steady[first], common[first] + common[second])
    return scores + NOISE * generator.standard_normal((models, len(people)))


def coverage(repetitions, distance, seed=0):
    """Share of simulations whose 95 % interval holds the truth, which is known in closed form."""
    people = lfw_like_people(600, 1120)
    generator = np.random.default_rng(seed)
    threshold = distance / 2
    tar, far = NormalDist().cdf((distance - threshold) / WITHIN), NormalDist().cdf(-threshold / BETWEEN)
    at_tenth = NormalDist().cdf((distance - 1.2815515655446004 * BETWEEN) / WITHIN)  # where far = 0.1
    truth = {"accuracy": (tar + 1 - far) / 2, "tar": tar, "far": far, "tar at far 0.1": at_tenth}
    truth |= {"roc auc": NormalDist().cdf(distance / math.hypot(WITHIN, BETWEEN)), "accuracy gain": 0, "area gain": 0}
    truth["equal error rate"] = NormalDist().cdf(-distance / (WITHIN + BETWEEN))
    grid = np.array([NormalDist().inv_cdf(share) for share in (np.arange(4000) + 0.5) / 4000])  # matched scores
    below = np.array([NormalDist().cdf(-(distance + WITHIN * place) / BETWEEN) for place in grid])
    accepted = 1 - (np.arange(4000) + 0.5) / 4000
    truth["average precision"] = float(np.mean(accepted / (accepted + below)))
    hits = dict.fromkeys(truth, 0)
    for _ in range(repetitions):
        scores, others = person_scores(people, generator, distance, models=2)
        pairs, other = ScoredPairs(scores, people), ScoredPairs(others, people)
        found = [
            intervals.accuracy_interval(pairs, threshold),
            *intervals.rate_intervals(pairs, threshold),
            intervals.roc_band(pairs, [0.1]),
            intervals.roc_auc_interval(pairs),
            intervals.compare_accuracy(pairs, other, (threshold, threshold)),
            intervals.compare_roc_auc(pairs, other),
            intervals.equal_error_rate_interval(pairs),
            intervals.average_precision_interval(pairs),
        ]
        for name, interval in zip(truth, found, strict=True):
            hits[name] += bool(interval.lower <= truth[name] <= interval.upper)
    return {name: count / repetitions for name, count in hits.items()}


@pytest.mark.slow
def test_95_percent_intervals_hold_the_truth_in_95_percent_of_simulated_lists():
    found = coverage(2000, 2.0)
    assert {name: share for name, share in found.items() if not 0.93 <= share <= 0.97} == {}


def test_the_gain_at_the_best_threshold_of_the_same_pairs_is_optimistic():
    """Nothing is to be gained on the threshold 1; of intervals of a fixed threshold one in forty would lie above 0."""
    people, generator, above, gains = lfw_like_people(600, 1120), np.random.default_rng(0), [], []
    matched = people[:, 0] == people[:, 1]
    for _ in range(400):
        scores = np.where(matched, 2, 0) + generator.standard_normal(len(people))
        thresholds = metrics.best_threshold(scores, matched)[0], 1.0
        found = intervals.compare_accuracy(ScoredPairs(scores, people), ScoredPairs(scores, people), thresholds)
        gains.append(found.value)
        above.append(found.lower > 0)
    assert min(gains) >= 0 and 0.08 < np.mean(above) < 0.17
