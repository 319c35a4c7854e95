"""Exports of the encoder that is made for phones, from its ImageNet weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_muscle.exporting.inference import frozen, rebuild
from tf_muscle.exporting.litert import convert
from tf_muscle.model.encoder_weights import load_encoder_weights
from tf_muscle.model.unet import CORE, HEAD, build_unet

SIZE = 40  # no multiple of 32


def photos(count: int) -> np.ndarray:
    """Soft spots of colour: uint8 [count, S, S, 3]."""
    coarse = np.random.default_rng(0).uniform(0, 255, (count, 5, 5, 3))
    return np.array(tf.image.resize(coarse, (SIZE, SIZE), "bicubic")).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Logits of a spread of 1, so that probabilities are neither all equal nor all decided."""
    keras.utils.set_random_seed(0)
    built = build_unet(4, encoder="efficientnet_lite0")
    core = built.get_layer(CORE)
    load_encoder_weights(core, "efficientnet_lite0", "imagenet")
    head = core.get_layer(HEAD)
    head.kernel.assign(head.kernel / np.array(built(photos(4))).std())
    return rebuild(built, "efficientnet_lite0", "transpose", image_size=SIZE)


def test_frozen_function_is_the_network(model: keras.Model) -> None:
    images = photos(2)
    expected = tf.nn.softmax(model(images))
    np.testing.assert_allclose(frozen(model)(images)["probabilities"], expected, atol=1e-4)


def test_litert_float32_and_int8(model: keras.Model) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install -e .[litert]")
    images = photos(16)
    files = convert(model, ["float32", "int8"], images)
    assert len(files["int8"]) == pytest.approx(len(files["float32"]) / 4, rel=0.1)
    expected = np.array(tf.nn.softmax(model(images)))
    assert expected.std() > 0.1
    for kind, tolerance in {"float32": 1e-4, "int8": 0.1}.items():
        runner = litert.Interpreter(model_content=files[kind]).get_signature_runner()
        found = np.concatenate(
            [runner(images=image[np.newaxis])["probabilities"] for image in images]
        )
        np.testing.assert_allclose(found, expected, atol=tolerance, err_msg=kind)
