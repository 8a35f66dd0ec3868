import dataclasses
import math

import pytest

from facelib.config import DRAWN, PROFILES, REFERENCE, Config, load_config


def changed(profile, other):
    """The settings in which two profiles differ, with the values of the first."""
    one, two = (dataclasses.asdict(load_config(name, "drawn")) for name in (profile, other))
    return {key: value for key, value in one.items() if value != two[key] and key != "profile"}


def test_laptop_is_the_default_and_shorter_on_drawn_faces(data_folder):
    photographs, drawn = load_config("laptop", str(data_folder)), load_config("laptop", "drawn")
    assert photographs == Config("laptop", str(data_folder))
    assert drawn == dataclasses.replace(photographs, data="", **DRAWN)
    assert all(getattr(drawn, name) < getattr(photographs, name) for name in DRAWN)
    smoke = load_config("smoke", "drawn")
    assert smoke.epochs == PROFILES["smoke"]["epochs"] and load_config("best", "drawn").epochs == 60
    assert load_config("laptop", "drawn", "epochs=12").epochs == 12  # what is asked for comes last


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_asks_for_what_helps_small_sets_or_for_none_of_it(profile):
    config = load_config(profile, "drawn")
    asks = profile in ("smoke", "laptop", "best")
    assert config.for_small_sets == asks == bool(config.texture_share) == bool(config.rareness_weight)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_values_of_a_profile_have_the_types_of_the_fields(profile):
    default = Config(profile="laptop")
    for key, value in PROFILES[profile].items():
        assert type(value) is type(getattr(default, key)), key


@pytest.mark.parametrize("profile", ["reference", "reference-as-it-was", "full"])
def test_the_reference_systems_recipe(profile):
    config = load_config(profile, "drawn")
    assert config.network == "shallow_inception_resnet_v2"
    assert (config.embedding_size, config.margin, config.gamma) == (256, 0.15, 16.0)
    assert (config.identities_per_batch, config.images_per_identity, config.repeat_images) == (50, 5, False)
    assert (config.triplets_weight, config.pairs_weight, config.classes_weight) == (1, 0, 0)  # triplets alone
    assert (config.learning_rate, config.texture_share) == (1e-4, 0)
    assert (config.later_mining, config.later_mining_epoch) == ("hard", 50)


def test_full_is_the_reference_systems_scale():
    config = load_config("full", "drawn")
    assert (config.epochs, config.steps_per_epoch, config.mining) == (200, 200, "semi-hard")


def test_gpu_looks_25_times_at_each_image_of_the_mission():
    config = load_config("gpu", "drawn")
    assert config.identities_limit >= 8000 and config.images_limit >= 50  # of 10 to 50
    training = (1 - config.validation_share) * 211_958
    batch = config.identities_per_batch * config.images_per_identity
    assert batch == 512 and config.repeat_images  # who has few images takes part
    assert config.epochs * config.steps_per_epoch * batch == pytest.approx(25 * training, rel=0.002)
    assert config.validation_share * 8000 * 45 > config.validation_pairs_limit  # each of these people has 10 images


def test_gpu_mines_triplets_beside_pairs_and_classes():
    config = load_config("gpu", "drawn")
    assert (config.loss, config.mining, config.triplets_weight) == ("circle", "semi-hard", 1)
    assert config.later_mining_epoch > config.epochs  # hard negatives are often wrong labels
    assert config.pairs_weight > 0 and config.classes_weight > 0 and config.memory_size % 512 == 0
    assert (config.auxiliary_margin, config.auxiliary_gamma) == (0.25, 256)  # Sun et al. 2020, sec. 4.1
    others = max(8000, 512 + config.memory_size)  # of random directions all together add less than one
    assert others * math.exp(-config.auxiliary_gamma * config.auxiliary_margin**2) < 0.01


def test_gpu_shrinks_weights_as_the_published_run_did():
    config = load_config("gpu", "drawn")
    rate, momentum, l2 = 0.1, 0.9, 1e-3  # of that run; a step of SGD adds up to 1 / (1 - momentum) of them
    assert config.learning_rate * config.weight_decay == pytest.approx(rate * l2 / (1 - momentum))


@pytest.mark.parametrize("profile", ["reference", "reference-as-it-was"])
def test_the_reference_shows_images_as_they_are_at_a_constant_rate(profile):
    config = load_config(profile, "drawn")
    assert (config.augmentation, config.flip_average) == (0, False)
    assert (config.decay, config.warmup_steps, config.weight_decay) == ("none", 0, 0)


def test_the_reference_is_mended_but_for_the_slips_that_its_other_profile_shows():
    assert load_config("reference", "drawn").mining == "semi-hard"
    assert changed("reference-as-it-was", "reference") == {
        "mining": "mistaken",
        "replayed_batches": 200,
        "bfloat16": False,
    }


def test_best_is_the_laptops_recipe_for_longer():
    longer_needs = {"augmentation", "weight_decay"}  # more passes over the same images
    assert changed("best", "laptop").keys() == {"epochs", "steps_per_epoch", "texture_share"} | longer_needs
    best, laptop = load_config("best", "drawn"), load_config("laptop", "drawn")
    assert all(getattr(best, name) >= getattr(laptop, name) for name in longer_needs)
    assert 0 < best.texture_share < laptop.texture_share  # a network that learned more leaves less to it
    photographs = Config("laptop")  # on drawn faces it is shorter
    assert best.epochs * best.steps_per_epoch > 2 * photographs.epochs * photographs.steps_per_epoch


def test_profiles_of_the_reference_system_begin_with_its_recipe():
    for profile in ("reference", "reference-as-it-was"):
        assert PROFILES[profile].items() >= REFERENCE.items()
