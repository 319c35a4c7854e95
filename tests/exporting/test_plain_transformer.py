"""Exports of DINOv2 with the decoder for plain transformers, each in its own runtime."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("keras_hub", reason="pip install -e .[hub]")

from hub_backbones import save_preset

from tf_muscle.data.geometry import Geometry
from tf_muscle.exporting import onnx, saved_model
from tf_muscle.exporting.inference import rebuild
from tf_muscle.exporting.litert import convert
from tf_muscle.model.hub_encoder import read_preset
from tf_muscle.model.unet import CORE, HEAD, build_unet
from tf_muscle.runs.calibration import Calibration

SIZE = 60  # no multiple of 14: photos and logits are resized inside
NAMES = ["background", "biceps", "triceps", "calf"]


def photos(count: int) -> np.ndarray:
    """Soft spots of colour: uint8 [count, S, S, 3]."""
    coarse = np.random.default_rng(0).uniform(0, 255, (count, 5, 5, 3))
    return np.array(tf.image.resize(coarse, (SIZE, SIZE), "bicubic")).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    """Logits of a spread of 1, so that probabilities are neither all equal nor all decided."""
    folder = tmp_path_factory.mktemp("preset")
    save_preset("dinov2_registers", folder)
    encoder = read_preset(str(folder), SIZE)
    keras.utils.set_random_seed(0)
    built = build_unet(4, encoder=encoder, decoder_filters=16)
    head = built.get_layer(CORE).get_layer(HEAD)
    head.kernel.assign(head.kernel / np.array(built(photos(4))).std())
    return rebuild(built, encoder, "transpose", 16, image_size=SIZE)


@pytest.mark.slow
def test_litert(model: keras.Model) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="pip install -e .[litert]")
    images = photos(8)
    expected = np.array(tf.nn.softmax(model(images)))
    assert expected.std() > 0.1
    tolerances = {"float32": 1e-4, "float16": 0.02, "dynamic": 0.1}
    for kind, content in convert(model, list(tolerances), images).items():
        runner = litert.Interpreter(model_content=content).get_signature_runner()
        found = np.concatenate([runner(images=one[np.newaxis])["probabilities"] for one in images])
        np.testing.assert_allclose(found, expected, atol=tolerances[kind], err_msg=kind)


@pytest.mark.slow
def test_saved_model(model: keras.Model, tmp_path: Path) -> None:
    images = photos(3)
    saved_model.save(model, NAMES, Geometry("pad", SIZE), tmp_path / "saved")
    forward = saved_model.output(saved_model.open_saved_model(tmp_path / "saved"), "probabilities")
    np.testing.assert_allclose(forward(images), tf.nn.softmax(model(images)), atol=1e-4)


@pytest.mark.slow
def test_onnx_computes_the_gelus_that_tf2onnx_does_not_know(
    model: keras.Model, tmp_path: Path
) -> None:
    pytest.importorskip("tf2onnx", reason="pip install -e .[onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="pip install -e .[onnx]")
    images = photos(3)
    onnx.save(model, NAMES, Geometry("pad", SIZE), Calibration(), tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(["probabilities"], {"images": images})
    np.testing.assert_allclose(found, tf.nn.softmax(model(images)), atol=1e-4)
