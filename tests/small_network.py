"""A network of the U-Net's form that trains in no time, and the photos it trains on."""

from typing import Any

import keras
import numpy as np

from tf_muscle.model.keras_metrics import SegmentationScores
from tf_muscle.model.losses import SegmentationLoss
from tf_muscle.model.optimizers import optimizer
from tf_muscle.model.unet import CORE
from tf_muscle.options import OptimizationConfig

CLASS_NAMES = ["background", "biceps", "calf"]
STEPS = 3  # steps an epoch
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4 * STEPS, 8, 8, 3), np.uint8)
MASKS = RNG.integers(0, 3, (4 * STEPS, 8, 8)).astype(np.uint8)


def network(**options: Any) -> keras.Model:
    """A network of the U-Net's form: uint8 photos, an inner model called CORE, logits."""
    keras.utils.set_random_seed(0)
    features = keras.Input((None, None, 3))
    core = keras.Model(features, keras.layers.Conv2D(3, 1, name="logits")(features), name=CORE)
    images = keras.Input((8, 8, 3), dtype="uint8")
    model = keras.Model(images, core(keras.layers.Rescaling(1 / 255)(images)))
    config = OptimizationConfig(**{"learning_rate": 0.01, "step_epochs": 1} | options)
    model.compile(
        optimizer(config, STEPS),
        SegmentationLoss(),
        metrics=[SegmentationScores(CLASS_NAMES)],
        run_eagerly=True,  # a graph takes longer to build than these few steps
    )
    return model


def fit(
    model: keras.Model, epochs: int, *callbacks: keras.callbacks.Callback, epochs_done: int = 0
) -> keras.callbacks.History:
    return model.fit(
        IMAGES,
        MASKS,
        batch_size=4,
        epochs=epochs,
        initial_epoch=epochs_done,
        shuffle=False,
        validation_data=(IMAGES[:4], MASKS[:4]),
        callbacks=list(callbacks),
        verbose=0,
    )
