"""Batches of images: gathered from facelib's decoded cache, or decoded anew by tf.data."""

from pathlib import Path

import tensorflow as tf

from bench.faces import build_sampler, read_faces

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
