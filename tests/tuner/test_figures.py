from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_muscle.tuner import figures
from tf_muscle.tuner.options import Combination, Search
from tf_muscle.tuner.results import Row


def rows_of(search: Search, background_only: int = 0) -> list[Row]:
    """Scored trials, best first; the last ones found nothing."""
    combinations = search.combinations()
    scores = np.linspace(0.6, 0.25, len(combinations))
    first_collapsed = len(combinations) - background_only
    return [
        Row(
            f"{number:04d}",
            one,
            "completed",
            float(score),
            val_foreground_pixel_accuracy=0.0 if number >= first_collapsed else 0.5,
        )
        for number, (one, score) in enumerate(zip(combinations, scores, strict=True))
    ]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def count(image: np.ndarray, color: str) -> int:
    return int((image == tuple(bytes.fromhex(color[1:]))).all(axis=-1).sum())


@pytest.mark.parametrize("trial_count", [1, 2, 72])
def test_figures_of_any_number_of_trials(
    make_search: Callable[..., Search], tmp_path: Path, trial_count: int
) -> None:
    rows = rows_of(make_search(max_trials=trial_count))
    path = figures.hyperparameter_effects(rows, "val_mean_iou", tmp_path / "b.png", floor=0.2451)
    assert pixels(path).shape[1] == 1280


def test_background_only_is_marked(make_search: Callable[..., Search], tmp_path: Path) -> None:
    search = make_search(max_trials=12)
    for collapsed in (0, 4):
        path = figures.hyperparameter_effects(
            rows_of(search, collapsed), "val_mean_iou", tmp_path / "b.png", floor=None
        )
        assert (count(pixels(path), figures.GREY) > 0) == (collapsed > 0)


def test_floor_is_drawn_for_the_score_that_has_one(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    rows = rows_of(make_search(max_trials=12))
    for floor in (0.2451, None):
        path = figures.hyperparameter_effects(rows, "val_loss", tmp_path / "b.png", floor=floor)
        assert (count(pixels(path), figures.ORANGE) > 0) == (floor is not None)


def test_panel_for_each_hyperparameter_that_varies(
    make_search: Callable[..., Search], tmp_path: Path
) -> None:
    heights = {}
    for name, search in {
        "two": make_search(batch_size=[4], epochs=[10]),
        "four": make_search(),
    }.items():
        path = figures.hyperparameter_effects(
            rows_of(search), "val_mean_iou", tmp_path / "b.png", floor=None
        )
        heights[name] = pixels(path).shape[0]
    assert heights["two"] < heights["four"]  # one row of panels, two rows


def test_no_trial_hides_another(make_search: Callable[..., Search]) -> None:
    """On the axis of a hyperparameter each trial has its own place, near that of its value."""
    rows = rows_of(make_search())
    places = figures._places(rows, "batch_size")
    assert len(set(places)) == 72
    levels = {4: 0, 8: 1, 16: 2}
    for row, place in zip(rows, places, strict=True):
        assert abs(place - levels[row.combination.batch_size]) < 0.3
    same_value = [p for p, r in zip(places, rows, strict=True) if r.combination.batch_size == 8]
    assert same_value == sorted(same_value, reverse=True)  # rows come best first


def test_numbers_ascend(make_search: Callable[..., Search]) -> None:
    rows = rows_of(make_search())
    assert figures._levels(rows, "learning_rate") == [0.0001, 0.0005, 0.001, 0.01]
    assert Combination(0.01, 4, "adam", 10) in [row.combination for row in rows]
