"""The recipe of a training, as notebook 06 shows it."""

from facelib.config import Config
from facelib.learn.build import count_warmup


def recipe_in_words(config: Config) -> list[tuple[str, str]]:
    """What a network is trained with, as rows of a table: batches, losses, triplets, optimizer, augmentation."""
    batch = f"P x K = {config.identities_per_batch} x {config.images_per_identity} images"
    triplets = f"{config.mining}, margin {config.mining_margin:g}"
    if config.later_mining_epoch < config.epochs and config.later_mining != config.mining:
        triplets += f"; after epoch {config.later_mining_epoch} {config.later_mining}"
    replayed = f", batches replayed after {config.replayed_batches:,}" if config.replayed_batches else ""
    gamma = f", gamma = {config.gamma:g}" if config.loss == "circle" else ""
    rows = [
        ("recipe", "value"),
        ("network", f"{config.network}, embeddings of {config.embedding_size} numbers"),
        ("batch", batch),
        ("fewer than K images", "repeated, each augmented afresh" if config.repeat_images else "left out"),
        ("steps", f"{config.epochs:,} epochs of {config.steps_per_epoch:,}{replayed}"),
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
        rate += f" after {count_warmup(config):,} steps of warm-up, then cosine decay"
    augmentation = (
        f"strength {config.augmentation:g}, warps {config.warp_share:g} of it" if config.augmentation else "none"
    )
    return [
        *rows,
        ("optimizer", f"AdamW, {rate}; weight decay {config.weight_decay:g}"),
        ("augmentation", augmentation),
    ]
