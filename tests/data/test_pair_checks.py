"""pair_checks.py: who is on the images of pairs; test_pair_list.py has what the checks say of a list."""

from hypothesis import given
from hypothesis import strategies as st

from facelib.data.pair_checks import name_people
from facelib.data.pair_list import Pair


def test_people_are_folders_where_the_pairs_agree_and_else_what_matched_pairs_link():
    in_folders = [Pair("a/1.jpg", "a/2.jpg", True, 0), Pair("a/1.jpg", "b/1.jpg", False, 0)]
    assert name_people(in_folders) == {"a/1.jpg": "a", "a/2.jpg": "a", "b/1.jpg": "b"}
    deeper = [Pair("test/a/1.jpg", "test/b/2.jpg", False, 0)]
    assert name_people(deeper) == {"test/a/1.jpg": "test/a", "test/b/2.jpg": "test/b"}
    in_one = [Pair("1.jpg", "2.jpg", True, 0), Pair("3.jpg", "2.jpg", True, 0), Pair("4.jpg", "1.jpg", False, 0)]
    people = name_people(in_one)
    assert people["1.jpg"] == people["2.jpg"] == people["3.jpg"] != people["4.jpg"] == "4.jpg"
    sessions = [Pair("x/1.jpg", "y/1.jpg", True, 0), Pair("x/1.jpg", "x/2.jpg", False, 0)]
    assert len({*name_people(sessions).values()}) == 2


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 2, st.booleans()), min_size=1, max_size=20))
def test_matched_pairs_are_of_one_person_whatever_the_folders(rows):
    pairs = [Pair(f"{a}.jpg", f"{b}.jpg", matched, 0) for a, b, matched in rows if a != b]
    people = name_people(pairs)
    assert people.keys() == {path for pair in pairs for path in pair[:2]}
    assert all(people[pair.first] == people[pair.second] for pair in pairs if pair.matched)
