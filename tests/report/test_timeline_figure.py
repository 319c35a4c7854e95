from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.prediction.timeline import Timeline
from tf_muscle.report.overlays import class_colors
from tf_muscle.report.timeline_figure import draw_timeline


def test_muscles_that_appear_are_drawn_in_their_colours(tmp_path: Path) -> None:
    seconds = np.arange(0, 10, 0.1)
    area = np.zeros((len(seconds), 3))
    area[:, 1] = 0.01 * (1 - np.cos(2 * np.pi * seconds / 2.5))
    timeline = Timeline(
        muscles=("biceps", "triceps", "calf"),
        seconds=seconds,
        area=area,
        probability=np.where(area > 0, 0.8, np.nan),
    )
    path = draw_timeline(timeline, tmp_path / "timeline.png", title="film.mp4")
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert Image.open(path).width == 1280
    _, biceps, triceps, calf = class_colors(4)
    assert (pixels == triceps).all(-1).sum() > 500
    assert not (pixels == biceps).all(-1).any()
    assert not (pixels == calf).all(-1).any()


def test_a_video_of_one_frame_without_muscle_has_a_figure(tmp_path: Path) -> None:
    nothing = Timeline(("biceps",), np.zeros(1), np.zeros((1, 1)), np.full((1, 1), np.nan))
    assert draw_timeline(nothing, tmp_path / "timeline.png").exists()
