import functools
import inspect
import re

import pytest

from facelib.data.sampler import Sampler
from facelib.learn import losses, mining
from facelib.show.source import show_source

PART = re.compile(
    r"^`([^`]+)` in `facelib/[^`]+\.py`, lines (\d+) to (\d+):\n\n```python\n(.*?)\n```$", re.DOTALL | re.MULTILINE
)


def parts(shown):
    """Name, first line, last line and source of each part of what is shown."""
    return [(name, int(first), int(last), source) for name, first, last, source in PART.findall(shown.data)]


def test_a_function_is_shown_whole_with_what_is_private_to_its_module():
    found = parts(show_source(losses.circle_loss))
    assert [name for name, *_ in found] == ["circle_loss", "_check", "_logit_n", "_logit_p", "_mean"]
    lines = inspect.getsource(losses).splitlines()
    for _, first, last, source in found:
        assert lines[first - 1 : last] == source.splitlines()
    for name, *_, source in found:
        assert source == inspect.getsource(getattr(losses, name)).rstrip()


def test_what_several_use_is_shown_once():
    names = [name for name, *_ in parts(show_source(mining.get_triplets, mining.select_triplets, mining._below))]
    assert names == ["get_triplets", "select_triplets", "_below"]


def test_classes_and_methods_are_shown():
    found = dict((name, source) for name, *_, source in parts(show_source(Sampler)))
    assert found["Sampler"].startswith("class Sampler:") and "def batch" in found["Sampler"]
    ((name, *_, source), *_) = parts(show_source(Sampler.batch))
    assert name == "Sampler.batch" and source.startswith("def batch(self, step: int)")


def test_what_is_wrapped_is_shown_as_it_is_written():
    wrapped = functools.cache(losses.triplet_loss)
    assert parts(show_source(wrapped))[0][0] == "triplet_loss"


@pytest.mark.parametrize("thing", [3, "circle_loss", losses, len])
def test_what_has_no_source_is_an_error(thing):
    with pytest.raises(TypeError, match="is neither a function nor a class of a module"):
        show_source(thing)
