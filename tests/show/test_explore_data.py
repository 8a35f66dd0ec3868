"""What is written for the page to look at: which pairs, which people, where on the map."""

import numpy as np
import pytest
from conftest import on_circle, unit

from facelib.config import load_config
from facelib.data.images import Images
from facelib.data.pair_images import DecodedPairs
from facelib.show.explore_data import choose_pairs, choose_people, project, write_exploration


@pytest.fixture(scope="module")
def scored():
    """300 scores with ties, every third of a matched pair."""
    scores = np.random.default_rng(3).normal(size=300).round(1)
    return scores, np.arange(300) % 3 == 0


def test_the_worst_of_each_kind_are_pictured(scored):
    scores, matched = scored
    chosen = set(choose_pairs(scores, matched, worst=7, spread=0).tolist())
    for kind, wrongness in ((matched, -scores), (~matched, scores)):
        of_kind = {pair for pair in chosen if kind[pair]}
        assert len(of_kind) == 7
        left = [wrongness[pair] for pair in np.flatnonzero(kind) if pair not in of_kind]
        assert min(wrongness[list(of_kind)]) >= max(left)


def test_the_others_are_spread_over_all_ranks_and_ever_sparser(scored):
    matched = scored[1]
    scores = np.random.default_rng(1).permutation(300)  # without ties, whose order is open
    chosen = choose_pairs(scores, matched, worst=0, spread=11)
    assert (np.diff(chosen) > 0).all()
    for kind in (matched, ~matched):
        worst_first = scores[kind] if kind is matched else -scores[kind]
        ranks = np.argsort(np.argsort(worst_first))
        gaps = np.diff(np.sort(ranks[np.isin(np.flatnonzero(kind), chosen)]))
        assert 8 <= len(gaps) <= 10 and gaps.sum() == kind.sum() - 1 and (np.diff(gaps) >= 0).all()


def test_of_a_short_list_all_pairs_are_pictured():
    matched = np.array([True, False, True])
    assert choose_pairs(np.zeros(3), matched).tolist() == [0, 1, 2]


def test_people_with_the_most_images_are_on_the_map_with_their_first_ones():
    people = np.array(list("abbbbcccadddd"))
    rows = choose_people(people, seed=7, count=2, images=3)
    assert (np.diff(rows) > 0).all()
    shown = sorted(set(people[rows]))
    assert len(shown) == 2 and "a" not in shown  # three images of b, c, d count the same
    assert all(rows[people[rows] == name].tolist() == np.flatnonzero(people == name)[:3].tolist() for name in shown)


def test_people_with_as_many_images_are_drawn_from_the_seed():
    people = np.repeat([f"person {number}" for number in range(30)], 2)
    drawn = [choose_people(people, seed, count=5).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_map_keeps_neighbours_and_is_the_same_on_every_run():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 8)
    embeddings = unit(generator.normal(size=(5, 16))[labels] + 0.2 * generator.normal(size=(40, 16)))
    points = project(embeddings, seed=7)
    assert points.shape == (40, 2) and np.array_equal(points, project(embeddings, seed=7))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(40, np.inf))
    assert (labels[distances.argmin(axis=1)] == labels).all()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12])
def test_few_or_equal_embeddings_have_a_map(count):
    for embeddings in (on_circle(np.arange(count) * 9), on_circle(np.zeros(count))):
        points = project(embeddings, seed=1)
        assert points.shape == (count, 2) and np.isfinite(points).all()


def test_the_file_holds_all_scores_and_the_pictures_of_the_chosen(project_config, decoded):
    scores = np.linspace(0, 1, len(decoded.matched))
    mapped = np.arange(1, 40, 3)
    points = project(on_circle(mapped * 7), seed=1)
    path = write_exploration(project_config, decoded, scores, mapped, points)
    assert path == project_config.interim / "explore.npz"
    with np.load(path, allow_pickle=False) as file:
        written = dict(file)
    assert np.array_equal(written["scores"], scores) and np.array_equal(written["matched"], decoded.matched)
    assert str(written["data_digest"]) == "digest of the images"
    names = [f"{person}/{file}" for person, file in zip(written["people"], written["files"], strict=True)]
    for pair, first, second in zip(*(written[name] for name in ("pairs", "first", "second")), strict=True):
        assert names[first] == decoded.readable[decoded.first[pair]]
        assert names[second] == decoded.readable[decoded.second[pair]]
        assert np.array_equal(written["pixels"][first], decoded.images.pixels[decoded.first[pair]])
    assert np.array_equal(written["points"], points)
    assert [names[row] for row in written["mapped"]] == [decoded.readable[row] for row in mapped]
    before = path.read_bytes()
    assert write_exploration(project_config, decoded, scores, mapped, points).read_bytes() == before


@pytest.fixture
def project_config(project):
    return load_config("smoke", "drawn")


@pytest.fixture
def decoded():
    """60 pairs among 40 images of 10 people, one of them in no pair."""
    generator = np.random.default_rng(4)
    readable = tuple(f"person {row // 4}/{row % 4}.jpg" for row in range(40))
    pixels = generator.integers(0, 256, (40, 112, 112, 3), np.uint8)
    first, second = generator.integers(0, 36, (2, 60))
    digests = generator.integers(0, 256, (2, 40, 16), np.uint8)
    images = Images(pixels, np.ones(40, bool), (), "digest of the images", *digests)
    people = {path: path.split("/")[0] for path in readable}
    return DecodedPairs([], readable, images, readable, [], first, second, np.arange(60) % 2 == 0, people)
