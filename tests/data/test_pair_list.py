"""pair_list.py: good pairs files read as they say, bad ones refused with the file, the line and what was expected."""

import os
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.config import ROOT
from facelib.data.pair_lines import LARGEST
from facelib.data.pair_list import MISLABELLED, Pair, PairsError, is_mislabelled, read_pairs

IMAGES = ("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "Bo/Bo_0001.jpg", "Bo/Bo_0012.jpg", "Cy/Cy_0003.jpg")
MATCHED = [f"P{k}\t1\t2" for k in range(16)]
MISMATCHED = [f"P{k}\t1\tBo\t1" for k in range(16)]


def write_images(folder):
    """The images above, empty, and two of each of the people of the pairs above."""
    people = [f"P{k}/P{k}_000{number}.jpg" for k in range(16) for number in (1, 2)]
    for name in (*IMAGES, *people):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def read(tmp_path):
    """Function from the content of a pairs file to its pairs; the images above are there."""
    write_images(tmp_path / "images")

    def read_content(content):
        pairs_file = tmp_path / "pairs.txt"
        pairs_file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_pairs(pairs_file, tmp_path / "images")

    return read_content


def test_matched_and_mismatched_lines(read):
    pairs = read("6\nAnn_Lee\t1\t2\nBo 1 12\nAnn_Lee\t2\tCy\t3\n\n  Bo  12   Ann_Lee  0001 \n")
    assert pairs == [
        Pair("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", True, 0),
        Pair("Bo/Bo_0001.jpg", "Bo/Bo_0012.jpg", True, 0),
        Pair("Ann_Lee/Ann_Lee_0002.jpg", "Cy/Cy_0003.jpg", False, 0),
        Pair("Bo/Bo_0012.jpg", "Ann_Lee/Ann_Lee_0001.jpg", False, 0),
    ]
    assert [type(pair.matched) for pair in pairs] == [bool] * 4


def test_windows_line_ends_and_names_beyond_ascii(read, tmp_path):
    (tmp_path / "images" / "Zoë").mkdir()
    (tmp_path / "images" / "Zoë" / "Zoë_0001.jpg").touch()
    assert read("1\r\nZoë\t1\tBo\t1\r\n") == [Pair("Zoë/Zoë_0001.jpg", "Bo/Bo_0001.jpg", False, 0)]


@given(folds=st.integers(1, 4), pairs_of_a_kind=st.integers(1, 4))
def test_folds_hold_as_many_pairs_as_the_header_says(tmp_path_factory, folds, pairs_of_a_kind):
    folder = tmp_path_factory.mktemp("folds")
    write_images(folder)
    starts = range(0, folds * pairs_of_a_kind, pairs_of_a_kind)
    lines = [line for k in starts for kind in (MATCHED, MISMATCHED) for line in kind[k : k + pairs_of_a_kind]]
    (folder / "pairs.txt").write_text("\n".join([f"{folds}\t{pairs_of_a_kind}", *lines]) + "\n")
    pairs = read_pairs(folder / "pairs.txt", folder)
    assert [pair.fold for pair in pairs] == [k for k in range(folds) for _ in range(2 * pairs_of_a_kind)]
    assert [pair.matched for pair in pairs] == ([True] * pairs_of_a_kind + [False] * pairs_of_a_kind) * folds


def test_blank_lines_do_not_shift_the_folds(read):
    pairs = read(f"2 1\n{MATCHED[0]}\n\n{MISMATCHED[0]}\n\n\n{MATCHED[1]}\n{MISMATCHED[1]}\n")
    assert [pair.fold for pair in pairs] == [0, 0, 1, 1]


@pytest.mark.parametrize("header", ["2400", "pairs 1", "1 0", "lfw pairs of View 2", "", "pairs:"])
def test_a_header_without_folds_means_one_fold(read, header):
    assert [pair.fold for pair in read(f"{header}\n{MATCHED[0]}\n{MISMATCHED[0]}\n{MATCHED[1]}\n")] == [0, 0, 0]


@pytest.mark.parametrize(("header", "count"), [("2 2", 8), ("10 300", 6000), ("1 1", 2), ("4 1", 8)])
def test_folds_that_the_pairs_do_not_make_are_refused(read, header, count):
    with pytest.raises(PairsError, match=rf"pairs\.txt, line 1: the header says .* {count:,} in all, and .* holds 4:"):
        read(f"{header}\n{MATCHED[0]}\n{MISMATCHED[0]}\n{MATCHED[1]}\n{MISMATCHED[1]}\n")


def test_a_fold_has_its_matched_pairs_first(read):
    with pytest.raises(PairsError, match=r"line 4: a mismatched pair where the header has a matched one: a fold is 2"):
        read(f"1 2\n{MATCHED[0]}\n\n{MISMATCHED[0]}\n{MATCHED[1]}\n{MISMATCHED[1]}\n")
    with pytest.raises(PairsError, match="line 3: a matched pair where the header has a mismatched one"):
        read(f"2 1\n{MATCHED[0]}\n{MATCHED[1]}\n{MISMATCHED[0]}\n{MISMATCHED[1]}\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Ann_Lee 1", "2 fields; expected 'name i j' or 'name1 i name2 j'"),
        ("Ann_Lee 1 Bo 1 2", "5 fields; expected 'name i j' or 'name1 i name2 j'"),
        ("Ann_Lee 1 two", "'two' is no image number"),
        ("Ann_Lee one 2", "'one' is no image number"),
        ("Ann_Lee 1 Bo -1", "'-1' is no image number"),
        ("Ann_Lee 1 Bo 1.0", "'1.0' is no image number"),
        ("Ann_Lee 1 ２", "'２' is no image number"),
        ("Ann Lee 1 2", "'Lee' is no image number"),
        ("../images/Bo 1 12", "'../images/Bo' is no name of a person's folder"),
        (".. 1 2", "'..' is no name of a person's folder"),
        (". 1 2", "'.' is no name of a person's folder"),
        (".Bo 1 2", "'.Bo' is no name of a person's folder"),
        ("Bo 1 @eaDir 1", "'@eaDir' is no name of a person's folder"),
        ("Bo 1 /etc 1", "'/etc' is no name of a person's folder"),
        ("Bo 1 Bo\033[31m 1", "'Bo\\x1b[31m' is no name of a person's folder"),
        ("Bo 1 Bo\0 1", "'Bo\\x00' is no name of a person's folder"),
        ("Bo 1 1", "Bo/Bo_0001.jpg with itself; a pair needs two images"),
        ("Bo 12 0012", "Bo/Bo_0012.jpg with itself; a pair needs two images"),
        ("Bo 1 ..\\Bo 1", r"'..\\Bo' is no name of a person's folder"),
    ],
)
def test_a_malformed_line_is_named(read, line, complaint):
    with pytest.raises(PairsError) as error:
        read(f"2\n{MATCHED[0]}\n\n{line}\n")
    assert str(error.value).endswith(f"pairs.txt, line 4: {complaint}")


@pytest.mark.parametrize(
    ("line", "again"),
    [
        ("Bo 1 12", "Bo 1 12"),
        ("Bo 1 12", "Bo\t12\t01"),
        ("Bo 1 Ann_Lee 2", "Bo 1 Ann_Lee 2"),
        ("Bo 1 Ann_Lee 2", "Ann_Lee 002 Bo 1"),
    ],
)
def test_a_pair_that_stands_in_two_lines_is_refused_with_both(read, line, again):
    with pytest.raises(PairsError, match=r"pairs\.txt, lines 3 and 6: the same two images, .*Bo/Bo_00.*remove one"):
        read(f"9\n{MATCHED[0]}\n{line}\n{MISMATCHED[0]}\n\n{again}\n{MATCHED[1]}\n")


def test_missing_images_are_counted_and_the_first_is_named(read):
    with pytest.raises(PairsError, match=r"pairs\.txt: image .*/Bo/Bo_0002\.jpg missing; is .*images the right folder"):
        read(f"2\n{MATCHED[0]}\nBo 1 2\n")
    with pytest.raises(PairsError, match=r"image .*Bo/Bo_0002\.jpg and 2 more missing"):
        read("4\nBo 1 2\nBo 2 12\nBo 1 Dee 1\nCy 3 Dee 2\n")  # Bo_0002 is missing twice, but is one image


def test_a_link_that_leads_nowhere_is_left_to_the_decoder(read, tmp_path):
    """It is one image that cannot be read, and so is each image in a folder that is such a link."""
    for name, target in (("Bo/Bo_0002.jpg", "nowhere"), ("Dee", "Dee")):
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / name).symlink_to(target)
    assert len(read("2\nBo 1 2\nBo 1 Dee 1\n")) == 2


def test_a_folder_in_the_place_of_an_image_is_no_image(read, tmp_path):
    (tmp_path / "images" / "Bo" / "Bo_0002.jpg").mkdir()
    with pytest.raises(PairsError, match=r"Bo_0002\.jpg missing"):
        read("1\nBo 1 2\n")


@pytest.mark.parametrize("content", ["10\t300\n", "10\t300\n\n  \n", "10\t300", ""])
def test_a_file_without_pairs(read, content):
    with pytest.raises(PairsError, match=r"pairs\.txt: holds no pairs after its header line"):
        read(content)


@pytest.mark.parametrize("first_line", [MATCHED[1], MISMATCHED[1]])
def test_a_pair_in_the_place_of_the_header_is_not_lost(read, first_line):
    with pytest.raises(PairsError, match=r"pairs\.txt, line 1: is a pair; expected a header"):
        read(f"{first_line}\n{MATCHED[0]}\n")


def test_a_missing_file_and_one_that_is_no_text(read, tmp_path):
    with pytest.raises(PairsError, match=r"nowhere\.txt: cannot be read as a pairs file: there is no such file"):
        read_pairs(tmp_path / "nowhere.txt", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(PairsError, match=f"{path}: cannot be read as a pairs file: is no regular file"):
            read_pairs(path, tmp_path)
    with pytest.raises(PairsError, match=r"pairs\.txt: cannot be read as a pairs file"):
        read(b"\xff\xd8\xff\xe0\x00\x10JFIF\x80\x81")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "pairs.txt", "wb") as file:
        file.truncate(LARGEST + 1)  # a hole, which takes no place
    with pytest.raises(PairsError, match="100,000,001 bytes are too many for a pairs file: at most 100,000,000"):
        read_pairs(tmp_path / "pairs.txt", tmp_path)


def test_a_folder_of_images_that_is_none_is_named(tmp_path):
    (tmp_path / "pairs.txt").write_text("1\nBo 1 2\n")
    with pytest.raises(PairsError, match=f"^{tmp_path}/nowhere does not exist; expected the folder with the images"):
        read_pairs(tmp_path / "pairs.txt", tmp_path / "nowhere")
    with pytest.raises(PairsError, match=f"^{tmp_path}/pairs.txt is a file; expected the folder with the images"):
        read_pairs(tmp_path / "pairs.txt", tmp_path / "pairs.txt")


@pytest.mark.parametrize("line", ["Bo 1 " + "9" * 5000, "B" * 300 + " 1 2", "Bo\0x 1 2"])
def test_absurd_fields_are_refused_like_any_other(read, line):
    with pytest.raises(PairsError, match=r"pairs\.txt"):
        read(f"1\n{line}\n")


def test_a_byte_order_mark_does_not_hide_the_folds(read):
    content = f"\ufeff2 1\n{MATCHED[0]}\n{MISMATCHED[0]}\n{MATCHED[1]}\n{MISMATCHED[1]}\n"
    assert [pair.fold for pair in read(content)] == [0, 0, 1, 1]


def test_two_images_of_one_person_are_no_mismatched_pair(read):
    with pytest.raises(PairsError, match=r"pairs\.txt, line 2"):
        read("1\nAnn_Lee 1 Ann_Lee 2\n")


def test_links_of_the_folder_itself_are_followed(tmp_path):
    """Who owns the images' folder decides what is in it; only the list cannot leave it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "Bo_0001.jpg").touch()
    (tmp_path / "elsewhere" / "Bo_0002.jpg").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "Bo").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pairs.txt").write_text("1\t0\nBo 1 2\n")
    assert read_pairs(tmp_path / "pairs.txt", tmp_path / "images")[0][:2] == ("Bo/Bo_0001.jpg", "Bo/Bo_0002.jpg")


def test_a_matched_pair_with_one_mislabelled_image_is_wrong():
    wrong, other = min(MISLABELLED), "Bo/Bo_0001.jpg"
    assert is_mislabelled(Pair(wrong, other, True, 0)) and is_mislabelled(Pair(other, wrong, True, 3))
    assert not is_mislabelled(Pair(wrong, other, False, 0)) and not is_mislabelled(Pair(other, other, True, 0))


def test_mislabelled_images_are_named_as_the_pairs_file_names_them(read):
    for path in MISLABELLED:
        name, file = path.split("/")
        assert file.startswith(f"{name}_") and len(file) == len(name) + len("_0001.jpg")


# other forms of lists; test_pair_lines.py has what is wrong with a line, test_listed_images.py how files are found

ROW = re.compile(r"\| (?:`(.*?)`)? ?\| `(.+?)`.* \| (matched|mismatched|refused): (.*) \|")
FORMS = [ROW.fullmatch(line) for line in (ROOT / "docs" / "using.md").read_text().splitlines()]
FORMS = [match.groups() for match in FORMS if match]
OTHERS = (
    "Mary Ann/Mary Ann_0001.jpg",
    "Cy/Cy_1.jpg",
    "Cy/Cy_2.png",
    "Bo/a, b.JPEG",
    "Dot/Dot_1.jpg",
    "Dot/Dot_0001.jpg",
)


def test_the_table_of_forms_has_at_least_twelve():
    assert len(FORMS) >= 12 and {kind for _, _, kind, _ in FORMS} == {"matched", "mismatched", "refused"}


@pytest.mark.parametrize(("header", "line", "kind", "made"), FORMS)
def test_what_is_made_of_a_form_is_what_the_table_says(read, tmp_path, header, line, kind, made):
    for name in (*OTHERS, "Zoë/Zoë_0001.jpg"):
        path = tmp_path / "images" / unicodedata.normalize("NFD", name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    content = "\n".join(filter(None, (header, line.replace("\\t", "\t"))))
    if kind == "refused":
        with pytest.raises(PairsError) as error:
            read(content)
        place = f"pairs.txt, line {content.count(chr(10)) + 1}: "
        assert str(error.value).endswith(place + made)
    else:
        first, second = (unicodedata.normalize("NFD", path) for path in made.strip("`").split("`, `"))
        assert read(content) == [Pair(first, second, kind == "matched", 0)]


def test_the_same_two_images_by_other_names_are_one_pair(read, tmp_path):
    (tmp_path / "images" / "Bo" / "Bo_7.png").touch()
    with pytest.raises(PairsError, match="lines 2 and 4: the same two images, Cy/Cy_0003.jpg and Bo/Bo_7.png"):
        read("1\nBo 7 Cy 3\nBo 1 12\nCy 03 Bo 007\n")


def test_labels_that_contradict_each_other_are_named(read):
    a, b, c, d = IMAGES[:4]
    assert len(read(f"{a} {b} 0\n{c} {d} 1\n{a} {c} 0\n")) == 3
    with pytest.raises(PairsError, match=rf"txt, line 3: {a} and {c} are called two people, and matched pairs .* one"):
        read(f"{a} {b} 1\n{b} {c} 1\n{a} {c} 0\n")


FIELDS = st.sampled_from(
    [
        *IMAGES,
        "Ann_Lee",
        "Bo",
        "Zoë",
        "1",
        "2",
        "12",
        "0",
        "-1",
        "same",
        "x.jpg",
        "/etc",
        "..",
        "a\\b",
        "name",
        "imagenum1",
    ]
) | st.text(max_size=6)
TEXTS = st.lists(st.tuples(st.lists(FIELDS, max_size=5), st.sampled_from([" ", "\t", ",", ", ", "\t "])), max_size=6)


@given(content=st.binary(max_size=40) | TEXTS.map(lambda rows: "\n".join(by.join(row) for row, by in rows).encode(
    errors="surrogatepass")))  # fmt: skip
def test_whatever_a_list_holds_it_is_read_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "whatever"
    if not folder.exists():
        write_images(folder)
    (folder / "pairs.txt").write_bytes(content)
    try:
        pairs = read_pairs(folder / "pairs.txt", folder)
    except PairsError as error:
        assert str(error).startswith(str(folder / "pairs.txt"))
    else:
        assert all((folder / path).is_file() for pair in pairs for path in pair[:2]) and pairs
