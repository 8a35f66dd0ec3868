import dataclasses

from facelib.config import Config, load_config
from facelib.show.recipe import recipe_in_words


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
