import dataclasses
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib import config as config_module
from facelib.config import (
    CHOICES,
    PAIRS_FILE,
    PROFILES,
    ROOT,
    TEST_FOLDER,
    TRAINING_FOLDER,
    Config,
    ConfigError,
    load_config,
)
from facelib.learn.mining import METHODS, MISTAKEN
from facelib.learn.networks import NETWORKS


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(profile):
    config = load_config(profile, "drawn")
    assert config.profile == profile
    assert {name: getattr(config, name) for name in PROFILES[profile]} == PROFILES[profile]


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ConfigError, match=f"'labtop'; choose one of {', '.join(PROFILES)}$"):
        load_config("labtop")


def test_overrides_are_read_by_the_type_of_the_field():
    config = load_config("laptop", "drawn", "epochs=3 gamma=32 margin=.25 bfloat16=False mining=all test_crop=(1,2,3)")
    assert (config.epochs, config.gamma, config.margin) == (3, 32.0, 0.25)
    assert type(config.gamma) is float
    assert config.bfloat16 is False
    assert (config.mining, config.test_crop) == ("all", (1, 2, 3))
    assert load_config("laptop", "drawn").test_crop == load_config("laptop", "drawn", "test_crop=()").test_crop == ()


@pytest.mark.parametrize(
    "text",
    ["test_crop=(61, 64, 128) epochs=3", "epochs=3  test_crop=( 61,64 ,128 )", "epochs=3\ttest_crop=(61,\n64,128)\n"],
)
def test_blanks_in_brackets_belong_to_a_value(text):
    config = load_config("laptop", "drawn", text)
    assert (config.test_crop, config.epochs) == ((61, 64, 128), 3)


@pytest.mark.parametrize("mark", ["'", '"'])
def test_blanks_in_quotation_marks_belong_to_a_value(tmp_path, mark):
    (tmp_path / "a list.csv").write_text("path\n")
    config = load_config(
        "laptop", "drawn", f"exclude={mark}{tmp_path}/a list.csv{mark} mining={mark}all{mark} epochs=3"
    )
    assert (config.exclude, config.mining, config.epochs) == (str(tmp_path / "a list.csv"), "all", 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exclude='a list.csv epochs=3", 'exclude="\'a" is no str'),
        ("test_crop=(61, 64, 128", r"test_crop='\(61,' is no tuple"),
        ("test_crop=61, 64, 128", "test_crop='61,' is|unknown configuration key '64,'"),
        ("test_crop=[61, 64, 128]", r"test_crop='\[61, 64, 128\]' is no tuple"),
        ("test_crop=(61, 64, 128)epochs=3", "is no tuple"),
        ("epochs = 3", "unknown configuration key 'epochs', or no value, in 'epochs'"),
        ("epochs=3 4", "unknown configuration key '4', or no value, in '4'"),
        ("epochs=3 (4, 5)", r"unknown configuration key '\(4, 5\)', or no value, in '\(4, 5\)'"),
        ("epochs=3,gamma=4", "epochs='3,gamma=4' is no int"),
    ],
)
def test_what_is_left_of_overrides_is_an_error(text, message):
    with pytest.raises(ConfigError, match=message):
        load_config("laptop", "drawn", text)


def test_a_package_apart_from_its_project_is_an_error(tmp_path, monkeypatch):
    """Installed without -e, it would read and write data and reports beside itself, where nobody looks."""
    monkeypatch.setattr(config_module, "__file__", str(tmp_path / "site-packages" / "facelib" / "config.py"))
    monkeypatch.setattr(config_module, "ROOT", tmp_path / "site-packages")
    with pytest.raises(ConfigError, match=f"^facelib lies in {tmp_path}/site-packages, apart from its project: .*-e"):
        load_config("smoke", "drawn")
    (tmp_path / "site-packages" / "notebooks").mkdir(parents=True)
    assert load_config("smoke", "drawn").interim == tmp_path / "site-packages" / "data" / "interim" / "smoke"


@given(seed=st.integers(0, 2**32 - 1), rate=st.floats(1e-9, 1e9))
def test_numbers_survive_the_way_through_an_override(seed, rate):
    config = load_config("smoke", "drawn", f"seed={seed} learning_rate={rate!r}")
    assert (config.seed, config.learning_rate) == (seed, rate)


def test_a_seed_that_keras_would_refuse_is_refused_before_the_work():
    with pytest.raises(ConfigError, match="seed=4294967296 must not be negative, and be below 4294967296"):
        load_config("smoke", "drawn", "seed=4294967296")


@pytest.mark.parametrize("item", ["epoch=3", "epochs", "=3", "profile=full", "data=somewhere"])
def test_unknown_key_lists_the_known_ones(item):
    with pytest.raises(ConfigError, match="key=value with one of: .*seed.*epochs") as error:
        load_config("smoke", "drawn", f"seed=1 {item}")
    assert repr(item) in str(error.value)


@pytest.mark.parametrize(
    "item, type_name",
    [("epochs=2.5", "int"), ("replayed_batches=1.5", "int"), ("texture_share=much", "float"),
     ("epochs=True", "int"), ("epochs=", "int"), ("bfloat16=1", "bool"), ("gamma=much", "float"),
     ("gamma='1'", "float"), ("test_crop=5", "tuple"), ("epochs=2**3", "int")],
)  # fmt: skip
def test_value_of_another_type_is_refused(item, type_name):
    key, _, text = item.partition("=")
    with pytest.raises(ConfigError) as error:
        load_config("smoke", "drawn", item)
    assert str(error.value) == f"{key}={text!r} is no {type_name}"


@pytest.mark.parametrize(
    "item",
    ["epochs=0", "steps_per_epoch=0", "identities_per_batch=0", "embedding_size=-1", "comparison_steps=0",
     "identities_limit=0", "images_limit=0", "validation_images=0", "texture_dimensions=0", "texture_components=0",
     "texture_images=0", "images_per_identity=1", "margin=0", "margin=1", "margin=-0.5", "auxiliary_margin=0",
     "auxiliary_margin=1", "gamma=0", "gamma=-1", "auxiliary_gamma=0", "validation_share=0", "validation_share=1",
     "texture_share=1", "texture_share=-0.1", "texture_share=1.5", "replayed_batches=-1", "texture_copies=-1",
     "texture_shrinkage=-0.1", "texture_shrinkage=0", "triplets_weight=-1", "learning_rate=-0.1", "weight_decay=-1"],
)  # fmt: skip
def test_value_out_of_range_is_named(item):
    key = item.partition("=")[0]
    with pytest.raises(ConfigError, match=f"^{key}=-?[0-9.]+ must"):
        load_config("smoke", "drawn", item)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config("smoke", "drawn").epochs = 3


def test_folder_of_faces(data_folder):
    config = load_config("smoke", str(data_folder))
    assert not config.drawn
    assert config.faces == data_folder.resolve()


def test_missing_data_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=f"no data folder at {tmp_path}/nowhere"):
        load_config("smoke", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", [TRAINING_FOLDER, TEST_FOLDER, PAIRS_FILE])
def test_incomplete_data_folder_is_named_with_what_it_lacks(data_folder, name):
    place = data_folder / name
    place.unlink() if place.is_file() else shutil.rmtree(place)
    with pytest.raises(ConfigError, match=f"{data_folder} holds no {name}"):
        load_config("smoke", str(data_folder))


def test_relative_data_folder_belongs_to_the_project_not_to_the_working_directory(
    project, data_folder, tmp_path, monkeypatch
):
    shutil.move(data_folder, project / "faces")
    monkeypatch.chdir(tmp_path)
    assert load_config("smoke", "faces").faces == project / "faces"


def test_without_data_the_faces_are_drawn(project):
    config = load_config("smoke")
    assert config.drawn
    assert config.faces == config.interim / "drawn"


def test_faces_in_the_projects_data_folder_are_found(project, data_folder):
    shutil.move(data_folder, project / "data")
    assert load_config("smoke").faces == project / "data"
    assert load_config("smoke", "drawn").drawn


def test_incomplete_faces_in_the_projects_data_folder_are_an_error(project):
    (project / "data" / TRAINING_FOLDER).mkdir(parents=True)
    with pytest.raises(ConfigError, match=f"holds no {TEST_FOLDER}"):
        load_config("smoke")


def test_records_stand_in_the_place_of_the_training_folder(data_folder):
    assert load_config("smoke", str(data_folder)).training == data_folder / TRAINING_FOLDER
    (data_folder / "train.rec").touch()
    with pytest.raises(ConfigError, match=f"{data_folder} holds {TRAINING_FOLDER} and train.rec; train on one of them"):
        load_config("smoke", str(data_folder))
    (data_folder / TRAINING_FOLDER).rmdir()
    assert load_config("smoke", str(data_folder)).training == data_folder
    (data_folder / PAIRS_FILE).unlink()
    with pytest.raises(ConfigError, match=f"{data_folder} holds no {PAIRS_FILE}"):
        load_config("smoke", str(data_folder))


def test_records_beside_folders_of_identities_are_an_error(data_folder):
    (data_folder / TRAINING_FOLDER / "train.rec").touch()
    assert load_config("smoke", str(data_folder)).training == data_folder / TRAINING_FOLDER
    (data_folder / TRAINING_FOLDER / "12").mkdir()
    with pytest.raises(ConfigError, match=f"{TRAINING_FOLDER} holds train.rec and folders; train on one of them"):
        load_config("smoke", str(data_folder))


def test_records_in_the_projects_data_folder_are_found(project, data_folder):
    (data_folder / TRAINING_FOLDER).rmdir()
    (data_folder / "train.rec").touch()
    shutil.move(data_folder, project / "data")
    assert load_config("smoke").training == project / "data"


def test_profiles_share_no_folder(project):
    smoke, laptop = load_config("smoke"), load_config("laptop")
    assert smoke.interim == project / "data" / "interim" / "smoke"
    assert smoke.reports == project / "reports" / "smoke"
    assert laptop.interim != smoke.interim
    assert laptop.reports != smoke.reports


def test_root_is_the_project_and_defaults_are_valid():
    assert (ROOT / "facelib" / "config.py").is_file()
    assert Config(profile="laptop").drawn
    assert Path(Config(profile="laptop", data="/faces").faces) == Path("/faces")


def test_choices_are_those_of_the_modules():
    assert CHOICES["mining"] == CHOICES["later_mining"] == (*METHODS, MISTAKEN)
    assert CHOICES["network"] == NETWORKS


@pytest.mark.parametrize("key", CHOICES)
def test_an_unknown_choice_lists_the_known_ones(key):
    with pytest.raises(ConfigError, match=f"{key}='nothing' is unknown; choose one of {CHOICES[key][0]}, "):
        load_config("smoke", "drawn", f"{key}=nothing")


def test_there_must_be_something_to_learn_from():
    nothing = "triplets_weight=0 pairs_weight=0 classes_weight=0"
    with pytest.raises(ConfigError, match="^triplets_weight=0.0 must be positive where pairs_weight and"):
        load_config("smoke", "drawn", nothing)
    for name in ("triplets_weight", "pairs_weight", "classes_weight"):
        assert getattr(load_config("smoke", "drawn", f"{nothing} {name}=0.5"), name) == 0.5


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Config) if field.type is float])
@pytest.mark.parametrize("value", ["1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"^{key}=-?inf must"):
        load_config("smoke", "drawn", f"{key}={value}")


def test_as_many_components_as_dimensions_at_most():
    with pytest.raises(ConfigError, match="^texture_components=11 must be at most texture_dimensions=10$"):
        load_config("smoke", "drawn", "texture_dimensions=10 texture_components=11")
    assert load_config("smoke", "drawn", "texture_dimensions=10 texture_components=10").texture_components == 10


@pytest.mark.parametrize("size", [0, 2, 50, 116])
def test_an_image_is_reduced_to_a_multiple_of_4_and_never_enlarged(size):
    with pytest.raises(ConfigError, match=f"^image_size={size} must be a multiple of 4, at most 112$"):
        load_config("smoke", "drawn", f"image_size={size}")
    assert load_config("smoke", "drawn", "image_size=112").image_size == 112


def test_the_texture_can_be_left_out():
    assert load_config("smoke", "drawn", "texture_share=0").texture_share == 0
    assert load_config("smoke", "drawn", "texture_share=0.99").texture_share == 0.99


@pytest.mark.parametrize("crop", ["(1,2)", "(1,2,3,4)", "(-1,2,3)", "(1,2,0)", "(1,2.0,3)", "('1',2,3)", "(True,2,3)"])
def test_a_crop_is_a_square_or_nothing(crop):
    with pytest.raises(
        ConfigError, match=r"^test_crop=.* must be \(left, top, side\) in pixels, or \(\) to have it found"
    ):
        load_config("smoke", "drawn", f"test_crop={crop}")


def test_an_exclusion_list_is_found_from_the_project_and_named_where_it_is_missing(project):
    assert load_config("smoke", "drawn").exclude == ""
    (project / "data").mkdir()
    (project / "data" / "list.csv").write_text("path\n")
    assert load_config("smoke", "drawn", "exclude=data/list.csv").exclude == str(project / "data" / "list.csv")
    with pytest.raises(ConfigError, match=f"exclude=data: no file at {project}/data; name a list that"):
        load_config("smoke", "drawn", "exclude=data")
