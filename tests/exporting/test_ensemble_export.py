"""A run with folds in each format: the mean of its folds' probabilities, from one file."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_run import tiny_folds

from tf_muscle.exporting.run_export import export
from tf_muscle.exporting.saved_model import open_saved_model, output
from tf_muscle.runs.folder import RunFolder

PHOTOS = np.random.default_rng(5).integers(0, 256, (2, 40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def folds(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    runs, data_dir = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("prepared")
    return tiny_folds(runs / "two", small_export, data_dir, size=40, decided=3.0)


@pytest.fixture(scope="module")
def expected(folds: RunFolder) -> np.ndarray:
    """The mean of the members' probabilities, in float64."""
    found = []
    for one in folds.fold_runs:
        logits = np.asarray(keras.saving.load_model(one.model)(PHOTOS), np.float64)
        exponent = np.exp(logits - logits.max(-1, keepdims=True))
        found.append(exponent / exponent.sum(-1, keepdims=True))
    return np.mean(found, axis=0)


def test_saved_model(
    folds: RunFolder, expected: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = export(folds, saved_models_dir=tmp_path)
    assert folder == tmp_path / "two-mean"
    assert "The mean of 2 networks, one a fold: about 2 times" in capsys.readouterr().out
    found = output(open_saved_model(folder), "probabilities")(PHOTOS)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    card = (folder / "README.md").read_text()
    assert "2 U-Nets with ResNet18 encoders" in card
    assert "the scores of the single networks, each on the photos that it was not" in card


@pytest.mark.slow
def test_litert(folds: RunFolder, expected: np.ndarray, tmp_path: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    (folder,) = export(
        folds, formats=["litert"], litert_types=["float32", "int8"], saved_models_dir=tmp_path
    )
    assert folder == tmp_path / "two-mean-litert"
    for kind, tolerance in (("float32", 1e-5), ("int8", 0.35)):  # int8 as in test_formats.py
        runner = interpreter.Interpreter(str(folder / f"{kind}.tflite")).get_signature_runner()
        for photo, mean in zip(PHOTOS, expected, strict=True):
            found = runner(images=photo[np.newaxis])
            np.testing.assert_allclose(found["probabilities"][0], mean, atol=tolerance)
            assert (found["class_ids"][0] == mean.argmax(-1)).mean() > 0.95


@pytest.mark.slow
def test_onnx(folds: RunFolder, expected: np.ndarray, tmp_path: Path) -> None:
    for module in ("onnx", "tf2onnx"):
        pytest.importorskip(module)
    onnxruntime = pytest.importorskip("onnxruntime")
    (folder,) = export(folds, formats=["onnx"], saved_models_dir=tmp_path)
    session = onnxruntime.InferenceSession((folder / "model.onnx").read_bytes())
    (found,) = session.run(["probabilities"], {"images": PHOTOS})
    np.testing.assert_allclose(found, expected, atol=1e-5)
