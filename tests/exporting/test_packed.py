import zipfile
from pathlib import Path

import keras
import numpy as np

from tf_muscle.data.geometry import Geometry
from tf_muscle.exporting.packed import Packed, pack, unpack
from tf_muscle.prediction.predictor import load_predictor

NAMES = ("background", "biceps, left", "三頭筋")


def tiny_model(path: Path) -> Path:
    images = keras.Input((None, None, 3), dtype="uint8")
    keras.Model(images, keras.layers.Conv2D(3, 1)(keras.layers.Rescaling(1 / 255)(images))).save(
        path
    )
    return path


def test_what_is_packed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3 and what a runtime reads")
    pack(path, NAMES, Geometry("stretch", 96))
    assert path.read_bytes().startswith(b"TFL3 and what a runtime reads")
    assert unpack(path) == Packed(NAMES, Geometry("stretch", 96))
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert file.read("labels.txt").decode().splitlines() == list(NAMES)


def test_a_keras_file_taken_along_alone_still_tells_how_it_was_trained(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "best.keras")
    photo = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    before = keras.saving.load_model(path).predict(photo, verbose=0)
    assert unpack(path) is None
    pack(path, NAMES, Geometry("stretch", 48))
    alone = path.rename(tmp_path / "taken along.keras")
    np.testing.assert_array_equal(keras.saving.load_model(alone).predict(photo, verbose=0), before)
    predictor = load_predictor(alone)
    assert predictor.class_names == NAMES
    assert predictor.geometry == Geometry("stretch", 48)
