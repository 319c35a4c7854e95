"""Puts ImageNet weights into the encoder; a ResNet's are adapted to the report's mean/std input."""

import hashlib
import io
import os
from pathlib import Path

import keras
import numpy as np

from tf_muscle.encoders import KERASHUB
from tf_muscle.errors import UserError, one_line, shortened
from tf_muscle.model import efficientnet_lite0
from tf_muscle.model.hub_encoder import load_weights
from tf_muscle.model.unet import ENCODERS, IMAGENET_MEAN, IMAGENET_STD
from tf_muscle.runs.encoder import HubEncoder
from tf_muscle.runs.environment import EncoderStart

WITHOUT_NETWORK = "--encoder efficientnet_lite0, whose ImageNet weights need no network"
ALTERNATIVES = (
    "--encoder_weights FILE for a file of yours, --encoder_weights none for random weights, or "
    "--encoder_weights auto to go on from random weights when there is no network"
)


def load_encoder_weights(core: keras.Model, encoder: str | HubEncoder, source: str) -> EncoderStart:
    """Loads the encoder's weights into the U-Net, as its input is normalized.

    Args:
        core: the network inside the model of `build_unet`, layer `unet.CORE`.
        encoder: one of `unet.ENCODERS`, or a backbone of KerasHub, whose preset has weights.
        source: "imagenet" (in the package for efficientnet_lite0; else downloaded once by
            segmentation-models' own loader; checksum verified), "none" (left random), "auto"
            (imagenet, else random), or the path of an .h5 file of the encoder without top: of a
            segmentation-models ResNet, which expects RGB in 0-255, or of `efficientnet_lite0`.

    Returns:
        What was really loaded.

    Raises:
        UserError: the weights cannot be downloaded, found or read.
    """
    if source == "none":
        return EncoderStart("random")
    if isinstance(encoder, HubEncoder):
        if source not in ("imagenet", "auto"):
            raise UserError(
                f"--encoder_weights {source}: --encoder {KERASHUB}{encoder.preset} brings its "
                "own weights; give imagenet for these, or none for random ones"
            )
        return load_weights(core, encoder)
    network = keras.Model(core.input, core.get_layer(ENCODERS[encoder].output).output)
    bundled = encoder == efficientnet_lite0.NAME
    if bundled and source in ("imagenet", "auto"):
        start = _read_bundled_into(network)
    elif source in ("imagenet", "auto"):
        start = _download_into(network, encoder, required=source == "imagenet")
    else:
        start = _read_into(network, encoder, Path(source))
    if start.kind != "random" and not bundled:
        fold_data_statistics(core.get_layer("bn_data"))
    return start


def _read_bundled_into(encoder: keras.Model) -> EncoderStart:
    """Loads the weights that are in the package."""
    path = efficientnet_lite0.WEIGHTS
    content = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(content).hexdigest()
    if digest != efficientnet_lite0.WEIGHTS_SHA256:
        raise UserError(
            f"the ImageNet weights {path} are {'damaged' if content else 'missing'}: SHA-256 "
            f"{digest} instead of {efficientnet_lite0.WEIGHTS_SHA256}; install tf_muscle again"
        )
    arrays = np.load(io.BytesIO(content))
    for layer in encoder.layers:
        for variable in layer.variables:
            variable.assign(arrays[f"{layer.name}/{variable.name}"])
    return EncoderStart("imagenet", path.name, f"sha256 {digest[:16]}")


def _download_into(encoder: keras.Model, encoder_name: str, *, required: bool) -> EncoderStart:
    """Downloads the ImageNet weights into Keras' cache, unless they are there, and loads them."""
    from classification_models.weights import WEIGHTS_COLLECTION

    wanted = {"model": encoder_name, "dataset": "imagenet", "include_top": False}
    entry = next(one for one in WEIGHTS_COLLECTION if wanted.items() <= one.items())
    name, url, md5 = entry["name"], entry["url"], entry["md5"]
    try:
        file = keras.utils.get_file(name, url, cache_subdir="models", md5_hash=md5)
        encoder.load_weights(file)
    except Exception as error:  # a bare one when a download fails
        failure = f"the ImageNet weights {name} could not be downloaded"
        if not required:
            return EncoderStart("random", reason=failure)
        # Where get_file keeps its downloads.
        home = os.environ.get("KERAS_HOME", "~/.keras")
        cache = Path(home).expanduser() / "models" / name
        raise UserError(
            f"{failure}: {one_line(error)}; put the file at {cache} yourself (from {url}, md5 "
            f"{md5}), or use {WITHOUT_NETWORK}, {ALTERNATIVES}"
        ) from error
    return EncoderStart("imagenet", name, f"md5 {md5}")


def _read_into(encoder: keras.Model, encoder_name: str, path: Path) -> EncoderStart:
    """Loads a user's weights file."""
    if not path.is_file():
        raise UserError(f"--encoder_weights {path}: there is no such file; use {ALTERNATIVES}")
    try:
        encoder.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds for a foreign file
        reason = shortened(one_line(error))
        whose = "tf_muscle's" if encoder_name == efficientnet_lite0.NAME else "segmentation-models'"
        raise UserError(
            f"--encoder_weights {path} does not hold {whose} {encoder_name} encoder "
            f"without top ({reason}); use {ALTERNATIVES}"
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return EncoderStart("file", path.name, f"sha256 {digest[:16]}")


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
