import inspect
import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import on_circle, unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.learn.losses import all_pairs_circle_loss, circle_loss, class_circle_loss, triplet_loss

GAMMAS = [1, 16, 256, 512]
LABELS = np.array([0, 0, 0, 1, 1, 2, 3, 3])


def random_triplets(count=24, size=8, seed=0):
    generator = np.random.default_rng(seed)
    return [unit(generator.normal(size=(count, size))) for _ in range(3)]


def separated_triplets():
    """Positives up to 20 degrees away, negatives 140 to 180 degrees: every loss is nearly 0."""
    anchors = on_circle(np.arange(0, 360, 15))
    positives = on_circle(np.arange(0, 360, 15) + np.linspace(0, 20, 24))
    negatives = on_circle(np.arange(0, 360, 15) + np.linspace(140, 180, 24))
    return anchors, positives, negatives


def value_and_gradients(loss, *embeddings):
    variables = [tf.constant(x) for x in embeddings]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = loss(*variables)
    return value, tape.gradient(value, variables)


def assert_finite(value, gradients):
    assert np.isfinite(value)
    for gradient in gradients:
        assert np.isfinite(tf.cast(gradient, tf.float32)).all()


# circle loss on triplets


def test_signature_is_the_tasks():  # slip 6
    names = ["anchor_embeddings", "positive_embeddings", "negative_embeddings", "m", "gamma"]
    assert list(inspect.signature(circle_loss).parameters) == names


def test_hand_derived_value():
    """s_p = 3/4 and s_n = 1/2 with m = 1/4: alpha_p = 1/2, alpha_n = 3/4, and so
    x = 3/4 (1/2 - 1/4) - 1/2 (3/4 - 3/4) = 3/16; gamma = 16 gives log(1 + e^3) / 16."""
    loss = circle_loss(on_circle([0]), on_circle([60]), on_circle([90]), m=0.25, gamma=16)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(3)) / 16, rel=1e-6)


@pytest.mark.parametrize("triplets", [random_triplets(), separated_triplets()], ids=["random", "separated"])
@pytest.mark.parametrize("m", [0.15, 0.4])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_circle_loss_is_the_twins(triplets, m, gamma):
    loss = circle_loss(*triplets, m, gamma)
    assert loss.shape == ()
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(reference.circle_loss(*triplets, m, gamma), rel=1e-6, abs=1e-37)


@pytest.mark.parametrize("triplets", [random_triplets(), separated_triplets()], ids=["random", "separated"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_gradient_is_the_papers_with_constant_weights(triplets, gamma):
    _, gradients = value_and_gradients(lambda *e: circle_loss(*e, 0.15, gamma), *triplets)
    expected = reference.circle_loss_gradients(*triplets, 0.15, gamma)
    for gradient, by_hand in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, by_hand, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("p, n", [(0, 0), (180, 180), (180, 0), (0, 180)])
def test_large_gamma_stays_finite_for_identical_and_opposite_embeddings(p, n):  # slip 6
    anchors, positives, negatives = on_circle([0, 90]), on_circle([p, 90 + p]), on_circle([n, 90 + n])
    value, gradients = value_and_gradients(lambda *e: circle_loss(*e, 0.15, 4096.0), anchors, positives, negatives)
    assert_finite(value, gradients)
    assert float(value) == pytest.approx(reference.circle_loss(anchors, positives, negatives, 0.15, 4096.0), rel=1e-6)


def test_bfloat16_embeddings():
    triplets = [tf.cast(x, tf.bfloat16) for x in random_triplets()]
    value, gradients = value_and_gradients(lambda *e: circle_loss(*e, 0.15, 256), *triplets)
    exact = [tf.cast(x, tf.float64).numpy() for x in triplets]
    assert float(value) == pytest.approx(reference.circle_loss(*exact, 0.15, 256), rel=1e-6)
    assert_finite(value, gradients)


@pytest.mark.parametrize("loss", [lambda *e: circle_loss(*e, 0.15, 16), lambda *e: triplet_loss(*e, 0.2)])
def test_no_triplets_cost_nothing(loss):
    value, gradients = value_and_gradients(loss, *[np.zeros((0, 8), np.float32)] * 3)
    assert float(value) == 0
    assert all(gradient.shape == (0, 8) for gradient in gradients)


def test_no_triplets_leave_the_network_as_it_is():
    """A gradient of 0, not NaN and not None, where mining finds nothing."""
    embeddings = tf.constant(random_triplets()[0])
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        nothing = tf.gather(embeddings, tf.zeros((0,), tf.int32))
        loss = circle_loss(nothing, nothing, nothing, 0.15, 16)
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(loss, embeddings)), np.zeros((24, 8)))


def test_number_of_triplets_may_be_unknown_in_a_graph():
    triplets = random_triplets()
    graph = tf.function(lambda *e: circle_loss(*e, 0.15, 16), input_signature=[tf.TensorSpec((None, 8))] * 3)
    assert float(graph(*triplets)) == float(circle_loss(*triplets, 0.15, 16))


LOSSES = {
    "circle_loss": lambda m, gamma: circle_loss(*random_triplets(), m, gamma),
    "all_pairs": lambda m, gamma: all_pairs_circle_loss(LABELS, random_triplets(8)[0], m, gamma),
    "class": lambda m, gamma: class_circle_loss(LABELS, random_triplets(8)[0], np.eye(8, dtype=np.float32), m, gamma),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("m", [0, 1, -0.15, 1.5, math.nan])
def test_margin_out_of_range_is_refused(name, m):
    with pytest.raises(ValueError, match="m=.* between 0 and 1"):
        LOSSES[name](m, 16)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gamma", [0, -16, math.nan])
def test_gamma_out_of_range_is_refused(name, gamma):
    with pytest.raises(ValueError, match="gamma=.* positive"):
        LOSSES[name](0.15, gamma)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["anchor", "positive", "negative"])
@pytest.mark.parametrize("shape", [(23, 8), (24, 9), (1, 8), (24,), (24, 8, 1)])
def test_shapes_that_differ_are_refused(place, shape):
    triplets = random_triplets()
    triplets[place] = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match="_embeddings have shape .*anchor_embeddings"):
        circle_loss(*triplets, 0.15, 16)


# triplet loss, and the circle loss's limit


def test_triplet_loss_is_the_twins():
    triplets = random_triplets()
    assert float(triplet_loss(*triplets, 0.2)) == pytest.approx(reference.triplet_loss(*triplets, 0.2), rel=1e-6)


@given(
    degrees=st.lists(st.tuples(*[st.integers(0, 359)] * 3), min_size=1, max_size=6),
    m=st.floats(0.01, 0.99),
    gamma=st.sampled_from([1, 16, 256, 4096]),
)
def test_triplet_loss_is_the_limit_of_the_circle_loss(degrees, m, gamma):
    """With alpha = 1, s = -d2 and Delta_p - Delta_n = m: 0 <= circle loss - triplet loss <= log(2) / gamma."""
    anchors, positives, negatives = (on_circle(angles) for angles in zip(*degrees, strict=True))
    circle = np.mean(
        [
            reference.softplus(gamma * (reference.squared_distance(a, p) - reference.squared_distance(a, n) + m))
            / gamma
            for a, p, n in zip(anchors, positives, negatives, strict=True)
        ]
    )
    difference = circle - float(triplet_loss(anchors, positives, negatives, m))
    assert -1e-6 <= difference <= math.log(2) / gamma + 1e-6


def test_the_bound_is_reached_where_the_triplet_loss_bends():
    """d2(a, p) = 2, d2(a, n) = 4 and m = 2: x = 0."""
    loss = triplet_loss(on_circle([0]), on_circle([90]), on_circle([180]), 2.0)
    assert reference.softplus(0.0) / 16 - float(loss) == pytest.approx(math.log(2) / 16, abs=1e-6)


# circle loss on all pairs


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("sources", [None, np.array([0, 1, 1, 2, 2, 3, 4, 5])], ids=["", "repeated"])
def test_all_pairs_loss_is_the_twins(gamma, sources):
    embeddings = random_triplets(8)[0]
    loss = all_pairs_circle_loss(LABELS, embeddings, 0.25, gamma, sources)
    assert loss.dtype == tf.float32
    expected = reference.all_pairs_circle_loss(LABELS, embeddings, 0.25, gamma, sources)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


SOURCES = np.array([0, 1, 1, 2, 2, 3, 4, 5])
# with a positive of the loner 2, an older embedding of file 5 (label 3), and a place that is empty
MEMORY = (
    np.array([2, 0, 3, -1, 7, 1]), unit(np.random.default_rng(9).normal(size=(6, 8))), np.array([8, 9, 5, -1, 7, 6])
)  # fmt: skip


@pytest.mark.parametrize("gamma", GAMMAS)
def test_all_pairs_loss_with_a_memory_is_the_twins(gamma):
    embeddings = random_triplets(8)[0]
    loss = all_pairs_circle_loss(LABELS, embeddings, 0.25, gamma, SOURCES, MEMORY)
    expected = reference.all_pairs_circle_loss(LABELS, embeddings, 0.25, gamma, SOURCES, MEMORY)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert abs(expected - reference.all_pairs_circle_loss(LABELS, embeddings, 0.25, gamma, SOURCES)) > 1e-3


def test_a_memory_without_images_changes_nothing():
    embeddings = random_triplets(8)[0]
    empty = (np.full(6, -1), np.zeros((6, 8), np.float32), np.full(6, -1))
    losses = [all_pairs_circle_loss(LABELS, embeddings, 0.25, 16, SOURCES, memory) for memory in (None, empty)]
    assert float(losses[0]) == float(losses[1])


@pytest.mark.parametrize("size, sources, memory", [(3, None, None), (8, SOURCES, MEMORY)], ids=["", "memory"])
def test_all_pairs_weights_are_constant_in_the_gradient(size, sources, memory):
    embeddings = random_triplets(8, size)[0]
    settings = (0.25, 16, sources, memory)
    _, (gradient,) = value_and_gradients(lambda e: all_pairs_circle_loss(LABELS, e, *settings), embeddings)
    by_differences = reference.slope(
        lambda e: reference.all_pairs_circle_loss(LABELS, e, *settings, weights_from=embeddings), embeddings
    )
    np.testing.assert_allclose(gradient, by_differences, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "labels, sources",
    [([0, 0, 0, 0], None), ([0, 1, 2, 3], None), ([0, 0, 1, 1], [5, 5, 6, 6])],
    ids=["one identity", "no positive", "every image repeated"],
)
@pytest.mark.parametrize("degrees", [[0, 10, 90, 180], [0, 0, 0, 0]], ids=["spread", "all equal"])
def test_all_pairs_without_positives_or_negatives_cost_nothing(labels, sources, degrees):
    def loss(embeddings):
        return all_pairs_circle_loss(np.array(labels), embeddings, 0.25, 512, sources and np.array(sources))

    value, (gradient,) = value_and_gradients(loss, on_circle(degrees))
    assert float(value) == 0
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), np.zeros((4, 2)))


@pytest.mark.parametrize("degrees", [[0, 0, 0, 0], [0, 180, 0, 180]], ids=["all equal", "opposite"])
def test_all_pairs_at_the_edges_stay_finite(degrees):
    labels, embeddings = np.array([0, 0, 1, 2]), tf.cast(on_circle(degrees), tf.bfloat16)
    value, gradients = value_and_gradients(lambda e: all_pairs_circle_loss(labels, e, 0.25, 512), embeddings)
    assert float(value) > 0
    assert_finite(value, gradients)


# circle loss against class proxies


@pytest.mark.parametrize("gamma", GAMMAS)
def test_class_loss_is_the_twins(gamma):
    embeddings, proxies = random_triplets(8)[0], 3 * np.random.default_rng(5).normal(size=(6, 8)).astype(np.float32)
    loss = class_circle_loss(LABELS, embeddings, proxies, 0.25, gamma)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(reference.class_circle_loss(LABELS, embeddings, proxies, 0.25, gamma), rel=1e-5)


def test_class_weights_are_constant_in_the_gradient():
    embeddings, proxies = random_triplets(8, 3)[0], np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
    _, gradients = value_and_gradients(lambda *e: class_circle_loss(LABELS, *e, 0.25, 16), embeddings, proxies)

    def twin(embeddings_now, proxies_now):
        return reference.class_circle_loss(LABELS, embeddings_now, proxies_now, 0.25, 16, (embeddings, proxies))

    by_differences = [
        reference.slope(lambda e: twin(e, proxies), embeddings),
        reference.slope(lambda w: twin(embeddings, w), proxies),
    ]
    for gradient, expected in zip(gradients, by_differences, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-6)


def test_a_single_class_costs_nothing():
    value, gradients = value_and_gradients(
        lambda *e: class_circle_loss([0, 0], *e, 0.25, 512), on_circle([0, 90]), on_circle([0])
    )
    assert float(value) == 0
    assert_finite(value, gradients)


def test_class_loss_stays_finite_on_its_proxy_and_opposite_to_it():
    embeddings, proxies = tf.cast(on_circle([0, 0]), tf.bfloat16), on_circle([0, 180])
    value, gradients = value_and_gradients(lambda *e: class_circle_loss([0, 1], *e, 0.25, 512), embeddings, proxies)
    assert float(value) > 0
    assert_finite(value, gradients)
