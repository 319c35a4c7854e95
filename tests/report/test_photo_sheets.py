from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.report.overlays import class_colors
from tf_muscle.report.photo_sheets import (
    before_after,
    best_and_worst,
    foreground_iou,
    photo_label,
    preview_sheet,
    rank,
)

CLASS_NAMES = ["background", "biceps", "triceps", "calf"]


def square(class_id: int, left: int = 8, *, side: int = 32) -> np.ndarray:
    """A mask with one square of 16 by 16 pixels."""
    mask = np.zeros((side, side), np.uint8)
    mask[8:24, left : left + 16] = class_id
    return mask


def photos(count: int) -> np.ndarray:
    return np.full((count, 32, 32, 3), 128, np.uint8)


def has_color(image: np.ndarray, class_id: int) -> np.ndarray:
    return (image == class_colors(4)[class_id]).all(axis=-1)


def test_preview_sheet(tmp_path: Path, pixels: Callable[[Path], np.ndarray]) -> None:
    masks = [square(1), square(3), square(0), square(1), square(2)]
    path = preview_sheet(photos(5), masks, CLASS_NAMES, tmp_path / "preview.png")
    image = pixels(path)
    assert image.shape[1] == 1280
    for class_id, (rows, columns) in {1: (0, 0), 3: (0, 1), 2: (1, 0)}.items():
        top, left = rows * image.shape[0] * 4 // 9, columns * 320
        assert has_color(image[top : top + image.shape[0] // 3, left : left + 320], class_id).any()
    legend = image[-70:]
    assert all(has_color(legend, class_id).sum() > 200 for class_id in (1, 2, 3))


def test_before_after_columns(tmp_path: Path, pixels: Callable[[Path], np.ndarray]) -> None:
    """Photo, truth, before, after: each column has its own class here."""
    path = before_after(
        photos(2),
        [square(1)] * 2,
        [square(2)] * 2,
        [square(3)] * 2,
        ["a.jpg", "b.jpg"],
        CLASS_NAMES,
        tmp_path / "before_after.png",
    )
    image = pixels(path)
    body = image[:-100]
    assert image.shape[1] == 1280
    for column in range(4):
        part = body[:, column * 320 : (column + 1) * 320]
        present = [class_id for class_id in (1, 2, 3) if has_color(part, class_id).any()]
        assert present == ([column] if column else [])


def test_non_square_photos(tmp_path: Path, pixels: Callable[[Path], np.ndarray]) -> None:
    images = [np.zeros((90, 160, 3), np.uint8)] * 2
    masks = [np.ones((90, 160), np.uint8)] * 2
    wide = pixels(preview_sheet(images, masks, CLASS_NAMES, tmp_path / "wide.png"))
    assert wide.shape[0] < 0.75 * wide.shape[1]


def test_foreground_iou() -> None:
    """Squares of 256 pixels that share 8 or 4 of their 16 columns: 128/384 and 64/448."""
    assert foreground_iou(square(1), square(1)) == 1
    assert foreground_iou(square(1), square(1, 16)) == pytest.approx(1 / 3)
    assert foreground_iou(square(3, 0), square(3, 12)) == pytest.approx(1 / 7)
    assert foreground_iou(square(1), square(2)) == 0
    assert foreground_iou(square(0), square(2)) == 0
    both = np.maximum(square(1, 0), square(3, 16))
    assert foreground_iou(both, square(1, 0)) == 0.5  # biceps right, calf missed


def test_rank_leaves_rest_frames_out() -> None:
    truths = [square(1), square(1), square(0), square(2), square(0), square(3)]
    found = [square(1), square(1, 12), square(0), square(0), square(1), square(3, 10)]
    best, worst = rank(truths, found, count=2)
    assert best == [0, 5]
    assert sorted(worst) == [3, 4]  # missed altogether, and marked in a rest frame
    best, worst = rank(truths, found, count=10)
    assert len(best) == 3
    assert len(worst) == 2
    assert set(best) | set(worst) == {0, 1, 3, 4, 5}
    assert rank(truths[:1], found[:1], count=4) == ([0], [])
    assert rank(truths[2:3], found[2:3], count=4) == ([], [])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_best_and_worst(count: int, tmp_path: Path, pixels: Callable[[Path], np.ndarray]) -> None:
    """The best is a biceps, on the left; the worst a calf taken for a triceps, on the right."""
    truths = [square(1), *[square(3)] * (count - 1)]
    found = [square(1), *[square(2)] * (count - 1)]
    path = best_and_worst(
        photos(count), truths, found, ["x.jpg"] * count, CLASS_NAMES, tmp_path / "b.png", count=1
    )
    body = pixels(path)[:-100]
    assert has_color(body[:, :320], 1).any()
    assert has_color(body[:, 320:640], 1).any()
    assert has_color(body[:, 640:960], 3).any() == (count > 1)
    assert has_color(body[:, 960:], 2).any() == (count > 1)


def test_nothing_to_rank(tmp_path: Path, pixels: Callable[[Path], np.ndarray]) -> None:
    path = best_and_worst(
        photos(2), [square(0)] * 2, [square(0)] * 2, ["a", "b"], CLASS_NAMES, tmp_path / "b.png"
    )
    assert pixels(path).shape[1] == 1280


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("calf_0501_jpg.rf.2db4c7476d9fcc7676e401ca68efc5c9.jpg", "calf_0501"),
        ("Arm-3_PNG.rf.0123abcd.jpg", "Arm-3"),
        ("photo.png", "photo"),
        ("a_very_long_name_of_a_photo_0123_jpeg.rf.aa.jpg", "a_very_l…hoto_0123"),
    ],
)
def test_photo_label(name: str, label: str) -> None:
    assert photo_label(name) == label
