"""The model card of a run (Mitchell et al. 2019, "Model cards for model reporting"): every number from its results."""

import argparse
import json
from pathlib import Path

from facelib.publishing import PublishingError, run
from facelib.results import write_atomically

NEEDED = ("01_eda", "04_model", "06_training", "07_lfw_test")
DRAWN = (
    "> **All faces behind these figures are drawn, not photographs.** They show that the code runs; they say nothing\n"
    "> about people, and this model must not be used on people.\n"
)
TEXT = """# Model card: facelib, profile {profile}

{banner}## Model

- {streams}: {network}, {parameters:,} parameters, embeddings of {embedding_size} numbers{texture}.
{alignment}- Two faces get a score in [0, 1] from the cosine of their embeddings{rareness}.
  They are called the same person where it reaches a threshold.
- Chosen: epoch {best_epoch} of {epochs}, by the ROC AUC on held-out identities.
- Files: {files}.
- Code: commit {commit}; TensorFlow {versions[tensorflow]}, Keras {versions[keras]}, Python {python}; seed {seed}.

## Data

| | identities | images | what for |
|---|---|---|---|
| training | {training_identities:,} | {training_images:,} | weights, texture, mean face, cohort |
| validation | {validation_identities:,} | {validation_images:,} | epoch, thresholds; nobody of them is trained on |
| test | {test_people:,} | {test_images:,} | {test_pairs:,} pairs; nothing is chosen on them |

{faces} faces, digest `{data_digest}`; of the test images `{test_digest}`.
Of test frames, {test_frame} pixels, the square {test_crop} is taken.
Images that could not be read: {unreadable}. Who is in the data, by age,
sex or origin, is not recorded, so that figures by group are missing.

## Recipe

| setting | value |
|---|---|
{recipe}

## Figures

| on | figure | value | 95 % interval |
|---|---|---|---|
{figures}

The accuracy on test pairs is at the threshold that was chosen on validation pairs.{folds}
Intervals take into account that pairs share people; figures without one have none here. TAR at FAR, the true accept
rate at a false accept rate, is from all pairs of {all_images:,} test images, {all_mismatched:,} of them of two people.

A logistic curve, fitted to validation pairs, turns scores into probabilities p for equally many pairs of both kinds:
log(p / (1 - p)) = {intercept:.2f} + {slope:.2f} score.
On the test pairs they are off by {calibration_error:.3f} on average.

## Thresholds

The most accurate one was chosen on the {validation_pairs:,} validation pairs. The others were chosen, and all false
accepts counted, on {mismatched:,} pairs of two held-out people{smallest}.

| chosen for | threshold | false accepts there | true accept rate on validation pairs |
|---|---|---|---|
{thresholds}

These are rates among people like those in the validation data, photographed and cropped in the same way. Elsewhere they
differ: measure them there, with `python -m facelib evaluate`.

## Intended use

Teaching and research on face verification: learning how such a system is built, measured and broken. The input is two
images that show one face each, cropped as closely as the training images.

## Out of scope, and limits

- Decisions about people: access, policing, hiring, border control, surveillance. No figure here supports such use.
- Finding a person among many (1:N): thresholds are for pairs; false accepts grow with the number of comparisons.
- There is no detection of faces and none of forged ones (a photograph held up, a mask, an edited image).
- The training set is small and of celebrities where it is the usual one; errors are not spread evenly over groups.
{parity}- Embeddings are biometric data, and so is the cohort of training faces that the files of the model hold.
"""
RECIPE = (
    "network", "image_size", "local_contrast", "embedding_size", "identities_per_batch", "images_per_identity",
    "augmentation", "warp_share", "loss", "margin", "gamma", "mining", "triplets_weight", "pairs_weight",
    "memory_size", "classes_weight", "auxiliary_margin", "auxiliary_gamma", "epochs", "steps_per_epoch",
    "learning_rate", "decay", "weight_decay", "texture_share", "flip_average", "rareness_weight",
    "rareness_neighbours",
)  # fmt: skip


def build_card(results: Path) -> str:
    """The card for the JSON files in the folder `results`, as Markdown.

    Raises:
        PublishingError: a file or a key is missing.
    """
    try:
        eda, model, training, test = (json.loads((results / f"{name}.json").read_text()) for name in NEEDED)
        return TEXT.format(**_describe(eda, model, training, test))
    except (OSError, KeyError, ValueError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else error
        raise PublishingError(f"{results}: no model card can be made of it ({problem}): `make all` again") from None


def _describe(eda, model, training, test) -> dict:
    config, calibration = training["provenance"]["config"], training["calibration"]
    drawn, smallest = training["data"] == "drawn", calibration["smallest_far"]
    parts = [training[name] for name in ("checkpoint", "texture", "alignment", "cohort") if training[name]]
    areas = ("validation_roc_auc", "validation_average_precision", "validation_accuracy")
    figures = [("validation pairs", name.removeprefix("validation_"), training[name], None) for name in areas]
    honest, everyone = test["summaries"]["configured"], test["all_pairs"]
    figures += [("test pairs", "accuracy", test["accuracy_at_validation_threshold"], honest["validation_accuracy"])]
    areas = ("roc_auc", "average_precision", "equal_error_rate")
    figures += [("test pairs", name, honest[name]["value"], honest[name]) for name in areas]
    tars = [(f"TAR at FAR {row['far']}", row["tar"]) for row in everyone["tar_at_far"]]
    figures += [("all pairs of test images", name, tar["value"], tar) for name, tar in tars]
    pairs = calibration["mismatched_pairs"]
    unused = () if config["network"] == "residual" else ("image_size", "local_contrast")
    unused += () if config["pairs_weight"] else ("memory_size",)
    return {
        **{key: training[key] for key in ("best_epoch", "training_identities", "training_images")},
        **{key: training[key] for key in ("validation_identities", "validation_images", "validation_pairs")},
        **{key: training["provenance"][key] for key in ("commit", "versions", "python", "seed", "data_digest")},
        **{key: config[key] for key in ("profile", "network", "epochs", "embedding_size")},
        "banner": DRAWN + "\n" if drawn else "",
        "faces": "Drawn" if drawn else "Photographed",
        "streams": "Network and texture" if training["texture"] else "Network",
        "alignment": "- A layer of the model first shifts, scales and turns each face onto the mean training face.\n"
        if training["alignment"]
        else "",
        "texture": f" and {training['texture_components']} of the texture" if training["texture"] else "",
        "rareness": f" and how rare both are among {training['cohort_images']:,} strangers"
        if training["cohort"]
        else "",
        "parameters": model["networks"][config["network"]]["parameters"],
        "files": ", ".join(f"`{name}`" for name in parts),
        "test_people": test["people"],
        "test_images": test["images"],
        "test_pairs": test["pairs"],
        "test_digest": test["provenance"]["data_digest"],
        "unreadable": f"{eda['unreadable']:,} of the training folder, {test['unreadable']:,} of the test pairs",
        "recipe": _rows((f"`{name}`", config[name]) for name in RECIPE if name not in unused),
        "test_frame": "{}x{}".format(*eda["test_frame"]),
        "test_crop": "left {}, top {}, side {}".format(*eda["test_crop"]),
        "parity": "".join(f"- Training and test images are not alike: {warning}\n" for warning in eda["warnings"]),
        "figures": _rows((on, name.replace("_", " "), _fixed(value), _between(i)) for on, name, value, i in figures),
        "folds": _cross_validated(honest["cross_validation"]),
        "all_images": everyone["images"],
        "all_mismatched": everyone["mismatched"],
        "calibration_error": test["expected_calibration_error"],
        **training["probability"],
        "mismatched": pairs,
        "smallest": f"; they support rates down to {smallest:.2g}" if smallest else ", too few for any rate",
        "thresholds": _rows(
            (
                "accuracy" if row["far"] is None else f"false accept rate {row['far']}",
                _fixed(row["threshold"]),
                f"{row['false_accepts']:,} ({row['false_accepts'] / max(pairs, 1):.2%})",
                _fixed(row["true_accept_rate"]),
            )
            for row in (calibration["accuracy_threshold"], *calibration["thresholds"])
        ),
    }


def _rows(rows) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)


def _fixed(value) -> str:
    return f"{value:.4f}"


def _between(interval) -> str:
    return "" if interval is None else "{lower:.4f} to {upper:.4f}".format(**interval)


def _cross_validated(found) -> str:
    if found is None:
        return ""
    count, values = len(found["accuracies"]), (found["accuracy"], found["standard_error"])
    return "\nWith that of each of {} folds chosen on the others it is {:.4f}, standard error {:.4f}.".format(
        count, *values
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the run, with results/; model_card.md is written into it")
    folder = parser.parse_args().folder
    write_atomically(folder / "model_card.md", build_card(folder / "results"))
    print(f"{folder / 'model_card.md'}")


if __name__ == "__main__":
    run(main)
