"""Writes a SavedModel, which needs nothing but TensorFlow and is what TensorFlow Serving serves."""

from collections.abc import Callable, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tf_muscle.atomic import replacing
from tf_muscle.data.geometry import PADDING, Geometry
from tf_muscle.exporting.agreement import Predict
from tf_muscle.exporting.inference import results
from tf_muscle.model.folding import fold_batch_normalization
from tf_muscle.runs.calibration import Calibration


class Servable(tf.Module):
    """What the SavedModel holds.

    The signature `serving_default` takes `images`, uint8 RGB [B, H, W, 3] of any size; `encoded`
    takes `bytes`, strings [B] of JPEG or PNG files of one size. Both give `results`.

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        class_names: K names; the variable `labels` of the loaded object.
        geometry: how the training brought photos to its size; the variables `image_size` (int32),
            `resize` ("pad" or "stretch"), `aspect` (float64) and `padding` (RGB, uint8 [3]) tell
            it.
        calibration: its temperature is in the probabilities; the variables `temperature`, `tta`,
            `thresholds` (float64 [K-1], or [0]) and `smallest_area` tell it.
    """

    def __init__(
        self,
        model: keras.Model,
        class_names: Sequence[str],
        geometry: Geometry,
        calibration: Calibration,
    ) -> None:
        super().__init__()
        self.network = fold_batch_normalization(model)
        self.labels = tf.Variable(list(class_names), trainable=False)
        self.image_size = tf.Variable(geometry.size, trainable=False, dtype=tf.int32)
        self.resize = tf.Variable(geometry.resize, trainable=False)
        self.aspect = tf.Variable(geometry.aspect, trainable=False, dtype=tf.float64)
        self.padding = tf.Variable(PADDING, trainable=False, dtype=tf.uint8)
        self.tta = tf.Variable(calibration.tta, trainable=False)
        for name in ("temperature", "thresholds", "smallest_area"):
            value = getattr(calibration, name)
            setattr(self, name, tf.Variable(value, trainable=False, dtype=tf.float64))
        self._temperature = calibration.temperature  # a constant of the graph

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")])
    def images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.ensure_shape(images, self.network.input_shape)  # some take one size only
        return results(self.network(images, training=False), self._temperature)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "bytes")])
    def encoded(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.map_fn(
            lambda one: tf.io.decode_image(one, channels=3, expand_animations=False),
            encoded,
            fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
        )
        return self.images(images)


def save(
    model: keras.Model,
    class_names: Sequence[str],
    geometry: Geometry,
    folder: Path,
    calibration: Calibration | None = None,
) -> None:
    """Writes the model with batch normalization folded; assets/labels.txt lists the class names.

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        class_names: K names.
        geometry: how the training brought photos to its size.
        folder: to write; must not exist.
        calibration: by default the plain model's.
    """
    servable = Servable(model, class_names, geometry, calibration or Calibration())
    tf.saved_model.save(
        servable,
        str(folder),
        signatures={"serving_default": servable.images, "encoded": servable.encoded},
    )
    labels = folder / "assets" / "labels.txt"
    labels.write_text("\n".join(class_names) + "\n", encoding="utf-8")


def write_saved_model(
    model: keras.Model, class_names: Sequence[str], geometry: Geometry, folder: Path, card: str
) -> None:
    """Writes the SavedModel of a finished training in one move.

    Args:
        model: from uint8 images [B, H, W, 3] to logits [B, H, W, K].
        class_names: K names.
        geometry: how the training brought photos to its size.
        folder: to write; must not exist.
        card: text of its README.md, Markdown.
    """
    with replacing(folder) as unfinished:
        save(model, class_names, geometry, unfinished)
        (unfinished / "README.md").write_text(card, encoding="utf-8")


def open_saved_model(folder: Path) -> Any:
    """What `tf.saved_model.load` gives, whatever the folder and those above it are called.

    TensorFlow takes * ? [ ] and \\ in the path for a pattern, so the path must not reach it.
    """
    with chdir(folder):
        return tf.saved_model.load(".")


def calibration_of(servable: Any) -> Calibration:
    """What a SavedModel tells of its calibration; one from before it was recorded is plain.

    Args:
        servable: the loaded object, of `open_saved_model`.
    """
    if not hasattr(servable, "thresholds"):
        return Calibration()
    return Calibration(
        temperature=float(servable.temperature),
        tta=servable.tta.numpy().decode(),
        thresholds=tuple(servable.thresholds.numpy().tolist()),
        smallest_area=float(servable.smallest_area),
    )


def output(servable: Any, name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """One output of the signature `serving_default` as a function of photos, uint8 [B, H, W, 3].

    Args:
        servable: the loaded object, of `open_saved_model`.
        name: "class_ids" or "probabilities", see `inference.results`.
    """
    signature = servable.signatures["serving_default"]

    def forward(images: tf.Tensor, servable: Any = servable) -> tf.Tensor:
        # A signature does not keep the object alive that holds its variables; the default does.
        return signature(images=tf.convert_to_tensor(images))[name]

    return forward


def load(folder: Path) -> Predict:
    """The SavedModel as its users load it."""
    forward = output(open_saved_model(folder), "class_ids")
    return lambda images: forward(images).numpy()
