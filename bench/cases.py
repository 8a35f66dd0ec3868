"""Which comparisons there are, with their sizes, and about how long each takes."""

import contextlib
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

from bench import machine
from bench.alternate import AT_MOST, alternate, compare_memory, compare_speed
from bench.side import Side
from bench.table import Shares

REFERENCE, RESIDUAL, WHOLE = "reference", "laptop", "gpu"  # profiles: of these networks, and of the whole size
PEERS = {  # our mining -> the peers' closest
    "semi-hard": ("TripletMarginMiner semihard",),
    "hard": ("BatchEasyHardMiner", "TripletMarginMiner hard"),
}
PARTS = {  # of a training step: what is run, and what of it belongs to the parts before
    "gather (sampler and pixels)": ("gathered", None),
    "augmentation": ("augmented", None),
    "forward": ("forward", None),
    "mining": ("mined", "forward"),
    "loss": ("lost", "mined"),
    "backward": ("differentiated", "lost"),
    "optimizer and figures": ("step", "differentiated"),
}
SHARES = (
    "Shares of a step are by difference: forward alone, with mining, with the loss, with the gradient, the whole step,"
    " each compiled by itself; a small negative one is noise. In training, gather and augmentation overlap with the"
    " rest."
)
FACES = "Gather takes drawn faces (JPEG, 112x112, quality 85) whose files and pixels lie in the page cache."
DIFFERENCES = (
    "Mining rows: our select_triplets and circle_loss with the gradient for the embeddings (d = 256), against"
    " pytorch-metric-learning's miner and its CircleLoss, which is per anchor over the mined pairs, not per triplet.",
    "TripletMarginMiner returns every triplet in question, ours for each anchor-positive pair the one with the most"
    " similar negative; BatchEasyHardMiner (all positives, hardest negative) selects what our hard mining does.",
    "A side that needs more than 60 s a call, or more memory than 12 GiB (or than three quarters of what the machine"
    " has), is shown as such. Peak memory is the highest resident set of a fresh process during its first call at that"
    " size, less the one just before it.",
)
PAIRS = "Pair by pair, {subset} of the {pairs:,} pairs were timed, so that this speed is scaled to all of them."


class Sizes(NamedTuple):
    """How large everything is."""

    drawn: tuple[int, int]  # identities, images of each
    reference: tuple[int, int]  # P, K
    residual: tuple[tuple[int, int], ...]
    gathered: int  # batches of 64
    augmented: tuple[int, int, int]  # P, K, batches
    mining: tuple[tuple[int, int], ...]
    pairs: tuple[int, int, int]  # pairs, images in them, pairs that are scored one by one
    circle: tuple[int, int]
    rounds: int


FULL = Sizes(
    (64, 10),
    (50, 5),
    ((16, 4), (64, 4)),
    20,
    (64, 8, 4),
    ((50, 5), (256, 4), (1024, 4)),
    (1200, 1540, 40),
    (256, 4),
    AT_MOST,
)
QUICK = Sizes((16, 5), (4, 3), ((4, 2), (8, 2)), 2, (8, 4, 2), ((8, 4), (16, 4), (32, 4)), (12, 15, 3), (16, 4), 3)


class Case(NamedTuple):
    """One comparison; `measure` takes (sizes, folder of drawn faces) to a list of Row, Shares and remarks."""

    what: str
    seconds: float  # on two cores, for the estimate of the time left
    measure: Callable


def measure_sides(sizes: Sizes, seconds_limit: float = 300, **sides):
    """Series by name, of sides given as (function to prepare, its arguments...); see `alternate.alternate`."""
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(Side(*side, seconds_limit=seconds_limit)) for name, side in sides.items()}
        return alternate(started, sizes.rounds)


def _reference_step(sizes, folder):
    batch = (folder, REFERENCE, *sizes.reference)
    series = measure_sides(sizes, ours=("bench.steps:facelib_step", *batch), plain=("bench.steps:plain_step", *batch))
    count = sizes.reference[0] * sizes.reference[1]
    goal = 1.6 if machine.has_bfloat16() else None
    what = f"step of the reference network, B = {count}"
    against = "plain compiled float32 Keras step"
    return [compare_speed("reference-step", what, against, "images/s", (count, count), *series.values(), goal)]


def _residual_step(which, sizes, folder):
    p, k = sizes.residual[which]
    batch = ("bench.steps:facelib_step", folder, RESIDUAL, p, k)
    sides = {"keras.layers.BatchNormalization": (*batch, "", True)}
    if machine.has_bfloat16():  # elsewhere ours is float32 itself
        sides["float32"] = (*batch, "bfloat16=False")
    series = measure_sides(sizes, ours=batch, **sides)
    what, counts = f"step of our network, B = {p * k}", (p * k, p * k)
    return [
        compare_speed("residual-step", what, f"the same with {name}", "images/s", counts, series["ours"], series[name])
        for name in sides
    ]


def _shares(which, sizes, folder):
    p, k = sizes.residual[which]
    with Side("bench.steps:parts", folder, RESIDUAL, p, k) as side:
        series = alternate({name: partial(side, name) for name, _ in PARTS.values()}, sizes.rounds)
    for name, one in series.items():
        if one.failure:
            return [f"No shares of a step of our network, B = {p * k}: {name} took {one.failure}."]
    seconds = {}
    for part, (whole, before) in PARTS.items():  # of each round the difference: other work lasts longer than a round
        less = series[before].seconds if before else [0.0] * len(series[whole].seconds)
        seconds[part] = median(a - b for a, b in zip(series[whole].seconds, less, strict=True))
    return [Shares(f"A step of our network, B = {p * k}", p * k, seconds), SHARES]


def _gather(sizes, folder):
    ours, theirs = ((f"bench.feeding:{name}", folder, sizes.gathered) for name in ("gather", "decode"))
    series, count = measure_sides(sizes, ours=ours, theirs=theirs), 64 * sizes.gathered
    what, against = "gather from the decoded cache", "tf.data, decode_jpeg in parallel"
    return [compare_speed("gather", what, against, "images/s", (count, count), *series.values()), FACES]


def _augmentation(sizes, folder):
    p, k, batches = sizes.augmented
    ours = ("bench.feeding:augment", folder, WHOLE, p, k, batches)
    series, count = measure_sides(sizes, ours=ours, theirs=(*ours, 1)), p * k * batches
    what = f"augmented batches of {p * k}, all {machine.cores()} cores"
    return [compare_speed("augmentation", what, "one core", "images/s", (count, count), *series.values()), FACES]


def _mining(method, sizes, folder):
    results, peaks = [], {}
    for p, k in sizes.mining:
        sides = {peer: ("bench.peers:mine_and_differentiate", p, k, peer) for peer in PEERS[method]}
        series = measure_sides(sizes, 60, ours=("bench.selecting:mine_and_differentiate", p, k, method), **sides)
        ours, what = series["ours"], f"{method} mining and loss, B = {p * k}"
        peaks[p * k] = ours.peak
        for peer in sides:
            results.append(compare_speed("mining", what, peer, "batches/s", (1, 1), ours, series[peer]))
            results.append(compare_memory("mining", f"{what}, peak", peer, ours, series[peer]))
    smaller, larger = list(peaks)[-2:]
    if peaks[smaller] and peaks[larger]:
        growth, times = peaks[larger] / peaks[smaller], larger // smaller
        results.append(
            f"Our peak in {method} mining grows {growth:.1f} times from B = {smaller} to {larger}"
            f" ({times**2} is B^2, {times**3} is B^3)."
        )
    return [*results, *DIFFERENCES]


def _evaluation(network, sizes, folder):
    pairs, images, subset = sizes.pairs
    ours = ("bench.verifying:in_batches", network, pairs, images)
    series = measure_sides(sizes, ours=ours, theirs=("bench.verifying:pair_by_pair", network, pairs, images, subset))
    what = f"scores of {pairs:,} pairs, {network}"
    row = compare_speed("evaluation", what, "pair by pair", "pairs/s", (pairs, subset), *series.values(), goal=20)
    return [row, PAIRS.format(subset=subset, pairs=pairs)]


def _keras_circle(sizes, folder):
    p, k = sizes.circle
    ours = {
        "mining and circle_loss": ("bench.selecting:mine", p, k, "hard"),
        "all_pairs_circle_loss": ("bench.selecting:all_pairs", p, k),
    }
    series = measure_sides(sizes, **ours, keras=("bench.selecting:keras_circle", p, k))
    size, peer = f"forward, B = {p * k}", "keras.losses.Circle"
    return [
        compare_speed("keras-circle", f"{name}, {size}", peer, "batches/s", (1, 1), series[name], series["keras"])
        for name in ours
    ]


ROWS = {
    "reference-step": [Case("reference network", 80, _reference_step)],
    "residual-step": [Case("residual network", 60, partial(_residual_step, which)) for which in (0, 1)],
    "shares": [Case("shares of a step", 40, partial(_shares, which)) for which in (0, 1)],
    "gather": [Case("gather", 15, _gather)],
    "augmentation": [Case("augmentation", 30, _augmentation)],
    "mining": [Case(f"{method} mining", 90, partial(_mining, method)) for method in PEERS],
    "evaluation": [
        Case(network, 60, partial(_evaluation, network)) for network in ("shallow_inception_resnet_v2", "residual")
    ],
    "keras-circle": [Case("Keras circle loss", 20, _keras_circle)],
}
