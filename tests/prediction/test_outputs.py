import csv
import io
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.prediction.outputs import (
    MuscleRow,
    PredictionTable,
    draw_overlay,
    muscle_rows,
)
from tf_muscle.report.overlays import class_colors

NAMES = ("background", "biceps", "triceps", "calf")


def test_rows_tell_area_probability_and_box() -> None:
    class_ids = np.zeros((10, 20), np.uint8)
    class_ids[2:5, 4:10] = 1  # 18 pixels
    class_ids[7, 0] = 1
    class_ids[9, 19] = 3
    highest = np.full((10, 20), 0.8, np.float32)  # background's, which are left out
    highest[2:5, 4:10] = 0.9
    highest[7, 0] = 0.5
    highest[9, 19] = 0.75
    biceps, triceps, calf = muscle_rows(highest, class_ids, NAMES)
    assert biceps == MuscleRow(
        "biceps", True, 19 / 200, pytest.approx((18 * 0.9 + 0.5) / 19), (0, 2, 10, 6)
    )
    assert triceps == MuscleRow("triceps", False, 0.0, None, None)
    assert calf == MuscleRow("calf", True, 1 / 200, pytest.approx(0.75), (19, 9, 1, 1))


def test_the_table_can_be_read_again() -> None:
    file = io.StringIO(newline="")
    rows = [
        MuscleRow("biceps, left", True, 0.25, 0.875, (1, 2, 3, 4)),
        MuscleRow("calf", False, 0, None, None),
    ]
    PredictionTable(file).add(Path("a/x.jpg"), "x_2", rows)
    first, second = csv.DictReader(io.StringIO(file.getvalue()))
    assert first == {
        "file": "a/x.jpg", "output": "x_2", "muscle": "biceps, left", "active": "yes",
        "area_share": "0.250000", "mean_probability": "0.8750",
        "box_x": "1", "box_y": "2", "box_width": "3", "box_height": "4",
    }  # fmt: skip
    assert (second["active"], second["area_share"]) == ("no", "0.000000")
    assert second["mean_probability"] == second["box_x"] == second["box_height"] == ""


@pytest.mark.parametrize("size", [(256, 256), (400, 1000), (40, 30)])
def test_the_overlay_leaves_the_photo_and_names_the_muscles_below(size: tuple[int, int]) -> None:
    height, width = size
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    class_ids = np.zeros(size, np.uint8)
    class_ids[height // 4 : height // 2, width // 4 : width // 2] = 2
    before = image.copy(), class_ids.copy()
    drawn = draw_overlay(image, class_ids, NAMES)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(class_ids, before[1])
    assert drawn.dtype == np.uint8
    rest = class_ids == 0
    np.testing.assert_array_equal(drawn[:height, :width][rest], image[rest])
    assert (drawn[:height, :width][~rest] != image[~rest]).any(-1).mean() > 0.9
    legend = drawn[height:].reshape(-1, 3)
    _, biceps, triceps, calf = class_colors(4)
    assert (legend == triceps).all(-1).any()
    assert not (legend == biceps).all(-1).any()  # a muscle at rest has an empty swatch
    assert not (legend == calf).all(-1).any()
    empty = draw_overlay(image, np.zeros_like(class_ids), NAMES)
    assert empty.shape == drawn.shape  # frames of a video are of one size


def test_many_long_names_fit_below_the_photo() -> None:
    names = ("background", *(f"musculus extensor digitorum {i}" for i in range(30)))
    image = np.full((300, 400, 3), 255, np.uint8)
    drawn = draw_overlay(image, np.zeros((300, 400), np.uint8), names)
    ink = (drawn[300:] < 200).any(-1)
    assert ink.any(axis=0)[-2:].sum() == 0  # no name runs out of the picture
    assert ink.any(axis=1)[-2:].sum() == 0


LONG = "musculus extensor carpi radialis longus et brevis, left arm 1"
ODD = ("肱二头肌", "العضلة ذات", "\N{FLEXED BICEPS}", "e\u0301te\u0301", "$x_1$ % \\frac", "_a")


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (60, 3000), (1500, 40), (480, 640)])
@pytest.mark.parametrize("muscles", [(), ("biceps",), (LONG, "calf"), ODD, (LONG,) * 30])
def test_the_legend_of_any_photo_is_whole(size: tuple[int, int], muscles: tuple[str, ...]) -> None:
    """A legend has a swatch for each muscle, nothing runs out of it, and it stays in proportion."""
    height, width = size
    names = ("background", *(f"{name}{i}" for i, name in enumerate(muscles)))
    image = np.full((*size, 3), 255, np.uint8)
    drawn = draw_overlay(image, np.zeros(size, np.uint8), names)
    assert drawn.shape[1] <= max(width, 240)
    ink = (drawn[height:] < 200).any(-1)
    assert not ink[:, -2:].any()
    assert not ink[-2:].any()
    text_size = max(11, min(size) // 28)
    assert len(drawn) - height <= (len(muscles) + 1) * 1.6 * text_size
    rows = np.flatnonzero(np.diff(ink.any(axis=1).astype(int)) == 1)
    assert (len(rows) > 0) == bool(muscles)


def test_the_share_stays_behind_a_shortened_name() -> None:
    """Names with the same share end with the same picture."""
    image = np.full((100, 300, 3), 255, np.uint8)
    class_ids = np.ones((100, 300), np.uint8)
    ends = []
    for name in ("calf", LONG):
        legend = draw_overlay(image, class_ids, ("background", name))[100:]
        columns = np.flatnonzero((legend < 200).any(-1).any(axis=0))
        ends.append(legend[:, columns[-1] - 35 : columns[-1] + 1])
    np.testing.assert_array_equal(*ends)
