import pytest

from facelib import provenance
from facelib.provenance import digest, digest_code


def test_digest_tells_contents_apart_and_not_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest(1), digest("1"), digest([1]), digest(1, 2), digest([1, 2]), digest({"a": 1})}) == 6
    assert len(digest("x")) == 16


@pytest.fixture
def name_of(tmp_path, monkeypatch):
    """Function that writes sources as modules of the folder `data`, and returns their short name."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    (tmp_path / "data").mkdir()

    def name(*sources):
        for number, source in enumerate(sources):
            (tmp_path / "data" / f"m{number}.py").write_text(source)
        return digest_code("data")

    return name


def test_code_is_named_by_what_it_does(name_of):
    plain = "def f(x):\n    return x + 1\n"
    commented = '"""Module."""\n\n\n# why\ndef f(x):\n    """Doc."""\n    return x + 1  # so\n'
    assert name_of(plain, "A = 1\n") == name_of(plain + "\n\n", "A = 1  # one\n")
    assert name_of(commented) == name_of(commented.replace("Doc", "Longer").replace("# so", "# because"))
    assert name_of(plain) != name_of(plain.replace("+ 1", "+ 2"))
    assert name_of('X = "a"\n') != name_of('X = "b"\n') and name_of(plain) != name_of(plain, "B = 1\n")


def test_code_is_named_by_its_folders_whatever_their_order(name_of, tmp_path):
    before = name_of("A = 1\n")
    (tmp_path / "learn").mkdir()
    (tmp_path / "learn" / "m0.py").write_text("A = 1\n")
    assert digest_code("data") == before
    assert digest_code("data", "learn") == digest_code("learn", "data", "learn") != before
    (tmp_path / "data" / "m0.py").rename(tmp_path / "data" / "m1.py")
    assert digest_code("data") != before


def test_hidden_files_of_editors_are_no_code_and_a_missing_folder_is_an_error(name_of, tmp_path):
    before = name_of("A = 1\n")
    (tmp_path / "data" / ".#m0.py").symlink_to("nowhere")
    assert digest_code("data") == before
    with pytest.raises(FileNotFoundError, match="nowhere holds no code"):
        digest_code("data", "nowhere")
