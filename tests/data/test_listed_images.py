"""listed_images.py: the file that a list means, whatever its suffix, its zeros and its form of Unicode."""

import unicodedata

import pytest

from facelib.data.listed_images import ListedImages
from facelib.data.pair_lines import Numbered


@pytest.fixture
def found(tmp_path):
    """Function from the files of a folder, and an image, to the path that is found."""

    def find(files, image):
        for name in files:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return ListedImages(tmp_path).find(image)

    return find


@pytest.mark.parametrize(
    "file", ["Bo_0001.jpg", "Bo_1.jpg", "Bo_01.png", "Bo_0001.JPEG", "Bo_000000001.jpg", "Bo_0001.Png"]
)
def test_whichever_number_and_suffix_is_there(found, file):
    others = (
        "Bo/Bo_0010.jpg",
        "Bo/Bo_11.jpg",
        "Bo/Bo_1.txt",
        "Bo/.Bo_1.jpg",
        "Bo/Boa_1.jpg",
        "Bo/Bo_1_1.jpg",
        "Bo/Bo1.jpg",
    )
    assert found((f"Bo/{file}", *others), Numbered("Bo", 1)) == f"Bo/{file}"


def test_what_is_not_there_has_its_usual_path(found):
    assert found(("Bo/Bo_0002.jpg",), Numbered("Bo", 1)) == "Bo/Bo_0001.jpg"
    assert found((), Numbered("Cy", 12)) == "Cy/Cy_0012.jpg" and found((), "Cy/x.jpg") == "Cy/x.jpg"


@pytest.mark.parametrize(
    "files", [("Bo_1.jpg", "Bo_0001.jpg"), ("Bo_0001.jpg", "Bo_0001.png"), ("Bo_1.JPG", "Bo_1.jpg")]
)
def test_two_files_that_both_can_be_meant_are_named(found, files):
    first, second = sorted(files)
    with pytest.raises(ValueError, match=f"^Bo/{first} and Bo/{second} can both be meant: remove or rename one$"):
        found([f"Bo/{name}" for name in files], Numbered("Bo", 1))
    assert found((), "Bo/" + first) == f"Bo/{first}"  # a path says which


@pytest.mark.parametrize("of_the_folder", ["NFC", "NFD"])
@pytest.mark.parametrize("of_the_file", ["NFC", "NFD"])
@pytest.mark.parametrize("of_the_list", ["NFC", "NFD"])
def test_all_forms_of_unicode_are_one_name(found, of_the_folder, of_the_file, of_the_list):
    folder, file = unicodedata.normalize(of_the_folder, "Zoë"), unicodedata.normalize(of_the_file, "Zoë_1.jpg")
    name = unicodedata.normalize(of_the_list, "Zoë")
    assert found((f"{folder}/{file}",), Numbered(name, 1)) == f"{folder}/{file}"
    assert found((), f"{name}/{name}_1.jpg") == f"{folder}/{file}"


def test_two_names_that_look_alike_are_told_apart_in_the_message(found):
    names = [unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD")]
    with pytest.raises(ValueError, match=r"'Zoe\\u0308' and 'Zo\\xeb' can both be meant"):
        found([f"{name}/{name}_1.jpg" for name in names], Numbered(names[0], 1))
    with pytest.raises(ValueError, match=r"Cy/'Zoe\\u0308.jpg' and Cy/'Zo\\xeb.jpg' can both be meant"):
        found([f"Cy/{name}.jpg" for name in names], f"Cy/{names[1]}.jpg")


def test_a_folder_that_cannot_be_read_is_left_to_the_decoder(found, tmp_path):
    (tmp_path / "Dee").symlink_to("Dee")
    (tmp_path / "Eve").touch()
    assert found((), Numbered("Dee", 1)) == "Dee/Dee_0001.jpg" and found((), Numbered("Eve", 1)) == "Eve/Eve_0001.jpg"


def test_each_folder_is_read_once(found, tmp_path, monkeypatch):
    for number in range(5):
        found((f"Bo/Bo_{number}.jpg", f"Cy/{number}.jpg"), "x")
    images, read, listdir = ListedImages(tmp_path), [], __import__("os").listdir
    monkeypatch.setattr("os.listdir", lambda folder: read.append(folder) or listdir(folder))
    assert [images.find(Numbered("Bo", number)) for number in range(5)] == [
        f"Bo/Bo_{number}.jpg" for number in range(5)
    ]
    assert [images.find(f"Cy/{number}.jpg") for number in range(5)] == [f"Cy/{number}.jpg" for number in range(5)]
    assert len(read) == 3
