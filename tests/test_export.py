import importlib.util
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.export import main
from tf_muscle.exporting.saved_model import write_saved_model
from tf_muscle.model.unet import build_unet

pytestmark = pytest.mark.usefixtures("real_resnet18")  # as users have it
NAMES = ["background", "biceps", "triceps", "calf"]

# A process that has never heard of this package.
CLIENT = """
import sys
import numpy as np, tensorflow as tf
folder, photos = sys.argv[1:]
model = tf.saved_model.load(folder)
for name in ("even", "odd"):
    images = np.load(photos)[name]
    result = model.signatures["serving_default"](images=tf.constant(images))
    encoded = tf.constant([tf.io.encode_png(image).numpy() for image in images])
    again = model.signatures["encoded"](bytes=encoded)
    for key in ("class_ids", "probabilities"):
        np.testing.assert_array_equal(result[key], again[key])
    np.savez(f"{photos}.{name}.npz", **result)
print([label.decode() for label in model.labels.numpy()])
assert "tf_muscle" not in sys.modules
"""


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_unet(len(NAMES), encoder="resnet18", fused=False)


def test_saved_model_gives_the_masks_of_the_keras_model(model: keras.Model, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_saved_model(model, NAMES, Geometry("pad", 64), folder, "card")
    random = np.random.default_rng(0)
    photos = {
        "even": random.integers(0, 256, (2, 64, 64, 3), np.uint8),
        "odd": random.integers(0, 256, (1, 45, 71, 3), np.uint8),
    }
    path = tmp_path / "photos.npz"
    np.savez(path, **photos)
    client = subprocess.run(
        [sys.executable, "-c", CLIENT, str(folder), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert client.returncode == 0, client.stderr
    assert str(NAMES) in client.stdout
    for name, images in photos.items():
        logits = model.predict_on_batch(images)
        result = np.load(f"{path}.{name}.npz")
        np.testing.assert_array_equal(result["class_ids"], logits.argmax(-1))
        assert result["class_ids"].dtype == np.uint8
        exponent = np.exp(logits - logits.max(-1, keepdims=True))
        expected = exponent / exponent.sum(-1, keepdims=True)
        np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)
    assert (folder / "assets" / "labels.txt").read_text().split() == NAMES
    assert (folder / "README.md").read_text() == "card"
    assert not list(tmp_path.glob("unfinished*"))


def test_an_existing_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("epochs: 1")
    words = [str(run), "--saved_models_dir", str(tmp_path / "models")]
    assert run_command(main, words) == 2
    assert "best.keras is missing: finish the run by --resume" in capsys.readouterr().err
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert run_command(main, words) == 2
    assert "never overwritten" in capsys.readouterr().err


def test_a_missing_package_is_named_before_work_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "mine"
    run.mkdir()
    for file in ("config.yaml", "best.keras", "metrics.json"):
        (run / file).write_text("")  # read by nothing before the refusal
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = [str(run), "--saved_models_dir", str(tmp_path / "models"), "--formats"]
    for form, missing in (("litert", "ai_edge_litert"), ("onnx", "onnx and tf2onnx and onnxrunt")):
        assert run_command(main, [*words, form]) == 2
        error = capsys.readouterr().err
        assert f"--formats {form} needs {missing}" in error
        assert f'".[{form}]"' in error
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("words", [["--formats", "tflite"], ["--litert_types", "int4"]])
def test_an_unknown_choice_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(main, ["runs/mine", *words]) == 2
    error = capsys.readouterr().err
    assert "Expected one of [" in error
    assert f"Got value: {words[1]}" in error
