import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from facelib.config import ROOT
from facelib.data.dataset import build_batches, build_dataset
from facelib.data.sampler import Sampler

LABELS = np.repeat(np.arange(10, dtype=np.int32), 4)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3), np.uint8)


@pytest.fixture
def sampler():
    return Sampler(LABELS, 3, 2, seed=4)


def first(dataset, count):
    return [(identities.numpy(), images.numpy()) for identities, images in itertools.islice(dataset, count)]


def test_batches_are_pairs_of_identities_and_images_in_that_order(sampler):  # slip 8
    assert build_dataset(PIXELS, LABELS, sampler).element_spec == (
        tf.TensorSpec((6,), tf.int32),
        tf.TensorSpec((6, 112, 112, 3), tf.float32),
    )


def test_batches_are_the_samplers_rows_in_their_own_range(sampler):  # slip 4
    for step, (identities, images) in enumerate(first(build_dataset(PIXELS, LABELS, sampler), 4)):
        rows = sampler.batch(step)
        np.testing.assert_array_equal(identities, LABELS[rows])
        np.testing.assert_array_equal(images, PIXELS[rows].astype(np.float32))


@pytest.mark.parametrize("augmentation", [0.0, 1.0])
def test_training_gets_the_same_batches_with_the_rows_behind_them(sampler, augmentation):
    batches = build_batches(PIXELS, LABELS, sampler, 3, augmentation)
    assert batches.element_spec[2] == tf.TensorSpec((6,), tf.int32)
    pairs = first(build_dataset(PIXELS, LABELS, sampler, 3, augmentation), 3)
    for step, (pair, (identities, images, rows)) in enumerate(zip(pairs, batches.take(3), strict=True), 3):
        np.testing.assert_array_equal(rows, sampler.batch(step))
        np.testing.assert_array_equal(identities, pair[0])
        np.testing.assert_array_equal(images, pair[1])


def test_the_rows_of_a_batch_are_drawn_once(sampler, monkeypatch):
    drawn, batch = [], sampler.batch
    monkeypatch.setattr(sampler, "batch", lambda step: drawn.append(step) or batch(step))
    for _ in build_batches(PIXELS, LABELS, sampler).take(3):
        pass
    assert drawn[:3] == [0, 1, 2] and len(set(drawn)) == len(drawn)  # some more are drawn ahead


@pytest.mark.parametrize("augmentation", [0.0, 1.0])
def test_a_resumed_dataset_goes_on_where_it_stopped(sampler, augmentation):
    whole = first(build_dataset(PIXELS, LABELS, sampler, 0, augmentation), 6)
    rest = first(build_dataset(PIXELS, LABELS, sampler, 4, augmentation), 2)
    for expected, batch in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(batch[0], expected[0])
        np.testing.assert_array_equal(batch[1], expected[1])


def test_batches_differ_from_epoch_to_epoch(sampler):  # slip 1
    epochs = np.split(np.stack([images for _, images in first(build_dataset(PIXELS, LABELS, sampler), 20)]), 4)
    for one, other in itertools.combinations(epochs, 2):
        assert not (one[:, None] == other[None]).all(axis=(2, 3, 4, 5)).any()


def test_augmentation_varies_the_same_rows_anew_at_each_step():
    labels = LABELS[:4]  # one identity: every batch has the same four images
    dataset = build_dataset(PIXELS, labels, Sampler(labels, 1, 4, seed=0), augmentation=1.0)
    (_, one), (_, other) = first(dataset, 2)
    assert one.min() >= 0 and one.max() <= 255
    rows = [Sampler(labels, 1, 4, seed=0).batch(step) for step in (0, 1)]
    for image, row in zip(one, rows[0], strict=True):
        assert np.abs(image - PIXELS[row]).mean() > 1
        assert np.abs(image - other[list(rows[1]).index(row)]).mean() > 1


def test_augmented_batches_have_the_size_that_is_asked_for(sampler):
    for size in (56, 112):
        dataset = build_dataset(PIXELS, LABELS, sampler, 0, 1.0, size=size)
        ((_, images),) = first(dataset, 1)
        assert dataset.element_spec[1].shape == images.shape == (6, size, size, 3)
    with pytest.raises(ValueError, match="not augmented keep their 112 pixels a side, and 56"):
        build_dataset(PIXELS, LABELS, sampler, 0, 0.0, size=56)


def test_memory_mapped_pixels(sampler, tmp_path):
    np.save(tmp_path / "pixels.npy", PIXELS)
    ((_, images),) = first(build_dataset(np.load(tmp_path / "pixels.npy", mmap_mode="r"), LABELS, sampler), 1)
    np.testing.assert_array_equal(images, PIXELS[sampler.batch(0)].astype(np.float32))


@pytest.mark.parametrize("augmentation", [0.0, 1.0])
def test_parts_of_a_batch_make_the_batch(sampler, augmentation):
    whole = next(iter(build_batches(PIXELS, LABELS, sampler, 2, augmentation)))
    parts = [next(iter(build_batches(PIXELS, LABELS, sampler, 2, augmentation, part=(i, 3)))) for i in range(3)]
    for values, cut in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(values, np.concatenate(cut))


def test_parts_that_are_not_equal_are_refused(sampler):
    with pytest.raises(ValueError, match="a batch of 6 images cannot be cut into 4 equal parts"):
        build_batches(PIXELS, LABELS, sampler, part=(0, 4))


def test_a_program_ends_while_a_batch_is_drawn():
    """TensorFlow's own prefetching waited for good, at the end of a program, for a thread that waits for Python."""
    program = """
import numpy as np
from facelib.data.dataset import build_batches
from facelib.data.sampler import Sampler
labels, pixels = np.repeat(np.arange(150, dtype=np.int32), 4), np.zeros((600, 112, 112, 3), np.uint8)
batches = iter(build_batches(pixels, labels, Sampler(labels, 128, 4, seed=4), 0, 0.8, 0.5))
next(batches)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
