"""`python -m tf_muscle.predict` with a model of light, and photos and a film for it."""

import csv
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
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
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.runs.calibration import Calibration

NAMES = ("background", "biceps", "calf")


def runner(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `predict` with a model that needs no TensorFlow; gives exit code and output."""

    def load(model: str, **options: Any) -> Predictor:
        threshold = options["threshold"]
        asked = Calibration(thresholds=(threshold, threshold) if threshold else ())
        if options["tta"]:
            asked = replace(asked, tta=options["tta"])
        return Predictor(light_of_three, NAMES, Geometry("pad", 32), options["batch_size"], asked)

    monkeypatch.setattr(run_predict, "load_predictor", load)
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str]:
        try:
            code = run_command(predict.main, ["model.keras", *map(str, words)])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def save(path: Path, rows: slice = slice(0, 10)) -> Path:
    """A dark photo of 32x24 with light rows."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[rows] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def table(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_video(path: Path, count: int = 12) -> Path:
    writer = VideoWriter(path, Fraction(10))
    for i in range(count):
        writer.add(Frame(i / 10, np.full((24, 32, 3), 255 * (i >= 6), np.uint8)))
    writer.close()
    return path
