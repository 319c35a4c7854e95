"""What `predict` says of pictures of another shape than those that its model was trained on."""

from pathlib import Path

import numpy as np
import pytest
from one_layer_run import one_layer_run
from PIL import Image
from predicting import write_video

from tf_muscle.command import run_command
from tf_muscle.predict import main

NOTE = "note: the model was trained on photos"


@pytest.mark.parametrize(
    ("aspect", "shapes", "told"),
    [
        (0.5, [(32, 64), (30, 64)], []),  # width, height
        (
            0.5,
            [(32, 64), (64, 64), (64, 32)],
            ["1.00 times as wide as high is seen in 3 parts, which takes 3 times"],
        ),
        (
            0.5,
            [(64, 32), (64, 4), (64, 64)],
            ["2.00 times as wide as high is seen in 5", "16.00 times as wide as high fills 4% of"],
        ),
        (1.0, [(64, 16)], []),  # nobody knows what shapes that model was trained on
        (2.0, [(32, 64)], ["0.50 times as wide as high fills 25% of its view"]),
    ],
)
def test_photos(
    aspect: float,
    shapes: list[tuple[int, int]],
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    one_layer_run(tmp_path / "mine", aspect=aspect)
    Path("photos").mkdir()
    for number, size in enumerate(shapes):
        Image.new("RGB", size, "red").save(f"photos/{number}.png")
    assert run_command(main, ["mine", "photos", "--out", "out"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(NOTE) == len(told)
    assert all(sentence in said for sentence in told)
    for number, (width, height) in enumerate(shapes):
        mask = np.asarray(Image.open(f"out/train/{number}_mask.png"))
        assert mask.shape == (height, width)
        assert (mask == 1).all()


def test_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    one_layer_run(tmp_path / "mine", aspect=0.25)
    write_video(tmp_path / "film.mp4", 5)
    assert run_command(main, ["mine", "film.mp4", "--out", "out"]) == 0
    assert " ".join(capsys.readouterr().err.split()).count(NOTE) == 1
