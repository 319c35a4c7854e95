"""Each format in its own runtime against the Keras model, at sizes and on photos of its own."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tf_muscle.exporting.inference import rebuild
from tf_muscle.runs.folder import RunFolder

NAMES = ["background", "biceps", "triceps", "calf"]
PHOTOS = np.random.default_rng(5).integers(0, 256, (3, 40, 40, 3), np.uint8)
# Softmax of logits that differ by float32's rounding; by weights rounded to 11 bits; by activations
# rounded to 8 bits in each layer.
TOLERANCES = {"float32": 1e-4, "float16": 0.02, "int8": 0.35}


@pytest.fixture(scope="module")
def model(small_run: RunFolder) -> keras.Model:
    return keras.saving.load_model(small_run.model)


def probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    logits = np.array(model(images), np.float64)
    exponent = np.exp(logits - logits.max(-1, keepdims=True))
    return exponent / exponent.sum(-1, keepdims=True)


@pytest.mark.parametrize("kind", TOLERANCES)
def test_litert_computes_the_keras_models_probabilities(
    kind: str, model: keras.Model, exported: Path
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(exported / "tiny-litert" / f"{kind}.tflite")).get_signature_runner()
    assert runner.get_input_details()["images"]["dtype"] is np.uint8
    expected = probabilities(model, PHOTOS)
    for i in range(len(PHOTOS)):
        result = runner(images=PHOTOS[i : i + 1])
        np.testing.assert_allclose(
            result["probabilities"], expected[i : i + 1], atol=TOLERANCES[kind]
        )
        assert result["class_ids"].dtype == np.uint8
        assert (result["class_ids"] == expected[i].argmax(-1)).mean() > 0.97


def test_litert_sizes_and_integer_arithmetic(exported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    folder = exported / "tiny-litert"
    size = {kind: (folder / f"{kind}.tflite").stat().st_size for kind in TOLERANCES}
    assert size["float16"] == pytest.approx(size["float32"] / 2, rel=0.05)
    assert size["int8"] == pytest.approx(size["float32"] / 4, rel=0.1)
    interpreter = Interpreter(str(folder / "int8.tflite"))
    feature_maps = [
        one["dtype"]
        for one in interpreter.get_tensor_details()
        if len(one["shape"]) == 4 and one["shape"][0] == 1 and one["shape"][-1] >= 16
    ]
    assert len(feature_maps) > 30
    assert set(feature_maps) == {np.int8}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 40, 40), (1, 64, 64), (2, 45, 71)])
def test_onnx_computes_the_keras_models_probabilities(
    shape: tuple[int, int, int], model: keras.Model, exported_onnx: Path
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported_onnx / "tiny-onnx" / "model.onnx")
    photos = np.random.default_rng(6).integers(0, 256, (*shape, 3), np.uint8)
    class_ids, found = session.run(["class_ids", "probabilities"], {"images": photos})
    expected = probabilities(model, photos)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert class_ids.dtype == np.uint8
    assert (class_ids == expected.argmax(-1)).mean() > 0.9999
    properties = session.get_modelmeta().custom_metadata_map
    geometry = {"image_size": "40", "resize": "pad", "aspect": "0.8", "padding": "124 116 104"}
    plain = {"temperature": "1.0", "tta": "none", "thresholds": "", "smallest_area": "0.0"}
    assert properties == {"labels": "\n".join(NAMES)} | geometry | plain


@pytest.mark.parametrize(("folder", "kinds"), [("tiny", {"float32"}), ("tiny-litert", TOLERANCES)])
def test_the_card_holds_what_was_measured(folder: str, kinds: set[str], exported: Path) -> None:
    record = json.loads((exported / folder / "export.json").read_text())
    card = (exported / folder / "README.md").read_text()
    assert set(record["types"]) == set(kinds)
    for kind, one in record["types"].items():
        file = exported / folder / f"{kind}.tflite"
        files = [file] if file.exists() else (exported / folder).rglob("*")
        on_disk = sum(one.stat().st_size for one in files if one.name not in ("README.md",))
        assert one["size_mb"] == pytest.approx(on_disk / 1e6, rel=0.01)
        assert one["image_count"] == 4
        assert one["agreement"] >= one["limit"]["agreement"]
        assert 0 < one["latency_ms_median"] <= one["latency_ms_p95"]
        assert f"| {kind} | {one['size_mb']:.1f} | {one['agreement']:.4%} (" in card
    assert "4 test photos of" in card
    assert card.startswith(f"# {folder}\n")
    labels = "assets/labels.txt" if folder == "tiny" else "labels.txt"
    assert (exported / folder / labels).read_text().split() == NAMES


def test_bfloat16_keeps_the_weights_and_nearly_the_probabilities(model: keras.Model) -> None:
    twin = rebuild(model, "resnet18", "transpose", precision="bfloat16")
    assert {weight.dtype for weight in twin.weights} == {"float32"}
    expected = probabilities(model, PHOTOS)
    found = probabilities(twin, PHOTOS)
    assert 1e-6 < np.abs(found - expected).max() < 0.2
