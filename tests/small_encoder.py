"""A network whose encoder has few weights, and how weights of the library are written."""

from pathlib import Path

import h5py
import keras
import numpy as np
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tf_muscle.model.unet import CORE

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def small_core(seed: int, filters: int = 4) -> keras.Model:
    """A network with the two layers that the loader looks for, and 1,000 times smaller files."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(scale=False, epsilon=2e-5, name="bn_data")(images)
    x = keras.layers.Conv2D(filters, 3, name="conv0")(x)
    x = keras.layers.ReLU(name="relu1")(x)
    return keras.Model(images, keras.layers.Conv2D(2, 1, name="logits")(x), name=CORE)


def encoder_of(core: keras.Model) -> keras.Model:
    return keras.Model(core.input, core.get_layer("relu1").output)


def save_legacy(model: keras.Model, path: Path) -> Path:
    """Writes the format of Keras 2, in which the published weights are."""
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
    return path


def assert_loaded(core: keras.Model, source: keras.Model) -> None:
    """On raw photos the source must give what the core gives on normalized ones."""
    raw = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    expected = np.array(encoder_of(source)(raw))
    actual = np.array(encoder_of(core)((raw / 255 - MEAN) / STD))
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def assert_weights(core: keras.Model, expected: list[np.ndarray]) -> None:
    for weight, other in zip(core.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, other)
