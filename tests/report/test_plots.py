from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from tf_muscle.report.figure_style import new_figure
from tf_muscle.report.plots import class_iou_bars, confusion_heatmap, learning_curves

Read = Callable[[Path], np.ndarray]
CLASS_NAMES = ["background", "biceps", "triceps", "calf"]
CONFUSION = np.array([[10_000, 0, 0, 0], [5, 5, 0, 0], [0, 0, 100, 0], [0, 0, 0, 0]])


def history(epochs: int) -> dict[str, list[float]]:
    rise = np.linspace(0.1, 0.9, epochs)
    columns = {"loss": 2 * 0.7 ** np.arange(epochs)}
    columns |= dict.fromkeys(("mean_class_accuracy", "mean_iou", "foreground_mean_iou"), rise)
    return {
        prefix + name: list(scale * values)
        for prefix, scale in (("", 1.0), ("val_", 0.6))
        for name, values in columns.items()
    }


def where(image: np.ndarray, color: str) -> np.ndarray:
    """The pixels of this colour, but for rounding: bool [H, W]."""
    rgb = np.array(tuple(bytes.fromhex(color[1:])))
    return (abs(image.astype(int) - rgb) <= 1).all(axis=-1)


@pytest.mark.parametrize("epochs", [1, 2, 30, 200])
def test_learning_curves(epochs: int, tmp_path: Path, pixels: Read) -> None:
    path = learning_curves(history(epochs), tmp_path / "curves.png", floor_mean_iou=0.2451)
    image = pixels(path)
    assert image.shape == (992, 1280, 3)
    floor = where(image[:880], "#D55E00")  # without the legend
    assert floor[440:, :640].any()  # in the panel of the mIoU, and in no other
    assert not floor[:440].any()
    assert not floor[:, 660:].any()
    for color in ("#9AA5B1", "#0072B2"):
        for panel in (np.s_[:440, :640], np.s_[:440, 640:], np.s_[440:880, 640:]):
            assert where(image[panel], color).any()


def test_floor_line_is_where_it_belongs(tmp_path: Path, pixels: Read) -> None:
    """From .4 to .8 it is twice as far as from .2 to .4."""
    rows: list[float] = []
    for floor in (0.2, 0.4, 0.8):
        path = learning_curves(history(9), tmp_path / "curves.png", floor_mean_iou=floor)
        line = where(pixels(path)[440:880, :640], "#D55E00")
        rows.append(float(np.mean(np.nonzero(line)[0])))
    assert (rows[1] - rows[2]) / (rows[0] - rows[1]) == pytest.approx(2, rel=0.02)


def test_loss_that_spans_decades(tmp_path: Path, pixels: Read) -> None:
    """On a logarithmic axis a loss that halves each epoch is a straight line."""
    columns = history(10) | {"loss": [0.5**n for n in range(10)], "val_loss": [1.0] * 10}
    path = learning_curves(columns, tmp_path / "curves.png", floor_mean_iou=0.2)
    line = np.argwhere(where(pixels(path)[60:430, 80:630], "#9AA5B1"))
    assert abs(np.corrcoef(line, rowvar=False).min()) > 0.999


def test_confusion_colors_are_shares_of_the_row(tmp_path: Path, pixels: Read) -> None:
    image = pixels(confusion_heatmap(CONFUSION, CLASS_NAMES, tmp_path / "confusion.png"))
    assert image.shape[1] == 1280
    full, half = (where(image, to_hex(colormaps["Blues"](share))) for share in (1.0, 0.5))
    cell = full.sum() / 2  # background and triceps are all right, of whatever size
    assert cell > 10_000
    assert half.sum() == pytest.approx(2 * cell, rel=0.1)
    rows, columns = np.nonzero(full)
    assert columns[rows < rows.min() + 90].max() < image.shape[1] / 2  # background is top left
    assert columns[rows > rows.max() - 90].min() > image.shape[1] / 2


@pytest.mark.parametrize("class_count", [2, 12, 30])
def test_confusion_of_many_classes(class_count: int, tmp_path: Path, pixels: Read) -> None:
    rng = np.random.default_rng(0)
    confusion = np.diag(rng.integers(0, 10**6, class_count))
    confusion[:, 0] += 1234
    names = [f"class {n}" for n in range(class_count)]
    image = pixels(confusion_heatmap(confusion, names, tmp_path / "confusion.png"))
    assert image.shape[1] >= max(1280, 0.62 * 160 * class_count)


def test_bar_lengths(tmp_path: Path, pixels: Read) -> None:
    metrics: dict[str, dict[str, Any]] = {
        "train": {"iou": {"background": 1.0, "biceps": 0.5, "calf": None}},
        "test": {"iou": {"background": 0.8, "biceps": 0.25, "calf": 0.0}},
    }
    image = pixels(class_iou_bars(metrics, tmp_path / "bars.png"))
    assert image.shape[1] == 1280
    bars = image[:-70]  # without the legend
    for color, expected in (("#9AA5B1", (1.0, 0.5)), ("#1B2A41", (0.8, 0.25))):
        lengths = where(bars, color).sum(axis=1)
        found = sorted({int(n) for n in lengths if n > 100}, reverse=True)
        full = where(bars, "#9AA5B1").sum(axis=1).max()
        assert len(found) == 2
        np.testing.assert_allclose(np.array(found) / full, expected, atol=0.005)


def test_synthetic_is_in_every_title(tmp_path: Path, pixels: Read) -> None:
    metrics = {"test": {"iou": {"background": 0.9, "biceps": 0.2}}}
    path = tmp_path / "figure.png"
    for draw in (
        partial(learning_curves, history(3), path, floor_mean_iou=0.2),
        partial(confusion_heatmap, CONFUSION, CLASS_NAMES, path),
        partial(class_iou_bars, metrics, path),
    ):
        real = pixels(draw())
        rendered = pixels(draw(synthetic=True))
        changed = (real != rendered).any(axis=(1, 2))
        assert changed[:40].any()  # the title
        assert not changed[40:].any()
    title = new_figure("Scores", 3, synthetic=True).get_suptitle()
    assert title == "Scores, synthetic photos"


def test_no_tensorflow_and_no_pyplot(loaded_modules: set[str]) -> None:
    assert "matplotlib.figure" in loaded_modules
    assert not loaded_modules & {"tensorflow", "keras", "matplotlib.pyplot"}
