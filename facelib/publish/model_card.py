"""The model card of a run (Mitchell et al. 2019, "Model cards for model reporting"): every number from its results."""

import argparse
import json
from pathlib import Path

import jinja2

from facelib.files import write_atomically
from facelib.publish import PublishingError, run

NEEDED = ("01_eda", "04_model", "06_training", "07_lfw_test", "09_small_sets", "10_error_analysis")
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
        found = (json.loads((results / f"{name}.json").read_text()) for name in NEEDED)
        return _template().render(_describe(*found))
    except (OSError, KeyError, ValueError, jinja2.UndefinedError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else error
        raise PublishingError(f"{results}: no model card can be made of it ({problem}): `make all` again") from None


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, not HTML
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = format
    return environment.get_template("model_card.md.j2")


def _describe(eda, model, training, test, small, analysis) -> dict:
    config, thresholds = small["provenance"]["config"], small["thresholds"]  # of the scores that are in use
    areas, sure = ("validation_roc_auc", "validation_average_precision"), training["validation_accuracy_interval"]
    figures = [("validation pairs", name.removeprefix("validation_"), training[name], None) for name in areas]
    figures += [("validation pairs", "accuracy", training["validation_accuracy"], sure)]
    honest, everyone = test["summaries"]["configured"], analysis["all_pairs"]
    figures += [("test pairs", "accuracy", test["accuracy_at_validation_threshold"], honest["validation_accuracy"])]
    areas = ("roc_auc", "average_precision", "equal_error_rate")
    figures += [("test pairs", name, honest[name]["value"], honest[name]) for name in areas]
    tars = [(f"TAR at FAR {row['far']}", row["tar"]) for row in everyone["tar_at_far"]]
    figures += [("all pairs of test images", name, tar["value"], tar) for name, tar in tars]
    for part in small["parts"][1:]:  # the first is the network
        area, share = part["test"]["roc_auc"], part["test"]["validation_accuracy"]
        on = f"test pairs, {part['name']}"
        figures += [(on, "accuracy", share["value"], share), (on, "roc_auc", area["value"], area)]
    unused = () if config["network"] == "residual" else ("image_size", "local_contrast")
    unused += () if config["pairs_weight"] else ("memory_size",)
    return {
        **{key: training[key] for key in ("best_epoch", "training_identities", "training_images")},
        **{key: training[key] for key in ("validation_identities", "validation_images", "validation_pairs")},
        **{key: small[key] for key in ("texture", "texture_components", "cohort", "cohort_images")},
        **{key: training["provenance"][key] for key in ("commit", "versions", "python", "seed", "data_digest")},
        **{key: config[key] for key in ("profile", "network", "epochs", "embedding_size", "texture_share")},
        "alignment": training["alignment"],
        "scores": small["parts"][-1]["name"],
        **{key: eda[key] for key in ("test_frame", "test_crop", "warnings")},
        **{key: test[key] for key in ("training_names", "shared_names")},
        "drawn": training["data"] == "drawn",
        "parameters": model["networks"][config["network"]]["parameters"],
        "files": [*filter(None, (training["checkpoint"], training["alignment"], small["texture"], small["cohort"]))],
        "test_people": test["people"],
        "test_images": test["images"],
        "test_pairs": test["pairs"],
        "test_digest": test["provenance"]["data_digest"],
        "unreadable_training": eda["unreadable"],
        "unreadable_test": test["unreadable"],
        "recipe": [(name, config[name]) for name in RECIPE if name not in unused],
        "fitted": not config["test_crop"] and eda["test_frame"] != [112, 112],  # which is taken whole
        "figures": [(on, name.replace("_", " "), value, interval) for on, name, value, interval in figures],
        "folds": honest["cross_validation"],
        "all_images": everyone["images"],
        "all_mismatched": everyone["mismatched"],
        "calibration_error": analysis["expected_calibration_error"],
        **training["calibration"],
        "mismatched": thresholds["mismatched_pairs"],
        "smallest_far": thresholds["smallest_far"],
        "thresholds": [thresholds["accuracy"], *thresholds["by_rate"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the run, with results/; model_card.md is written into it")
    folder = parser.parse_args().folder
    write_atomically(folder / "model_card.md", build_card(folder / "results"))
    print(f"{folder / 'model_card.md'}")


if __name__ == "__main__":
    run(main)
