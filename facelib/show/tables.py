"""Tables and lists of notebooks."""

from IPython.display import Markdown

from facelib.config import Config
from facelib.folders import printable


def show_table(*rows) -> Markdown:
    """Rows of cells, each a text, as a table; the first is the heading."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return Markdown("\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]))


def print_names(rows, between: str = ", ", most: int = 20) -> None:
    """Print rows of names from outside, such as paths, a line for each; of more than `most`, how many are left out."""
    for row in rows[:most]:
        print(f"  {between.join(map(printable, row))}")
    if len(rows) > most:
        print(f"  and {len(rows) - most:,} more")


def recipe_in_words(config: Config) -> list[tuple[str, str]]:
    """What a network is trained with, as rows of a table: batches, losses, triplets, optimizer, augmentation."""
    batch = f"P x K = {config.identities_per_batch} x {config.images_per_identity} images"
    triplets = f"{config.mining}, margin {config.mining_margin:g}"
    if config.later_mining_epoch < config.epochs and config.later_mining != config.mining:
        triplets += f"; after epoch {config.later_mining_epoch} {config.later_mining}"
    gamma = f", gamma = {config.gamma:g}" if config.loss == "circle" else ""
    rows = [
        ("recipe", "value"),
        ("network", f"{config.network}, embeddings of {config.embedding_size} numbers"),
        ("batch", batch),
        ("steps", f"{config.epochs:,} epochs of {config.steps_per_epoch:,}"),
        ("triplets", triplets),
        ("loss of the triplets", f"{config.loss}, m = {config.margin:g}{gamma}; weight {config.triplets_weight:g}"),
    ]
    auxiliary = f"circle on cosines, m = {config.auxiliary_margin:g}, gamma = {config.auxiliary_gamma:g}; weight"
    if config.pairs_weight:
        memory = f"; memory of {config.memory_size:,} images" if config.memory_size else ""
        rows.append(("loss of all pairs", f"{auxiliary} {config.pairs_weight:g}{memory}"))
    if config.classes_weight:
        rows.append(("loss of class proxies", f"{auxiliary} {config.classes_weight:g}"))
    rate = f"learning rate {config.learning_rate:g}"
    if config.decay == "cosine":
        warmup = min(config.warmup_steps, config.epochs * config.steps_per_epoch // 2)  # as `build.build_optimizer`
        rate += f" after {warmup:,} steps of warm-up, then cosine decay"
    augmentation = (
        f"strength {config.augmentation:g}, warps {config.warp_share:g} of it" if config.augmentation else "none"
    )
    return [
        *rows,
        ("optimizer", f"AdamW, {rate}; weight decay {config.weight_decay:g}"),
        ("augmentation", augmentation),
    ]


EPOCH_HEADING = "epoch  steps    loss    s_p    s_n  active  rate      ROC AUC  accuracy"


def epoch_line(record: dict) -> str:
    """The record of an epoch of training, see `training.train`, under EPOCH_HEADING; an alarm comes below."""
    line = (
        "{epoch:5d} {steps:6d}  {loss:.4f}  {s_p:.3f}  {s_n:.3f}  {active_share:6.1%}  {learning_rate:.2e}  "
        "{validation_roc_auc:.4f}   {validation_accuracy:.4f}"
    ).format(**record)
    return f"{line}\n       {record['alarm']}" if record["alarm"] else line
