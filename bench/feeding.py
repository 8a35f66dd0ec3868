"""Batches of images: gathered from facelib's decoded cache, or decoded anew by tf.data; and augmented for training."""

import os
from pathlib import Path

import tensorflow as tf

from bench.faces import build_sampler, read_faces
from facelib.config import load_config
from facelib.data.dataset import build_batches
from facelib.learn.networks import input_size

IDENTITIES, IMAGES = 16, 4  # P, K


def _rows(table, batches):
    sampler = build_sampler(table, IDENTITIES, IMAGES)
    return [sampler.batch(step) for step in range(batches)]


def gather(folder, batches):
    """NumPy's fancy indexing into the memory-mapped uint8 array; the function gathers `batches` batches of 64."""
    table, pixels = read_faces(folder)
    rows = _rows(table, batches)
    return lambda: [pixels[each] for each in rows]


def decode(folder, batches):
    """tf.data that reads and decodes the JPEG files in parallel; the function takes the same batches as `gather`."""
    table, _ = read_faces(folder)
    paths = [str(Path(folder, "faces", table.paths[row])) for rows in _rows(table, batches) for row in rows]

    def read(path):
        return tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")

    dataset = tf.data.Dataset.from_tensor_slices(paths).map(read, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.batch(IDENTITIES * IMAGES).prefetch(tf.data.AUTOTUNE)
    return lambda: [batch.numpy() for batch in dataset]


def augment(folder, profile, identities, images, batches, cores=None):
    """Batches of P = `identities` times K = `images` as training with `profile` takes them, on `cores` cores, or all.

    The function draws the first `batches` of them.
    """
    if cores and hasattr(os, "sched_setaffinity"):  # for all threads, which begin later
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    config, (table, pixels) = load_config(profile, "drawn"), read_faces(folder)
    sampler = build_sampler(table, identities, images)
    variations = config.augmentation, config.warp_share, input_size(config)
    dataset = build_batches(pixels, table.labels, sampler, 0, *variations).take(batches)
    return lambda: [int(tf.size(identities)) for identities, _, _ in dataset]
