"""Unit-norm embeddings as they are early in training, the same for every side. NumPy only."""

import numpy as np

SIZE = 256  # d
COSINE = 0.15  # of two images of one identity, in the mean; 0 of others: semi-hard and hard negatives are there


def make_embeddings(identities: int, images: int):
    """Labels (B,) int64 and embeddings (B, 256) float32, B = identities * images."""
    generator = np.random.default_rng(7)
    labels = np.repeat(np.arange(identities), images)
    centres, own = (generator.standard_normal((n, SIZE)) for n in (identities, len(labels)))
    embeddings = np.sqrt(COSINE) * centres[labels] + np.sqrt(1 - COSINE) * own
    return labels, (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
