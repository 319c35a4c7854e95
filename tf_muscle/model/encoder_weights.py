"""Puts ImageNet weights into the encoder, adapted to the report's mean/std input."""

import hashlib
import os
from pathlib import Path

import keras
import numpy as np

from tf_muscle.errors import UserError, one_line, shortened
from tf_muscle.model.unet import ENCODER_OUTPUT, IMAGENET_MEAN, IMAGENET_STD

ALTERNATIVES = (
    "--encoder_weights FILE for a file of yours, --encoder_weights none for random weights, or "
    "--encoder_weights auto to go on from random weights when there is no network"
)


def load_encoder_weights(core: keras.Model, encoder_name: str, source: str) -> str:
    """Loads the encoder's weights into the U-Net and folds the data statistics.

    Args:
        core: the network inside the model of `build_unet`, layer `unet.CORE`.
        encoder_name: "resnet34" or "resnet18".
        source: "imagenet" (downloaded once by segmentation-models' own loader, checksum verified),
            "none" (left random), "auto" (imagenet, else random), or the path of an .h5 file of a
            segmentation-models ResNet34 encoder without top, which expects RGB in 0-255.

    Returns:
        What was really loaded, in words for the run's records.

    Raises:
        UserError: the weights cannot be downloaded, found or read.
    """
    if source == "none":
        return "random"
    encoder = keras.Model(core.input, core.get_layer(ENCODER_OUTPUT).output)
    if source in ("imagenet", "auto"):
        try:
            loaded = _download_into(encoder, encoder_name)
        except UserError as error:
            if source == "imagenet":
                raise
            return f"random, because {str(error).partition(': ')[0]}"
    else:
        loaded = _read_into(encoder, encoder_name, Path(source))
    fold_data_statistics(core.get_layer("bn_data"))
    return loaded


def _download_into(encoder: keras.Model, encoder_name: str) -> str:
    """Downloads the ImageNet weights into Keras' cache, unless they are there, and loads them."""
    from classification_models.weights import WEIGHTS_COLLECTION

    wanted = {"model": encoder_name, "dataset": "imagenet", "include_top": False}
    entry = next(one for one in WEIGHTS_COLLECTION if wanted.items() <= one.items())
    name, url, md5 = entry["name"], entry["url"], entry["md5"]
    try:
        file = keras.utils.get_file(name, url, cache_subdir="models", md5_hash=md5)
        encoder.load_weights(file)
    except Exception as error:  # a bare one when a download fails
        # Where get_file keeps its downloads.
        home = os.environ.get("KERAS_HOME", "~/.keras")
        cache = Path(home).expanduser() / "models" / name
        raise UserError(
            f"the ImageNet weights {name} could not be downloaded: {one_line(error)}; put the file "
            f"at {cache} yourself (from {url}, md5 {md5}), or use {ALTERNATIVES}"
        ) from error
    return f"imagenet ({name}, md5 {md5})"


def _read_into(encoder: keras.Model, encoder_name: str, path: Path) -> str:
    """Loads a user's weights file."""
    if not path.is_file():
        raise UserError(f"--encoder_weights {path}: there is no such file; use {ALTERNATIVES}")
    try:
        encoder.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds for a foreign file
        reason = shortened(one_line(error))
        raise UserError(
            f"--encoder_weights {path} does not hold segmentation-models' {encoder_name} encoder "
            f"without top ({reason}); use {ALTERNATIVES}"
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"file {path.name} (sha256 {digest[:16]})"


def fold_data_statistics(bn_data: keras.layers.BatchNormalization) -> None:
    """Rewrites the statistics of a 0-255 encoder for input normalised by mean and std.

    The pretrained encoder begins with a batch normalization of raw RGB r: (r - m) / sqrt(v + e).
    The report's input is x = (r - 255 mean) / (255 std), so the same values come from
    m' = (m - 255 mean) / (255 std) and v' = (v + e) / (255 std)^2 - e. Exact as long as the layer
    runs on its moving statistics; in training it uses the batch's own, for either input.
    """
    mean, std = 255 * np.array(IMAGENET_MEAN), 255 * np.array(IMAGENET_STD)
    epsilon = bn_data.epsilon
    bn_data.moving_mean.assign((np.array(bn_data.moving_mean) - mean) / std)
    bn_data.moving_variance.assign((np.array(bn_data.moving_variance) + epsilon) / std**2 - epsilon)
