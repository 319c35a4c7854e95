"""The clients of examples/, each in a process that cannot import what it should not need."""

import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from PIL import Image

from tf_muscle.runs.folder import RunFolder

EXAMPLES = Path(__file__).parents[2] / "examples"
# Runs a script in a process where importing some modules fails; again for each three words more.
BLOCKED = """
import runpy, sys
blocked, script, *words = sys.argv[1:]
for name in blocked.split(","):
    sys.modules[name] = None
for i in range(0, max(1, len(words)), 3):
    sys.argv = [script, *words[i : i + 3]]
    runpy.run_path(script, run_name="__main__")
"""
MEAN = (124, 116, 104)  # of ImageNet: what the square is padded with
OURS = "tf_muscle,segmentation_models"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A phone's photo: stored 90x60, to be shown turned, 60x90."""
    random = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    image = Image.fromarray(random).resize((90, 60), Image.Resampling.BILINEAR)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "photo.png", exif=exif)
    return tmp_path / "photo.png"


def run_client(name: str, model: Path, photo: Path, blocked: str) -> tuple[np.ndarray, str]:
    mask = photo.with_name("mask.png")
    words = [BLOCKED, f"{OURS},{blocked}", EXAMPLES / f"{name}.py", model, photo, mask]
    done = subprocess.run(
        [sys.executable, "-I", "-c", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=photo.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(mask) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (60, 90))
        return np.asarray(image), done.stdout


def check(mask: np.ndarray, output: str, photo: Path, run: RunFolder) -> None:
    """Compares with the Keras model on the photo turned, filled up and shrunk to 40 pixels."""
    names = ["background", "biceps", "triceps", "calf"]
    shares = [f"{name}: {(mask == i).mean():.2%} of the photo" for i, name in enumerate(names)]
    assert output.splitlines() == shares
    with Image.open(photo) as image:
        upright = Image.fromarray(np.rot90(np.asarray(image), -1))
    # In a frame .8 times as wide as high 60x90 is 75x90, and 33 of 40 columns show the photo.
    small = np.asarray(upright.resize((33, 40), Image.Resampling.BILINEAR))
    small = np.concatenate([np.full((40, 3, 3), MEAN), small, np.full((40, 4, 3), MEAN)], 1)
    logits = keras.saving.load_model(run.model)(small[np.newaxis].astype(np.uint8))
    probabilities = np.array(keras.ops.softmax(logits))[0, :, 3:36]
    expected = cv2.resize(probabilities, (60, 90), interpolation=cv2.INTER_LINEAR).argmax(-1)
    assert (mask == expected).mean() > 0.98
    assert len(np.unique(mask)) > 1


def test_the_block_works(photo: Path) -> None:
    script = photo.with_name("guilty.py")
    script.write_text("import tf_muscle")
    done = subprocess.run(
        [sys.executable, "-I", "-c", BLOCKED, OURS, str(script)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "ModuleNotFoundError: import of tf_muscle halted" in done.stderr


def test_tensorflow(exported: Path, photo: Path, small_run: RunFolder) -> None:
    blocked = "keras,ai_edge_litert,onnxruntime"
    mask, output = run_client("tensorflow_client", exported / "tiny", photo, blocked)
    check(mask, output, photo, small_run)


def test_photos_are_decoded_as_for_predict(exported: Path, photo: Path, tmp_path: Path) -> None:
    """Without transparent pixels, whose hidden colour is not seen; not with 16 bits cut off."""
    with Image.open(photo) as image:
        shown = np.rot90(np.asarray(image), -1)
    alpha = np.full((90, 60, 1), 255, np.uint8)
    alpha[:30] = 0
    Image.fromarray(np.concatenate([shown, alpha], -1)).save(tmp_path / "alpha.png")
    white = shown.copy()
    white[:30] = 255
    Image.fromarray(white).save(tmp_path / "white.png")
    Image.fromarray(np.full((90, 60), 40_000, np.uint16)).save(tmp_path / "deep.png")
    words = [BLOCKED, "keras", EXAMPLES / "tensorflow_client.py"]
    for name in ("alpha", "white", "deep"):  # one process, since TensorFlow takes seconds to start
        words += [exported / "tiny", tmp_path / f"{name}.png", tmp_path / f"{name}_mask.png"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "deep.png has more than 8 bits" in done.stderr
    assert not (tmp_path / "deep_mask.png").exists()
    masks = []
    for name in ("alpha", "white"):
        with Image.open(tmp_path / f"{name}_mask.png") as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (60, 90))
            masks.append(np.asarray(image))
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_litert(kind: str, exported: Path, photo: Path, small_run: RunFolder) -> None:
    model = exported / "tiny-litert" / f"{kind}.tflite"
    mask, output = run_client("litert_client", model, photo, "tensorflow,keras,onnxruntime")
    check(mask, output, photo, small_run)


@pytest.mark.slow
def test_onnx(exported_onnx: Path, photo: Path, small_run: RunFolder) -> None:
    model = exported_onnx / "tiny-onnx" / "model.onnx"
    mask, output = run_client("onnx_client", model, photo, "tensorflow,keras,ai_edge_litert")
    check(mask, output, photo, small_run)
