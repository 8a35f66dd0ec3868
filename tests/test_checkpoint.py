import io
import json
import re

import keras
import numpy as np
import pytest
from keras import layers

from facelib import files
from facelib.checkpoint import CheckpointError, keep_checkpoint, restore_checkpoint, save_checkpoint

STATE = {"history": [{"epoch": 1, "loss": 0.25}], "best": float("-inf")}


def build(seed, width=3):
    """A small trained-looking network with dropout, and its optimizer: name -> list of variables."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(width)(layers.Dropout(0.5)(inputs)))
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    for variable in optimizer.variables[2:]:
        variable.assign(np.full(variable.shape, seed + 0.5, np.float32))
    model(np.ones((2, 4)), training=True)  # moves the seed generator
    return {"model": model.variables, "optimizer": optimizer.variables}


def values(groups):
    return [np.asarray(variable) for group in groups.values() for variable in group]


def assert_unchanged(groups, before):
    for after, value in zip(values(groups), before, strict=True):
        np.testing.assert_array_equal(after, value)


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "last.npz", build(1), STATE)
    return tmp_path / "last.npz"


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_everything_comes_back(path):  # slip 7
    groups = build(2)
    before = values(groups)
    assert restore_checkpoint(path, groups) == STATE
    expected = values(build(1))
    assert any(not np.array_equal(one, two) for one, two in zip(before, expected, strict=True))
    assert_unchanged(groups, expected)


def test_the_random_state_of_dropout_is_among_it(path):  # slip 7
    groups = build(2)
    (generator,) = [i for i, v in enumerate(groups["model"]) if "seed_generator" in v.path]
    restore_checkpoint(path, groups)
    np.testing.assert_array_equal(groups["model"][generator], build(1)["model"][generator])


def test_a_part_can_be_restored_alone(path):
    groups = {"model": build(2)["model"]}
    restore_checkpoint(path, groups)
    assert_unchanged(groups, values({"model": build(1)["model"]}))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=f"no checkpoint at {tmp_path}/last.npz: train first"):
        restore_checkpoint(tmp_path / "last.npz", build(2))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_damaged_and_nothing_is_assigned(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    groups = build(2)
    before = values(groups)
    with pytest.raises(CheckpointError, match=f"{path} is damaged .*: make all makes it again"):
        restore_checkpoint(path, groups)
    assert_unchanged(groups, before)


def array_file(content):
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


def other_compression(content):
    """A method of compression that does not exist, at every entry of the zip's directory."""
    return with_byte(content, 10, 99)


def encrypted(content):
    """Every entry of the zip's directory marked as encrypted."""
    return with_byte(content, 8, 1)


def with_byte(content, place, value):
    content = bytearray(content)
    for entry in re.finditer(b"PK\x01\x02", content):
        content[entry.start() + place] = value
    return bytes(content)


def text_file(content):
    return b"no zip file"


@pytest.mark.parametrize("damage", [text_file, array_file, other_compression, encrypted])
def test_another_or_a_broken_file_is_damaged(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match="is damaged"):
        restore_checkpoint(path, build(2))


def test_a_flipped_bit_in_a_weight_is_noticed(path):
    content = bytearray(path.read_bytes())
    weights = values(build(1))[1].tobytes()
    content[content.index(weights) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        restore_checkpoint(path, build(2))


@pytest.mark.parametrize("name", ["model/0", "state"])
def test_pickled_content_is_refused(path, name, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    rewrite(path, **{name: np.array([Trap()], dtype=object)})
    groups = build(2)
    before = values(groups)
    with pytest.raises(CheckpointError, match="is damaged"):
        restore_checkpoint(path, groups)
    assert not (tmp_path / "sprung").exists()
    assert_unchanged(groups, before)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"optimizer/2": np.zeros((9, 9), np.float32)}, "optimizer/2 is float32 .9, 9."),
        ({"optimizer/2": np.zeros((4, 3), np.float64)}, "optimizer/2 is float64"),
        ({"optimizer/5": None}, "optimizer/5 is missing"),
        ({"model/99": np.zeros(3)}, "it holds model/99, which is not expected"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_assigned(path, change, message):
    rewrite(path, **change)
    groups = build(2)
    before = values(groups)
    with pytest.raises(CheckpointError, match=f"{path} does not fit: {message}"):
        restore_checkpoint(path, groups)
    assert_unchanged(groups, before)


def test_another_networks_file_is_refused(path):
    with pytest.raises(CheckpointError, match="does not fit: model/1 is float32 .4, 3., expected float32 .4, 5."):
        restore_checkpoint(path, build(2, width=5))


@pytest.mark.parametrize("state", ["[]", '{"history": []}', '{"format": "facelib checkpoint 0"}', "no json"])
def test_a_file_of_another_format_is_refused(path, state):
    rewrite(path, state=np.array(state))
    with pytest.raises(CheckpointError, match=f"{path} is .*: make all makes it again"):
        restore_checkpoint(path, build(2))


def test_saving_is_whole_or_not_at_all(path, monkeypatch):
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(path, build(2), STATE)
    assert path.read_bytes() == before
    save_checkpoint(path, build(2), {**STATE, "best": 0.5})
    assert restore_checkpoint(path, build(3))["best"] == 0.5


def test_a_state_that_is_no_json_is_refused_before_anything_is_written(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(path, build(2), {"history": json})
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["none", "removed", "emptied", "cut off", "flipped", "of another format"])
def test_what_is_kept_is_made_once_and_again_where_it_is_damaged(tmp_path, capsys, monkeypatch, damage):
    monkeypatch.setenv(files.JOURNAL, str(tmp_path / "journal"))
    path, made = tmp_path / "folder" / "a.npz", []

    def keep(seed):
        variables = {"model": build(seed)["model"][:2]}

        def make():
            made.append(seed)
            for variable, value in zip(variables["model"], build(1)["model"], strict=False):
                variable.assign(value)

        keep_checkpoint(path, variables, make)
        return values(variables)

    first = keep(2)
    content = path.read_bytes()
    half = len(content) // 2
    damages = {
        "none": lambda: None,
        "removed": path.unlink,
        "emptied": lambda: path.write_bytes(b""),
        "cut off": lambda: path.write_bytes(content[:-1]),
        "flipped": lambda: path.write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]),
        "of another format": lambda: rewrite(path, state=np.array("[]")),
    }
    damages[damage]()
    capsys.readouterr()
    for one, two in zip(keep(3), first, strict=True):
        np.testing.assert_array_equal(one, two)
    assert path.read_bytes() == content and made == ([2] if damage == "none" else [2, 3])
    said = f"note: {path} is damaged: it is made again\n" if damage not in ("none", "removed") else ""
    assert capsys.readouterr().err == said
    assert [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()] == [str(path)] * 2


def test_what_is_kept_for_other_variables_is_not_written_over(path):
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="does not fit"):
        keep_checkpoint(path, {"model": build(2, width=5)["model"]}, lambda: pytest.fail("made again"))
    assert path.read_bytes() == before
