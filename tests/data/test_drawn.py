"""Drawn faces: an image depends on its own numbers alone; a folder is consistent, whole or absent."""

import dataclasses
import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER, Config, ConfigError
from facelib.data import drawn as drawing
from facelib.data import drawn_face
from facelib.data.identities import read_identities
from facelib.data.pair_list import read_pairs

TINY = Config(profile="tiny", drawn_identities=5, drawn_images=3, drawn_test_identities=8, drawn_pairs=24)


def contents(folder):
    """Relative path -> SHA-256 of each file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The folder of TINY, drawn once. Tests leave it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facelib.config.ROOT", tmp_path_factory.mktemp("project"))
        return drawing.draw_faces(TINY)


@pytest.fixture
def count_images(monkeypatch):
    """List that grows by one for each image that is drawing."""
    images, draw = [], drawing._draw_image
    monkeypatch.setattr(drawing, "_draw_image", lambda *numbers: (images.append(numbers), draw(*numbers)))
    return images


@pytest.fixture
def quick(monkeypatch):
    """Noise, of the same numbers, in the place of faces: where it matters when they are drawn, not what they show."""

    def draw(face, generator, *_):
        return generator.integers(0, 256, (24, 24, 3), np.uint8)

    monkeypatch.setattr(drawing, "draw_face", draw)


def face(number=0):
    return drawing.draw_identity(np.random.default_rng(number))


def test_the_same_bytes_on_every_run(drawn, project):
    again = drawing.draw_faces(TINY)
    assert again == project / "data" / "interim" / "tiny" / "drawn" == TINY.faces
    assert contents(again) == contents(drawn)


def test_an_image_does_not_depend_on_how_many_others_there_are(drawn, project):
    more = dataclasses.replace(TINY, drawn_identities=7, drawn_test_identities=10, drawn_pairs=32)
    few, many = contents(drawn), contents(drawing.draw_faces(more))
    images = {path for path in few if path.endswith(("jpeg", "jpg"))}
    assert {path: many[path] for path in images} == {path: few[path] for path in images}
    assert len(set(many.values())) == len(many)  # no image twice


def test_an_image_does_not_depend_on_the_order(tmp_path):
    numbers = [(7, split, person, image) for split in (0, 1) for person in (0, 3) for image in (1, 2)]
    for folder, order in (("forward", numbers), ("backward", numbers[::-1])):
        for one in order:
            drawing._draw_image(tmp_path / folder, *one)
    assert (
        contents(tmp_path / "forward") == contents(tmp_path / "backward") and len(contents(tmp_path / "forward")) == 8
    )


def test_another_seed_draws_other_faces(drawn, project):
    other = contents(drawing.draw_faces(dataclasses.replace(TINY, seed=8)))
    both = {path for path in contents(drawn) if path.endswith(("jpeg", "jpg"))} & other.keys()
    assert both and all(contents(drawn)[path] != other[path] for path in both)


def test_layout_is_that_of_the_real_data(drawn):
    assert {path.name for path in drawn.iterdir()} == {
        TRAINING_FOLDER, TEST_FOLDER, PAIRS_FILE, "README.txt", drawing.MARKER,
    }  # fmt: skip
    training = read_identities(drawn / TRAINING_FOLDER).faces
    assert sorted(training.names, key=int) == [str(number) for number in range(5)]
    counts = np.bincount(training.labels)
    assert counts.min() >= 2 and counts.max() <= TINY.drawn_images
    for path in (drawn / TRAINING_FOLDER).glob("*/*"):
        assert path.suffix == ".jpeg" and path.stem.isdigit()
    test = [path.relative_to(drawn / TEST_FOLDER) for path in (drawn / TEST_FOLDER).glob("*/*")]
    assert len({path.parent for path in test}) == TINY.drawn_test_identities
    for person in {path.parent for path in test}:
        count = sum(path.parent == person for path in test)
        expected = {f"{person}_{number:04d}.jpg" for number in range(1, count + 1)}
        assert 1 <= count <= 6 and {path.name for path in test if path.parent == person} == expected


@pytest.mark.parametrize(("folder", "size"), [(TRAINING_FOLDER, (112, 112)), (TEST_FOLDER, (250, 250))])
def test_images_are_jpeg_of_one_size_with_something_in_them(drawn, folder, size):
    for path in (drawn / folder).glob("*/*"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
            assert np.asarray(image).std() > 5


def test_readme_says_that_the_faces_are_drawn(drawn):
    text = (drawn / "README.txt").read_text()
    assert "These faces are drawn" in text and "none of the people exist" in text


def test_pairs_file_has_the_agreed_pairs_and_every_image_of_them(drawn):
    pairs = read_pairs(drawn / PAIRS_FILE, drawn / TEST_FOLDER)  # refuses missing images and wrong counts
    assert (drawn / PAIRS_FILE).read_text().startswith("2\t6\n")
    assert len(pairs) == len({(pair.first, pair.second) for pair in pairs}) == TINY.drawn_pairs
    for fold in (0, 1):
        assert [pair.matched for pair in pairs if pair.fold == fold] == [True] * 6 + [False] * 6
    people = [{path.split("/")[0] for p in pairs if p.fold == fold for path in p[:2]} for fold in (0, 1)]
    assert not people[0] & people[1]
    for pair in pairs:
        assert pair.first != pair.second
        assert pair.matched == (pair.first.split("/")[0] == pair.second.split("/")[0])


def test_no_person_is_in_training_and_test_or_in_the_faces_of_two_seeds(monkeypatch, tmp_path):
    people = []
    monkeypatch.setattr(drawing, "draw_face", lambda face, *_: people.append(face) or np.zeros((9, 9, 3), np.uint8))
    for seed in (7, 8):
        for split in (drawing.TRAINING, drawing.TEST):
            for number in range(25):
                drawing._draw_image(tmp_path, seed, split, number, 1)
    assert len({tuple(vars(person).values()) for person in people}) == 100


def test_names_of_test_people_are_all_different():
    names = [drawing.person_name(number) for number in range(20_000)]
    assert len({name.lower() for name in names}) == 20_000
    assert all(len(name.split("_")) == 2 and name.istitle() for name in names)


def test_most_identities_have_enough_images_for_a_batch():
    config = Config(profile="laptop")
    counts = np.array(drawing._counts(config, drawing.TRAINING))
    assert counts.min() >= 2 and counts.max() == config.drawn_images
    assert 0.7 < counts.mean() / config.drawn_images < 0.8
    assert (counts >= config.images_per_identity).mean() > 0.9 and np.median(counts) > counts.mean()


def test_a_second_call_draws_nothing(quick, project, count_images):
    folder = drawing.draw_faces(TINY)
    before, first = contents(folder), len(count_images)
    (folder / "left alone").touch()
    assert drawing.draw_faces(TINY) == folder and (folder / "left alone").exists()
    (folder / "left alone").unlink()
    assert contents(folder) == before and len(count_images) == first > 0


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"drawn_identities": 6}, {"drawn_images": 4}, {"drawn_test_identities": 9}, {"drawn_pairs": 20}],
)
def test_other_parameters_replace_the_folder(quick, project, changes):
    before = contents(drawing.draw_faces(TINY))
    after = contents(drawing.draw_faces(dataclasses.replace(TINY, **changes)))
    assert before[drawing.MARKER] != after[drawing.MARKER]
    assert before != after and contents(drawing.draw_faces(TINY)) == before  # nothing of the other is left behind


def test_other_code_replaces_the_folder(quick, project, count_images, monkeypatch, tmp_path):
    folder = drawing.draw_faces(TINY)
    drawn_by = json.loads((folder / drawing.MARKER).read_text())["code"]
    changed = tmp_path / "drawn_face.py"
    changed.write_text("a face is a circle")
    monkeypatch.setattr(drawn_face, "__file__", str(changed))
    first = len(count_images)
    drawing.draw_faces(TINY)
    assert len(count_images) == 2 * first and json.loads((folder / drawing.MARKER).read_text())["code"] != drawn_by


def test_settings_that_do_not_change_the_images_draw_nothing(quick, project, count_images):
    drawing.draw_faces(TINY)
    first = len(count_images)
    drawing.draw_faces(dataclasses.replace(TINY, epochs=3, margin=0.2))
    assert len(count_images) == first


@pytest.mark.parametrize("had_faces", [False, True])
def test_an_interrupted_drawing_leaves_what_was_there(quick, project, monkeypatch, had_faces):
    before = contents(drawing.draw_faces(TINY)) if had_faces else {}
    draw, drawn = drawing._draw_image, []

    def interrupted(*numbers):
        if len(drawn) == 9:
            raise KeyboardInterrupt
        drawn.append(draw(*numbers))

    monkeypatch.setattr(drawing, "_draw_image", interrupted)
    other = dataclasses.replace(TINY, seed=9)
    with pytest.raises(KeyboardInterrupt):
        drawing.draw_faces(other)
    assert contents(TINY.faces) == before
    assert sorted(path.name for path in TINY.interim.iterdir()) == [".lock", *(["drawn"] if had_faces else [])]
    monkeypatch.setattr(drawing, "_draw_image", draw)
    assert len(read_pairs(drawing.draw_faces(other) / PAIRS_FILE, other.faces / TEST_FOLDER)) == other.drawn_pairs


def test_a_folder_without_marker_is_not_taken_for_complete(quick, project):
    folder = drawing.draw_faces(TINY)
    before = contents(folder)
    (folder / drawing.MARKER).unlink()
    (folder / TRAINING_FOLDER / "0" / "001.jpeg").unlink()
    assert contents(drawing.draw_faces(TINY)) == before


@pytest.mark.parametrize("damage", ["removed", "cut off", "flipped", "pairs", "marker"])
def test_a_damaged_folder_is_drawn_again(quick, project, damage):
    folder = drawing.draw_faces(TINY)
    before = contents(folder)
    image = folder / TRAINING_FOLDER / "0" / "002.jpeg"
    content = image.read_bytes()
    damages = {
        "removed": image.unlink,
        "cut off": lambda: image.write_bytes(content[:-9]),
        "flipped": lambda: image.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]),
        "pairs": lambda: (folder / PAIRS_FILE).write_text("1"),
        "marker": lambda: (folder / drawing.MARKER).write_bytes(b"\xff"),
    }
    damages[damage]()
    assert contents(folder) != before
    assert contents(drawing.draw_faces(TINY)) == before


def test_real_faces_are_never_drawn_over(data_folder):
    before = sorted(data_folder.rglob("*"))
    with pytest.raises(ConfigError, match="real faces"):
        drawing.draw_faces(Config(profile="tiny", data=str(data_folder)))
    assert sorted(data_folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drawn_images": 1}, "drawn_images=1 must be at least 2"),
        ({"drawn_identities": 3}, "drawn_identities=3 .* at least 4"),
        ({"drawn_test_identities": 3}, "drawn_test_identities=3 at least 4"),
        ({"drawn_pairs": 10}, "drawn_pairs=10 must be a positive multiple of 4"),
        ({"drawn_pairs": 0}, "drawn_pairs=0 must be a positive multiple of 4"),
        ({"drawn_pairs": 4000}, "drawn_test_identities=8 have too few images for drawn_pairs=4000"),
    ],
)
def test_sizes_that_make_no_data_set_are_refused_before_anything_is_drawn(project, changes, message):
    with pytest.raises(ConfigError, match=message):
        drawing.draw_faces(dataclasses.replace(TINY, **changes))
    assert not list(project.rglob("*"))


def test_neutral_images_of_a_person_are_all_the_same_and_people_differ():
    images = [
        drawing.draw_face(face(person), np.random.default_rng(image), vary=()) for person in (0, 1) for image in (0, 1)
    ]
    assert images[0].shape == (250, 250, 3) and images[0].dtype == np.uint8
    assert (images[0] == images[1]).all() and (images[2] == images[3]).all() and (images[0] != images[2]).any()


@pytest.mark.parametrize("name", [*drawing.IDENTITY, *drawing.NUISANCES])
def test_every_parameter_changes_some_face(name):
    """Both ends of its range, all else equal; in a light from one side, with glasses on those who wear any."""
    neutral = {key: values[0] for key, values in drawing.NUISANCES.items()} | {"slope": 0.5, "glasses": 0}
    ends = drawing.IDENTITY[name] if name in drawing.IDENTITY else drawing.NUISANCES[name][1:]
    if name == "slope_angle":
        ends = (0, np.pi)  # its ends are the same direction

    def changes(person):
        images = []
        for end in ends:
            values = vars(face(person)) | neutral | {name: end}
            images.append(
                drawn_face.paint_face(SimpleNamespace(**values), SimpleNamespace(**values), 112, (61, 64, 128))
            )
        return (images[0] != images[1]).any()

    assert any(changes(person) for person in range(40))


def test_values_stay_between_their_ends():
    for number in range(200):
        for name, value in vars(face(number)).items():
            low, high = drawing.IDENTITY[name]
            assert low <= value <= high
    for name, (neutral, low, high) in drawing.NUISANCES.items():
        assert low <= neutral <= high, name


def test_a_square_of_the_frame_is_the_same_part_of_the_picture():
    frame = drawing.draw_face(face(3), np.random.default_rng(0), 250, vary=())
    crop = drawing.draw_face(face(3), np.random.default_rng(0), 128, (61, 64, 128), vary=())
    difference = np.abs(frame[64 : 64 + 128, 61 : 61 + 128].astype(float) - crop)
    assert np.median(difference) == 0 and difference.mean() < 2


def test_the_face_is_in_the_middle_of_the_crop_for_testing():
    """Shift it by a few pixels and it is not: eyes left and right of the middle mirror each other."""
    for person in range(5):
        values = vars(face(person)) | {"hair_presence": 0, "mole_presence": 0, "freckles": 0}
        left, top, side = 61, 64, 128
        bald = SimpleNamespace(**values)
        image = drawing.draw_face(bald, np.random.default_rng(0), side, (left, top, side), vary=()).astype(float)
        head = image[44:110, 30:98]  # backdrop apart, which is not symmetrical
        assert np.abs(head - head[:, ::-1]).mean() < 4 < np.abs(head - np.roll(head[:, ::-1], 6, 1)).mean()
