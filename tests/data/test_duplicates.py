"""One content under one identity and on one side only, against a twin in plain Python."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from facelib.data.duplicates import SharedImagesError, Side, name_duplicates, require_disjoint, resolve

# identities, each a list of contents; few contents, so that all cases occur
IDENTITIES = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=8)


def rows_of(identities):
    """Labels (n,) and digests (n, 16) of identities, each a list of numbers that stand for contents."""
    labels = np.repeat(np.arange(len(identities), dtype=np.int32), [len(contents) for contents in identities])
    numbers = np.array([number for contents in identities for number in contents], np.uint8)
    return labels, np.repeat(numbers[:, None], 16, axis=1) * np.arange(1, 17, dtype=np.uint8)


def resolved(*identities):
    labels, contents = rows_of(identities)
    found = resolve(labels, contents)
    kept = [[] for _ in identities]
    for label, content in zip(labels[found.kept], contents[found.kept], strict=True):
        kept[label].append(int(content[0]))
    return kept, found.merged.tolist(), [group.tolist() for group in found.contradictions]


def test_without_duplicates_everything_stays():
    assert resolved([1, 2], [3], [4, 5]) == ([[1, 2], [3], [4, 5]], [], [])


def test_within_an_identity_the_first_image_stays():
    labels, contents = rows_of([[3, 1, 3, 1, 3], [2]])
    found = resolve(labels, contents)
    assert found.kept.tolist() == [True, True, False, False, False, True]
    assert found.repeated.tolist() == [[2, 0], [3, 1], [4, 0]]


@pytest.mark.parametrize(
    "identities, merged",
    [
        (([1, 2], [1, 2]), [[1, 0]]),  # `0` and a link `00000`
        (([1, 2], [2, 1, 1]), [[1, 0]]),
        (([1], [1, 2]), [[0, 1]]),  # the containing one stays
        (([1], [1, 2], [1, 2, 3]), [[0, 2], [1, 2]]),
        (([1, 2], [1], [2], [1, 2]), [[1, 0], [2, 0], [3, 0]]),
    ],
)
def test_an_identity_that_another_one_contains_is_merged_into_it(identities, merged):
    kept, found, contradictions = resolved(*identities)
    assert (found, contradictions) == (merged, [])
    gone = {label for label, _ in merged}
    for label, contents in enumerate(identities):
        assert kept[label] == ([] if label in gone else list(dict.fromkeys(contents)))


def test_else_all_copies_are_left_out():
    assert resolved([1, 2], [2, 3]) == ([[1], [3]], [], [[1, 2]])
    assert resolved([1, 2], [2, 3], [3, 1]) == ([[], [], []], [], [[0, 5], [1, 2], [3, 4]])
    # what two identities both contain is merged into one of them, and its content then contradicts itself
    assert resolved([1], [1, 2], [1, 3]) == ([[], [2], [3]], [[0, 1]], [[0, 1, 3]])


@given(IDENTITIES)
def test_as_the_definition_says(identities):
    labels, contents = rows_of(identities)
    found = resolve(labels, contents)
    kept, repeated, merged, contradictions = reference.resolve(labels.tolist(), [bytes(row) for row in contents])
    assert found.kept.tolist() == kept
    assert found.repeated.tolist() == repeated
    assert found.merged.tolist() == merged
    assert [group.tolist() for group in found.contradictions] == contradictions


@given(IDENTITIES)
def test_no_content_stays_twice_and_none_is_lost_without_a_contradiction(identities):
    labels, contents = rows_of(identities)
    found = resolve(labels, contents)
    stays = contents[found.kept, 0].tolist()
    contradicted = {int(contents[group[0], 0]) for group in found.contradictions}
    assert len(stays) == len(set(stays))
    assert set(stays) | contradicted == set(contents[:, 0].tolist()) and not set(stays) & contradicted
    assert resolve(labels[found.kept], contents[found.kept]).kept.all()


@given(IDENTITIES, st.randoms(use_true_random=False))
def test_which_contents_stay_depends_on_no_order_of_images(identities, random):
    shuffled = [random.sample(contents, len(contents)) for contents in identities]
    assert [set(kept) for kept in resolved(*identities)[0]] == [set(kept) for kept in resolved(*shuffled)[0]]


def test_one_content_under_thousands_of_identities():
    identities = 8000
    labels = np.repeat(np.arange(identities), 2)
    contents = np.random.default_rng(0).integers(0, 256, (2 * identities, 16), np.uint8)
    contents[::2] = 7  # a blank image each
    found = resolve(labels, contents)
    assert found.kept.tolist() == [False, True] * identities
    (group,) = found.contradictions
    assert group.tolist() == list(range(0, 2 * identities, 2))
    alike = resolve(np.arange(identities), contents[::2])
    assert alike.merged.tolist() == [[label, 0] for label in range(1, identities)]


def test_nothing_at_all():
    found = resolve(np.zeros(0, np.int32), np.zeros((0, 16), np.uint8))
    assert len(found.kept) == 0 and found.merged.shape == (0, 2)


def test_duplicates_are_named():
    labels, contents = rows_of([[1, 1], [1], [2, 3], [3, 4]])
    paths = ["a/0", "a/1", "b/0", "c/0", "c/1", "d/0", "d/1"]
    named = name_duplicates(resolve(labels, contents), paths, ["a", "b", "c", "d"])
    assert named == ((("a/1", "a/0"),), (("b", "a"),), (("c/1", "d/0"),), 4)


def side(name, contents, files):
    digests = tuple(np.repeat(np.array(numbers, np.uint8)[:, None], 16, axis=1) for numbers in (contents, files))
    return Side(name, np.array([f"{name}/{number}" for number in range(len(contents))], object), digests)


def test_sides_without_a_common_image_are_disjoint():
    require_disjoint(side("one", [1, 2], [3, 4]), side("other", [3, 4], [1, 2]))  # kinds are not compared across
    require_disjoint(side("one", [], []), side("other", [1], [1]))


@pytest.mark.parametrize("contents, files", [([9, 2], [8, 7]), ([9, 8], [8, 4])])
def test_an_image_on_both_sides_is_named_by_content_or_file(contents, files):
    with pytest.raises(SharedImagesError, match="1 images are among one and among other.*one/1 and other/1.*Remove"):
        require_disjoint(side("one", [1, 2], [3, 4]), side("other", [5, contents[1]], [6, files[1]]))


def test_an_image_that_is_shared_in_both_kinds_counts_once_and_few_are_named():
    with pytest.raises(SharedImagesError, match="^7 images") as error:
        require_disjoint(side("one", range(7), range(7)), side("other\n", range(7), range(7)))
    assert str(error.value).count(" and other\\x0a/") == 5 and "and 2 more" in str(error.value)
