"""A run whose network is one layer, which loads in no time and sees red and green as muscles."""

import json
from pathlib import Path

import keras
import numpy as np

NAMES = ("background", "red", "green")
KERNEL = np.array([[0, 4, 0], [0, 0, 4], [0, 0, 0]], np.float32)  # of R, G, B in [0, 1]
BIAS = np.array([1, 0, 0], np.float32)


def one_layer(size: int | None = None, classes: int = 3) -> keras.Model:
    """A network whose logits can be computed by hand: 4 R and 4 G against 1."""
    images = keras.Input((size, size, 3), dtype="uint8")
    layer = keras.layers.Conv2D(classes, 1)
    model = keras.Model(images, layer(keras.layers.Rescaling(1 / 255)(images)))
    layer.set_weights([KERNEL[None, None, :, :classes], BIAS[:classes]])
    return model


def one_layer_run(folder: Path, image_size: int = 48, aspect: float = 1.0) -> Path:
    """What `predict` needs of a run, in a folder that does not exist."""
    folder.mkdir(parents=True)
    one_layer().save(folder / "best.keras")
    options = f"image_size: {image_size}\nresize: pad\naspect: {aspect}\n"
    (folder / "config.yaml").write_text(options)
    (folder / "environment.json").write_text(json.dumps({"data": {"class_names": NAMES}}))
    return folder
