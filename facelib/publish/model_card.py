"""The model card of a run (Mitchell et al. 2019, "Model cards for model reporting"): every number from its results."""

import argparse
import json
from pathlib import Path

from facelib.files import write_atomically
from facelib.publish import PublishingError, run

NEEDED = ("01_eda", "04_model", "06_training", "07_lfw_test", "09_small_sets")
DRAWN = (
    "> **All faces behind these figures are drawn, not photographs.** They show that the code runs; they say nothing\n"
    "> about people, and this model must not be used on people.\n"
)
TEXT = Path(__file__).with_suffix(".md")  # to be formatted with what `_describe` gives
FITTED = " It was fitted to the mean test frame,\nwithout names and pairs: in this respect the test is transductive."
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
        eda, model, training, test, small = (json.loads((results / f"{name}.json").read_text()) for name in NEEDED)
        return TEXT.read_text(encoding="utf-8").format(**_describe(eda, model, training, test, small))
    except (OSError, KeyError, ValueError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else error
        raise PublishingError(f"{results}: no model card can be made of it ({problem}): `make all` again") from None


def _describe(eda, model, training, test, small) -> dict:
    config, thresholds = small["provenance"]["config"], small["thresholds"]  # of the scores that are in use
    drawn, smallest = training["data"] == "drawn", thresholds["smallest_far"]
    files = [training["checkpoint"], training["alignment"], small["texture"], small["cohort"]]
    areas, sure = ("validation_roc_auc", "validation_average_precision"), training["validation_accuracy_interval"]
    figures = [("validation pairs", name.removeprefix("validation_"), training[name], None) for name in areas]
    figures += [("validation pairs", "accuracy", training["validation_accuracy"], sure)]
    honest, everyone = test["summaries"]["configured"], test["all_pairs"]
    figures += [("test pairs", "accuracy", test["accuracy_at_validation_threshold"], honest["validation_accuracy"])]
    areas = ("roc_auc", "average_precision", "equal_error_rate")
    figures += [("test pairs", name, honest[name]["value"], honest[name]) for name in areas]
    tars = [(f"TAR at FAR {row['far']}", row["tar"]) for row in everyone["tar_at_far"]]
    figures += [("all pairs of test images", name, tar["value"], tar) for name, tar in tars]
    for part in small["parts"][1:]:  # the first is the network
        area, share = part["test"]["roc_auc"], part["test"]["validation_accuracy"]
        on = f"test pairs, {part['name']}"
        figures += [(on, "accuracy", share["value"], share), (on, "roc_auc", area["value"], area)]
    pairs = thresholds["mismatched_pairs"]
    fitted = not config["test_crop"] and eda["test_frame"] != [112, 112]  # which is taken whole
    unused = () if config["network"] == "residual" else ("image_size", "local_contrast")
    unused += () if config["pairs_weight"] else ("memory_size",)
    return {
        **{key: training[key] for key in ("best_epoch", "training_identities", "training_images")},
        **{key: training[key] for key in ("validation_identities", "validation_images", "validation_pairs")},
        **{key: training["provenance"][key] for key in ("commit", "versions", "python", "seed", "data_digest")},
        **{key: config[key] for key in ("profile", "network", "epochs", "embedding_size")},
        "banner": DRAWN + "\n" if drawn else "",
        "faces": "Drawn" if drawn else "Photographed",
        "alignment": "- A layer of the model first shifts, scales and turns each face onto the mean training face.\n"
        if training["alignment"]
        else "",
        "beside": _beside(config, small),
        "scores": small["parts"][-1]["name"],
        "parameters": model["networks"][config["network"]]["parameters"],
        "files": ", ".join(f"`{name}`" for name in files if name),
        "test_people": test["people"],
        "test_images": test["images"],
        "test_pairs": test["pairs"],
        "test_digest": test["provenance"]["data_digest"],
        "unreadable": f"{eda['unreadable']:,} of the training folder, {test['unreadable']:,} of the test pairs",
        "recipe": _rows((f"`{name}`", config[name]) for name in RECIPE if name not in unused),
        "test_frame": "{}x{}".format(*eda["test_frame"]),
        "fitted": "the crop is fitted to their images" if fitted else "nothing is fitted to them",
        "transductive": FITTED if fitted else "",
        "overlap": _overlap(training["data"], test),
        "test_crop": "left {}, top {}, side {}".format(*eda["test_crop"]),
        "parity": "".join(f"- Training and test images are not alike: {warning}\n" for warning in eda["warnings"]),
        "figures": _rows((on, name.replace("_", " "), _fixed(value), _between(i)) for on, name, value, i in figures),
        "folds": _cross_validated(honest["cross_validation"]),
        "all_images": everyone["images"],
        "all_mismatched": everyone["mismatched"],
        "calibration_error": test["expected_calibration_error"],
        **training["calibration"],
        "mismatched": pairs,
        "smallest": f"; they support rates down to {smallest:.2g}" if smallest else ", too few for any rate",
        "thresholds": _rows(
            (
                "accuracy" if row["far"] is None else f"false accept rate {row['far']}",
                _fixed(row["threshold"]),
                f"{row['false_accepts']:,} ({row['false_accepts'] / max(pairs, 1):.2%})",
                _fixed(row["true_accept_rate"]),
            )
            for row in (thresholds["accuracy"], *thresholds["by_rate"])
        ),
    }


def _beside(config, small) -> str:
    text = ""
    if small["texture"]:
        text += f"- Beside it: {small['texture_components']} numbers of texture features, projected by LDA,"
        text += f" with a share of {config['texture_share']} in the similarity.\n"
    if small["cohort"]:
        text += "- Scores are normalised by how rare both faces are in a cohort of"
        text += f" {small['cohort_images']:,} training faces.\n"
    return text


def _overlap(data, test) -> str:
    if data == "drawn":
        return "Nobody is in both training and test."
    if not test["training_names"]:
        return "Training folders bear numbers: whether some of the test people are among them is not known."
    known = "{training_names:,} training folders bear names, of which {shared_names:,} are names of test people."
    return known.format(**test)


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
