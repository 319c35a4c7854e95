"""`predict` that is stopped by ctrl-C or a full disk keeps what is done."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light_model import light_of_three
from predicting import NAMES, runner, save, table, write_video

from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction import run_predict
from tf_muscle.prediction.dataset_folders import MaskFolder
from tf_muscle.prediction.frames import VideoFrames
from tf_muscle.prediction.predictor import Predictor


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    return runner(monkeypatch, tmp_path, capsys)


def stop_in_third_batch(monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    """Lets ctrl-C come while the model is at its third batch."""
    calls = []

    def interrupted(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return light_of_three(images)

    predictor = Predictor(interrupted, NAMES, Geometry("pad", 32), batch_size)
    monkeypatch.setattr(run_predict, "load_predictor", lambda model, **options: predictor)


def test_ctrl_c_in_a_video_keeps_what_is_done(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_third_batch(monkeypatch, 4)
    write_video(tmp_path / "curl.mp4")
    write_video(tmp_path / "later.mp4")
    code, _ = command("curl.mp4", "later.mp4", "--out", "out")
    assert code == 130
    folder = tmp_path / "out/videos/curl"
    assert len(list(VideoFrames(folder / "overlay.mp4"))) == 8
    assert len((folder / "timeline.csv").read_text().splitlines()) == 9
    assert not (tmp_path / "out/videos/later").exists()


def test_ctrl_c_among_photos_keeps_what_is_done(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_third_batch(monkeypatch, 2)
    for i in range(9):
        save(tmp_path / f"photos/{i}.png", slice(0, 2 * i + 1))
    code, _ = command("photos", "--out", "out", "--format", "coco")
    assert code == 130
    biceps = [row for row in table(tmp_path / "out") if row["muscle"] == "biceps"]
    assert [row["output"] for row in biceps] == ["0", "1", "2", "3"]
    train = tmp_path / "out/train"
    assert sorted(path.name for path in train.glob("*.png")) == [f"{i}.png" for i in range(4)]
    listed = json.loads((train / "_annotations.coco.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == [f"{i}.png" for i in range(4)]


def test_a_full_disk_among_photos_is_one_sentence(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(9):
        save(tmp_path / f"photos/{i}.png")
    add = MaskFolder.add

    def full(folder: MaskFolder, name: str, *arguments: Any) -> None:
        if name == "3":
            raise OSError(errno.ENOSPC, "No space left on device", "out/train/3.png")
        add(folder, name, *arguments)

    monkeypatch.setattr(MaskFolder, "add", full)
    code, output = command("photos", "--out", "out", "--format", "mask", "--batch_size", 2)
    assert code == 2
    assert "error: out/train/3.png: No space left on device; free some space" in output
    assert "Traceback" not in output
    masks = {path.name for path in (tmp_path / "out/train").glob("*_mask.png")}
    assert masks == {"0_mask.png", "1_mask.png", "2_mask.png"}
