"""embedding.py: every image once, in its own row, as the definition says; scores in [0, 1]."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers
from tensorflow.python.eager.polymorphic_function import polymorphic_function

from facelib.data.images import SIZE
from facelib.learn import embedding
from facelib.learn.embedding import build_embedder, embed, pair_scores
from facelib.learn.layers import UnitNorm

D = 5
PIXELS = np.random.default_rng(1).integers(0, 256, (11, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    """A small network whose output depends on left and right, and differs while training."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(4, 8, 16, activation="relu")(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.Model(inputs, UnitNorm()(layers.Dense(D)(x)))


class Recorder:
    """Stands in for a model: notes what it is given, and answers with the first pixels of each image."""

    def __init__(self, dtype=tf.float32):
        self.seen, self.training, self.dtype = [], [], dtype

    def __call__(self, images, training=None):
        self.training.append(training)
        tf.numpy_function(lambda batch: self.seen.append(batch.copy()), [images], [], stateful=True)
        return tf.cast(tf.reshape(images, (-1, SIZE * SIZE * 3))[:, :D] - 127.5, self.dtype)


def normalised(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))


def test_embeddings_are_those_of_the_model_row_by_row(model):
    found = embed(model, PIXELS)
    assert found.shape == (11, D) and found.dtype == np.float32
    expected = [model(PIXELS[i : i + 1].astype(np.float32), training=False).numpy()[0] for i in range(11)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose((found.astype(np.float64) ** 2).sum(axis=1), 1, atol=1e-6)


def test_rows_are_embedded_batch_by_batch(model):
    """Not all of them are gathered first: they may be tens of thousands of a memory-mapped array."""

    class Pixels:
        dtype, shape = PIXELS.dtype, PIXELS.shape

        def __getitem__(self, rows):
            assert len(rows) <= 4
            return PIXELS[rows]

    rows = np.array([3, 0, 0, 7, 5, 1, 2])
    np.testing.assert_array_equal(embed(model, Pixels(), True, 4, rows), embed(model, PIXELS[rows], True, 4))


@pytest.mark.parametrize("flip_average", [False, True])
def test_the_batch_size_does_not_matter(model, flip_average):
    expected = embed(model, PIXELS, flip_average, 11)
    for batch_size in (1, 2, 3, 5, 10, 12, 256):
        np.testing.assert_allclose(embed(model, PIXELS, flip_average, batch_size), expected, atol=1e-6)


def test_flip_average_is_the_normalised_sum_with_the_mirror_image(model):
    mirrored = np.ascontiguousarray(PIXELS[:, :, ::-1])
    upright, mirror = embed(model, PIXELS), embed(model, mirrored)
    assert np.abs(upright - mirror).max() > 0.1  # else nothing is shown
    found = embed(model, PIXELS, flip_average=True, batch_size=4)
    np.testing.assert_allclose(found, normalised(upright.astype(np.float64) + mirror), atol=1e-6)
    np.testing.assert_allclose(embed(model, mirrored, flip_average=True, batch_size=4), found, atol=1e-6)


def test_each_image_goes_through_once_unscaled_and_not_for_training():
    recorder = Recorder()
    embed(recorder, PIXELS, batch_size=4)
    assert [len(batch) for batch in recorder.seen] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(recorder.seen), PIXELS.astype(np.float32))  # still in [0, 255]
    assert recorder.seen[0].dtype == np.float32
    assert set(recorder.training) == {False}


def test_flip_average_adds_each_mirror_image_once():
    recorder = Recorder()
    embed(recorder, PIXELS, batch_size=4, flip_average=True)
    seen = np.concatenate(recorder.seen)
    assert len(seen) == 2 * len(PIXELS)
    both = np.concatenate([PIXELS, PIXELS[:, :, ::-1]]).astype(np.float32)
    assert {image.tobytes() for image in seen} == {image.tobytes() for image in both}


def test_an_embedder_sees_the_weights_as_they_are_when_it_is_called(model):
    embedder = build_embedder(model, flip_average=True, batch_size=4)
    before = embedder(PIXELS)
    weights = model.get_weights()
    model.set_weights([value[::-1] if value.ndim == 2 else value for value in weights])
    after, expected = embedder(PIXELS), embed(model, PIXELS, flip_average=True)
    model.set_weights(weights)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, expected, atol=1e-6)


def test_one_embedder_after_another_is_no_reason_for_a_warning(model, monkeypatch):
    # one for each epoch, say; TensorFlow's warning holds an address, so that a notebook would differ on every run
    fresh = polymorphic_function._FrequentTracingDetectorManager()  # the usual one stops after two warnings
    monkeypatch.setattr(polymorphic_function, "_frequent_tracing_detector_manager", fresh)
    warned = []
    monkeypatch.setattr(polymorphic_function.logging, "warning", lambda *message: warned.append(message))
    for _ in range(12):
        embed(model, PIXELS[:2], batch_size=1)
    assert warned == []


@pytest.mark.parametrize("flip_average", [False, True])
def test_without_tracing_the_embeddings_are_the_same(model, flip_average):
    untraced = build_embedder(model, flip_average, batch_size=4, traced=False)
    for count in (0, 1, 11):
        np.testing.assert_allclose(untraced(PIXELS[:count]), embed(model, PIXELS[:count], flip_average), atol=1e-6)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("pixels", [PIXELS / 255, PIXELS.astype(np.float32), PIXELS[:, :100], PIXELS[0]])
def test_anything_but_decoded_images_is_refused(model, pixels, traced):
    with pytest.raises(ValueError, match=r"expected uint8 \(n, 112, 112, 3\)"):
        build_embedder(model, traced=traced)(pixels)


def test_dropout_is_off(model):
    np.testing.assert_array_equal(embed(model, PIXELS), embed(model, PIXELS))


def test_memory_mapped_images_are_read_and_left_as_they_are(model, tmp_path):
    np.save(tmp_path / "pixels.npy", PIXELS)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    np.testing.assert_array_equal(embed(model, mapped, batch_size=4), embed(model, PIXELS, batch_size=4))
    np.testing.assert_array_equal(mapped, PIXELS)


@pytest.mark.parametrize("flip_average", [False, True])
def test_no_images_no_embeddings(model, flip_average):
    found = embed(model, PIXELS[:0], flip_average=flip_average)
    assert found.shape == (0, D) and found.dtype == np.float32


@pytest.mark.parametrize("flip_average", [False, True])
def test_a_model_in_bfloat16_gives_float32_of_unit_norm(flip_average):
    found = embed(Recorder(tf.bfloat16), PIXELS, flip_average, batch_size=4)
    assert found.dtype == np.float32
    np.testing.assert_allclose((found.astype(np.float64) ** 2).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found, embed(Recorder(), PIXELS, flip_average), atol=2e-2)


@given(
    hnp.arrays(np.float32, (6, 4), elements=st.floats(-1, 1, width=32)).filter(lambda x: (x**2).sum(1).min() > 1e-3),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
)
def test_pair_scores_equal_their_twin(embeddings, pairs):
    embeddings = normalised(embeddings).astype(np.float32)
    first, second = np.array(pairs, int).reshape(-1, 2).T
    scores = pair_scores(embeddings, first, second)
    rows = embeddings.tolist()
    expected = [(sum(x * y for x, y in zip(rows[a], rows[b], strict=True)) + 1) / 2 for a, b in pairs]
    assert scores.shape == (len(pairs),) and scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, atol=1e-7)
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(scores, pair_scores(embeddings, second, first))


@pytest.mark.parametrize("block", [1, 40])
def test_pairs_are_compared_in_blocks(block, monkeypatch):
    embeddings = unit(np.random.default_rng(3).normal(size=(9, 8)))
    first, second = np.triu_indices(9, 1)
    whole = pair_scores(embeddings, first, second)
    gathered = []

    class Embeddings(np.ndarray):
        def __getitem__(self, rows):
            gathered.append(len(rows))
            return super().__getitem__(rows)

    monkeypatch.setattr(embedding, "BLOCK", block)
    np.testing.assert_allclose(pair_scores(embeddings.view(Embeddings), first, second), whole, atol=1e-15)
    assert max(gathered) == max(block // 8, 1) and sum(gathered) == 2 * len(first)


def test_scores_stay_in_their_interval_in_spite_of_rounding():
    rng = np.random.default_rng(3)
    embeddings = normalised(rng.normal(size=(500, 256))).astype(np.float32)
    long = np.concatenate([embeddings, -embeddings]) * np.float32(1 + 1e-6)
    rows = np.arange(500)
    assert pair_scores(long, rows, rows).max() == 1.0  # 1 + 1e-6 without the limit
    assert pair_scores(long, rows, rows + 500).min() == 0.0


def test_scores_of_known_angles():
    angles = np.deg2rad([0, 60, 90, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    zeros = np.zeros(4, int)
    np.testing.assert_allclose(pair_scores(embeddings, zeros, np.arange(4)), [1, 0.75, 0.5, 0], atol=1e-6)
