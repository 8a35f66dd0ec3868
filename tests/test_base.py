"""Training does what it did when the trials of the study were recorded: twenty steps of their base, held to figures.

``PYTHONPATH=. python tests/test_base.py`` writes the figures anew. Do that where training is meant to change, and raise
`plan.RECIPE` with it: the trials recorded before are then shown as those of an earlier recipe.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from facelib import config as config_module
from facelib.study import plan

STEPS = 20
FILE = Path(__file__).with_name("base.json")
FACES = "drawn_identities=40 drawn_images=6 drawn_test_identities=4 drawn_pairs=4"
# How far a figure may be off at its first step, as a share of itself; twice as far at the second step, and so on. With
# one thread or two, with AVX2 or AVX-512, with and without oneDNN, figures were off by a third of that at most. A
# change of 2 % in the strength of augmentation or in the margin of a loss is seen; what acts more slowly, such as the
# learning rate, is seen in the settings.
TOLERANCES = {
    "loss": 1e-3, "auxiliary_loss": 1e-3, "gradient_norm": 8e-3, "s_p": 8e-4, "s_n": 8e-4, "active_share": 1e-3,
    "embedding_deviation": 1e-4,
}  # fmt: skip


def measure() -> dict:
    """Number and settings of the recipe, and the figures of the first steps of the base, on drawn faces, in float32."""
    import tensorflow as tf

    from facelib.data.drawn import draw_faces
    from facelib.learn import build
    from facelib.learn.training import train_step

    config = plan.configure(plan.Trial(f"{FACES} bfloat16=False", plan.SEEDS[0]), "drawn")
    draw_faces(config)
    split = build.load_split(config)
    sampler, learner = build.build_sampler(config, split), build.build_learner(config, split)
    learner.optimizer.build(learner.variables)
    batches = build.batches_from(config, split, sampler)(0)
    step = tf.function(lambda *batch: train_step(learner, learner.select(1), *batch), autograph=False)
    steps = [step(*next(batches)) for _ in range(STEPS)]
    base = vars(plan.configure(plan.Trial("", plan.SEEDS[0]), str(config.faces)))  # as on photographs
    others = ("data", "drawn_", "comparison_steps", "sizes_steps")  # no part of a trial on those
    return {
        "recipe": plan.RECIPE,
        "settings": {key: value for key, value in json.loads(json.dumps(base)).items() if not key.startswith(others)},
        "figures": {name: [float(f"{float(found[name]):.6g}") for found in steps] for name in TOLERANCES},
    }


@pytest.mark.slow
def test_the_base_trains_as_it_did_when_its_trials_were_recorded(project):
    recorded, found = json.loads(FILE.read_text()), measure()
    remedy = "; where training is meant to change, see the head of this file"
    assert found["recipe"] == recorded["recipe"], f"the figures are of recipe {recorded['recipe']}{remedy}"
    changed = {key for key, value in recorded["settings"].items() if found["settings"].get(key) != value}
    assert not changed, f"settings of the base differ{remedy}"
    for name, tolerance in TOLERANCES.items():
        off = np.abs(np.divide(found["figures"][name], recorded["figures"][name]) - 1)
        worst = int(np.argmax(off / np.arange(1, STEPS + 1)))
        assert off[worst] <= tolerance * (worst + 1), f"{name} is off by {off[worst]:.2%} at step {worst + 1}{remedy}"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        config_module.ROOT = Path(folder)
        Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_text(json.dumps(measure(), indent=1) + "\n")
