"""What the networks of a model say of photos, and what the encoder of the first sees in them."""

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tf_muscle.data.geometry import Box
from tf_muscle.errors import UserError
from tf_muscle.model import hub_encoder
from tf_muscle.model.loading import load_network
from tf_muscle.model.unet import CORE, ENCODERS, NORMALIZATION, crop_to
from tf_muscle.prediction.model_files import network_files


class Networks:
    """The M networks of a run, one for each fold, or a single one.

    Args:
        model: of a run (its folder or name) or a .keras file.

    Raises:
        UserError: there is no such model, or its layers cannot be reached.
    """

    def __init__(self, model: str) -> None:
        path = Path(model)
        if (path / "saved_model.pb").is_file():
            raise UserError(
                f"{path} is a SavedModel, whose encoder cannot be reached: give the run that it "
                "was exported from, such as runs/NAME, or its best.keras"
            )
        files = network_files(path)
        first, *others = (load_network(file) for file in files)
        self._first = _compiled(_with_features(first, files[0]))
        self._others = [_compiled(network) for network in others]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicts photos.

        Args:
            images: uint8 [B, S, S, 3].

        Returns:
            Probabilities float32 [M, B, S, S, K], and the last features of the encoder, float32
            [B, S / 32, S / 32, F]; of a plain transformer a patch each, [B, S / 14, S / 14, F].
        """
        batch = tf.constant(images)
        logits, features = self._first(batch)
        every = [logits, *(network(batch) for network in self._others)]
        return tf.nn.softmax(tf.stack(every)).numpy(), features.numpy()


def pooled(features: np.ndarray, size: int, box: Box) -> np.ndarray:
    """The mean of features over the part of a square that shows a photo, brought to length 1.

    Args:
        features: float [G, G, F].
        size: of the square, S pixels.
        box: where the photo lies in the square.

    Returns:
        float32 [F].
    """
    shown = np.zeros((size, size), np.float32)
    shown[box.content] = 1
    grid = Image.fromarray(shown).resize(features.shape[1::-1], Image.Resampling.BOX)
    mean = np.tensordot(np.asarray(grid), features, axes=2)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _with_features(network: keras.Model, file: Path) -> keras.Model:
    """The network with a second output, the last features of its encoder."""
    try:
        core = network.get_layer(CORE)
        normalized = network.get_layer(NORMALIZATION).output
        names = {layer.name for layer in core.layers}
        known = (*(one.output for one in ENCODERS.values()), hub_encoder.OUTPUT)
        output = next(one for one in known if one in names)
    except (ValueError, StopIteration) as error:
        raise UserError(
            f"{file} holds another network than the U-Net of tf_muscle, so its encoder is not "
            "known: give a run such as runs/NAME, or its best.keras"
        ) from error
    both = keras.Model(core.input, [core.output, core.get_layer(output).output])
    logits, features = both(normalized)
    # One layer with a name of its own: the operations of a bare crop_to() would be named as those
    # that are in a loaded network already, and Keras refuses two of one name.
    crop = keras.layers.Lambda(lambda tensors: crop_to(*tensors), name="crop_beside_features")
    return keras.Model(network.input, [crop([logits, network.input]), features])


def _compiled(network: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    """The network's forward pass as one graph for photos of any size."""
    return tf.function(
        functools.partial(network, training=False),
        autograph=False,
        input_signature=[tf.TensorSpec(network.input_shape, tf.uint8)],
    )
