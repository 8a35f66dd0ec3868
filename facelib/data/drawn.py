"""A data set of drawn faces, with the folders, file names and pairs file of the real data, where these are missing."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER, Config, ConfigError
from facelib.data import drawn_face
from facelib.files import unfinished
from facelib.progress import track
from facelib.results import run_lock

MARKER = "drawn.json"  # says what the folder was drawn for; it appears together with the whole folder
TRAINING, TEST, COUNTS, PAIRS = range(4)  # keep the random streams of the parts apart
FOLDS = 2
TEST_IMAGES = (1, 6)  # of one test person
SIDES, OFFSETS = (118, 136), (-4, 4)  # of a training image's square: its side, and its middle around the head's
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
README = """These faces are drawn by facelib/data/drawn.py. No photograph was used and none of the people exist.
The layout is that of the real data: {training}/<identity>/<number>.jpeg,
{test}/<name>/<name>_<number>.jpg and {pairs}. Delete this folder and it is drawn again.
"""

# fmt: off
# An identity is a value for each name, uniform between the two ends; above a threshold of `_presence` hair, say, is
# drawn at all.
IDENTITY = {
    "skin": (0.05, 0.85), "head_width": (39, 49), "head_height": (51, 60), "jaw": (1.7, 3.4), "ear_size": (6, 11),
    "hair": (0, 1), "hair_presence": (0, 1), "hair_top": (2, 13), "hair_side": (1, 9), "hair_length": (-45, 75),
    "curls": (-0.07, 0.07), "bun_presence": (0, 1), "hairline": (-44, -25), "parting": (-0.8, 0.8), "fringe": (-12, 24),
    "waves": (0, 4), "eye_spacing": (17, 23), "eye_level": (-9, 0), "eye_width": (7.5, 10.5), "eye_height": (3.2, 6.2),
    "eye_tilt": (-0.22, 0.22), "iris": (0, 1), "iris_size": (3, 4.4), "lashes": (0.8, 2.4), "brow_gap": (8, 14),
    "brow_width": (8, 12), "brow_thickness": (1.2, 4.6), "brow_tilt": (-0.3, 0.3), "brow_arch": (0, 4),
    "nose_length": (11, 20), "nose_width": (5, 10.5), "nose_tip": (3, 6), "mouth_level": (25, 33),
    "mouth_width": (11, 19), "upper_lip": (1, 4), "lower_lip": (1.5, 5.5), "lip_red": (0.15, 0.75), "cheeks": (0, 70),
    "beard_presence": (0, 1), "beard_width": (0.3, 1), "beard_length": (0, 9), "beard_opacity": (70, 250),
    "moustache": (-3, 5), "mole_presence": (0, 1), "mole_x": (-30, 30), "mole_y": (5, 38), "mole_size": (1.2, 2.4),
    "freckles": (-60, 25), "freckles_seed": (0, 2**32), "glasses_habit": (-0.3, 0.4),
}
# An image is one more value for each of these: the neutral value, then the two ends that it is uniform between.
NUISANCES = {
    "shift_x": (0, -5, 5), "shift_y": (0, -5, 5), "zoom": (1, 0.88, 1.12), "roll": (0, -0.22, 0.22),
    "yaw": (0, -0.36, 0.36), "pitch": (0, -0.18, 0.18), "smile": (0.2, -0.6, 1), "mouth_open": (0, 0, 1),
    "brow_raise": (0, -2.5, 4), "blink": (0, 0, 1), "gaze": (0, -2.5, 2.5), "tan": (0, -0.13, 0.13),
    "bleach": (0, -0.13, 0.13), "growth": (1, 0.5, 1.3), "comb": (0, -0.6, 0.6), "tied": (0, 0, 1),
    "glasses": (1, 0, 1), "hat": (0, 0, 1), "scene_seed": (861, 0, 2**32), "shadow": (0, -130, 130),
    "gain": (1, 0.5, 1.45), "slope": (0, 0, 0.8), "slope_angle": (0, 0, 2 * np.pi), "red": (1, 0.75, 1.25),
    "blue": (1, 0.75, 1.25), "grey": (0, 0, 1), "blur": (0, 0, 2), "noise": (0, 0, 16),
}
# fmt: on


def draw_identity(generator: np.random.Generator) -> SimpleNamespace:
    """The parameters of one person: a float for each name in IDENTITY."""
    low, high = np.transpose(list(IDENTITY.values()))
    return SimpleNamespace(**dict(zip(IDENTITY, generator.uniform(low, high).tolist(), strict=True)))


def draw_face(face, generator: np.random.Generator, size=drawn_face.FRAME, square=(0, 0, drawn_face.FRAME), vary=None):
    """One image of the person `face`: the `square` (left, top, side) of the frame, as (size, size, 3) uint8.

    Only the nuisances named in `vary` are drawn from `generator`, the others are neutral; None varies all of them.
    """
    neutral, low, high = np.transpose(list(NUISANCES.values()))
    varied = [vary is None or name in vary for name in NUISANCES]
    values = np.where(varied, generator.uniform(low, high), neutral).tolist()
    return drawn_face.paint_face(face, SimpleNamespace(**dict(zip(NUISANCES, values, strict=True))), size, square)


def draw_faces(config: Config) -> Path:
    """Draw the faces of `config` into ``config.faces``, unless they are there already, and return that folder.

    An image is a function of (seed, training or test, identity, image number) alone. A folder appears whole or not at
    all, and one that was drawn for another configuration, by other code, or that has changed since, is replaced.

    Raises:
        ConfigError: the configuration names a folder of real faces, or sizes that make no data set.
    """
    if not config.drawn:
        raise ConfigError(f"{config.faces} holds real faces, nothing is drawn there: use a configuration without data")
    counts = {split: _counts(config, split) for split in (TRAINING, TEST)}
    pairs = _pairs_text(config, counts[TEST])
    people = [(split, number) for split in counts for number in range(len(counts[split]))]
    images = [(*person, image) for person in people for image in range(1, counts[person[0]][person[1]] + 1)]
    if not _is_drawn(config, images):
        with run_lock(config):
            if not _is_drawn(config, images):  # by whom this one waited for
                _draw_all(config, images, pairs)
    return config.faces


def _draw_all(config, images, pairs):
    with unfinished(config.faces) as folder:
        for split, number, image in track(images, "drawing faces", "images"):
            _draw_image(folder, config.seed, split, number, image)
        (folder / PAIRS_FILE).write_text(pairs)
        (folder / "README.txt").write_text(README.format(training=TRAINING_FOLDER, test=TEST_FOLDER, pairs=PAIRS_FILE))
        (folder / MARKER).write_text(_marker(config, folder, images))


def _is_drawn(config, images):
    try:
        return (config.faces / MARKER).read_text() == _marker(config, config.faces, images)
    except (OSError, ValueError):  # something is missing, or damaged
        return False


def person_name(number: int) -> str:
    """The made-up ``First_Last`` of test person `number`, unlike that of any other below 12,960,000."""
    number = number * 1_234_577 % len(SYLLABLES) ** 4  # scattered; no factor in common with 60
    parts = [SYLLABLES[number // len(SYLLABLES) ** place % len(SYLLABLES)] for place in range(4)]
    return f"{parts[0]}{parts[1]}_{parts[2]}{parts[3]}".title()


def _draw_image(folder: Path, seed: int, split: int, number: int, image: int) -> None:
    face = draw_identity(np.random.default_rng((seed, split, number, 0)))  # 0: images count from 1
    generator = np.random.default_rng((seed, split, number, image))
    if split == TRAINING:
        side, x, y = generator.uniform(*np.transpose([SIDES, OFFSETS, OFFSETS])).tolist()
        corner = drawn_face.MIDDLE + complex(x, y) - complex(side, side) / 2
        pixels = draw_face(face, generator, 112, (corner.real, corner.imag, side))
    else:
        pixels = draw_face(face, generator)
    path = folder / _image_path(split, number, image)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=int(generator.integers(60, 96)))


def _image_path(split: int, number: int, image: int) -> str:
    if split == TRAINING:
        return f"{TRAINING_FOLDER}/{number}/{image:03d}.jpeg"
    return f"{TEST_FOLDER}/{person_name(number)}/{person_name(number)}_{image:04d}.jpg"


def _counts(config: Config, split: int) -> list[int]:
    """The number of images of each person: training people mostly many, test people evenly 1 to 6."""
    people = config.drawn_identities if split == TRAINING else config.drawn_test_identities
    if config.drawn_images < 2 or people < 2 * FOLDS:
        raise ConfigError(
            f"drawn_images={config.drawn_images} must be at least 2, drawn_identities={config.drawn_identities} and "
            f"drawn_test_identities={config.drawn_test_identities} at least {2 * FOLDS}"
        )
    generators = [np.random.default_rng((config.seed, COUNTS, split, number)) for number in range(people)]
    if split == TRAINING:  # the mean of beta(7/3, 1) is 0.7
        return [2 + round((config.drawn_images - 2) * generator.beta(7 / 3, 1)) for generator in generators]
    return [int(generator.integers(*TEST_IMAGES, endpoint=True)) for generator in generators]


def _pairs_text(config: Config, counts: list[int]) -> str:
    """LFW's pairs file: folds and pairs of a kind, then for each fold its matched and its mismatched pairs.

    The folds share no person.
    """
    share, rest = divmod(config.drawn_pairs, 2 * FOLDS)
    if rest or not share:
        raise ConfigError(f"drawn_pairs={config.drawn_pairs} must be a positive multiple of {2 * FOLDS}")
    generator = np.random.default_rng((config.seed, PAIRS))
    lines = [f"{FOLDS}\t{share}"]
    for fold in range(FOLDS):
        people = range(fold, len(counts), FOLDS)
        images = [(person_name(person), i) for person in people for i in range(1, counts[person] + 1)]
        first, second = np.triu_indices(len(images), 1)
        names = np.array([name for name, _ in images])
        same = names[first] == names[second]
        for kind in (same, ~same):
            if kind.sum() < share:
                raise ConfigError(
                    f"drawn_test_identities={config.drawn_test_identities} have too few images for "
                    f"drawn_pairs={config.drawn_pairs}: raise the one or lower the other"
                )
            chosen = generator.choice(np.flatnonzero(kind), share, replace=False)
            pairs = sorted(sorted((images[first[pair]], images[second[pair]])) for pair in chosen)
            for (a, i), (b, j) in pairs:
                lines.append(f"{a}\t{i}\t{j}" if a == b else f"{a}\t{i}\t{b}\t{j}")
    return "\n".join(lines) + "\n"


def _marker(config: Config, folder: Path, images) -> str:
    # what the folder was drawn for, by which code, and what its files hold
    code = b"".join(Path(source).read_bytes() for source in (__file__, drawn_face.__file__))
    settings = {key: getattr(config, key) for key in ("seed", *(k for k in vars(config) if k.startswith("drawn_")))}
    content = hashlib.sha256()
    for path in (PAIRS_FILE, *(_image_path(*image) for image in images)):
        content.update(hashlib.sha256((folder / path).read_bytes()).digest())
    sums = {"code": hashlib.sha256(code).hexdigest()[:16], "content": content.hexdigest()[:16]}
    return json.dumps({**settings, **sums}, indent=2) + "\n"
