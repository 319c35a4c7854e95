"""Every figure with names and numbers of every kind; the checks are those of conftest.py."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tf_muscle.model.reliability import reliability
from tf_muscle.prediction.timeline import Timeline
from tf_muscle.prediction.timeline_figure import draw_timeline
from tf_muscle.report.figure_style import new_figure, save_figure
from tf_muscle.report.fold_plots import fold_scores
from tf_muscle.report.photo_sheets import before_after, best_and_worst, preview_sheet
from tf_muscle.report.plots import (
    class_iou_bars,
    confusion_heatmap,
    learning_curves,
    reliability_diagram,
)

LONG = "musculus extensor carpi radialis longus et brevis, left arm "
assert len(LONG) == 60
NAMES = {
    "none": [],
    "one": ["biceps"],
    "three long": [f"{LONG}{i}" for i in range(3)],
    "odd": [
        "肱二头肌",
        "العضلة ذات",
        "\N{FLEXED BICEPS}",
        "e\u0301te\u0301",
        "$x_1$ % \\frac",
        "_a",
    ],
    "12": [f"muscle {i}" for i in range(12)],
    "30 long": [f"{LONG}{i}" for i in range(30)],
}
RNG = np.random.default_rng(0)


@pytest.fixture(params=NAMES.values(), ids=NAMES.keys())
def class_names(request: pytest.FixtureRequest) -> list[str]:
    return ["background", *request.param]


def test_confusion(class_names: list[str], tmp_path: Path, drawn_figures: list[Figure]) -> None:
    confusion = np.diag(RNG.integers(1, 10**6, len(class_names)))
    confusion[:, 0] = 999_999
    confusion_heatmap(confusion, class_names, tmp_path / "f.png", synthetic=True)
    (axes,) = drawn_figures[-1].axes
    assert axes.bbox.width / 160 > min(5.5, 0.55 * len(class_names))  # cells have their room
    assert axes.bbox.height / 160 > 0.4 * len(class_names)


def test_iou_bars(class_names: list[str], tmp_path: Path, drawn_figures: list[Figure]) -> None:
    record = {"iou": dict.fromkeys(class_names, 1.0) | {class_names[-1]: None}}
    class_iou_bars(dict.fromkeys(("train", "valid", "test"), record), tmp_path / "f.png")
    (axes,) = drawn_figures[-1].axes
    assert sum(len(bars) for bars in axes.containers) >= 3 * (len(class_names) - 1)


@pytest.mark.parametrize("count", [2, 10])
def test_fold_scores(
    class_names: list[str], count: int, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    ious = dict.fromkeys(class_names, 0.5) | {class_names[-1]: None}
    fold = {"mean_iou": 0.0, "foreground_mean_iou": 1.0, "iou": ious}
    intervals = {"mean_iou": [0.0, 0.2], "foreground_mean_iou": [0.9, 1.0]}
    record = {"folds": [fold] * count, "out_of_fold": fold | {"intervals": intervals}}
    fold_scores(record, tmp_path / "f.png", synthetic=True)
    (axes,) = drawn_figures[-1].axes
    dots = axes.collections[0].get_offsets()
    assert len(dots) == count * (2 + len(class_names) - 1)
    assert set(dots[:, 0]) <= {0.0, 0.5, 1.0}


def test_photo_sheets(class_names: list[str], tmp_path: Path, drawn_figures: list[Figure]) -> None:
    count = len(class_names) % 2 + 1  # one photo or two
    photos = np.full((count, 24, 24, 3), 128, np.uint8)
    masks = [np.full((24, 24), i % len(class_names), np.uint8) for i in range(count)]
    files = [f"{LONG}{i}.jpg" for i in range(count)]
    path = tmp_path / "f.png"
    before_after(photos, masks, masks, masks, files, class_names, path, synthetic=True)
    best_and_worst(photos, masks, masks, ["照片.jpg"] * count, class_names, path)
    preview_sheet(photos, masks, class_names, path)
    shown = [sum(len(axes.images) for axes in figure.axes) for figure in drawn_figures]
    # Four pictures a row before and after; truth and prediction of those with a muscle; each once.
    marked = sum(mask.any() for mask in masks)
    assert shown == [4 * count, 2 * marked, count]


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.78])
def test_squares_are_shown_with_the_photos_proportions(
    aspect: float, tmp_path: Path, drawn_figures: list[Figure]
) -> None:
    photos = np.full((4, 24, 24, 3), 128, np.uint8)
    masks = np.ones((4, 24, 24), np.uint8)
    names = ["background", "biceps"]
    files = ["a.jpg"] * 4
    path = tmp_path / "f.png"
    before_after(photos, masks, masks, masks, files, names, path, aspect=aspect)
    best_and_worst(photos, masks, masks, files, names, path, aspect=aspect)
    preview_sheet(photos, masks, names, path, aspect=aspect)
    for figure in drawn_figures:
        for axes in figure.axes:
            assert axes.bbox.width / axes.bbox.height == pytest.approx(aspect, rel=0.01)


def test_timeline(class_names: list[str], tmp_path: Path, drawn_figures: list[Figure]) -> None:
    muscles = tuple(class_names[1:])
    if not muscles:
        return  # a model of no muscle cannot be made
    seconds = np.arange(0, 5, 0.1)
    wave = 0.1 * (1 + np.sin(2 * np.pi * seconds[:, None] / np.arange(1, len(muscles) + 1)))
    area = wave * (np.arange(len(muscles)) % 3 != 1)
    probability = np.where(area > 0.05, 0.9, np.nan)
    timeline = Timeline(muscles, seconds, area, probability)
    draw_timeline(timeline, tmp_path / "f.png", title=f"{LONG * 4}.mp4")
    for axes in drawn_figures[-1].axes:
        assert axes.bbox.height / 160 > 1.2  # inches


def test_reliability(tmp_path: Path, drawn_figures: list[Figure]) -> None:
    probabilities = RNG.dirichlet((9, 1, 1), (20, 20))
    curves = {
        "validation": reliability(RNG.integers(0, 3, (20, 20)), probabilities),
        "test": reliability(np.zeros((2, 2), int), np.tile([0.9, 0.1, 0], (2, 2, 1))),
    }
    colors = {"validation": "#0072B2", "test": "#1B2A41"}
    reliability_diagram(curves, colors, tmp_path / "f.png", synthetic=True)
    everywhere, marked = drawn_figures[-1].axes
    # The diagonal, and a line each; no pixel of the test photos is marked.
    assert [len(line.get_xdata()) > 0 for line in everywhere.lines] == [True, True, True]
    assert [len(line.get_xdata()) > 0 for line in marked.lines] == [True, True, False]


@pytest.mark.parametrize(
    "losses",
    [[], [1.0], [np.nan] * 3, [1.0, np.inf, 0.5], [0.0] * 3, [1.0, 0.2, 0.05], [1.0, 1e-9, 1e-30]],
    ids=str,
)
def test_curves(losses: list[float], tmp_path: Path, drawn_figures: list[Figure]) -> None:
    names = ("loss", "mean_class_accuracy", "mean_iou", "foreground_mean_iou")
    history = {
        f"{prefix}{name}": [np.nan] * len(losses) for prefix in ("", "val_") for name in names
    }
    learning_curves(history | {"loss": losses}, tmp_path / "f.png", floor_mean_iou=0.2)
    loss = drawn_figures[-1].axes[0]
    low, high = loss.get_ylim()
    assert sum(low <= tick <= high for tick in loss.get_yticks()) >= 2


def test_warnings_and_squashed_axes_are_noticed(tmp_path: Path) -> None:
    figure = new_figure("", 3, synthetic=False)
    figure.subplots(2)[0].plot([], [], marker="v", clip_on=False)
    with pytest.raises(UserWarning, match="constrained_layout not applied"):
        save_figure(figure, tmp_path / "f.png")
    figure = new_figure("", 3, synthetic=False)
    figure.text(0.5, 0.5, "肱")
    with pytest.raises(UserWarning, match="Glyph"):
        figure.savefig(tmp_path / "f.png")
    figure = Figure()
    figure.add_axes((0.2, 0.2, 0.6, 0.2))
    with pytest.raises(AssertionError, match="the axes span 20% of the height"):
        save_figure(figure, tmp_path / "f.png")
    for x, what in ((0.99, "cut off"), (0.3, "one over the other")):
        figure = new_figure("", 3, synthetic=False)
        figure.text(0.25, 0.5, "some words")
        figure.text(x, 0.5, "other words")
        with pytest.raises(AssertionError, match=what):
            save_figure(figure, tmp_path / "f.png")


def test_huge_matrix_is_a_picture_of_a_page_or_two(tmp_path: Path) -> None:
    names = ["background", *(f"muscle {i}" for i in range(80))]
    confusion_heatmap(np.eye(81, dtype=int), names, tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as image:
        assert max(image.size) < 2500
