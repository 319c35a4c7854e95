from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tf_muscle.prediction.timeline import Timeline
from tf_muscle.prediction.timeline_figure import draw_timeline
from tf_muscle.report.overlays import class_colors


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


@pytest.mark.parametrize(
    ("area", "probability"),
    [
        (np.full(48, 0.01), np.full(48, 0.7)),  # holds, so it has no repetition
        (np.full(48, 0.01), np.full(48, np.nan)),
        (np.eye(48)[20], np.where(np.eye(48)[20] > 0, 0.7, np.nan)),  # seen in one frame
        (np.full(1, 0.01), np.full(1, 0.7)),
    ],
)
def test_both_charts_keep_their_height(
    area: np.ndarray, probability: np.ndarray, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    seconds = np.arange(len(area)) / 16
    timeline = Timeline(("biceps",), seconds, area[:, None], probability[:, None])
    path = draw_timeline(timeline, tmp_path / "timeline.png")
    (figure,) = drawn_figures
    assert [axes.bbox.height > 0.3 * figure.bbox.height for axes in figure.axes] == [True] * 2
    with Image.open(path) as image:
        charts = np.asarray(image.convert("RGB"))[:600]  # without the legend
    color = (charts == class_colors(2)[1]).all(-1)
    above, below = color[:300], color[300:]
    assert above.sum() > 20
    assert (below.sum() > 20) == np.isfinite(probability).any()


def test_a_long_video_keeps_its_peaks_and_gaps(tmp_path: Path, drawn_figures: list[Figure]) -> None:
    frames = 100_000
    rng = np.random.default_rng(0)
    area = 0.01 + 0.001 * rng.random((frames, 2))  # held, so that there are no triangles
    area[54_321, 0] = 0.3
    probability = np.where(area > 0.005, 0.5, np.nan)
    probability[20_000:30_000] = np.nan
    timeline = Timeline(("biceps", "calf"), np.arange(frames) / 30, area, probability)
    draw_timeline(timeline, tmp_path / "timeline.png")
    above, below = drawn_figures[0].axes
    assert max(len(line.get_xdata()) for line in above.lines) <= 2000
    x, y = above.lines[0].get_data()
    assert (x[y.argmax()], y.max()) == pytest.approx((54_321 / 30, 30))
    x, y = below.lines[0].get_data()
    gap = (x > 20_100 / 30) & (x < 29_900 / 30)
    assert gap.any()
    assert np.isnan(y[gap]).all()


def test_muscles_without_room_in_the_legend_are_counted(
    tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    nothing = np.zeros((10, 30))
    labels = []
    for name in ("muscle", "a name that takes all the room that there is in the legend"):
        muscles = tuple(f"{name} {i}" for i in range(30))
        draw_timeline(
            Timeline(muscles, np.arange(10.0), nothing, np.full((10, 30), np.nan)),
            tmp_path / "timeline.png",
        )
        labels.append(drawn_figures[-1].legends[0].get_texts()[0].get_text())
    assert labels == [
        "never active: muscle 0, muscle 1 and 28 more",
        "never active: 30 muscles",
    ]


@pytest.mark.parametrize(("repetitions", "triangles"), [(20, 20), (400, 0)])
def test_an_hour_of_repetitions_is_no_black_bar(
    repetitions: int, triangles: int, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    seconds = np.arange(0, 2.5 * repetitions, 0.1)
    area = 0.01 * (1 - np.cos(2 * np.pi * seconds / 2.5))[:, None]
    timeline = Timeline(("biceps",), seconds, area, np.where(area > 0, 0.8, np.nan))
    draw_timeline(timeline, tmp_path / "timeline.png")
    (figure,) = drawn_figures
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    assert len(marks.get_xdata()) == triangles
    (label,) = [text.get_text() for text in figure.legends[0].texts]
    assert label == f"biceps: {repetitions} repetitions"
