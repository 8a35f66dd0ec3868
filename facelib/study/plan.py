"""The declared study: which choices are compared, at which length, with which seeds. Data, and little else.

The trials of a table get about the same training time on two cores without bfloat16, but for the curve and the whole
recipe: 5 minutes, or 20 where it is asked what is best in a longer training. An epoch of the base is a minute; a choice
that makes a step dearer states fewer steps, one that makes it cheaper more: no figure depends on a machine's speed.
"""

import dataclasses
from typing import NamedTuple

from facelib.config import REFERENCE, Config, load_config

FORMAT = 1  # of the recorded trials; raise it when their figures change their meaning
RECIPE = 2  # of the training, as the base has it; raise it when that is meant to change, see `tests/test_base.py`
PROFILE = "laptop"
STEPS_A_MINUTE = 120  # of the base, on two cores without bfloat16
BASE = f"epochs=5 steps_per_epoch={STEPS_A_MINUTE} warmup_steps=60"
SEEDS = (7, 8, 9)
LONG = "four times as long"
MINUTES = "minutes"
WHOLE = "whole recipe"
IDENTITIES = "training identities"
ONCE = (LONG, MINUTES)  # tables with the first seed alone
TWICE = (IDENTITIES,)  # with the first two; the others have all

LONG_BASE = f"epochs=20 steps_per_epoch={STEPS_A_MINUTE}"
TRIPLETS_ALONE = "pairs_weight=0.0"
BEST = load_config("best", "drawn")
CHANGED = ("augmentation", "weight_decay", "warmup_steps", "texture_share")
LONGER = " ".join(f"{key}={getattr(BEST, key)}" for key in CHANGED)
WHOLE_RECIPE = f"epochs={BEST.epochs} steps_per_epoch={BEST.steps_per_epoch} {LONGER}"
MENDED = "embedding_size=256 steps_per_epoch=12 " + " ".join(f"{key}={value}" for key, value in REFERENCE.items())

# table -> choices: name and what it changes of the base, which is the choice that changes nothing
TABLES = {
    "loss": {
        "triplets and all pairs": "",
        "triplets alone": TRIPLETS_ALONE,
        "triplet loss instead": f"{TRIPLETS_ALONE} loss=triplet margin=0.2",
        "all pairs alone": "triplets_weight=0.0",
        "class proxies alone": "triplets_weight=0.0 pairs_weight=0.0 classes_weight=1.0",
    },
    "mining": {  # with the triplets alone, which leaves nothing else to learn from
        "semi-hard": TRIPLETS_ALONE,
        "hard": f"{TRIPLETS_ALONE} mining=hard",
        "semi-hard, then hard": f"{TRIPLETS_ALONE} later_mining=hard later_mining_epoch=2",
        "all": f"{TRIPLETS_ALONE} mining=all",
        "mistaken, as in the reference": f"{TRIPLETS_ALONE} mining=mistaken",
    },
    "network": {
        "residual": "",
        "shallow Inception-ResNet-v2": "network=shallow_inception_resnet_v2 steps_per_epoch=48 warmup_steps=24",
    },
    "image size": {
        "112": "",
        "80": "image_size=80 steps_per_epoch=216 warmup_steps=108",
        "64": "image_size=64 steps_per_epoch=300 warmup_steps=150",
        "48": "image_size=48 steps_per_epoch=432 warmup_steps=216",
    },
    "system": {
        "ours": "",
        "reference, mended": MENDED,
        "reference as it was": f"{MENDED} mining=mistaken replayed_batches=20 bfloat16=False",
    },
    "P x K": {
        "16 x 4": "",
        "8 x 8": "identities_per_batch=8 images_per_identity=8",
        "32 x 2": "identities_per_batch=32 images_per_identity=2",
        "32 x 4": "identities_per_batch=32 steps_per_epoch=60 warmup_steps=30",
        "64 x 4": "identities_per_batch=64 steps_per_epoch=30 warmup_steps=15",
    },
    "augmentation": {
        "0.8": "",
        "0": "augmentation=0.0",
        "0.4": "augmentation=0.4",
        "1.2": "augmentation=1.2",
        "0.8, warped as much": "warp_share=1.0",
        "0.8, hardly warped": "warp_share=0.1",
    },
    "auxiliary weight": {
        "pairs 1": "",
        "pairs 0": TRIPLETS_ALONE,
        "pairs 0.3": "pairs_weight=0.3",
        "pairs 3": "pairs_weight=3.0",
        "pairs 1, classes 0.3": "classes_weight=0.3",
        "pairs 1, classes 1": "classes_weight=1.0",
    },
    "cross-batch memory": {
        "1,024 images": "",
        "none": "memory_size=0",
        "256 images": "memory_size=256",
        "4,096 images": "memory_size=4096",
    },
    "levers left out": {
        "nothing left out": "",
        "no loss on all pairs": TRIPLETS_ALONE,
        "no triplets": "triplets_weight=0.0",
        "no cross-batch memory": "memory_size=0",
        "no alignment": "align=False",
        "no alignment, warped as much": "align=False warp_share=1.0",
        "no augmentation": "augmentation=0.0",
        "no local contrast": "local_contrast=False",
        "no mirror image at use": "flip_average=False",
        "no rareness, with texture": "rareness_weight=0.0",
        "no weight decay": "weight_decay=0.0",
        "no decay of the rate": "decay=none",
        "no warm-up": "warmup_steps=0",
        "no repeated images": "repeat_images=False",
        "half the embedding": "embedding_size=128",
        "no bfloat16, as many steps": "bfloat16=False",
    },
    LONG: {  # whether what is ahead after a short training stays so
        "nothing changed": LONG_BASE,
        "80 pixels": "epochs=20 image_size=80 steps_per_epoch=216 warmup_steps=108",
        "48 pixels": "epochs=20 image_size=48 steps_per_epoch=432 warmup_steps=216",
        "augmentation 0.4": f"{LONG_BASE} augmentation=0.4",
        "augmentation 1.2": f"{LONG_BASE} augmentation=1.2",
        "no repeated images": f"{LONG_BASE} repeat_images=False",
        "memory of 256 images": f"{LONG_BASE} memory_size=256",
    },
    IDENTITIES: {  # of one seed, the fewer are part of the more; 1,056 are all that are not held out of 1,200
        f"{count:,}": f"training_identities={count}" for count in (132, 264, 528, 1056)
    },
    MINUTES: {
        "0.5": f"epochs=1 steps_per_epoch={STEPS_A_MINUTE // 2}",
        **{f"{minutes}": f"epochs={minutes} steps_per_epoch={STEPS_A_MINUTE}" for minutes in (1, 2, 5, 10, 20, 30)},
        "60": WHOLE_RECIPE,
        "72": f"epochs=24 steps_per_epoch={3 * STEPS_A_MINUTE} {LONGER}",
    },
    WHOLE: {"best": WHOLE_RECIPE},
}
TESTED = (
    IDENTITIES,
    MINUTES,
    WHOLE,
)  # tables whose trials are shown the test pairs, when they are over; nothing is chosen by them

# continuous setting -> least, most, whether it is searched on a logarithmic scale
SEARCH = {
    "margin": (0.1, 0.7, False),
    "gamma": (8.0, 256.0, True),
    "learning_rate": (3e-4, 6e-3, True),
    "weight_decay": (5e-3, 0.5, True),
}
SEARCH_TRIALS = 12
SEARCHED = "search"  # beside the names of the tables

# the reference system on two cores: minutes, accuracy at the threshold that is best on the test pairs, ROC AUC
REFERENCE_POINTS = ((5, 0.641, 0.67), (24, 0.688, 0.741))


class Trial(NamedTuple):
    """One short training. Two choices with the same settings are one trial."""

    settings: str  # what differs from the base, as overrides sorted by name
    seed: int


def configure(trial: Trial, data: str) -> Config:
    """The configuration of `trial` on the faces in `data`."""
    return load_config(PROFILE, data, f"{BASE} {trial.settings} seed={trial.seed}")


def settings_of(overrides: str) -> str:
    """What `overrides` change of the base: ``key=value``, sorted by key; empty where they change nothing.

    Raises:
        ConfigError: an unknown key or value.
    """
    base, changed = (dataclasses.asdict(load_config(PROFILE, "drawn", f"{BASE} {text}")) for text in ("", overrides))
    return " ".join(f"{key}={changed[key]}" for key in sorted(base) if changed[key] != base[key])


def declared(tables=None) -> dict[Trial, list[tuple[str, str]]]:
    """The trials of `tables` (None: all) in the order in which they are run, each with its places (table, choice).

    The first seed of every table comes first, so that a study that is cut short has something of everything; the other
    seeds of the whole recipe, the dearest trials, come last.
    """
    trials = {}
    places = [(seed, table) for seed in SEEDS for table in (TABLES if tables is None else tables)]
    for seed, table in sorted(places, key=lambda place: place[1] == WHOLE):
        if seed in seeds_of(table):
            for choice, overrides in TABLES[table].items():
                trials.setdefault(Trial(settings_of(overrides), seed), []).append((table, choice))
    return trials


def seeds_of(table: str) -> tuple[int, ...]:
    """The seeds with which the choices of `table` are run."""
    return SEEDS[: 1 if table in ONCE else 2 if table in TWICE else len(SEEDS)]


def minutes_of(trial: Trial) -> float:
    """How long `trial` is expected to take, in minutes on two cores without bfloat16."""
    config, base = configure(trial, "drawn"), configure(Trial("", trial.seed), "drawn")
    steps = config.steps_per_epoch * (config.image_size / base.image_size) ** 2  # of the base, at most as dear
    return config.epochs * max(1, steps / STEPS_A_MINUTE)


def is_searched(trial: Trial) -> bool:
    """Whether `trial` changes exactly the settings that are searched."""
    return [item.partition("=")[0] for item in trial.settings.split()] == sorted(SEARCH)
