"""pair_lines.py: each form of a list of pairs, and what is wrong with a line."""

import pytest

from facelib.data import pair_lines
from facelib.data.pair_lines import Line, Numbered, PairsError, read_kaggle, read_lfw, read_list, read_paths


@pytest.fixture
def read(tmp_path):
    """Function from the content of a list to what it says."""

    def read_content(content):
        (tmp_path / "pairs.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_list(tmp_path / "pairs.txt")

    return read_content


def complaint(read, content):
    with pytest.raises(PairsError) as error:
        read(content)
    return str(error.value).partition("pairs.txt")[2]


ANN_1, ANN_2, BO_12 = Numbered("Ann", 1), Numbered("Ann", 2), Numbered("Bo", 12)


def test_an_image_by_its_number_has_the_path_that_lfw_gives_it():
    assert str(ANN_1) == "Ann/Ann_0001.jpg" and str(Numbered("Bo", 12345)) == "Bo/Bo_12345.jpg"


def test_tabs_leave_blanks_to_the_names():
    assert read_lfw("Mary Ann 2\t1\t 2 ") == (Numbered("Mary Ann 2", 1), Numbered("Mary Ann 2", 2), True)
    assert read_lfw("Mary Ann\t\t1\tBo\t12\t") == (Numbered("Mary Ann", 1), BO_12, False)
    with pytest.raises(ValueError, match="'Ann' is no image number"):
        read_lfw("Mary Ann 1 2")


def test_a_name_with_blanks_in_the_place_of_the_header_is_a_pair_too(read):
    assert complaint(read, "Mary Ann Lee\t1\t2\nBo\t1\t2\n").startswith(", line 1: is a pair; expected a header")


def test_kaggles_lines_with_and_without_the_comma_at_their_end():
    assert read_kaggle("Ann,1,2,") == read_kaggle("Ann, 1, 2") == (ANN_1, ANN_2, True)
    assert read_kaggle("Ann,1,Bo,12") == (ANN_1, BO_12, False)
    for text in ("Ann,1,,2", "Ann,1,Bo,12,", "Ann,1,Bo,12,0", ",1,2,", 'Ann,1,"2'):
        with pytest.raises(ValueError, match="is no image number|is no name|5 fields; expected 'name,i,j,' or"):
            read_kaggle(text)


@pytest.mark.parametrize(
    "header", ["name,imagenum1,imagenum2,", "Name,Imagenum1,Imagenum2", "name1,imagenum1,name2,imagenum2"]
)
def test_kaggles_columns_are_no_pair(read, header):
    found = read(f"{header}\nAnn,1,2,\n\nAnn,1,Bo,12\n")
    assert found == ([Line(2, ANN_1, ANN_2, True), Line(4, ANN_1, BO_12, False)], 0, 0)
    assert complaint(read, f"{header}\n") == ": holds no pairs after its header line"


def test_kaggles_table_without_columns_loses_no_pair(read):
    assert read("Ann,1,2,\nAnn,1,Bo,12\n").lines == [Line(1, ANN_1, ANN_2, True), Line(2, ANN_1, BO_12, False)]


def test_other_columns_are_refused(read):
    for columns in ("id,name,imagenum1,imagenum2", "name1,imagenum1,name2,imagenum2,label", "name,imagenum2,imagenum1"):
        assert complaint(read, f"{columns}\nAnn,1,2,\n").startswith(f", line 1: columns '{columns}'; expected 'name,im")
    assert complaint(read, "name,imagenum1,imagenum2,\nAnn,1,2,\nname,imagenum1,imagenum2\n").startswith(", line 3: ")


LABELS = {"1": True, "0": False, "-1": False, "true": True, "FALSE": False, "Same": True, "different": False}


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ",", ", ", " \t"])
def test_paths_and_their_label_between_tabs_commas_or_blanks(separator):
    for label, matched in LABELS.items():
        text = separator.join(["Ann/1.jpg", "Bo/x.PNG", label])
        assert read_paths(text) == ("Ann/1.jpg", "Bo/x.PNG", matched, label.lower())


def test_what_separates_paths_can_be_part_of_them():
    assert read_paths("Mary Ann/1.jpg,Bo/2.jpg,1") == ("Mary Ann/1.jpg", "Bo/2.jpg", True, "1")
    assert read_paths("Lee, Ann/1.jpg\tBo/2.jpg\t0") == ("Lee, Ann/1.jpg", "Bo/2.jpg", False, "0")
    assert read_paths("Lee,Ann/1.jpg Lee,Ann/2.jpg 1") == ("Lee,Ann/1.jpg", "Lee,Ann/2.jpg", True, "1")
    assert read_paths('"Lee, Ann/1.jpg",Bo/2.jpg,0') == ("Lee, Ann/1.jpg", "Bo/2.jpg", False, "0")


@pytest.mark.parametrize(
    "path",
    ["/etc/x.jpg", "../x.jpg", "a/../x.jpg", "./x.jpg", "a//x.jpg", ".x.jpg", "@eaDir/x.jpg", "a\\x.jpg", "a\0.jpg"],
)
def test_a_path_cannot_leave_the_folder(path):
    for text in (f"{path}\tBo/2.jpg\t0", f"Bo/2.jpg\t{path}\t0"):
        with pytest.raises(ValueError, match="is no path below the images' folder, such as"):
            read_paths(text)


@pytest.mark.parametrize("label", ["2", "yes", "1.0", "１", "matched"])
def test_other_labels_are_refused(label):
    with pytest.raises(ValueError, match="is no label; expected one of 0/1, -1/1, false/true, different/same"):
        read_paths(f"a.jpg b.jpg {label}")


@pytest.mark.parametrize("header", ["", "path path label\n", "\n\nfile1,file2,same\n", "image_1\timage_2\tlabel\n"])
def test_paths_with_and_without_names_of_columns(read, header):
    lines = read(f"{header}a.jpg b.jpg 1\n\nb.jpg c.jpg 0\n").lines
    start = header.count("\n")
    assert lines == [Line(start + 1, "a.jpg", "b.jpg", True, "1"), Line(start + 3, "b.jpg", "c.jpg", False, "0")]


@pytest.mark.parametrize("first", ["a.jpg b.jpg 2", "a.jpg b 1", "a b 2", "a/1 b/1 same", "id,file1,file2,label"])
def test_a_malformed_pair_of_paths_is_taken_for_no_header(read, first):
    assert complaint(read, f"{first}\na.jpg c.jpg 1\n").startswith(", line 1: ")


def test_labels_of_one_list_are_of_one_notation(read):
    assert len(read("a.jpg b.jpg 1\nb.jpg c.jpg -1\n").lines) == 2
    found = complaint(read, "a.jpg b.jpg 1\nb.jpg c.jpg -1\nc.jpg d.jpg 0\n")
    assert found == ", line 3: label '0' in a list that has '1' and '-1' too"
    assert complaint(read, "a.jpg b.jpg True\nb.jpg c.jpg 0\n") == ", line 2: label '0' in a list that has 'true' too"


@pytest.mark.parametrize(
    ("first", "line", "other"),
    [
        ("1\nAnn 1 2", "Ann,1,Bo,2", "; the line looks like Kaggle's table, and the list like LFW's format"),
        ("1\nAnn 1 2", "a.jpg b.jpg 1", "; the line looks like 'path path label', and the list like LFW's format"),
        ("1\nAnn 1 2", "a.jpg 1", "; the line looks like one image a line, and the list like LFW's format"),
        ("Ann,1,2,\nAnn,1,3,", "Ann 1 Bo 2", "; the line looks like LFW's format, and the list like Kaggle's table"),
        ("a.jpg b.jpg 1\nc.jpg d.jpg 1", "Ann 1 2", "; the line looks like LFW's format, and"),
    ],
)  # fmt: skip
def test_a_line_of_another_form_is_told(read, first, line, other):
    found = complaint(read, f"{first}\n{line}\n")
    assert found.startswith(", line 3: ") and other in found


def test_one_image_a_line_is_no_list_of_pairs(read):
    assert complaint(read, "a.jpg 1\nb.jpg 1\n") == ", line 1: names one image; a pair is one line: 'path path label'"


def test_a_pack_and_utf_16_are_told(read):
    assert (
        complaint(read, b"\x80\x02]q\x00(U") == ": looks like a pack of images and pairs; evaluate --pack reads packs"
    )
    assert "it is UTF-16: save it as UTF-8" in complaint(read, "1\nZoë 1 2\n".encode("utf-16"))


def test_one_name_in_two_forms_of_unicode_is_one_name():
    with pytest.raises(ValueError, match="twice; a pair of one person is written 'name i j'"):
        read_lfw("Zo\u00eb 1 Zoe\u0308 2")


def test_one_path_in_two_forms_of_unicode_is_one_image(read):
    assert "with itself" in complaint(read, "Zo\u00eb.jpg Zoe\u0308.jpg 1\n")


def test_lines_are_counted_before_they_are_kept(read, monkeypatch):
    monkeypatch.setattr(pair_lines, "MOST_LINES", 3)
    assert len(read("1\nAnn 1 2\nAnn 1 3\n").lines) == 2
    assert complaint(read, "1\nAnn 1 2\nAnn 1 3\n\n") == ": 4 lines are too many pairs: at most 3"


def test_a_message_is_short_however_long_the_field(read):
    for line in (
        "x" * 9999,
        "A" * 9999 + "/ 1 2",
        "Ann 1 " + "9" * 9999,
        "a.jpg b.jpg " + "x" * 9999,
        "/" * 9999 + ".jpg b.jpg 1",
    ):
        assert len(complaint(read, f"1\n{line}\n")) < 300


def test_a_line_that_no_pair_can_have_is_refused_before_it_is_read(read):
    assert complaint(read, f"1\nAnn 1 2\n{'a,' * 9999}.jpg 1\n").startswith(
        ", line 3: 20,004 letters are too many for a pair: at most 10,000"
    )
