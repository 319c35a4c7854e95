"""Exports of a calibrated run: its temperature inside, the rest beside, and clients that follow."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from tf_muscle.exporting.run_export import export
from tf_muscle.prediction.predictor import load_predictor
from tf_muscle.runs.calibration import Calibration
from tf_muscle.runs.folder import RunFolder

CHOSEN = Calibration(2.5, "mirror", (0.3, 0.35, 0.2), 0.001)  # of conftest.py
NAMES = ("background", "biceps", "triceps", "calf")
PHOTO = np.random.default_rng(5).integers(0, 256, (1, 40, 40, 3), np.uint8)
EXAMPLES = Path(__file__).parents[2] / "examples"


def check(result: dict[str, Any], run: RunFolder) -> None:
    """Compares with the logits of the Keras model, divided by the temperature by hand."""
    logits = np.array(keras.saving.load_model(run.model)(PHOTO), np.float64)
    exponents = np.exp((logits - logits.max(-1, keepdims=True)) / CHOSEN.temperature)
    expected = exponents / exponents.sum(-1, keepdims=True)
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-4)
    assert (np.asarray(result["class_ids"]) == logits.argmax(-1)).mean() > 0.999


def run_client(name: str, model: Path, tmp_path: Path) -> np.ndarray:
    Image.fromarray(PHOTO[0]).save(tmp_path / "photo.png")
    words = [EXAMPLES / f"{name}.py", model, tmp_path / "photo.png", tmp_path / "mask.png"]
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(tmp_path / "mask.png"))


def expected_mask(run: RunFolder) -> np.ndarray:
    """What `predict` writes, but for the regions, which the clients leave in."""
    predictor = load_predictor(run)
    (probabilities,) = predictor.stream([PHOTO[0]])
    muscles = probabilities[..., 1:]
    reached = muscles.max(-1) >= np.array(CHOSEN.thresholds)[muscles.argmax(-1)]
    mask = np.where(reached, muscles.argmax(-1) + 1, 0)
    assert (mask != probabilities.argmax(-1)).any()
    return mask


@pytest.fixture(scope="module")
def folders(
    calibrated_run: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    pytest.importorskip("ai_edge_litert", reason="pip install -e .[litert]")
    saved_model, litert = export(
        calibrated_run,
        formats=("saved_model", "litert"),
        litert_types=("float32",),
        saved_models_dir=tmp_path_factory.mktemp("saved_models"),
    )
    for folder in (saved_model, litert):  # the test against the Keras model is still right
        measured = json.loads((folder / "export.json").read_text())["types"]["float32"]
        assert measured["agreement"] > 0.9999
        assert f"Chosen on the validation photos: {CHOSEN.described(NAMES)}." in (
            folder / "README.md"
        ).read_text("utf-8")
    return saved_model, litert


def test_saved_model(folders: tuple[Path, Path], calibrated_run: RunFolder, tmp_path: Path) -> None:
    import tensorflow as tf

    servable = tf.saved_model.load(str(folders[0]))
    check(servable.signatures["serving_default"](images=tf.constant(PHOTO)), calibrated_run)
    assert load_predictor(folders[0]).calibration == CHOSEN
    assert load_predictor(folders[0], calibrated=False).calibration == Calibration()
    ours, theirs = (load_predictor(one).predict(PHOTO[0]) for one in (calibrated_run, folders[0]))
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-4)
    assert (ours.mask == theirs.mask).mean() > 0.999
    mask = run_client("tensorflow_client", folders[0], tmp_path)
    assert (mask == expected_mask(calibrated_run)).mean() > 0.999


def test_litert(folders: tuple[Path, Path], calibrated_run: RunFolder, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = folders[1] / "float32.tflite"
    check(Interpreter(str(path)).get_signature_runner()(images=PHOTO), calibrated_run)
    with zipfile.ZipFile(path) as file:
        assert Calibration.from_json(json.loads(file.read("calibration.json")), NAMES) == CHOSEN
    mask = run_client("litert_client", path, tmp_path)
    assert (mask == expected_mask(calibrated_run)).mean() > 0.999


@pytest.mark.slow
def test_onnx(calibrated_run: RunFolder, tmp_path: Path) -> None:
    for module in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(module, reason="pip install -e .[onnx]")
    import onnxruntime

    (folder,) = export(calibrated_run, formats=("onnx",), saved_models_dir=tmp_path / "models")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = ["class_ids", "probabilities"]
    check(dict(zip(names, session.run(names, {"images": PHOTO}), strict=True)), calibrated_run)
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["temperature"] == "2.5"
    assert properties["tta"] == "mirror"
    assert properties["thresholds"] == "0.3 0.35 0.2"
    assert properties["smallest_area"] == "0.001"
    mask = run_client("onnx_client", folder / "model.onnx", tmp_path)
    assert (mask == expected_mask(calibrated_run)).mean() > 0.999


@pytest.mark.slow
def test_a_run_is_exported_plain_if_asked(calibrated_run: RunFolder, tmp_path: Path) -> None:
    (folder,) = export(calibrated_run, saved_models_dir=tmp_path, calibrated=False)
    assert load_predictor(folder).calibration == Calibration()
    assert "## Calibration" not in (folder / "README.md").read_text("utf-8")
