"""What several test files need: small folders of images, a project of its own, each big network built once."""

import os

# Read when NumPy and TensorFlow are loaded, here and in every process that a test starts: one thread each (but for the
# kernels of notebooks, which take nothing of that from the environment), so that a result does not depend on how many
# cores there are or on how many tests run at a time; no GPU, because tolerances and bit-for-bit claims are about
# processors.
os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}

import dataclasses
import gc
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from facelib import config as config_module
from facelib import provenance
from facelib.config import PAIRS_FILE, TEST_FOLDER, TRAINING_FOLDER
from facelib.locks import hold

# photographs for tests that need some; the others pass without them
REAL_FACES = Path(os.environ.get("FACELIB_TEST_DATA", config_module.ROOT.parent / "shared" / "data" / "faces"))
CROP = (60, 66, 130)  # of the test frames, where a test says nothing else

settings.register_profile("facelib", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("facelib")


def unit(vectors):
    """Rows of unit norm, float32."""
    vectors = np.asarray(vectors, np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def on_circle(degrees):
    """Embeddings (n, 2) float32 at the given angles: similarities can be read off."""
    angles = np.deg2rad(np.asarray(degrees, np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def write_image(path, seed=0, size=(112, 112), **options):
    """Write a noisy picture whose colours depend on `seed` and return its pixels before compression."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return np.asarray(image)


def write_notebook(path, *sources, parameters='profile = "laptop"\ndata = ""\noverrides = ""'):
    """A notebook of a `parameters` cell and `sources`: markdown where they start with #, else code."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="p")]
    for i, source in enumerate(sources):
        make = new_markdown_cell if source.startswith("#") else new_code_cell
        cells.append(make(source, id=f"c{i}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


def outputs(path):
    """All text that the code cells of the notebook at `path` show."""
    import nbformat

    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for c in cells for output in c.outputs]
    return "\n".join(texts)


@pytest.fixture
def set_tmpdir(monkeypatch):
    """Function that makes a folder the one for temporary files."""

    def choose(folder):
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)
        return folder

    return choose


# of the files, in order; the others follow
LONGEST = ("test_pipeline", "test_trial", "test_export", "test_queue", "test_fusion", "test_kernel", "test_build")


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that the others share the rest of the cores meanwhile."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_collection_finish():
    """Take what was imported, a million objects, out of what is searched for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def write_faces():
    """Function that writes ``folder/<name>/<number>.jpeg`` for a dict of name -> number of images."""

    def write(folder, counts):
        for person, (name, count) in enumerate(counts.items()):
            for number in range(count):
                write_image(folder / name / f"{number:03d}.jpeg", seed=(person, number), quality=90)
        return folder

    return write


@pytest.fixture
def check_named_by_code(tmp_path, monkeypatch):
    """Function that checks that what it is given to call changes with each of some modules, and not with others."""

    def check(name, decisive, others):
        package = shutil.copytree(Path(provenance.__file__).parent, tmp_path / "facelib")
        before = name()
        monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
        assert name() == before
        for module in others:
            assert (package / f"{module}.py").stat().st_size
            (package / f"{module}.py").write_text("")
        assert name() == before
        for module in decisive:
            with open(package / f"{module}.py", "a") as file:
                file.write("\nANOTHER_LINE = True\n")
            assert name() != before, module
            before = name()

    return check


def tiny_network(name, embedding_size, bfloat16, seed, image_size=48, local_contrast=True):
    """A network that trains in no time, in the place of `networks.build_network`."""
    import keras
    from keras import layers

    from facelib.learn.layers import FusedBatchNormalization, LocalContrastNormalization, UnitNorm

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1)(layers.Resizing(7, 7)(inputs))
    if local_contrast:
        x = layers.Concatenate()([x, FusedBatchNormalization()(LocalContrastNormalization(3)(x))])
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    return keras.Model(inputs, UnitNorm()(layers.Dense(embedding_size)(x)))


@pytest.fixture
def small_training(write_faces, data_folder, monkeypatch):
    """`data_folder` with 12 people of 3 to 5 images each to train on, `tiny_network` to train, few texture features."""
    from facelib.learn import networks
    from facelib.small_sets import texture

    monkeypatch.setattr(networks, "build_network", tiny_network)
    for blocks in ("PATTERNS", "COSINES", "GRADIENTS", "COLOURS"):  # one of each kind is traced in a fourth of the time
        monkeypatch.setattr(texture, blocks, getattr(texture, blocks)[:1])
    write_faces(data_folder / TRAINING_FOLDER, {str(name): 3 + name % 3 for name in range(12)})
    return data_folder


@pytest.fixture
def configure(request, project, small_training):
    """Function from overrides to a configuration of `small_training` with the SETTINGS of the test file."""
    from facelib.config import load_config

    settings = f"align=False {request.module.SETTINGS}"
    return lambda overrides="": load_config("smoke", str(small_training), f"{settings} {overrides}")


@pytest.fixture
def config(configure):
    """The configuration without overrides."""
    return configure()


@pytest.fixture
def split(config):
    """The faces of `config` by use: of 12 people, 9 to train on."""
    from facelib.learn import build

    return build.load_split(config)


def write_training(config):
    """Leave what notebooks 06 and 09 leave, of a network that was not trained, and what use needs of notebook 01."""
    from facelib.checkpoint import save_checkpoint
    from facelib.data import crop_check
    from facelib.learn import build, networks
    from facelib.learn.embedding import build_embedder, pair_scores
    from facelib.measure import metrics
    from facelib.measure.all_vs_all import build_score
    from facelib.measure.operating_points import choose_thresholds
    from facelib.results import write_results
    from facelib.small_sets import fusion
    from facelib.small_sets.score_normalization import save_cohort

    split = build.load_split(config)
    network = networks.build_model(config)
    save_checkpoint(config.interim / "runs" / "best.npz", {"model": network.variables}, {"epoch": 1})
    held = np.flatnonzero(split.held_out)
    people = split.faces.table.labels[held]

    def place(file):
        return file.relative_to(config.interim).as_posix()

    def choose(embedder, pair_scores, build_score):
        scores = build.score_with(split, embedder, pair_scores)()
        threshold, accuracy = metrics.best_threshold(scores, split.matched)
        score = build_score(embedder(split.faces.pixels, held))
        figures = {"validation_pairs": len(scores), "validation_accuracy": accuracy, "validation_threshold": threshold}
        return {"checkpoint": "runs/best.npz", **figures, "thresholds": choose_thresholds(score, people, threshold)}

    embedder = build_embedder(network, config.flip_average)
    figures = choose(embedder, pair_scores, build_score) | {"calibration": {"slope": 9.0, "intercept": -5.0}}
    figures["alignment"] = place(build.alignment_file(config, split.faces.digest)) if config.align else None
    # of texture and cohort, what notebook 09 was run with counts
    earlier = dataclasses.replace(config, texture_share=0.5, rareness_weight=0.75)
    write_results(earlier, "06_training", figures, split.faces.digest)
    fused = fusion.fuse(config, split, network)
    figures = choose(fused.embed, fused.pair_scores, fused.build_score)
    figures["texture"] = place(fusion.texture_file(config, split.faces.digest))
    figures["texture_components"] = fused.texture.output_shape[1]
    figures["cohort"] = place(save_cohort(fused.cohort, config.interim / "cohorts"))
    write_results(config, "09_small_sets", figures, split.faces.digest)
    crop_check.write_mean_face(config, crop_check.measure_faces(split.decoded))
    write_results(config, "01_eda", {"test_frame": [250, 250], "test_crop": CROP}, split.faces.digest)


def write_trained_root(folder):
    """Faces of 36 people in `folder`, 9 of whom are held out, and what 06 and 09 leave for the profile smoke."""
    from facelib.config import load_config
    from facelib.learn import networks

    for person in range(36):
        for number in range(3):
            path = folder / "faces" / TRAINING_FOLDER / str(person) / f"{number}.png"
            image = Image.fromarray(write_image(path, (person, number % 2)))
            image.putpixel((0, 0), (number, number, number))  # 0 and 2 are alike, and no duplicates
            image.save(path)
    (folder / "faces" / TEST_FOLDER).mkdir()
    (folder / "faces" / PAIRS_FILE).write_text("1\t0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_module, "ROOT", folder)
        patch.setattr(networks, "build_network", tiny_network)
        settings = "validation_share=0.25 embedding_size=6 texture_copies=1 texture_components=5 rareness_neighbours=3"
        settings += " texture_share=0.4 rareness_weight=0.6"
        write_training(load_config("smoke", str(folder / "faces"), settings))


def make_once(tmp_path_factory, name, make):
    """A folder that `make` fills: all processes that run tests share it, and the first that needs it makes it."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    with hold(place / f"{name}.lock", "tests"):
        if not (place / f"{name}.made").exists():
            shutil.rmtree(place / name, ignore_errors=True)  # of a process in which it failed
            make(place / name)
            (place / f"{name}.made").touch()
    return place / name


@pytest.fixture(scope="session")
def trained_root(tmp_path_factory):
    """A project root with what notebooks 06 and 09 leave for the profile smoke: see `write_trained_root`.

    Tests leave it as it is, or copy it.
    """
    return make_once(tmp_path_factory, "trained", write_trained_root)


@pytest.fixture
def trained_project(trained_root, monkeypatch):
    """`trained_root` as the project, the tiny network in the place of the big ones; its faces have no landmarks.

    What `load_verifier` keeps is of `trained_root` in every test, and stays.
    """
    from facelib.gather.landmarks import LandmarksError
    from facelib.learn import networks
    from facelib.use import look

    def keep_landmarks(*_):
        raise LandmarksError("there are no landmarks in noise")

    monkeypatch.setattr(look, "keep_landmarks", keep_landmarks)
    monkeypatch.setattr(config_module, "ROOT", trained_root)
    monkeypatch.setattr(networks, "build_network", tiny_network)
    return trained_root


@pytest.fixture
def faces(trained_project):
    """The folder of the faces that `trained_project` was trained on."""
    return trained_project / "faces" / "casia-webface"


@pytest.fixture
def verifier(trained_project):
    """The model of `trained_project` at work."""
    from facelib.use.verify import load_verifier

    return load_verifier("smoke")


@pytest.fixture
def tiny_plan(monkeypatch):
    """The study of `tiny_study` in the place of the declared one."""
    import tiny_study

    for patch in tiny_study.PATCHES:
        monkeypatch.setattr(*patch)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project root in a temporary folder: what is derived and reported goes there."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setattr(config_module, "ROOT", root)
    return root


@pytest.fixture
def data_folder(tmp_path):
    """An empty data folder with everything that `load_config` asks for."""
    folder = tmp_path / "faces"
    (folder / TRAINING_FOLDER).mkdir(parents=True)
    (folder / TEST_FOLDER).mkdir()
    (folder / PAIRS_FILE).write_text("1\t0\n")
    return folder


@pytest.fixture(scope="session")
def shallow_network():
    """The reference network at d = 128. Tests leave its weights as they are."""
    from facelib.learn.networks import build_network

    return build_network("shallow_inception_resnet_v2", 128, seed=3)


@pytest.fixture(scope="session")
def residual_network():
    """The residual network at d = 256. Tests leave its weights as they are."""
    from facelib.learn.networks import build_network

    return build_network("residual", 256, seed=3)
