import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.config import load_config
from facelib.study import plan
from facelib.study.table import (
    COLUMNS,
    STUDY,
    TableError,
    add_row,
    check_study,
    read_any_table,
    read_mistakes,
    read_table,
    table_path,
    write_mistakes,
    write_table,
)

IDENTITY = {"format": 1, "recipe": plan.RECIPE, "data": "d"}


def row(settings="", seed=7, roc_auc=0.75, **changes):
    figures = {"validation_roc_auc": roc_auc, "validation_accuracy": 0.625, "joined_roc_auc": None}
    figures |= {"state": "complete", "reason": "", "seconds": None, "workers": 1, "processor": ""}
    figures |= {"tensorflow": "", "keras": "", "bfloat16": "yes"}
    return {"settings": settings, "seed": seed, **figures, **IDENTITY, **changes}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "experiments.csv"


def test_what_is_written_is_read(path):
    full = {name: {str: 'a, "b" | c', int: 3, float: 0.123456}[kind] for name, kind in COLUMNS.items()}
    full |= {"settings": "gamma=32.0 margin=0.2", "state": "complete", "seed": 8}
    full |= {"test_mistakes": write_mistakes([False] * 7 + [True]), "test_accuracy": 0.875, "joined_test_mistakes": ""}
    write_table(path, [full, row(state="failed", reason="two\nlines", roc_auc=None)])
    first, second = read_table(path)
    assert second == full
    assert (first["reason"], first["validation_roc_auc"], first["keras"]) == ("two lines", None, "")
    assert first.keys() == COLUMNS.keys()
    before = path.read_bytes()
    write_table(path, [second, first])
    assert path.read_bytes() == before


def test_figures_have_six_digits(path):
    write_table(path, [row(roc_auc=0.123456789, seconds=1234.56789)])
    assert (read_table(path)[0]["validation_roc_auc"], read_table(path)[0]["seconds"]) == (0.123457, 1234.57)


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_the_mistakes_that_are_written_are_read(wrong):
    text = write_mistakes(wrong)
    assert read_mistakes(text) == wrong and read_mistakes("") == []
    assert text == f"{len(wrong)}:{np.packbits(wrong).tobytes().hex()}"
    assert write_mistakes(np.array(wrong)) == text


@pytest.mark.parametrize(
    "text", ["x", "5", "5:", ":ff", "8:f", "9:ff", "5:f", "8:FF", "8: f", "-8:ff", "0:00", "8:fff"]
)
def test_what_lists_no_mistakes_is_refused(text):
    with pytest.raises(ValueError, match="lists no mistakes: a number of pairs, a colon, and 8 pairs a byte"):
        read_mistakes(text)


def test_mistakes_that_are_not_those_of_the_accuracy_are_refused(path):
    for accuracy, wrong in ((0.5, "8:01"), (None, "8:01")):
        write_table(path, [row(test_accuracy=accuracy, test_mistakes=wrong)])
        with pytest.raises(TableError, match=f"test_mistakes are 1 of 8 pairs, and the accuracy is {accuracy}"):
            read_table(path)
    write_table(path, [row(joined_test_accuracy=0.875, joined_test_mistakes="8:1")])
    with pytest.raises(TableError, match="line 2: '8:1' lists no mistakes"):
        read_table(path)


def test_no_file_is_no_rows(path):
    assert read_table(path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("validation_roc_auc", "roc", "line 1: no column validation_roc_auc, so it is of another version of facelib"),
        ("bfloat16\n", "bfloat16,later\n", "line 1: unknown column later, so it is of another version of facelib"),
        ("0.75", "three", "line 2: validation_roc_auc is 'three', which is no number"),
        ("0.75", "nan", "line 2: validation_roc_auc is 'nan', which is not finite"),
        ("0.75", "-inf", "line 2: validation_roc_auc is '-inf', which is not finite"),
        ("0.75", "1.5", "line 2: validation_roc_auc is 1.5, and lies between 0 and 1"),
        ("0.75", "", "line 2: validation_roc_auc is empty"),
        (",7,", ",7.5,", "line 2: seed is '7.5', which is no number"),
        (",7,", ",,", "line 2: seed is empty"),
        (",7,", ",", "line 2: 35 fields, and the header has 36"),
        ("complete", "COMPLETE", "line 2: state is 'COMPLETE'"),
        ("gamma=32", "<script>alert(1)</script>", "line 2: settings are"),
        ("gamma=32", "gamma 32", "line 2: settings are"),
    ],
)
def test_a_table_that_somebody_broke_is_refused_with_file_and_line(path, old, new, message):
    write_table(path, [row("gamma=32")])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TableError) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}, {message}")
    assert str(error.value).endswith("; mend it, or move it away to start anew")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b'"' + b"x" * 200_000 + b'"'])
def test_what_is_no_table_at_all_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(TableError, match="experiments.csv.* move it away to start anew$"):
        read_table(path)


def test_a_table_that_may_not_be_read_is_refused(path):
    path.mkdir()
    with pytest.raises(TableError, match="experiments.csv cannot be read: Is a directory; .* move it away"):
        read_table(path)


def test_a_trial_that_is_listed_twice_is_refused(path):
    write_table(path, [row("gamma=32"), row("gamma=32", roc_auc=0.5)])
    with pytest.raises(TableError, match="line 3: a second row for settings 'gamma=32'"):
        read_table(path)


def test_a_row_takes_the_place_of_one_of_the_same_trial_and_recipe(path):
    add_row(path, row("gamma=32", state="error", roc_auc=None))
    for added in (row("gamma=32", 8), row("gamma=32", recipe=plan.RECIPE - 1), row("gamma=32", roc_auc=0.5)):
        add_row(path, added)
    figures = [(each["seed"], each["recipe"] - plan.RECIPE, each["validation_roc_auc"]) for each in read_table(path)]
    assert figures == [(7, -1, 0.75), (7, 0, 0.5), (8, 0, 0.75)]


def test_a_trial_has_a_row_for_each_recipe(path):
    rows = [row("gamma=32", recipe=recipe, roc_auc=0.5 + recipe / 8) for recipe in (2, 1)]
    write_table(path, rows)
    assert [(each["recipe"], each["validation_roc_auc"]) for each in read_table(path)] == [(1, 0.625), (2, 0.75)]


def test_photographs_and_drawn_faces_have_a_table_each(data_folder, project):
    tables = [table_path(load_config("smoke", data)) for data in ("drawn", str(data_folder))]
    assert tables == [project / "reports" / name for name in ("experiments-drawn.csv", "experiments.csv")]


def test_trials_on_the_other_kind_of_faces_are_shown_where_there_are_none_on_these(data_folder, project):
    drawn, real = (load_config("smoke", data) for data in ("drawn", str(data_folder)))
    assert read_any_table(drawn) == read_any_table(real) == []
    write_table(table_path(real), [row(faces="real")])
    assert [read_any_table(config)[0]["faces"] for config in (drawn, real)] == ["real", "real"]
    write_table(table_path(drawn), [row(faces="drawn")])
    assert [read_any_table(config)[0]["faces"] for config in (drawn, real)] == ["drawn", "real"]


@pytest.mark.parametrize("name", STUDY)
def test_trials_of_another_study_do_not_mix(name):
    check_study(IDENTITY, IDENTITY, "there")
    with pytest.raises(TableError, match=r"^trials of another .* \(9, now .*: move there away"):
        check_study(IDENTITY | {name: 9}, IDENTITY, "there")
    with pytest.raises(TableError, match="None, now"):
        check_study({}, IDENTITY, "there")


def test_rows_of_several_studies_are_not_shown_as_one(data_folder, project):
    config = load_config("smoke", str(data_folder))
    write_table(table_path(config), [row("gamma=32"), row("") | {"data": "another"}])
    with pytest.raises(TableError, match=r"^trials of another data .*: move \S*experiments.csv away"):
        read_any_table(config)
