import pytest

from facelib import progress
from facelib.progress import VARIABLE, advance, track


def test_all_items_pass_through_in_order(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert list(track(range(5), "counting", "items")) == [0, 1, 2, 3, 4]
    assert list(track(iter("abc"), "counting", "letters", total=3)) == ["a", "b", "c"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file that progress goes to, closed at the end."""
    path = tmp_path / "progress"
    monkeypatch.setenv(VARIABLE, str(path))
    yield path
    progress._open(str(path)).close()


def test_progress_goes_to_the_file_that_the_executing_process_names(file, capsys):
    for description in ("first", "second"):
        bar = track(range(3), description, "steps")
        for _ in bar:
            bar.set_postfix_str("loss 0.5", refresh=True)
    shown = file.read_text()
    for text in ("first", "second", "3/3", "steps/s", "loss 0.5", "100%"):
        assert text in shown
    assert capsys.readouterr() == ("", "")


def test_a_step_further_shows_text_and_speed(file):
    with track(None, "training", "steps", total=2) as bar:
        for done in (1, 2):
            advance(bar, f"epoch {done}/2", 96 * done, 2.0 * done)
    shown = file.read_text()
    assert "2/2" in shown and "epoch 2/2, 48 images/s" in shown


def test_progress_is_of_letters_that_every_terminal_has(file):
    list(track(range(3), "decoding", "images"))
    assert file.read_bytes().isascii()


def test_progress_by_hand_goes_to_standard_error_and_is_wiped_at_the_end(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    list(track(range(3), "decoding", "images"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "decoding" in captured.err
    assert captured.err.rsplit("\r", 2)[-2].strip() == ""
