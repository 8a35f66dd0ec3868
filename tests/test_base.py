"""Training does what it did when the trials of the study were recorded: twenty steps of their base, held to figures.

``python tests/test_base.py`` writes the figures anew. Do that where training is meant to change, and raise
`study.RECIPE` with it: the trials recorded so far are then shown as those of an earlier recipe.
"""

import json
import sys
from pathlib import Path

from facelib import config as config_module
from facelib.experiments import study

STEPS = 20
FILE = Path(__file__).with_name("base.json")
FIGURES = ("loss", "auxiliary_loss", "gradient_norm", "s_p", "s_n", "active_share", "spread")
FACES = "drawn_identities=40 drawn_images=6 drawn_test_identities=4 drawn_pairs=4"
# Processors round differently: with one thread or two, with AVX2 or AVX-512, the figures differ by up to TODO of
# themselves after so many steps. A change of one per cent in gamma or in the learning rate moves them by more.
TOLERANCE = 0.02


def measure() -> dict:
    """Number, settings and the figures of the first steps of the base, on drawn faces, in float32."""
    import tensorflow as tf

    from facelib import recipe
    from facelib.synthetic import draw_faces
    from facelib.training import train_step

    config = study.configure(study.Trial(f"{FACES} bfloat16=False", study.SEEDS[0]), "drawn")
    draw_faces(config)
    split = recipe.load_split(config)
    sampler, learner = recipe.build_sampler(config, split), recipe.build_learner(config, split)
    learner.optimizer.build(learner.variables)
    batches = recipe.batches_from(config, split, sampler)(0)
    step = tf.function(lambda *batch: train_step(learner, learner.select(1), *batch))
    rows = []
    for number in range(STEPS):
        found = step(*next(batches), tf.constant(sampler.batch(number), tf.int32))
        rows.append([float(found[name]) for name in FIGURES])
    settings = vars(study.configure(study.Trial("", study.SEEDS[0]), "drawn"))
    figures = {
        name: [float(f"{value:.6g}") for value in column]
        for name, column in zip(FIGURES, zip(*rows, strict=True), strict=True)
    }
    return {"recipe": study.RECIPE, "settings": json.loads(json.dumps(settings)), "figures": figures}


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        config_module.ROOT = Path(folder)
        Path(sys.argv[1] if len(sys.argv) > 1 else FILE).write_text(json.dumps(measure(), indent=1) + "\n")
