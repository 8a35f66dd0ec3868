"""The trained model as files that run elsewhere: for Keras, and for ONNX, with everything inside but the decoder.

Images go in as they are decoded, (N, 112, 112, 3) in [0, 255]. Out come ``embeddings`` (N, d), unit norm, those of
mirror images added where the configuration says so, and, where there is a cohort, ``rareness`` (N,), see
`score_normalization`. The score of two faces is then: s = (<x1, x2> + 1) / 2, and
(s + w r1 + w r2) / (1 + 2 w).
"""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from facelib.config import load_config
from facelib.data.drawn import draw_face, draw_identity
from facelib.data.drawn_face import MIDDLE
from facelib.data.images import SIZE
from facelib.files import check_writable, write_atomically
from facelib.learn.embedding import embed
from facelib.learn.layers import UnitNorm
from facelib.use.load import Trained, load_trained

FACES = 100  # drawn, to compare a file with the model in use
LAYERS = "facelib.data.face_alignment, facelib.learn.layers, facelib.small_sets.texture"
OPSET = 18  # of ONNX: the first whose ScatterElements adds
FORMULA = "s = (dot(embeddings[i], embeddings[j]) + 1) / 2"
RARE_FORMULA = "(s + w * (rareness[i] + rareness[j])) / (1 + 2 * w)"


class ExportError(ValueError):
    """A file that cannot be written here; the message says what is missing."""


def export_model(profile: str, folder: Path | None = None, onnx: bool = False):
    """Write ``model.keras``, ``model.json`` and, where asked for, ``model.onnx``; yields a line on each.

    Each model is read back from its file and compared with the one in use, on drawn faces; the line says how near.
    The model is rebuilt in float32, whatever precision it was trained in. To load ``model.keras``, import
    the modules in LAYERS first, whose layers it can hold; ``model.onnx`` needs nothing of this project.

    Raises:
        ExportError: what ONNX needs is not installed. UnwritableError: nothing can be written to `folder`.
        Others: see `load.load_trained`.
    """
    if onnx:
        import_converter()
    folder = Path(folder or load_config(profile, "drawn").reports / "export")
    check_writable(folder / "model.keras")
    trained = load_trained(profile, float32=True)
    folder.mkdir(parents=True, exist_ok=True)
    model = build_export(trained.model, trained.cohort, trained.config.flip_average)
    model.save(folder / "model.keras")
    faces, expected = _embed_drawn(load_trained(profile))
    found = keras.saving.load_model(folder / "model.keras")(faces, training=False)["embeddings"]
    text = f"keras.saving.load_model, after import {LAYERS}"
    yield _line(folder / "model.keras", f"{text}; {_nearness(found, expected)}")
    write_atomically(folder / "model.json", json.dumps(describe(trained), indent=2) + "\n")
    yield _line(folder / "model.json", "inputs, outputs, how to score, thresholds")
    if onnx:
        import onnxruntime

        write_atomically(folder / "model.onnx", convert(model))
        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        (found,) = session.run(["embeddings"], {"images": faces.astype(np.float32)})
        yield _line(folder / "model.onnx", f"ONNX, float32; {_nearness(found, expected)}")


def _embed_drawn(trained):
    # drawn faces (100, 112, 112, 3) uint8, and their embeddings by the model in use
    generator = np.random.default_rng(0)
    people = [draw_identity(generator) for _ in range(FACES // 5)]
    square = (MIDDLE.real - SIZE / 2, MIDDLE.imag - SIZE / 2, SIZE)
    faces = np.stack([draw_face(person, generator, SIZE, square) for person in people for _ in range(5)])
    return faces, embed(trained.model, faces, trained.config.flip_average)


def _nearness(found, expected):
    cosines = np.einsum("nd,nd->n", found, expected, dtype=np.float64)
    return f"cosine to the model in use at least {cosines.min():.6f} on {len(expected)} drawn faces"


def _line(path, text):
    return f"{path}: {path.stat().st_size / 1e6:.1f} MB; {text}"


def build_export(model: keras.Model, cohort, flip_average: bool) -> keras.Model:
    """`model` with mirror images and rareness inside, from images to a dict of what the head of this file names.

    Args:
        cohort: `score_normalization.Cohort`, or None.
    """
    inputs = keras.Input((SIZE, SIZE, 3), name="images")
    embeddings = model(inputs)
    if flip_average:
        both = ops.reshape(ops.stack([inputs, ops.flip(inputs, axis=2)], axis=1), (-1, SIZE, SIZE, 3))
        embeddings = ops.sum(ops.reshape(model(both), (-1, 2, model.output_shape[1])), axis=1)
    outputs = {"embeddings": UnitNorm(name="embeddings")(embeddings)}
    if cohort is None:
        return keras.Model(inputs, outputs, name="facelib")
    similarities = layers.Dense(len(cohort.embeddings), use_bias=False, dtype="float32", trainable=False, name="cohort")
    nearest, _ = ops.top_k(similarities(outputs["embeddings"]), min(cohort.neighbours, len(cohort.embeddings)))
    similarities.set_weights([cohort.embeddings.T])
    outputs["rareness"] = ops.clip((1 - ops.mean(nearest, axis=1)) / 2, 0.0, 1.0)
    return keras.Model(inputs, outputs, name="facelib")


def describe(trained: Trained) -> dict:
    """What somebody who has the files alone needs to know; JSON-able."""
    results, cohort = trained.results, trained.cohort
    return {
        "input": {"images": f"(N, {SIZE}, {SIZE}, 3) RGB in [0, 255]; uint8 or float32 in Keras, float32 in ONNX"},
        "output": {"embeddings": "(N, d), unit norm"} | ({"rareness": "(N,)"} if cohort else {}),
        "score": f"{FORMULA}; score = {RARE_FORMULA if cohort else 's'}",
        "w": cohort.weight if cohort else 0.0,
        "decision": "same person where score >= threshold",
        "threshold": results["validation_threshold"],
        "thresholds_by_false_accept_rate": results["thresholds"]["by_rate"],
        "faces": results["data"],
        "model": trained.fingerprint,
    }


def import_converter():
    """The package tf2onnx.

    Raises:
        ExportError: it is not installed.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise ExportError(f"ONNX needs a package that is not there ({error}): pip install -e '.[onnx]'") from None
    return tf2onnx


def convert(model: keras.Model) -> bytes:
    """`model`, in float32, as an ONNX file with the same input and output names."""
    tf2onnx = import_converter()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="images")]
    function = tf.function(lambda images: model(images, training=False), signature, autograph=False)
    handlers = {"UnsortedSegmentSum": (_convert_segment_sum, [])}
    converted, _ = tf2onnx.convert.from_function(function, signature, OPSET, custom_op_handlers=handlers)
    return converted.SerializeToString()


def _convert_segment_sum(graph, node, name, arguments):
    # tf2onnx compares every value with every segment, which needs much memory: here each is added to a row of zeros
    values, segments, count = node.input

    def add(operation, inputs, **attributes):
        return graph.make_node(operation, inputs, attr=attributes).output[0]

    def constant(value, dtype):
        return graph.make_const(f"{name}_{len(graph.get_nodes())}", np.array(value, dtype)).output[0]

    flat = constant([-1], np.int64)
    length = add("Reshape", [add("Cast", [count], to=7), flat])  # int64
    zeros = add("Expand", [constant(0, np.float64), length])
    (output,), dtypes, shapes = node.output, node.output_dtypes, node.output_shapes
    graph.remove_node(node.name)
    graph.make_node(
        "ScatterElements", [zeros, add("Reshape", [segments, flat]), add("Reshape", [values, flat])],
        {"axis": 0, "reduction": "add"}, outputs=[output], name=node.name, dtypes=dtypes, shapes=shapes,
    )  # fmt: skip
