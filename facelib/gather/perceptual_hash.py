"""A hash of 64 bits for each image that small changes leave nearly as it is, and a search for near ones.

The hash says of the 64 lowest frequencies of the discrete cosine transform (Ahmed, Natarajan & Rao 1974) of a grey
image, scaled to unit norm, which are above the median of the data set. So half of all images have a bit, and hashes of
two faces, which look alike, differ in 32 bits on average. Brightness and contrast are no part of it.
"""

import numpy as np

from facelib.data.pixels import SIZE
from facelib.progress import track

BITS = 64
CELL, SHIFT = 4, 3  # pixels of a cell; pixels that a probe is shifted by
CELLS = SIZE // CELL - 2  # cells a side: what remains beside a margin of a cell, for the shifts
SHIFTS = ((0, 0), (0, SHIFT), (SHIFT, 0), (SHIFT, SHIFT), (SHIFT, -SHIFT))  # the others are those of the other image
NEAR = 8  # bits; of independent bits, two images in 5e8 differ in so few
WORDS, LETTERS = 4, 16  # of a hash, and bits of a word
REACH = 256  # hashes that one is compared with, at most, for each key
PAIRS_LIMIT = 2**20  # the nearest pairs that are kept
BATCH = 256  # images at once
SAMPLE = 20_000  # images that the medians are taken from

_order = sorted((row + column, row, column) for row in range(CELLS) for column in range(CELLS))[1 : BITS + 1]
ROWS, COLUMNS = np.array([place[1:] for place in _order]).T
_angles = np.pi * np.outer(np.arange(max(ROWS.max(), COLUMNS.max()) + 1), np.arange(CELLS) + 0.5) / CELLS
COSINES = np.cos(_angles).astype(np.float32)  # (frequencies, CELLS)


def find_medians(pixels) -> np.ndarray:
    """The median (64,) float32 of each frequency over at most `SAMPLE` of the images (n, 112, 112, 3) uint8."""
    rows = np.arange(0, len(pixels), -(-len(pixels) // SAMPLE))
    parts = [next(_transform(pixels[rows[start : start + BATCH]])) for start in range(0, len(rows), BATCH)]
    return np.median(np.concatenate(parts), axis=0)


def hash_images(pixels, medians: np.ndarray) -> np.ndarray:
    """Hashes (n, 5) uint64 of images (n, 112, 112, 3) uint8, which may be memory-mapped: as they are, then shifted.

    Args:
        medians: see `find_medians`.
    """
    hashes = np.empty((len(pixels), len(SHIFTS)), np.uint64)
    for start in track(range(0, len(pixels), BATCH), "hashing", f"batches of {BATCH} images", delay=1):
        for column, frequencies in enumerate(_transform(pixels[start : start + BATCH], SHIFTS)):
            bits = np.packbits(frequencies > medians)
            hashes[start : start + BATCH, column] = bits.view(np.uint64)
    return hashes


def _transform(pixels, shifts=SHIFTS[:1]):
    # for each shift, the frequencies (n, 64) float32
    grey = sum(pixels[..., channel].astype(np.float32) for channel in range(3))  # ten times as fast as sum(axis=3)
    for down, right in shifts:
        top, left, side = CELL + down, CELL + right, CELL * CELLS
        part = grey[:, top : top + side, left : left + side].reshape(-1, CELLS, CELL, CELLS, CELL)
        cells = sum(part[:, :, row, :, column] for row in range(CELL) for column in range(CELL))
        frequencies = (COSINES @ cells @ COSINES.T)[:, ROWS, COLUMNS]
        yield frequencies / np.maximum(np.linalg.norm(frequencies, axis=1, keepdims=True), 1e-6)


def find_near(hashes: np.ndarray) -> np.ndarray:
    """Pairs (m, 2) int64 of rows, the first below the second, whose hashes differ in at most `NEAR` bits.

    One of the two is taken as it is, the other in any of its shifts. Not all pairs are compared, only those that agree
    in a key: one of the four words of their hashes but for one letter of it. With at most 7 different bits that is
    certain, since one word then differs in one bit at most (the idea of Norouzi, Punjani & Fleet 2012, "Fast search in
    Hamming space with multi-index hashing"); with 8 it is very likely. Where more than `REACH` hashes share a key, each
    is compared with those that follow it in the order of their other bits: copies of one image stay connected. Of more
    than `PAIRS_LIMIT` pairs the nearest are kept, so that memory is bounded.

    Args:
        hashes: (n, s) uint64, see `hash_images`.
    """
    shifts = hashes.shape[1]
    flat, found, bits = hashes.ravel(), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    keys = [(word, letter) for word in range(WORDS) for letter in range(LETTERS)]
    for word, letter in track(keys, "comparing hashes", "keys", delay=1):
        turn = np.uint64(word * LETTERS)
        turned = (flat << turn) | (flat >> (np.uint64(BITS) - turn)) if word else flat  # the word comes first
        turned = turned & ~np.uint64(1 << (BITS - 1 - letter))
        order = np.argsort(turned)
        key = turned[order] >> np.uint64(BITS - LETTERS)
        places = np.arange(len(order))
        for step in range(1, REACH + 1):
            places = places[: np.searchsorted(places, len(order) - step)]
            places = places[key[places] == key[places + step]]
            if not len(places):
                break
            first, second = order[places], order[places + step]
            different = np.bitwise_count(flat[first] ^ flat[second])
            near = (different <= NEAR) & ((first % shifts == 0) | (second % shifts == 0))
            one, other = first[near] // shifts, second[near] // shifts
            pairs = np.minimum(one, other) * len(hashes) + np.maximum(one, other)
            found = np.concatenate([found, pairs[one != other]])
            bits = np.concatenate([bits, different[near][one != other]])
            if len(found) > PAIRS_LIMIT:
                found, bits = _nearest(found, bits)
    found = np.sort(_nearest(found, bits)[0])
    return np.stack([found // max(len(hashes), 1), found % max(len(hashes), 1)], axis=1)


def _nearest(found, bits):
    # each pair once, the nearest of them
    order = np.lexsort((bits, found))
    found, bits = found[order], bits[order]
    first = np.append(True, found[1:] != found[:-1])[: len(found)]
    found, bits = found[first], bits[first]
    kept = np.argsort(bits, kind="stable")[: PAIRS_LIMIT // 2]
    return found[kept], bits[kept]
