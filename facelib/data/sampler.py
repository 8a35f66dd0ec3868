"""Sample images by their labels: P x K batches for training, pairs for validation.

No list of identities is shuffled: a keyed permutation of the numbers from 0 to n - 1 computes any place by itself.
A Feistel network (Luby & Rackoff 1988, "How to construct pseudorandom permutations") permutes [0, side^2): its halves
are numbers below `side`, to which it adds. A value outside [0, n) is put in again until it falls inside ("cycle
walking"), which leaves a bijection of [0, n). Both: Black & Rogaway 2002, "Ciphers with arbitrary finite domains".
"""

import numpy as np

from facelib.data.identities import NoFacesError


class Sampler:
    """P x K batches of indices, each a function of the seed and the step alone, so that resuming needs one integer.

    Identities come in passes, each a fresh permutation: every identity is drawn once before any is drawn twice, and
    never twice in one batch. (With fewer than 2 P identities a pass is shorter than two batches; then each batch is an
    independent draw.) The K images of an identity are distinct where it has K; otherwise all of its images come before
    any is repeated.

    Args:
        labels: (n,) int, dense; images labelled -1 are never drawn.
        identities_per_batch, images_per_identity: P and K.
        repeat_images: whether identities with 2 to K-1 images take part.
        replayed_batches: draw so many batches and begin again with the first; 0 never does.

    Raises:
        NoFacesError: fewer than P identities have enough images; the message says the largest P and K.
    """

    def __init__(
        self,
        labels,
        identities_per_batch: int,
        images_per_identity: int,
        seed: int,
        repeat_images: bool = False,
        replayed_batches: int = 0,
    ):
        needed = 2 if repeat_images else images_per_identity
        self.rows, sizes = _groups(labels)
        self.identities = np.flatnonzero(sizes >= needed)  # labels of those that are drawn
        self.starts, self.sizes = _starts(sizes)[self.identities], sizes[self.identities]
        if len(self.identities) < identities_per_batch:
            possible, largest = len(self.identities), np.sort(sizes)[::-1][identities_per_batch - 1 :]
            ways = [f"identities_per_batch can be {possible} at most"] if possible else []
            if not repeat_images and len(largest) and largest[0] >= 2:
                ways.append(f"images_per_identity can be {largest[0]} at most")
            raise NoFacesError(
                f"a batch of {identities_per_batch} identities needs as many with at least {needed} readable images;"
                f" there are {possible}: {', or '.join(ways) or 'nothing to draw from'}"
            )
        self.identities_per_batch, self.images_per_identity = identities_per_batch, images_per_identity
        self.seed, self.replayed_batches = seed, replayed_batches

    def batch(self, step: int) -> np.ndarray:
        """Indices (P * K,) int64 of the images of batch `step` (from 0), the K of an identity next to each other."""
        if self.replayed_batches:
            step %= self.replayed_batches
        drawn = self._identities(step)
        sizes = self.sizes[drawn][:, None]  # shape (P, 1)
        keys = draw_keys(np.random.default_rng((self.seed, 2, step)), len(drawn), 1)
        places = permute(np.arange(self.images_per_identity) % sizes, sizes, keys)  # shape (P, K)
        return self.rows[self.starts[drawn][:, None] + places].ravel()

    def _identities(self, step):
        n, size = len(self.identities), self.identities_per_batch
        if n < 2 * size:
            return self._permuted((3, step), 0, size)
        number, start = divmod(step * size, n)
        drawn = self._pass(number, start, min(start + size, n))
        if len(drawn) < size:
            drawn = np.concatenate([drawn, self._pass(number + 1, 0, size - len(drawn))])
        return drawn

    def _pass(self, number, start, stop):
        # Places start to stop - 1 of a pass. The batch that straddles two passes takes the last `taken` places of the
        # one before: of the first P places here, those that such an identity holds come last, so that at least
        # P - taken others come first. As n >= 2 P, the first P places and the last P of a pass do not overlap.
        n, size = len(self.identities), self.identities_per_batch
        taken = number * n % size
        if start >= size or taken == 0:
            return self._permuted((4, number), start, stop)
        order = self._permuted((4, number), 0, max(stop, size))
        late = np.isin(order[:size], self._permuted((4, number - 1), n - taken, n))
        order[:size] = np.concatenate([order[:size][~late], order[:size][late]])
        return order[start:stop]

    def _permuted(self, words, start, stop):
        keys = draw_keys(np.random.default_rng((self.seed, *words)), 1)
        return permute(np.arange(start, stop), len(self.identities), keys)


def _groups(labels):
    # rows in the order of their labels, and how many there are of each label; -1 is no label
    rows = np.flatnonzero(labels >= 0)
    labels = labels[rows]
    if (labels[1:] < labels[:-1]).any():  # a folder's table is sorted, and sorting would take twice the memory
        order = np.argsort(labels, kind="stable")
        rows, labels = rows[order], labels[order]
    ends = np.arange(labels[-1] + 2 if len(labels) else 1, dtype=labels.dtype)
    return rows, np.diff(np.searchsorted(labels, ends))  # bincount would make a copy of int64


def _starts(sizes):
    return np.cumsum(sizes) - sizes


def validation_pairs(
    labels: np.ndarray, images_limit: int, seed: int, pairs_limit: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every matched pair among at most `images_limit` images of each identity, and as many mismatched ones.

    Where there are more than `pairs_limit` matched pairs, whole identities are taken in random order until there are as
    many of either kind, or no identity is left; matched pairs beyond the limit, those of the last ones, are cut off.

    Returns:
        first, second: (pairs,) int64 indices into `labels` (images labelled -1 are in no pair).
        matched: (pairs,) bool. Mismatched pairs are drawn at random without repetition; there are fewer of them where
        the identities do not allow as many.
    """
    generator = np.random.default_rng((seed, 5))
    rows, sizes = _groups(labels)
    chosen = _choose(np.minimum(sizes, images_limit), pairs_limit, generator)
    groups = [rows[start : start + size] for start, size in zip(_starts(sizes)[chosen], sizes[chosen], strict=True)]
    images = [np.sort(generator.permutation(group)[:images_limit]) for group in groups]
    images, sizes = np.concatenate([rows[:0], *images]), np.minimum(sizes[chosen], images_limit)
    first, second = _matched(sizes, pairs_limit)
    possible = _pairs(len(images)) - _pairs(sizes).sum()
    a, b = _mismatched(labels, images, min(len(first), possible), generator)
    first, second = np.concatenate([images[first], a]), np.concatenate([images[second], b])
    return first, second, np.arange(len(first)) < len(first) - len(a)


def _pairs(images):
    return images * (images - 1) // 2


def _choose(sizes, pairs_limit, generator):
    # identities whose pairs are taken, in this order
    if pairs_limit is None or _pairs(sizes).sum() <= pairs_limit:
        return np.arange(len(sizes))
    order = generator.permutation(len(sizes))
    matched = np.cumsum(_pairs(sizes[order]))
    mismatched = _pairs(np.cumsum(sizes[order])) - matched
    return order[: np.searchsorted(np.minimum(matched, mismatched), pairs_limit) + 1]


def _matched(sizes, pairs_limit):
    # places of the pairs within identities that have `sizes` images each, one identity after the other
    later = np.repeat(_starts(sizes) + sizes, sizes) - 1 - np.arange(sizes.sum())  # images after each of its identity
    if pairs_limit is not None:
        later = np.clip(pairs_limit - _starts(later), 0, later)
    first = np.repeat(np.arange(len(later)), later)
    return first, first + 1 + np.arange(len(first)) - np.repeat(_starts(later), later)


def _mismatched(labels, images, count, generator):
    # Two different places are drawn as `generator.choice(n, 2, replace=False)` does it, so that recorded figures stay:
    # the second becomes the last place where it is the first again (Bentley & Floyd 1987); a third number shuffles
    # them, to no effect, since pairs are sorted.
    n, codes = len(images), np.empty(0, np.int64)
    while len(codes) < count:
        a, b, _ = generator.integers(0, [n - 1, n, 2], (max(count, 64), 3)).T
        a, b = np.sort(images[[a, np.where(a == b, n - 1, b)]], axis=0)
        codes = np.concatenate([codes, (a * len(labels) + b)[labels[a] != labels[b]]])
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])][:count]  # keeps the order of drawing
    return np.divmod(codes, len(labels))


# 4 are enough of a large n (Luby & Rackoff). With 8, the probabilities of the orders of 5 or 6 numbers still deviate by
# 1 % (root mean square of 3.6 million draws); with 12, 2.4 million draws show no deviation.
ROUNDS = 12


def draw_keys(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Keys (ROUNDS, *shape) uint64 of as many independent permutations."""
    return generator.integers(2**64, size=(ROUNDS, *shape), dtype=np.uint64)


def permute(places: np.ndarray, n, keys: np.ndarray) -> np.ndarray:
    """The numbers at `places` of permutations of [0, n); with one key and n, all places give a bijection of [0, n).

    Time and memory grow with the number of places, not with n.

    Args:
        places: int array with values in [0, n). n: int, or int array that broadcasts to `places`; from 1 to 2^50.
        keys: (ROUNDS, ...) uint64 of `draw_keys`, each with the axes of `places`, to which it broadcasts.

    Returns:
        int64 array like `places`, with values in [0, n).
    """
    values = np.array(places, np.uint64)
    n, keys = np.broadcast_to(np.asarray(n, np.uint64), values.shape), np.broadcast_to(keys, (ROUNDS, *values.shape))
    side = np.ceil(np.sqrt(n)).astype(np.uint64)
    side += side % 2  # additions to an odd side give even permutations only
    outside = np.ones(values.shape, bool)
    while outside.any():
        values[outside] = _network(values[outside], side[outside], keys[:, outside])
        outside = values >= n
    return values.astype(np.int64)


def _network(values, side, keys):
    left, right = np.divmod(values, side)
    for key in keys:
        # 63 bits of the hash, so that the sum stays below 2^64 and the remainder can be undone
        left, right = right, (left + (_mix(right + key) >> 1)) % side
    return left * side + right


def _mix(values):
    """SplitMix64's hash of uint64 (Steele, Lea & Flood 2014): each bit in flips each bit out in about half of cases."""
    values = (values ^ (values >> 30)) * 0xBF58476D1CE4E5B9
    values = (values ^ (values >> 27)) * 0x94D049BB133111EB
    return values ^ (values >> 31)
