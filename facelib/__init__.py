"""facelib: face verification with the circle loss, shown in ten notebooks; `verify` uses what they trained."""

import os
import sys

# TensorFlow reads these when it is imported: no start-up chatter; its faster kernels, which it takes by itself only on
# newer processors
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# on a GPU: take memory as it is needed, so that several processes can share one; float32 with all of its digits, not as
# TensorFloat-32, which would round what is aligned, projected and compared to 10 bits
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
# sums are cut by the number of threads: with as many everywhere, the same bytes come out on any number of cores
_threads = os.environ["FACELIB_THREADS"] = os.environ.get("FACELIB_THREADS") or "2"
if not (_threads.isascii() and _threads.isdecimal() and 1 <= int(_threads) <= 1024):
    raise ImportError(f"FACELIB_THREADS={_threads!r} is no number of threads: write one from 1 to 1024")
for _name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, _threads)
# Keras reads this when it is imported, rather than a user's keras.json: the layers here compute with TensorFlow
os.environ["KERAS_BACKEND"] = "tensorflow"
if "keras" in sys.modules and sys.modules["keras"].config.backend() != "tensorflow":
    raise ImportError(
        f"Keras was imported before facelib, with the backend {sys.modules['keras'].config.backend()}; facelib needs "
        "tensorflow: import facelib first, or set KERAS_BACKEND=tensorflow"
    )


def verify(image_a, image_b, far: float | None = None, profile: str = "laptop", crop=None, face="largest"):
    """Whether two images show the same person, by the model that `make all` trained for `profile`.

    Args:
        image_a, image_b: paths of photographs, or pixels (112, 112, 3) uint8 of faces.
        far: take the threshold for this false accept rate, not that with the best accuracy.
        crop: where the face is; None: it is found. face: which of several, "largest", "left", or its number from the
            left; a tuple: one for each image. See `look.Looker.look`.

    Returns:
        `verify.Verdict`: same, score, threshold, and what they stand on.

    Raises:
        UnreadableImageError, CropError: an image cannot be used. UnsupportedRateError: there is no threshold for `far`.
        MissingResultError, CheckpointError: nothing was trained for `profile`, or its files are damaged.
        ConfigError: there is no such profile.
    """
    return _load_verifier(profile).verify(image_a, image_b, far, crop, face)


def embed(images, profile: str = "laptop", crop=None, face="largest"):
    """Embeddings (n, d) float32, unit norm, of `images`, a sequence of n; other arguments and errors as in `verify`.

    Raises:
        ValueError: `images` is one path, or empty.
    """
    import numpy as np

    if isinstance(images, str | os.PathLike) or not len(images):
        raise ValueError(f"expected a sequence of at least one image, such as [path]; found {images!r}")

    verifier = _load_verifier(profile)
    return verifier.embed(np.stack([seen.pixels for seen in verifier.look_at(images, crop, face)]))


def find_faces(image):
    """The faces in a photograph, from left to right, as a list of `detector.Face`: box, landmarks, confidence.

    Args:
        image: a path; or pixels (height, width, 3) uint8 RGB.

    Raises:
        UnreadableImageError: the file cannot be read. DetectorMissingError: mtcnn is not installed.
    """
    from facelib.startup import load_tensorflow

    load_tensorflow()
    from facelib.gather.detector import find_faces

    return find_faces(image)


def _load_verifier(profile):
    from facelib.startup import load_tensorflow

    load_tensorflow()  # which takes seconds
    from facelib.use.verify import load_verifier

    return load_verifier(profile)
