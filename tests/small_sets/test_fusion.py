import dataclasses

import numpy as np
import pytest
from conftest import tiny_network

from facelib.data.augmentation import warp
from facelib.learn import build
from facelib.learn.embedding import build_embedder, embed, pair_scores
from facelib.measure import metrics
from facelib.small_sets import fusion
from facelib.small_sets.discriminant import TooFewImagesError, fit_discriminant
from facelib.small_sets.texture import TextureFeatures, block_sizes, restore_texture_network

SETTINGS = "validation_share=0.25 validation_images=3 embedding_size=6 texture_copies=1 texture_components=5"


@pytest.fixture
def fits(monkeypatch):
    """The arguments of every fit that is made, features and copies as arrays."""
    made = []

    def noted(features, labels, sizes, *settings):
        *settings, copies = settings
        copies = list(copies)
        made.append((features.copy(), labels, sizes, settings, copies))
        return fit_discriminant(features, labels, sizes, *settings, copies)

    monkeypatch.setattr(fusion, "fit_discriminant", noted)
    return made


def weights(model):
    return [np.asarray(variable) for variable in model.variables]


def assert_same(one, two):
    for first, second in zip(weights(one), weights(two), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_projection_is_fitted_to_training_images_and_their_warped_copies(configure, split, fits):
    config = configure("texture_copies=2 texture_dimensions=20 texture_shrinkage=0.3")
    model = fusion.fit_texture(config, split)
    ((features, labels, sizes, settings, copies),) = fits
    pixels = split.faces.pixels[split.training_labels >= 0]
    np.testing.assert_array_equal(labels, split.training_labels[split.training_labels >= 0])
    np.testing.assert_allclose(features, TextureFeatures()(pixels), atol=5e-6)  # a root of shares of about 1e-3
    assert (sizes, settings, len(copies)) == (block_sizes(), [20, 5, 0.3], 2)
    for copy, found in enumerate(copies):
        expected = TextureFeatures()(warp(pixels, config.seed, copy, fusion.COPIES_STRENGTH))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    mean, projection = fit_discriminant(features, labels, sizes, *settings, copies)
    points = (TextureFeatures()(split.faces.pixels[:8]).numpy() - mean) @ projection
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(embed(model, split.faces.pixels[:8]), points, atol=1e-4)


def test_nobody_who_is_validated_on_is_fitted_to(config, split, fits):  # slip 5
    """Other pictures of those people change nothing."""
    model = fusion.fit_texture(config, split)
    held_out = split.training_labels < 0
    assert held_out.any()
    pixels = np.array(split.faces.pixels)
    pixels[held_out] = 255 - pixels[held_out]
    fusion.texture_file(config, split.faces.digest).unlink()
    again = fusion.fit_texture(config, split._replace(faces=split.faces._replace(pixels=pixels)))
    assert len(fits) == 2
    assert_same(model, again)


def test_a_fit_is_made_once_and_then_restored(config, split, monkeypatch):
    model = fusion.fit_texture(config, split)
    file = fusion.texture_file(config, split.faces.digest)
    assert file.is_file() and file.parent == config.interim / "textures"
    with monkeypatch.context() as patch:
        patch.setattr(fusion, "fit_discriminant", lambda *_: pytest.fail("fitted again"))
        patch.setattr(fusion, "warp", lambda *_: pytest.fail("made copies again"))
        assert_same(fusion.fit_texture(config, split), model)
    file.unlink()
    assert_same(fusion.fit_texture(config, split), model)  # the same on every run
    assert np.abs(weights(model)[0]).max() > 0


def test_another_seed_or_other_settings_are_fitted_anew(configure, split, fits):
    for overrides in ("", "seed=8", "texture_shrinkage=0.5", "texture_share=0.9"):
        fusion.fit_texture(configure(overrides), split)
    assert len(fits) == 3  # the share decides nothing here


def test_fewer_identities_than_components(configure, split):
    """Nine people are told apart in eight directions."""
    model = fusion.fit_texture(configure("texture_components=60"), split)
    assert model.output_shape == (None, 8)
    assert embed(model, split.faces.pixels[:2]).shape == (2, 8)


def test_no_more_images_than_the_limit(configure, split, fits, monkeypatch):
    """Then a few images each of people drawn at random."""
    monkeypatch.setattr(fusion, "IMAGES_EACH", 3)
    fusion.fit_texture(configure("texture_images=11"), split)
    fusion.fit_texture(configure("texture_images=11 seed=8"), split)
    (features, labels, _, settings, _), (_, others, *_) = fits
    assert len(features) == len(labels) == 11
    assert sorted(np.unique(labels, return_counts=True)[1]) == [2, 3, 3, 3]
    assert settings[1] == len(set(labels)) - 1 == 3
    assert set(labels) != set(others)


def test_one_person_is_too_few(configure, split):
    with pytest.raises(TooFewImagesError, match="^the texture's 3 images show one person: raise texture_images"):
        fusion.fit_texture(configure("texture_images=3"), split)


def test_too_few_images_say_so_and_leave_no_file(config, split):
    alone = np.full_like(split.training_labels, -1)
    alone[[0, 5, 9]] = [0, 1, 2]  # an image each
    with pytest.raises(TooFewImagesError, match="3 images of 3 identities show nobody twice.*: add images"):
        fusion.fit_texture(config, split._replace(training_labels=alone))
    assert not fusion.texture_file(config, split.faces.digest).exists()


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"no file of ours"])
def test_a_damaged_file_is_made_again(config, split, damage, capsys):
    before = fusion.fit_texture(config, split).get_weights()
    file = fusion.texture_file(config, split.faces.digest)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    for one, two in zip(fusion.fit_texture(config, split).get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)
    assert file.read_bytes() == content and f"note: {file} is damaged: it is made again" in capsys.readouterr().err


# where a fit is kept


def other_value(value):
    if isinstance(value, bool):
        return not value
    return value + type(value)((1,)) if isinstance(value, tuple) else value + type(value)("1")


def test_a_fit_is_named_by_every_setting_that_decides_it_and_by_no_other(config):
    file = fusion.texture_file(config, "digest")
    assert file == fusion.texture_file(config, "digest")
    decisive = {
        "seed", "align", "validation_share", "identities_limit", "images_limit", "training_identities",
        "texture_dimensions", "texture_components", "texture_shrinkage", "texture_copies", "texture_images",
    }  # fmt: skip
    for field in dataclasses.fields(config):
        changed = dataclasses.replace(config, **{field.name: other_value(getattr(config, field.name))})
        same = fusion.texture_file(changed, "digest").name == file.name
        assert same == (field.name not in decisive), field.name


def test_a_fit_is_named_by_its_data(config):
    assert fusion.texture_file(config, "digest") != fusion.texture_file(config, "other digest")


def test_a_fit_is_named_by_the_code_that_decides_it(config, check_named_by_code):
    check_named_by_code(
        lambda: fusion.texture_file(config, "digest"),
        ("data/faces", "learn/build", "small_sets/discriminant", "small_sets/fusion", "small_sets/texture"),
        ("measure/metrics", "show/plots", "study/trial", "use/verify", "files"),
    )


# the cohort


@pytest.mark.parametrize("flip", [True, False])
def test_the_cohort_is_one_embedding_of_each_training_identity(configure, split, flip):
    """With mirror images, as the embeddings that are compared with it, or without."""
    config = configure(f"flip_average={flip} rareness_weight=0.5 rareness_neighbours=3")
    network = tiny_network("", 6, False, 1)
    cohort = fusion.embed_cohort(config, split, build_embedder(network, flip))
    assert cohort.embeddings.shape == (9, 6) and (cohort.neighbours, cohort.weight) == (3, 0.5)
    everyone = embed(network, split.faces.pixels, flip)
    rows = [int(np.argmin(np.abs(everyone - row).sum(1))) for row in cohort.embeddings]
    np.testing.assert_allclose(cohort.embeddings, everyone[rows], atol=1e-6)
    assert sorted(split.training_labels[rows]) == list(range(9))  # none of them held out


def test_without_a_weight_there_is_no_cohort(configure, split):
    assert fusion.embed_cohort(configure("rareness_weight=0"), split, None) is None


def test_validation_scores_take_the_cohort_into_account(configure, split):
    config = configure("rareness_weight=0.5")
    embedder = build_embedder(tiny_network("", 6, False, 1))
    cohort = fusion.embed_cohort(config, split, embedder)
    embeddings = embedder(split.faces.pixels)
    expected = cohort.pair_scores(embeddings, split.first, split.second)
    np.testing.assert_allclose(build.score_with(split, embedder, cohort.pair_scores)(), expected, atol=1e-6)
    found = build.validate_with(split, embedder, cohort.pair_scores)()
    assert found["validation_roc_auc"] == metrics.roc_auc(expected, split.matched)
    assert np.abs(expected - build.score_with(split, embedder)()).max() > 1e-3


# all of it


def test_what_is_fused_is_what_the_configuration_asks_for(configure, split):
    network = tiny_network("", 6, False, 1)
    alone = fusion.fuse(configure("texture_share=0 rareness_weight=0"), split, network)
    assert alone.model is network and alone.texture is None and alone.cohort is None
    assert alone.pair_scores is pair_scores
    textured = fusion.fuse(configure("texture_share=0.3 rareness_weight=0"), split, network)
    assert textured.model.output_shape == (None, 6 + 5) and textured.cohort is None
    normalised = fusion.fuse(configure("texture_share=0 rareness_weight=0.5"), split, network)
    assert normalised.model is network and normalised.texture is None
    both = fusion.fuse(configure("texture_share=0.3 rareness_weight=0.5"), split, network)
    assert both.cohort.embeddings.shape == (9, 6 + 5)
    embeddings = both.embed(split.faces.pixels)
    np.testing.assert_array_equal(embeddings, embed(both.model, split.faces.pixels, flip_average=True))
    expected = both.cohort.pair_scores(embeddings, split.first, split.second)
    np.testing.assert_array_equal(both.pair_scores(embeddings, split.first, split.second), expected)
    np.testing.assert_allclose(np.diag(both.build_score(embeddings)(split.first, split.second)), expected, atol=1e-6)


def test_similarities_of_the_fused_model_are_the_weighted_mean_of_both(configure, split):
    network = tiny_network("", 6, False, 1)
    fused = fusion.fuse(configure("texture_share=0.3 rareness_weight=0"), split, network)
    images = np.array(split.faces.pixels[:6], np.float32)
    first, second = (places.ravel() for places in np.indices((6, 6)))
    of_network, of_texture, both = (
        pair_scores(one(images).numpy(), first, second) for one in (network, fused.texture, fused.model)
    )
    assert np.abs(of_network - of_texture).max() > 0.1
    np.testing.assert_allclose(both, 0.7 * of_network + 0.3 * of_texture, atol=1e-6)


def test_a_texture_comes_back_from_its_file(config, split):
    texture = fusion.fit_texture(config, split)
    assert_same(restore_texture_network(fusion.texture_file(config, split.faces.digest), 5), texture)
