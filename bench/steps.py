"""Training steps: facelib's as its profiles have it, the plain one in Keras, and facelib's in nested parts.

The learning rate is 0 throughout, so that every repetition does the same work.
"""

import itertools
from types import SimpleNamespace

import keras
import tensorflow as tf

from bench.faces import build_sampler, read_faces
from facelib.config import load_config
from facelib.data.augmentation import augment
from facelib.data.dataset import build_batches
from facelib.learn.build import build_learner
from facelib.learn.layers import FusedBatchNormalization
from facelib.learn.losses import circle_loss
from facelib.learn.mining import select_triplets
from facelib.learn.networks import build_model, input_size
from facelib.learn.training import train_step


def facelib_step(folder, profile, identities, images, overrides="", keras_normalisation=False):
    """facelib's compiled step on one batch of P = `identities` times K = `images`; the function runs it once."""
    learner, batch = _learner_and_batch(folder, profile, identities, images, overrides)
    if keras_normalisation:
        learner = learner._replace(model=keras.models.clone_model(learner.model, clone_function=_normalised_by_keras))
    step = _compiled_step(learner)
    return lambda: float(step(*batch)["loss"])


def plain_step(folder, profile, identities, images):
    """The same network, mining and loss in a plain compiled float32 loop with Adam; the function runs one step."""
    config = load_config(profile, "drawn", "bfloat16=False")
    model = build_model(config)
    optimizer = keras.optimizers.Adam(0.0)

    @tf.function
    def step(labels, pixels):
        with tf.GradientTape() as tape:
            embeddings = model(pixels, training=True)
            triplets = select_triplets(labels, embeddings, config.mining, config.mining_margin)
            anchors, positives, negatives = (tf.gather(embeddings, triplets[:, i]) for i in range(3))
            loss = circle_loss(anchors, positives, negatives, config.margin, config.gamma)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    labels, pixels, _ = _draw(folder, identities, images, config)
    return lambda: float(step(labels, pixels))


def parts(folder, profile, identities, images):
    """Function from a part's name to running it once: what comes before training, and nested pieces of the step."""
    learner, batch = _learner_and_batch(folder, profile, identities, images, "")
    config = load_config(profile, "drawn")
    select, step, (table, pixels) = learner.select(1), _compiled_step(learner), read_faces(folder)
    sampler, number = build_sampler(table, identities, images), itertools.count()
    drawn = pixels[sampler.batch(0)]

    def forward(labels, pixels, sources):
        return learner.model(pixels, training=True)

    def mined(labels, pixels, sources):
        embeddings = forward(labels, pixels, sources)
        return embeddings, select(labels, embeddings, sources)

    def lost(labels, pixels, sources):
        embeddings, triplets = mined(labels, pixels, sources)
        loss = learner.loss(*(tf.gather(embeddings, triplets[:, i]) for i in range(3)))
        return loss + (learner.auxiliary_loss(labels, embeddings, sources) if learner.auxiliary_loss else 0.0)

    def differentiated(*batch):
        with tf.GradientTape() as tape:
            loss = lost(*batch)
        return tf.linalg.global_norm(tape.gradient(loss, learner.variables))

    compiled = {function.__name__: tf.function(function) for function in (forward, mined, lost, differentiated)}
    run = {name: lambda function=function: function(*batch) for name, function in compiled.items()}
    run["step"] = lambda: step(*batch)
    run["gathered"] = lambda: pixels[sampler.batch(next(number))]
    run["augmented"] = lambda: augment(drawn, 7, next(number), *_variations(config))
    return lambda part: run[part]()


def _learner_and_batch(folder, profile, identities, images, overrides):
    sizes = f"identities_per_batch={identities} images_per_identity={images} learning_rate=0"
    config = load_config(profile, "drawn", f"{sizes} {overrides}")
    batch = _draw(folder, identities, images, config)
    return build_learner(config, SimpleNamespace(training_labels=batch[0].numpy())), batch


def _draw(folder, identities, images, config):
    # the first batch as training shows it: labels, images, and the rows that they come from
    table, pixels = read_faces(folder)
    sampler, variations = build_sampler(table, identities, images), _variations(config)
    return next(iter(build_batches(pixels, table.labels, sampler, 0, *variations)))


def _variations(config):
    return config.augmentation, config.warp_share, input_size(config)


def _compiled_step(learner):
    learner.optimizer.build(learner.variables)
    select = learner.select(1)
    return tf.function(lambda *batch: train_step(learner, select, *batch))


def _normalised_by_keras(layer):
    if not isinstance(layer, FusedBatchNormalization):
        return layer.__class__.from_config(layer.get_config())
    options = {"momentum": layer.momentum, "epsilon": layer.epsilon, "name": layer.name, "dtype": layer.dtype_policy}
    return keras.layers.BatchNormalization(**options)
