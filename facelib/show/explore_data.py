"""What the page to look at shows of the test: all scores, pictures of the pairs in question, a map of some people."""

import io
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE

from facelib.config import Config
from facelib.results import publish

WORST = 24  # pairs of each kind, pictured because they are on the wrong side of most thresholds
SPREAD = 200  # more of each kind, ever sparser from the worst on: near any threshold lie some that it decides wrongly
PEOPLE = 20  # on the map
IMAGES = 10  # of each of them, at most


def choose_pairs(scores, matched, worst: int = WORST, spread: int = SPREAD) -> np.ndarray:
    """The pairs that get pictures, (n,) int, rising.

    Of each kind the `worst`, which are mismatched pairs of the highest and matched pairs of the lowest scores, and
    about `spread` evenly over the logarithm of their ranks, from the worst to the last.

    Args:
        scores: (pairs,) float, higher for the same person. matched: (pairs,) bool.
    """
    chosen = []
    for kind, order in ((matched, scores), (~matched, -scores)):
        ranked = np.flatnonzero(kind)
        ranked = ranked[np.argsort(order[ranked], kind="stable")]
        count = len(ranked)
        ranks = np.arange(count) if count <= spread else np.geomspace(1, count, spread).round().astype(int) - 1
        chosen += [ranked[:worst], ranked[ranks]]
    return np.unique(np.concatenate(chosen))


def choose_people(people: np.ndarray, seed: int, count: int = PEOPLE, images: int = IMAGES) -> np.ndarray:
    """Rows (n,) int, rising: the first `images` of each of the `count` people who have the most of them.

    Args:
        people: (images,) str, whom each image shows. seed: draws among people who have as many.
    """
    names, sizes = np.unique(people, return_counts=True)
    drawn = np.random.default_rng((seed, 12)).permutation(len(names))
    chosen = drawn[np.argsort(-np.minimum(sizes[drawn], images), kind="stable")][:count]
    rows = [np.flatnonzero(people == names[place])[:images] for place in chosen]
    return np.sort(np.concatenate(rows))


def project(embeddings: np.ndarray, seed: int) -> np.ndarray:
    """Points (n, 2) float64 whose neighbours are those of the embeddings: t-SNE (van der Maaten and Hinton 2008).

    It starts from the two directions of most variance; fewer than 4 embeddings stay there.

    Args:
        embeddings: (n, d), unit norm.
    """
    centred = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    vectors, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(lengths))])  # the SVD leaves them open
    start = np.zeros((len(embeddings), 2))
    start[:, : len(lengths)] = (vectors * lengths * signs)[:, :2]
    if len(embeddings) < 4:
        return start
    start *= 1e-4 / max(start[:, 0].std(), 1e-12)  # as small as t-SNE wants it
    perplexity = min(IMAGES, (len(embeddings) - 1) / 3)
    # "exact" is slower and has no threads, whose number would decide the last digits
    tsne = TSNE(perplexity=perplexity, init=start.astype(np.float32), method="exact", random_state=seed)
    return tsne.fit_transform(centred.astype(np.float32)).astype(np.float64)


def write_exploration(config: Config, test, scores: np.ndarray, mapped: np.ndarray, points: np.ndarray) -> Path:
    """Write ``data/interim/<profile>/explore.npz``, from which `publish.explore` makes its page.

    It holds faces, so it lies with the decoded images and not among the results. Arrays: ``scores`` and ``matched``,
    (pairs,); ``pairs``, the pictured ones, with ``first`` and ``second``, rows of ``pixels``; ``pixels``, with
    ``people`` and ``files``, whom each shows and its name; ``mapped``, rows of ``pixels``, with their ``points``;
    ``data_digest``, the digest of the test images.

    Args:
        test: `pair_images.DecodedPairs`. scores: (pairs,). mapped: (n,) int, rising, rows of ``test.readable``, see
            `choose_people`. points: (n, 2), see `project`.
    """
    files = np.array([path.rpartition("/")[2] for path in test.readable])
    pairs = choose_pairs(scores, test.matched)
    rows = np.unique(np.concatenate([test.first[pairs], test.second[pairs], mapped]))
    content = io.BytesIO()
    np.savez(
        content,
        scores=scores,
        matched=test.matched,
        pairs=pairs,
        first=np.searchsorted(rows, test.first[pairs]),
        second=np.searchsorted(rows, test.second[pairs]),
        pixels=test.images.pixels[rows],
        people=test.image_people[rows],
        files=files[rows],
        mapped=np.searchsorted(rows, mapped),
        points=points,
        data_digest=test.images.digest,
    )
    return publish(config, config.interim / "explore.npz", content.getvalue())
