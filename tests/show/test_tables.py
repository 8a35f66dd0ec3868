from facelib.show.tables import print_names, show_table


def test_the_first_row_is_the_heading():
    assert show_table(("a", "b"), ["1", "2"], ("3", "")).data == "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 |  |"


def test_a_heading_alone_is_a_table():
    assert show_table(("a",)).data == "| a |\n|---|"


def test_names_are_printed_a_line_for_each_row_with_what_is_left_out(capsys):
    print_names([("a", "b"), ("c", "d")], " repeats ")
    assert capsys.readouterr().out == "  a repeats b\n  c repeats d\n"
    print_names([(f"{number}",) for number in range(1005)], most=2)
    assert capsys.readouterr().out == "  0\n  1\n  and 1,003 more\n"
    print_names([])
    assert capsys.readouterr().out == ""


def test_names_from_outside_stay_on_their_line(capsys):
    print_names([("a\nb", "c\x1b")], ": ")
    assert capsys.readouterr().out == "  a\\x0ab: c\\x1b\n"
