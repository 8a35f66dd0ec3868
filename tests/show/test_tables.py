from facelib.show.tables import show_table


def test_the_first_row_is_the_heading():
    assert show_table(("a", "b"), ["1", "2"], ("3", "")).data == "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |  |"


def test_a_heading_alone_is_a_table():
    assert show_table(("a",)).data == "| a |\n|---|"
