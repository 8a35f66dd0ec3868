import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from keras import layers
from PIL import Image

from facelib.checkpoint import CheckpointError, save_checkpoint
from facelib.data import drawn as drawing
from facelib.learn.embedding import embed, pair_scores
from facelib.learn.layers import UnitNorm
from facelib.small_sets.texture import (
    COLOURS,
    COSINES,
    FREQUENCIES,
    GRADIENTS,
    PATTERNS,
    TextureFeatures,
    block_sizes,
    build_texture_network,
    cosine_filters,
    join,
    restore_texture_network,
    uniform_patterns,
)

ENDS = np.cumsum(block_sizes())
CELLS = len(PATTERNS) + len(COSINES)  # blocks of shares in cells; those of gradients follow
# bins of a centre that is darker than all around it, of one that is brighter, and of patterns that are not uniform
ALL_HIGHER, NONE_HIGHER, OTHERS = 57, 0, 58


def blocks_of(features):
    """The blocks of one image's features (F,)."""
    return np.split(features, ENDS[:-1])


def drawn(number, look):
    person = drawing.draw_identity(np.random.default_rng(number))
    return drawing.draw_face(person, np.random.default_rng((number, look)), 112)


@pytest.fixture(scope="module")
def faces():
    """(6, 112, 112, 3) uint8: three drawn people, two images of each."""
    return np.stack([drawn(number, look) for number in range(3) for look in range(2)])


@pytest.fixture(scope="module")
def grained(faces):
    """A drawn face with grain, float32, in which no two pixels are equal, so that rounding decides nothing."""
    return np.clip(faces[0] + np.random.default_rng(0).normal(0, 3, faces[0].shape), 0, 255).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """A texture network with a projection of random numbers."""
    network = build_texture_network(7)
    dense = network.get_layer("projection")
    generator = np.random.default_rng(1)
    dense.set_weights([generator.normal(size=weight.shape).astype(np.float32) for weight in dense.get_weights()])
    return network


@pytest.fixture(scope="module")
def other():
    """A small network from images to 4 numbers of unit norm."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((112, 112, 3))
    x = layers.Flatten()(layers.AveragePooling2D(28)(layers.Rescaling(1 / 127.5, -1)(inputs)))
    return keras.Model(inputs, UnitNorm()(layers.Dense(4)(x)), name="other")


# the features against their definitions


def test_every_block_is_its_twins(grained):
    (features,) = TextureFeatures()(grained[None]).numpy()
    assert features.dtype == np.float32
    expected = reference.texture_features(grained, PATTERNS, COSINES, GRADIENTS, COLOURS)
    for number, (found, wanted) in enumerate(zip(blocks_of(features), expected, strict=True)):
        assert len(found) == len(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5, err_msg=f"block {number}")


def test_a_drawn_face_in_uint8_is_its_twin_also_where_pixels_are_equally_bright(faces):
    """float32 and float64 round differently; that must not decide which of two equal pixels is the brighter one."""
    (features,) = TextureFeatures()(faces[2:3]).numpy()
    blocks = reference.texture_features(faces[2], PATTERNS, COSINES, GRADIENTS, COLOURS)
    differ = np.abs(features - np.concatenate(blocks)) > 1e-3
    assert differ.mean() < 1e-4


@pytest.mark.parametrize("size", [14, 56, 80])
def test_the_twins_reduction_is_pillows_bilinear_filter(size):
    """And so is the layer's: it equals the twin, which is held against a library here."""
    image = np.random.default_rng(3).uniform(0, 255, (112, 112)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image, mode="F").resize((size, size), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(reference.reduced(image, size), expected, atol=2e-4)


def test_the_coarse_colours_are_pillows_reduction(faces):
    (features,) = TextureFeatures()(faces[:1]).numpy()
    red, green, blue = np.moveaxis(faces[0].astype(np.float32), 2, 0)
    for block, channel in zip(blocks_of(features)[-2:], (red - green, (red + green) / 2 - blue), strict=True):
        expected = Image.fromarray(channel, mode="F").resize((14, 14), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(block.reshape(14, 14), np.asarray(expected), atol=1e-3)


def test_uniform_patterns_are_58_and_one_for_all_others():
    """Ojala et al. 2002: 0, 255, and 8 starts of 1 to 7 ones in a row."""
    bins = uniform_patterns()
    assert (bins.shape, bins.dtype) == ((256,), np.int32)
    assert bins.tolist() == reference.uniform_bins()
    in_a_row = {sum(1 << (start + place) % 8 for place in range(ones)) for ones in range(1, 8) for start in range(8)}
    assert {pattern for pattern in range(256) if bins[pattern] < OTHERS} == in_a_row | {0, 255}
    assert np.bincount(bins).tolist() == [1] * 58 + [256 - 58]
    assert (bins[0], bins[255]) == (NONE_HIGHER, ALL_HIGHER)


@pytest.mark.parametrize("width", sorted({width for _, width in COSINES}))
def test_cosine_filters_are_the_waves_of_a_cosine_transform(width):
    filters = cosine_filters(width)
    assert filters.shape == (width, width, 8) and (filters == np.rint(filters)).all()
    assert (filters.sum(axis=(0, 1)) == 0).all()  # light does not matter
    assert np.abs(filters).sum(axis=(0, 1)).max() * 255 * 4 < 2**24  # up to which float32 adds whole numbers exactly
    places = (np.arange(width) + 0.5) * np.pi / width
    for number, (down, across) in enumerate(FREQUENCIES):
        wave = np.outer(np.cos(down * places), np.cos(across * places))
        likeness = (wave * filters[..., number]).sum() / np.linalg.norm(wave) / np.linalg.norm(filters[..., number])
        assert likeness > 0.99


def test_sizes_of_the_blocks(faces):
    """80 pixels with radius 1: 7x7 cells of 59 bins; 46 places for a patch of 11 in 56 pixels: 6x6 cells of 256 codes;
    gradients in cells of 10: 10x10 blocks of 4 x 18."""
    sizes = block_sizes()
    assert len(sizes) == CELLS + len(GRADIENTS) + len(COLOURS)
    assert sizes[0] == 7 * 7 * 59
    assert sizes[CELLS - 1] == 6 * 6 * 256
    assert sizes[CELLS] == 10 * 10 * 4 * 18
    assert sizes[-1] == 14 * 14
    assert TextureFeatures()(faces[:2]).shape == (2, sum(sizes))
    assert build_texture_network(3).get_layer("features").output.shape == (None, sum(sizes))


def test_a_flat_image_has_one_pattern_no_wave_and_no_gradient():
    (features,) = TextureFeatures()(np.full((1, 112, 112, 3), [40, 90, 200], np.uint8)).numpy()
    blocks = blocks_of(features)
    for number, block in enumerate(blocks[:CELLS]):
        bins, expected = (59, ALL_HIGHER) if number < len(PATTERNS) else (256, 0)
        shares = block.reshape(-1, bins) ** 2
        np.testing.assert_allclose(shares[:, expected], 1, atol=1e-6)
        assert np.delete(shares, expected, axis=1).max() == 0
    assert max(np.abs(block).max() for block in blocks[CELLS:-2]) == 0
    np.testing.assert_allclose(blocks[-2], 40 - 90, atol=1e-3)
    np.testing.assert_allclose(blocks[-1], (40 + 90) / 2 - 200, atol=1e-3)


@pytest.mark.parametrize("turns, direction", [(0, 0), (1, 13), (2, 9), (3, 4)])
def test_direction_of_a_ramp(turns, direction):
    """Brighter to the right is bin 0 of 18; turned by 90 degrees against the clock, brighter to the top: bin 13."""
    ramp = np.rot90(np.broadcast_to(np.arange(112, dtype=np.uint8), (112, 112)), turns)
    (features,) = TextureFeatures()(np.repeat(ramp[None, ..., None], 3, axis=3)).numpy()
    sums = blocks_of(features)[CELLS].reshape(10, 10, 4, 18)[1:-1, 1:-1]
    norm = 2 * 200 + 0.1  # four cells of 100 pixels with a gradient of 2
    np.testing.assert_allclose(sums[..., direction], np.sqrt(200 / norm), rtol=1e-4)
    assert np.delete(sums, direction, axis=3).max() < 0.01


def test_shares_of_a_cell_add_up_to_1(faces):
    for features in TextureFeatures()(faces).numpy():
        for number, block in enumerate(blocks_of(features)[:CELLS]):
            shares = block.reshape(-1, 59 if number < len(PATTERNS) else 256).astype(np.float64) ** 2
            np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_brightness_and_contrast_leave_the_patterns(grained):
    """But for what is nearly equal, and for what is rounded to quarters of a level under a wave."""
    whole = np.rint(grained)
    layer, darker = TextureFeatures(), 0.5 * whole + 10
    bounds = [5e-3] * len(PATTERNS) + [0.025, 0.018, 0.012]  # the wider a wave, the less do roundings matter
    before, after = (blocks_of(layer(image[None]).numpy()[0]) for image in (whole, darker))
    for number in range(CELLS):
        changed = np.abs(after[number] - before[number]) > 1e-4
        assert changed.mean() < bounds[number], number
    for number in range(CELLS, CELLS + len(GRADIENTS)):
        assert np.abs(after[number] - before[number]).max() < 0.02  # normalised, but for flat cells
    assert np.abs(after[-1] - before[-1]).max() > 5


def test_features_do_not_depend_on_the_other_images_of_a_batch(faces):
    layer = TextureFeatures()
    together = layer(faces).numpy()
    for number, image in enumerate(faces):
        np.testing.assert_array_equal(layer(image[None]).numpy()[0], together[number])
    np.testing.assert_array_equal(layer(faces[::-1]).numpy(), together[::-1])
    assert len({features.tobytes() for features in together}) == len(faces)


def test_a_graph_gives_the_same_and_takes_any_number_of_images(faces):
    layer = TextureFeatures()
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, 112, 112, 3), tf.uint8)])
    for count in (0, 1, 4):
        np.testing.assert_allclose(graph(faces[:count]), layer(faces)[:count], atol=1e-6)


def test_a_policy_of_bfloat16_does_not_reach_the_features(grained):
    images = grained[None]  # Keras would cast them to bfloat16, which holds integers to 256 and few fractions
    expected = TextureFeatures()(images).numpy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = build_texture_network(3)
        np.testing.assert_array_equal(TextureFeatures()(images), expected)
        np.testing.assert_array_equal(network.get_layer("features")(images), expected)
        assert network.get_layer("projection").compute_dtype == "float32"
        assert network(images).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")


# the network


def test_network_is_the_projected_features_with_unit_norm(network, faces):
    kernel, bias = network.get_layer("projection").get_weights()
    projected = TextureFeatures()(faces).numpy().astype(np.float64) @ kernel + bias
    expected = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    embeddings = network(faces.astype(np.float32)).numpy()
    assert (network.output_shape, embeddings.dtype) == ((None, 7), np.float32)
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, atol=1e-6)


def test_nothing_in_it_is_trained_by_gradients(network, other):
    assert network.trainable_variables == []
    assert len(network.variables) == 2
    joined = join(other, network, 0.5)
    assert [variable.path for variable in joined.trainable_variables] == [v.path for v in other.trainable_variables]
    assert other.trainable_variables


# both streams


FIRST, SECOND = (places.ravel() for places in np.indices((6, 6)))  # of every pair of `faces`


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_scores_of_the_joined_model_are_the_mean_of_both(network, other, faces, share):
    images = faces.astype(np.float32)
    joined = join(other, network, share)
    assert joined.output_shape == (None, 4 + 7)
    first, second, found = (pair_scores(model(images).numpy(), FIRST, SECOND) for model in (other, network, joined))
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_allclose(found, (1 - share) * first + share * second, atol=1e-6)


def test_mirror_images_are_added_before_the_norm(network, other, faces):
    """With them, a stream counts for more where it finds an image and its mirror image alike."""
    images, share = faces.astype(np.float32), 0.4
    parts = [model(images).numpy() + model(images[:, :, ::-1]).numpy() for model in (other, network)]
    vectors = np.concatenate([np.sqrt(1 - share) * parts[0], np.sqrt(share) * parts[1]], axis=1)
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(embed(join(other, network, share), faces, flip_average=True), expected, atol=1e-5)


def test_embeddings_of_the_joined_model_have_unit_norm(network, other, faces):
    embeddings = join(other, network, 0.3)(faces.astype(np.float32)).numpy().astype(np.float64)
    np.testing.assert_allclose((embeddings**2).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((embeddings[:, :4] ** 2).sum(axis=1), 0.7, atol=1e-6)


def test_a_saved_model_gives_the_same_embeddings(network, other, faces, tmp_path):
    joined = join(other, network, 0.4)
    joined.save(tmp_path / "both.keras")
    loaded = keras.saving.load_model(tmp_path / "both.keras")
    images = faces.astype(np.float32)
    np.testing.assert_array_equal(loaded(images), joined(images))
    assert loaded.name == joined.name == "network_and_texture"
    assert len(loaded.trainable_variables) == len(other.trainable_variables)


def test_a_texture_file_that_is_missing_or_another_one_is_named(tmp_path):
    file = tmp_path / "texture.npz"
    with pytest.raises(CheckpointError, match=f"no checkpoint at {file}"):
        restore_texture_network(file, 5)
    save_checkpoint(file, {"texture": build_texture_network(4).variables}, {})
    with pytest.raises(CheckpointError, match=f"{file} does not fit: texture/0 is .* 4.*, expected .* 5"):
        restore_texture_network(file, 5)
