from facelib.show.tables import EPOCH_HEADING, epoch_line, print_names, show_table


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


def test_an_epoch_is_a_line_under_the_heading_and_its_alarm_another():
    record = dict(epoch=2, steps=12, loss=0.25, s_p=0.6, s_n=0.5, active_share=0.995, learning_rate=0.001, alarm="")
    record |= dict(validation_roc_auc=0.75, validation_accuracy=0.7, seconds=3.0)
    line = epoch_line(record)
    assert line.split() == ["2", "12", "0.2500", "0.600", "0.500", "99.5%", "1.00e-03", "0.7500", "0.7000"]
    assert len(line) in (len(EPOCH_HEADING), len(EPOCH_HEADING) - 2) and "\n" not in line
    assert epoch_line(record | {"alarm": "collapse: beware"}) == f"{line}\n       collapse: beware"
