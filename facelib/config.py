"""One frozen configuration for a run, and every path that the project uses."""

import ast
import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAINING_FOLDER, TEST_FOLDER, PAIRS_FILE = "casia-webface", "labeled-faces-in-the-wild", "lfw_test_pairs.txt"
RECORD_FILES = "train.rec", "train.idx", "property"  # training images as InsightFace gives them out, see `data.records`

CHOICES = {
    "network": ("residual", "shallow_inception_resnet_v2", "iresnet18", "iresnet34", "mobilefacenet"),
    "loss": ("circle", "triplet"),
    **dict.fromkeys(("mining", "later_mining"), ("semi-hard", "hard", "all", "mistaken")),
    "decay": ("cosine", "none"),
}
AT_LEAST_ONE = (
    "epochs", "steps_per_epoch", "identities_per_batch", "embedding_size", "comparison_steps", "identities_limit",
    "images_limit", "validation_images", "validation_pairs_limit", "texture_dimensions", "texture_components",
    "texture_images", "rareness_neighbours", "sizes_steps",
)  # fmt: skip

# settings that leave the weights of the network as they are, and what the names of others of the kind begin with
INDECISIVE = ("profile", "data", "exclude", "test_crop", "comparison_steps", "sizes_steps", "texture_", "rareness_")

# The named configurations: what each changes of the defaults in `Config`.
# fmt: off
REFERENCE = {  # network, batches, loss and optimizer of the reference system
    "identities_per_batch": 50, "images_per_identity": 5, "align": False, "repeat_images": False, "augmentation": 0.0,
    "warp_share": 1.0, "network": "shallow_inception_resnet_v2", "margin": 0.15, "gamma": 16.0,
    "later_mining_epoch": 50, "pairs_weight": 0.0, "learning_rate": 1e-4, "decay": "none", "warmup_steps": 0,
    "weight_decay": 0.0, "texture_share": 0.0, "flip_average": False, "rareness_weight": 0.0,
}
PROFILES = {
    # every part once, in a few minutes; its figures prove nothing
    "smoke": {
        "drawn_identities": 60, "drawn_images": 6, "drawn_test_identities": 30, "drawn_pairs": 120,
        "identities_per_batch": 12, "epochs": 2, "steps_per_epoch": 6, "warmup_steps": 2, "later_mining_epoch": 1,
        "comparison_steps": 4, "sizes_steps": 4,
    },
    # two cores, minutes: the defaults, which are others on drawn faces
    "laptop": {},
    # the same recipe for longer: many passes over the same images need stronger variations, and texture adds less
    "best": {
        "epochs": 60, "steps_per_epoch": 120, "augmentation": 1.7, "weight_decay": 0.1, "texture_share": 0.4,
    },
    # the reference system with its slips mended, and as it was; 24 minutes on two cores with AVX-512, 50 without
    "reference": {**REFERENCE, "epochs": 12, "steps_per_epoch": 53},
    "reference-as-it-was": {
        **REFERENCE, "epochs": 12, "steps_per_epoch": 53, "mining": "mistaken", "replayed_batches": 200,
        "bfloat16": False,
    },
    # the whole size on one GPU, and the profile to choose there: all of the mission's 8,000 identities and 211,958
    # images, which the limits below let in. Nobody has run it at that size: docs/running.md estimates time and memory
    "gpu": {
        "validation_share": 0.05,  # 400 people; 133 give all validation pairs, and the others are better learned from
        "identities_per_batch": 128,  # with K = 4 the 512 images of published runs (Deng et al. 2019, sec. 3.1)
        "augmentation": 0.5,  # 25 looks at an image; in proportion, `laptop` has 0.8 for 38, and `best` 1.7 for 77
        "network": "iresnet34",  # 99.42 % on LFW from all of CASIA, in Keras too (leondgarse/Keras_insightface)
        "embedding_size": 512,  # as in that run
        "xla": True,  # fuses what stands between the convolutions; taken for one GPU, nobody measured it here
        # The circle losses over pairs and over classes see about 8,000 others. Those at random places, with cosines
        # near 0, add exp(-gamma m^2) each: all of them count little where gamma is above log(8000) / m^2 = 144. So one
        # gamma serves both losses, that of the paper for classes of faces (Sun et al. 2020, sec. 4.1)
        "auxiliary_margin": 0.25, "auxiliary_gamma": 256.0,
        "classes_weight": 1.0,  # as pairs and triplets: divided by gamma, the losses have gradients of one size
        "memory_size": 8192,  # 16 batches, as many images as proxies; features drift slowly (Wang et al. 2020, 3.2)
        "epochs": 25, "steps_per_epoch": 393,  # an epoch is one look at 95 % of the images, 512 at a time
        # The strongest lever of the run in Keras: 98.97 % without weight decay, 99.42 with 1e-3 as L2. Under SGD with
        # rate 0.1 and momentum 0.9 that shrinks weights by 0.1 * 1e-3 / (1 - 0.9) = 1e-3 a step. AdamW shrinks them by
        # rate times decay: the same 1e-3, at a rate between its usual 1e-3 and the 4e-3 of smaller networks here
        "learning_rate": 2e-3, "weight_decay": 0.5,
        "warmup_steps": 393,  # an epoch, which that run needed too
        "comparison_steps": 393,  # an epoch for each of five choices, a fifth of the training
        "texture_share": 0.0, "rareness_weight": 0.0,  # they help networks that saw few people
    },
    # The reference system at full length: its network, which has no batch norm, its batches, loss and mining. Something
    # to compare with, not to choose: in the trials of notebook 08 that network reaches a ROC AUC of 0.53 to 0.61 in the
    # time in which the residual one reaches 0.93 to 0.97. Estimated, not measured:
    # an image costs 1.5e9 operations (0.25e9 multiply-adds, three times those of forward). In layers this narrow GPUs
    # reach 10 to 25 % of their peak in float32, 5 to 10 % in bfloat16: with peaks of 8e12 and 100e12 operations a
    # second, 500 to 1,300 and 3,000 to 7,000 images/s, for which two cores augment. 1.4e6 activations an image, in
    # batches of 250, and as much again for gradients and workspaces: 2 GB in bfloat16, 4 GB in float32
    "full": {
        **REFERENCE, "augmentation": 1.0, "decay": "cosine", "warmup_steps": 200, "weight_decay": 5e-2,
        "flip_average": True, "epochs": 200, "steps_per_epoch": 200, "comparison_steps": 200,
    },
}
# the defaults on drawn faces, which teach nothing in 3,120 steps that 240 do not show
DRAWN = {
    "epochs": 4, "steps_per_epoch": 60, "warmup_steps": 40, "comparison_steps": 15, "texture_copies": 1,
    "sizes_steps": 30,
}
# fmt: on


class ConfigError(ValueError):
    """A profile, a configuration key or a data folder that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes. Sizes are counts, crops are pixels, rates are per step."""

    profile: str
    data: str = ""  # folder with casia-webface/ or train.rec, and the LFW files; empty: drawn faces
    seed: int = 7

    # drawn faces, used where there is no data
    drawn_identities: int = 200
    drawn_images: int = 8  # per identity
    drawn_test_identities: int = 100
    drawn_pairs: int = 600

    # which faces take part
    identities_limit: int = 8000
    images_limit: int = 50  # per identity
    training_identities: int = 0  # train on so many of those that are not held out, drawn at random; 0: on all
    exclude: str = ""  # CSV file of training images that are left out, see `data.exclusion`; relative to the project
    align: bool = True  # each face onto the mean face, see `face_alignment`
    test_crop: tuple = ()  # left, top, side of the square in a test frame; (): see `data.test_crop`
    validation_share: float = 0.12  # of the identities, held out from training
    validation_images: int = 10  # per identity, in validation pairs
    validation_pairs_limit: int = 6000  # of each kind; as many as LFW has in all, of 133 identities with 10 images

    # batches
    identities_per_batch: int = 16  # P
    images_per_identity: int = 4  # K
    repeat_images: bool = True  # identities with 2 to K-1 images take part, their images drawn again
    replayed_batches: int = 0  # so many batches over and over, as the reference system had it; 0: always new ones
    augmentation: float = 0.8  # strength; 0 shows the images as they are
    warp_share: float = 0.4  # of that strength, for `augmentation.warp`: aligned faces differ little in place

    # network
    network: str = "residual"
    image_size: int = 112  # pixels a side to which the residual network reduces an image; fewer for a short training
    local_contrast: bool = True  # the residual network sees contrasts beside the pixels
    embedding_size: int = 256
    bfloat16: bool = True  # used where the processor has it, or every GPU, see `networks.has_bfloat16`
    xla: bool = False  # compile the network, where one GPU trains it
    synchronise_norm: bool = True  # batch norm of whole batches, where several devices share them; False: of each part

    # loss and mining
    loss: str = "circle"  # of the triplets; "triplet" for comparison, its margin then in squared distance
    margin: float = 0.4  # m
    gamma: float = 64.0
    mining: str = "semi-hard"  # "mistaken": as the reference system had it
    mining_margin: float = 0.1  # in scaled similarity
    later_mining: str = "hard"  # after later_mining_epoch
    later_mining_epoch: int = 10**6
    triplets_weight: float = 1.0  # of the loss above
    pairs_weight: float = 1.0  # of the circle loss over all pairs of a batch, on cosines
    memory_size: int = 1024  # images of earlier batches that take part in that loss, the last ones; 0: none
    classes_weight: float = 0.0  # of the circle loss against class proxies, on cosines
    auxiliary_margin: float = 0.25  # m of these two
    auxiliary_gamma: float = 64.0

    # training
    epochs: int = 12
    steps_per_epoch: int = 260
    learning_rate: float = 4e-3
    decay: str = "cosine"  # of the learning rate, after the warm-up
    warmup_steps: int = 100
    weight_decay: float = 5e-2
    chunk_size: int = 0  # images that a device embeds at once, where memory does not hold its part of a batch; 0: all
    comparison_steps: int = 80  # length of each short run in the comparison of choices

    # for small sets: texture features, projected by LDA and fused with the embedding of the network
    texture_share: float = 0.5  # of the similarity; 0: the network alone
    texture_dimensions: int = 1200  # principal components that people are told apart in
    texture_components: int = 40  # of the embedding
    texture_shrinkage: float = 0.075  # share of the mean variance that is added in every direction
    texture_copies: int = 3  # of each training image, shifted, zoomed and turned
    texture_images: int = 6000  # most images to fit to; they and their features are in memory at once
    # and score normalisation with a cohort, one image of each training identity
    rareness_weight: float = 0.75  # of each face in a score; 0: the similarity alone
    rareness_neighbours: int = 20  # so many of the cohort, the most similar ones, are looked at
    sizes_steps: int = 1500  # length of each training on fewer identities

    # use
    flip_average: bool = True  # the embedding of a face is the mean of its own and its mirror image's

    @property
    def drawn(self) -> bool:
        """Whether the faces are drawn, not photographed."""
        return not self.data

    @property
    def for_small_sets(self) -> bool:
        """Whether texture or score normalisation take part in a score, which notebook 09 fits."""
        return bool(self.texture_share or self.rareness_weight)

    @property
    def faces(self) -> Path:
        """The folder that holds the training images, the test images and the pairs file."""
        return Path(self.data) if self.data else self.interim / "drawn"

    @property
    def training(self) -> Path:
        """The folder of the training images: one that holds a folder for each identity, or ``train.rec``."""
        return self.faces if (self.faces / RECORD_FILES[0]).exists() else self.faces / TRAINING_FOLDER

    @property
    def interim(self) -> Path:
        """Where derived data lives: drawn faces, decoded caches, training runs."""
        return ROOT / "data" / "interim" / self.profile

    @property
    def reports(self) -> Path:
        """Where everything that is shown lives: executed notebooks, pages, figures, results."""
        return ROOT / "reports" / self.profile


def load_config(profile: str = "laptop", data: str = "", overrides: str = "") -> Config:
    """The configuration of `profile` on the faces in `data`, with `overrides` such as ``"epochs=2 gamma=32"``.

    An empty `data` means the project's own `data` folder where that holds training faces, else drawn faces;
    ``"drawn"`` asks for drawn faces. Blanks separate overrides, but for those in brackets and quotation marks.

    Raises:
        ConfigError: unknown profile or key, a value of another type, incomplete data, facelib apart from its project.
    """
    if ROOT == Path(__file__).resolve().parents[1] and not (ROOT / "notebooks").is_dir():
        raise ConfigError(f"facelib lies in {ROOT}, apart from its project: in the project's folder, pip install -e .")
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {profile!r}; choose one of {', '.join(PROFILES)}")
    data = _find_data(data)
    settings = ({} if data else DRAWN) | PROFILES[profile] | _parse(overrides)
    if settings.get("exclude"):
        settings["exclude"] = _find_exclusion(settings["exclude"])
    return _check(Config(profile, data, **settings))


def _find_data(data: str) -> str:
    if data == "drawn":
        return ""
    folder = (ROOT / Path(data or "data").expanduser()).resolve()
    kinds = [name for name in (TRAINING_FOLDER, RECORD_FILES[0]) if (folder / name).exists()]
    if not data and not kinds:
        return ""
    if not folder.is_dir():
        raise ConfigError(f"no data folder at {folder}; DATA names a folder that holds {TRAINING_FOLDER}/")
    if len(kinds) == 2:
        raise ConfigError(f"{folder} holds {' and '.join(kinds)}; train on one of them, and move the other elsewhere")
    inside = folder / TRAINING_FOLDER
    if (inside / RECORD_FILES[0]).exists() and any(path.is_dir() and path.name[0] != "." for path in inside.iterdir()):
        raise ConfigError(
            f"{inside} holds {RECORD_FILES[0]} and folders; train on one of them, and move the other elsewhere"
        )
    for name in (*(kinds or [TRAINING_FOLDER]), TEST_FOLDER, PAIRS_FILE):
        if not (folder / name).exists():
            raise ConfigError(f"{folder} holds no {name}; the layout is described in data/README.md")
    return str(folder)


def _find_exclusion(name: str) -> str:
    file = (ROOT / Path(name).expanduser()).resolve()
    if not file.is_file():
        raise ConfigError(f"exclude={name}: no file at {file}; name a list that `data audit` wrote, or one like it")
    return str(file)


def _parse(overrides: str) -> dict:
    types = {field.name: field.type for field in dataclasses.fields(Config)[2:]}  # without profile and data
    settings = {}
    for item in re.findall(r"""(?:[(\[][^)\]]*[)\]]|"[^"]*"|'[^']*'|\S)+""", overrides):
        key, equals, text = item.partition("=")
        if not equals or key not in types:
            fault = f"unknown configuration key {key!r}, or no value, in {item!r}"
            raise ConfigError(f"{fault}; write key=value with one of: {', '.join(types)}")
        try:
            quoted = text[:1] in ("'", '"') or types[key] is not str
            value = ast.literal_eval(text) if quoted else text
            value = float(value) if types[key] is float and type(value) is int else value
        except (ValueError, SyntaxError, OverflowError, MemoryError):
            value = None
        if type(value) is not types[key]:
            raise ConfigError(f"{key}={text!r} is no {types[key].__name__}")
        settings[key] = value
    return settings


def _check(config: Config) -> Config:
    def require(good: bool, name: str, what: str) -> None:
        if not good:
            raise ConfigError(f"{name}={getattr(config, name)!r} {what}")

    for name, choices in CHOICES.items():
        require(getattr(config, name) in choices, name, f"is unknown; choose one of {', '.join(choices)}")
    for name, value in dataclasses.asdict(config).items():
        most = {int: 2**32, float: float("inf")}.get(type(value))
        require(most is None or 0 <= value < most, name, f"must not be negative, and be below {most}")
        require(name not in AT_LEAST_ONE or value >= 1, name, "must be at least 1")
    for name in ("margin", "auxiliary_margin", "validation_share"):
        require(0 < getattr(config, name) < 1, name, "must lie between 0 and 1")
    require(config.texture_share < 1, "texture_share", "must be below 1")
    few = config.texture_components <= config.texture_dimensions
    require(few, "texture_components", f"must be at most texture_dimensions={config.texture_dimensions}")
    require(config.image_size in range(4, 113, 4), "image_size", "must be a multiple of 4, at most 112")
    for name in ("gamma", "auxiliary_gamma", "texture_shrinkage"):
        require(getattr(config, name) > 0, name, "must be positive")
    weights = config.triplets_weight + config.pairs_weight + config.classes_weight
    require(weights > 0, "triplets_weight", "must be positive where pairs_weight and classes_weight are 0")
    require(config.images_per_identity >= 2, "images_per_identity", "must be at least 2: a pair needs two images")
    square = len(crop := config.test_crop) == 3 and all(type(x) is int and x >= 0 for x in crop) and crop[2] > 0
    require(not crop or square, "test_crop", "must be (left, top, side) in pixels, or () to have it found")
    return config
