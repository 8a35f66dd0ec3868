"""all_vs_all.py: each pair once, its score that of embedding.pair_scores, whatever the size of the blocks."""

import numpy as np
import pytest
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st

from facelib.learn.embedding import pair_scores
from facelib.measure import all_vs_all
from facelib.small_sets.score_normalization import Cohort


def random_faces(images, people, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, people, images), unit(generator.normal(size=(images, 8)))


@pytest.mark.parametrize("with_cohort", [False, True])
def test_scores_are_those_of_listed_pairs(with_cohort):
    labels, embeddings = random_faces(40, 12)
    cohort = Cohort(random_faces(30, 30, seed=1)[1], 5, 0.3) if with_cohort else None
    build_score, scores_of = (cohort or all_vs_all).build_score, cohort.pair_scores if cohort else pair_scores
    found = all_vs_all.score_all_pairs(build_score(embeddings), labels)
    np.testing.assert_allclose(found.scores, scores_of(embeddings, *found.rows.T), atol=1e-6)
    assert found.scores.dtype == np.float32 and found.rows.dtype == np.int32


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=25).filter(lambda x: 1 < len(set(x)) < len(x)),
    st.sampled_from([1, 7, 30, 2**22]),
)
def test_each_pair_is_there_once_in_blocks_of_any_size(labels, block):
    asked = []

    def score(rows, others):
        asked.append(len(rows) * len(others))
        return rows[:, None] + others / 100

    names = np.array(["anna", "bert", "carl", "dora", "emil"])[labels]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(all_vs_all, "BLOCK", block)
        found = all_vs_all.score_all_pairs(score, names)
    assert max(asked) <= max(block, len(labels))
    expected = {(i, j): names[i] == names[j] for j in range(len(names)) for i in range(j)}
    assert len(found.rows) == len(expected)
    assert {tuple(pair): same for pair, same in zip(found.rows.tolist(), found.matched, strict=True)} == expected
    np.testing.assert_allclose(found.scores, found.rows[:, 0] + found.rows[:, 1] / 100, rtol=1e-6)


def test_what_cannot_be_scored_is_named():
    labels, embeddings = random_faces(10, 3)
    score = all_vs_all.build_score(embeddings)
    with pytest.raises(ValueError, match="10 images of 1 people"):
        all_vs_all.score_all_pairs(score, [7] * 10)
    with pytest.raises(ValueError, match="10 images of 10 people: .* two images of one"):
        all_vs_all.score_all_pairs(score, range(10))
    with pytest.raises(ValueError, match=r"\(10, 9\) scores of 10 rows and 10 others"):
        all_vs_all.score_all_pairs(lambda rows, others: score(rows, others)[:, 1:], labels)
    embeddings[4] = np.nan
    with pytest.raises(ValueError, match="the score of images 0 and 4 is nan"):
        all_vs_all.score_all_pairs(score, labels)
