import numpy as np
import pytest
import reference
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from facelib.small_sets.discriminant import TooFewImagesError, fit_discriminant

BLOCKS = [7, 4, 12]  # 23 features
COMPONENTS = 4


def people(seed=0, identities=9, images=5, size=23):
    """Features (n, F) in which identities differ in some directions and their images in others; labels (n,)."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), images)
    spread = generator.uniform(0.2, 3, size)
    features = 2 + (generator.normal(size=(identities, size)) * spread)[labels]
    features += generator.normal(size=(len(labels), size)) * generator.uniform(0.2, 2, size)
    return features.astype(np.float32), labels


def fit(features, labels, **changes):
    settings = {"block_sizes": BLOCKS, "dimensions": 15, "components": COMPONENTS, "shrinkage": 0.1, **changes}
    return fit_discriminant(np.array(features), np.array(labels), **settings)


def copies_of(features, count):
    generator = np.random.default_rng(8)
    return [(features + generator.normal(size=features.shape)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("dimensions", [COMPONENTS, 15, 10**4])
def test_projection_is_the_twins_up_to_signs(dimensions, count):
    features, labels = people()
    copies = copies_of(features, count)
    mean, projection = fit(features, labels, dimensions=dimensions, copies=iter(copies))
    assert mean.dtype == projection.dtype == np.float32
    assert (mean.shape, projection.shape) == ((23,), (23, COMPONENTS))
    expected_mean, scales, basis, _, directions = reference.discriminant(
        features, labels, BLOCKS, dimensions, COMPONENTS, 0.1, copies
    )
    np.testing.assert_allclose(mean, expected_mean, atol=1e-5)
    expected = scales[:, None] * (basis @ directions)
    signs = np.sign((projection * expected).sum(axis=0))
    np.testing.assert_allclose(projection * signs, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("dimensions", [COMPONENTS, 15])
def test_without_shrinkage_the_directions_are_those_of_scikit_learn(dimensions):
    features, labels = people(images=20)
    mean, projection = fit(features, labels, dimensions=dimensions, shrinkage=1e-9)
    starts = np.cumsum([0, *BLOCKS[:-1]])
    scales = np.repeat(1 / np.sqrt(np.add.reduceat(features.var(axis=0, dtype=np.float64), starts)), BLOCKS)
    components = PCA(dimensions, svd_solver="full").fit(scales * features)
    reduced = components.transform(scales * features)
    found = LinearDiscriminantAnalysis(solver="eigen").fit(reduced, labels).scalings_[:, :COMPONENTS]
    expected = scales[:, None] * (components.components_.T @ found)
    cosines = (expected * projection).sum(axis=0) / np.linalg.norm(expected, axis=0)
    cosines /= np.linalg.norm(projection, axis=0)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)


@pytest.mark.parametrize("count", [0, 2])
def test_the_regularised_scatter_within_identities_becomes_the_identity(count):
    features, labels = people()
    copies = copies_of(features, count)
    _, projection = fit(features, labels, copies=copies)
    _, scales, basis, within, _ = reference.discriminant(features, labels, BLOCKS, 15, COMPONENTS, 0.1, copies)
    directions = basis.T @ (projection / scales[:, None])
    np.testing.assert_allclose(basis @ directions, projection / scales[:, None], atol=1e-4)  # nothing beside them
    np.testing.assert_allclose(directions.T @ within @ directions, np.eye(COMPONENTS), atol=1e-4)


def test_without_shrinkage_the_projected_images_have_unit_variance_within_identities():
    features, labels = people(identities=20)
    copies = copies_of(features, 2)
    mean, projection = fit(features, labels, shrinkage=1e-9, copies=copies)
    points = np.concatenate([(x - mean) @ projection for x in (features, *copies)]).astype(np.float64)
    np.testing.assert_allclose(reference.scatter_within(points, [*labels] * 3), np.eye(COMPONENTS), atol=2e-3)


def test_shrinkage_counts_against_directions_that_hardly_vary_within():
    """Of two features that tell people apart, one hardly varies within; how much that counts, shrinkage decides."""
    features, labels = people(size=3)
    within = features - np.array([features[labels == label].mean(axis=0) for label in labels])
    features = features - within * np.float32([0.999, 0, 0])
    ratios = []
    for shrinkage in (1e-4, 0.1, 10.0):
        _, projection = fit(features, labels, block_sizes=[1, 1, 1], components=1, shrinkage=shrinkage)
        ratios.append(abs(projection[0, 0]) / np.abs(projection[1:, 0]).max())
    assert ratios[0] > 5 * ratios[1] > 5 * ratios[2]


def test_what_varies_in_the_copies_counts_less():
    features, labels = people()
    copy = features.copy()
    copy[:, 3] += np.random.default_rng(3).normal(0, 30, len(copy)).astype(np.float32)
    before, after = fit(features, labels)[1], fit(features, labels, copies=[copy])[1]
    assert np.abs(after[3]).max() < 0.2 * np.abs(before[3]).max()


def test_copies_equal_to_the_images_change_nothing_but_the_freedom():
    """Twice the scatter about the same means: S_w is as if of 2 n images, whose variance is 2 (n - C) / (2 n - C)."""
    features, labels = people()
    before, after = fit(features, labels)[1], fit(features, labels, copies=[features.copy()])[1]
    n, identities = len(labels), len(set(labels.tolist()))
    variance = 2 * (n - identities) / (2 * n - identities)
    np.testing.assert_allclose(np.abs(after) * np.sqrt(variance), np.abs(before), atol=1e-3 * np.abs(before).max())


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_the_scale_of_a_block_does_not_matter(factor):
    features, labels = people()
    scales = np.repeat(np.float32([1, factor, 1]), BLOCKS)
    (_, before), (_, after) = fit(features, labels), fit(features * scales, labels)
    np.testing.assert_allclose(np.abs(after * scales[:, None]), np.abs(before), atol=1e-3 * np.abs(before).max())
    within_a_block = np.float32([factor] + [1] * 22)
    _, other = fit(features * within_a_block, labels)
    assert np.abs(np.abs(other * within_a_block[:, None]) - np.abs(before)).max() > 0.05 * np.abs(before).max()


def test_components_come_in_the_order_of_what_they_tell_apart_and_do_not_depend_on_their_number():
    features, labels = people()
    mean, projection = fit(features, labels)
    variances = ((features - mean) @ projection).var(axis=0)
    assert (np.diff(variances) < 0).all()
    _, two = fit(features, labels, components=2)
    np.testing.assert_allclose(np.abs(two), np.abs(projection[:, :2]), atol=1e-4 * np.abs(projection).max())


def test_the_order_of_the_images_and_the_numbers_of_the_identities_do_not_matter():
    """Up to signs of the components, which leave every product of two projected faces as it is."""
    features, labels = people()
    order = np.random.default_rng(4).permutation(len(labels))
    (mean, before), (_, after) = fit(features, labels), fit(features[order], 50 - labels[order])
    grams = [((features - mean) @ projection) @ ((features - mean) @ projection).T for projection in (before, after)]
    np.testing.assert_allclose(*grams, atol=1e-3 * np.abs(grams[0]).max())
    unrelated = fit(features, labels[order])[1]
    other = ((features - mean) @ unrelated) @ ((features - mean) @ unrelated).T
    assert np.abs(other - grams[0]).max() > 0.1 * np.abs(grams[0]).max()


def test_people_who_were_not_fitted_to_are_told_apart_better_than_by_the_features():
    features, labels = people(identities=60)
    features[:, 14:] += np.random.default_rng(5).normal(0, 9, (len(labels), 9)).astype(np.float32)  # pose and light
    fitted = labels < 40
    mean, projection = fit(features[fitted], labels[fitted], dimensions=23, components=8)
    same = np.equal.outer(labels[~fitted], labels[~fitted])
    different, same = ~same, same & ~np.eye(len(same), dtype=bool)

    def overlap(points):
        unit = points / np.linalg.norm(points, axis=1, keepdims=True)
        scores = unit @ unit.T
        return (scores[different][:, None] > scores[same]).mean()

    before, after = overlap(features[~fitted] - mean), overlap((features[~fitted] - mean) @ projection)
    assert after < 0.3 * before


@pytest.mark.parametrize("size", [10, 23, 400])
def test_repeated_images_leave_fewer_directions_and_no_nan(size):
    """Data sets hold the same picture under two names; so many equal rows, so many directions without variance."""
    features, labels = people(size=size)
    features[1::5] = features[0::5]
    mean, projection = fit(features, labels, block_sizes=[size], dimensions=10**4)
    assert np.isfinite(projection).all()
    expected_mean, scales, basis, _, directions = reference.discriminant(
        features, labels, [size], min(size, 35), COMPONENTS, 0.1
    )  # 45 images, 9 of them twice, about their mean: 35 directions
    expected = scales[:, None] * (basis @ directions)
    np.testing.assert_allclose(np.abs(projection), np.abs(expected), atol=1e-3 * np.abs(expected).max())


def test_too_few_images_say_so():
    features, labels = people()
    with pytest.raises(TooFewImagesError, match="^45 images of 45 identities show nobody twice.*: add images"):
        fit(features, np.arange(45))
    with pytest.raises(TooFewImagesError, match="^4 images vary in 3 directions, which is below 4: add images"):
        fit(features[:4], labels[:4])
    assert fit(features[:5], [0, 0, 1, 1, 1])[1].shape == (23, 4)
    with pytest.raises(TooFewImagesError, match="vary in 0 directions"):
        fit(features * 0, labels)


def test_blocks_without_variance_count_nothing():
    features, labels = people()
    features[:, 7:11] = 3
    mean, projection = fit(features, labels)
    assert np.isfinite(projection).all()
    assert np.abs((features - mean) @ projection).max() < 100
    without = fit(np.delete(features, range(7, 11), axis=1), labels, block_sizes=[7, 12])[1]
    kept = np.delete(projection, range(7, 11), axis=0)
    np.testing.assert_allclose(np.abs(kept), np.abs(without), atol=1e-3 * np.abs(without).max())
