import dataclasses

from facelib.config import Config, load_config
from facelib.show.tables import EPOCH_HEADING, epoch_line, print_names, recipe_in_words, show_table


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


def test_the_recipe_names_what_training_reads():
    rows = dict(recipe_in_words(Config("laptop")))
    assert rows["batch"] == "P x K = 16 x 4 images" and rows["steps"] == "12 epochs of 260"
    assert rows["triplets"] == "semi-hard, margin 0.1"
    assert rows["loss of the triplets"] == "circle, m = 0.4, gamma = 64; weight 1"
    assert rows["loss of all pairs"] == ("circle on cosines, m = 0.25, gamma = 64; weight 1; memory of 1,024 images")
    assert rows["optimizer"] == (
        "AdamW, learning rate 0.004 after 100 steps of warm-up, then cosine decay; weight decay 0.05"
    )
    assert rows["augmentation"] == "strength 0.8, warps 0.4 of it" and "loss of class proxies" not in rows


def test_the_recipe_leaves_out_what_is_not_used():
    rows = dict(recipe_in_words(load_config("reference", "drawn")))
    assert rows["optimizer"] == "AdamW, learning rate 0.0001; weight decay 0"
    assert rows["augmentation"] == "none" and "loss of all pairs" not in rows
    config = dataclasses.replace(Config("laptop"), loss="triplet", classes_weight=0.5, memory_size=0)
    config = dataclasses.replace(config, later_mining_epoch=6)
    rows = dict(recipe_in_words(config))
    assert rows["triplets"] == "semi-hard, margin 0.1; after epoch 6 hard"
    assert rows["loss of the triplets"] == "triplet, m = 0.4; weight 1" and rows["loss of all pairs"].endswith(
        "weight 1"
    )
    assert rows["loss of class proxies"] == "circle on cosines, m = 0.25, gamma = 64; weight 0.5"
