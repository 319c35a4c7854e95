"""Writes LiteRT (TensorFlow Lite) files, for phones and small computers."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_muscle.exporting.agreement import Predict
from tf_muscle.exporting.inference import frozen
from tf_muscle.exporting.litert_runtime import open_file
from tf_muscle.tensorflow_log import quiet_converter

CALIBRATION_IMAGES = 128  # LiteRT's guide asks for 100 to 500


def convert(
    model: keras.Model, types: Sequence[str], calibration: np.ndarray, temperature: float = 1.0
) -> dict[str, bytes]:
    """Converts to one file for each type of the weights.

    Each takes one photo, `images` uint8 [1, S, S, 3], and gives `inference.results`.

    Args:
        model: from uint8 images [B, S, S, 3], S fixed, to logits [B, S, S, K].
        types: of "float32", "float16" (weights only), "dynamic" (weights in 8-bit integers,
            activations quantized as they come), "int8" (weights and activations; the normalization
            of the input and the softmax stay float32).
        calibration: training images, uint8 [N, S, S, 3], that tell the ranges of the activations.
        temperature: of the probabilities.

    Returns:
        Type -> content of the .tflite file.
    """
    module = tf.Module()
    module.function = frozen(model, batch_size=1, temperature=temperature)
    files = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # TensorFlow calibrates with its own interpreter and warns that users should not.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        tf.saved_model.save(module, folder, signatures=module.function)
        for kind in types:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if kind != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if kind == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if kind == "int8":
                converter.representative_dataset = lambda: (
                    {"images": image[np.newaxis]} for image in calibration
                )
            with quiet_converter():
                files[kind] = converter.convert()
    return files


def load(path: Path, threads: int | None = None) -> Predict:
    """The file as LiteRT's own interpreter runs it.

    Args:
        path: of the file.
        threads: from 1; by default one for each core.
    """
    run = open_file(path, threads)
    return lambda images: run(images)["class_ids"]
