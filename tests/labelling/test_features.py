from pathlib import Path

import keras
import numpy as np
import pytest
from short_encoder import real_encoder

from tf_muscle.data.geometry import Box
from tf_muscle.errors import UserError
from tf_muscle.labelling.features import Networks, pooled
from tf_muscle.model.unet import CORE, ENCODERS, build_unet
from tf_muscle.runs.folder import RunFolder


def photos(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_each_fold_gives_its_own_probabilities(folds: RunFolder) -> None:
    networks = Networks(str(folds.path))
    probabilities, features = networks.look(photos())
    assert probabilities.shape == (2, 2, 64, 64, 4)
    for number, found in enumerate(probabilities, 1):
        network = keras.saving.load_model(folds.fold_run(number).model)
        np.testing.assert_allclose(found, softmax(np.array(network(photos()))), atol=1e-4)
    assert features.shape == (2, 2, 2, 128)  # 64 / 32, and the channels of short_encoder.py


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet_lite0"])
def test_the_features_are_the_last_of_the_encoder(encoder: str, tmp_path: Path) -> None:
    """The core by itself, on photos normalised by numpy."""
    with real_encoder():
        model = build_unet(3, encoder=encoder, decoder_filters=16, fused=False)
    model.save(tmp_path / "model.keras")
    _, features = Networks(str(tmp_path / "model.keras")).look(photos())
    known = ENCODERS[encoder]
    core = model.get_layer(CORE)
    encode = keras.Model(core.input, core.get_layer(known.output).output)
    normalized = (photos() / 255 - np.array(known.mean)) / np.array(known.std)
    np.testing.assert_allclose(features, np.array(encode(normalized)), atol=1e-3)


def test_a_network_is_read_by_a_process_that_built_none(tmp_path: Path) -> None:
    """There Keras' counters of names begin at 0, as they did when the network was built."""
    keras.backend.clear_session()
    build_unet(3, encoder="resnet18", decoder_filters=16).save(tmp_path / "model.keras")
    keras.backend.clear_session()
    probabilities, _ = Networks(str(tmp_path / "model.keras")).look(photos())
    assert probabilities.shape == (1, 2, 64, 64, 3)


def test_features_are_pooled_over_the_photo_alone() -> None:
    """By hand: 96 pixels on a side, of which the middle third shows a photo."""
    features = np.zeros((3, 3, 2), np.float32)
    features[0] = features[2] = 100  # the padding above and below
    features[1, :, 0] = [1, 2, 6]
    features[1, :, 1] = [4, 4, 4]
    found = pooled(features, 96, Box(32, 0, 32, 96))
    np.testing.assert_allclose(found, np.array([3, 4]) / 5, rtol=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1)


def test_another_network_is_refused(tmp_path: Path) -> None:
    images = keras.Input((None, None, 3), dtype="uint8")
    logits = keras.layers.Conv2D(3, 1)(keras.layers.Rescaling(1.0)(images))
    keras.Model(images, logits).save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"other\.keras holds another network than the U-Net of"):
        Networks(str(tmp_path / "other.keras"))


def test_a_saved_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UserError, match=r"is a SavedModel, whose encoder cannot be reached: give"):
        Networks(str(tmp_path))
