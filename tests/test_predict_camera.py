import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light_model import light_of_three
from PIL import Image

from tf_muscle import predict
from tf_muscle.command import run_command
from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction import run_predict
from tf_muscle.prediction.live_model import LiveModel
from tf_muscle.prediction.predictor import Predictor

NAMES = ("background", "biceps", "calf")


class Camera:
    """Two pictures, then it is unplugged."""

    def __init__(self, number: int) -> None:
        self.left = 2

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return self.left >= 0, np.full((24, 32, 3), 255, np.uint8)

    def release(self) -> None:
        pass


def test_a_camera_is_told_of_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded: list[str] = []
    asked: list[dict[str, Any]] = []

    def load(model: str, **options: Any) -> Predictor:
        loaded.append(model)
        return Predictor(light_of_three, NAMES, Geometry("pad", 32), options["batch_size"])

    def choose(model: str, **options: Any) -> LiveModel:
        asked.append(options)
        return LiveModel("int8.tflite", "the camera is predicted by int8.tflite")

    monkeypatch.setattr("cv2.VideoCapture", Camera)
    monkeypatch.setattr(run_predict, "load_predictor", load)
    monkeypatch.setattr(run_predict, "live_model", choose)
    monkeypatch.chdir(tmp_path)
    words = ["model.keras", "0", "--out", "out", "--image_size", "64"]
    assert run_command(predict.main, words) == 0
    told = "".join(capsys.readouterr())
    assert asked == [{"image_size": 64, "tta": None, "calibrated": True}]
    assert loaded == ["int8.tflite"]
    assert "the camera is predicted by int8.tflite" in told
    assert "note: camera 0 gave no more pictures after frame 2" in told
    assert "camera 0: repetitions: biceps 0, calf 0" in told
    counts = re.search(r"camera 0: 2 frames seen, (\d) predicted, (\d) dropped; .*latency \d", told)
    assert counts is not None
    assert int(counts[1]) + int(counts[2]) == 2
    assert (tmp_path / "out/videos/camera_0/overlay.mp4").is_file()

    Image.new("L", (32, 24)).save("a.png")
    assert run_command(predict.main, ["model.keras", "0", "a.png", "--out", "mixed"]) == 0
    assert loaded == ["int8.tflite", "model.keras"]  # the photo's model is the camera's, too
    assert len(asked) == 1
