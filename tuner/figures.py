"""The picture of a search: every hyperparameter's effect. Needs no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tf_muscle.report.figure_style import BLUE, DARK, GREY, GRID, ORANGE, new_figure

from .options import OPTIMIZER_NAMES, SEARCHED
from .results import Row

SCORE_LABELS = {
    "val_mean_iou": "validation mIoU",
    "val_foreground_mean_iou": "validation foreground mIoU",
    "val_mean_class_accuracy": "validation accuracy (mean over classes)",
    "val_foreground_pixel_accuracy": "validation foreground pixel accuracy",
    "val_loss": "validation loss",
}
SPREAD = 0.6  # share of the room of a value that its trials are spread over


def _levels(rows: Sequence[Row], name: str) -> list[Any]:
    """The values of a hyperparameter, numbers in ascending order."""
    return sorted({getattr(row.combination, name) for row in rows})


def _shown(rows: Sequence[Row]) -> list[str]:
    """The hyperparameters with more than one value; all of them if none has."""
    return [name for name in SEARCHED if len(_levels(rows, name)) > 1] or list(SEARCHED)


def _text(value: Any) -> str:
    return OPTIMIZER_NAMES[value] if isinstance(value, str) else f"{value:g}"


def _places(rows: Sequence[Row], name: str) -> np.ndarray:
    """Where each trial stands on the axis of a hyperparameter: its value's place is 0, 1, ...

    Trials with the same value lie side by side in the order of their scores, so that no two hide
    one another.

    Returns:
        float [N].
    """
    places = np.empty(len(rows))
    for level, value in enumerate(_levels(rows, name)):
        same = [i for i, row in enumerate(rows) if getattr(row.combination, name) == value]
        same.sort(key=lambda i: rows[i].objective or 0.0)
        offsets = (np.arange(len(same)) + 0.5) / len(same) - 0.5
        places[same] = level + SPREAD * offsets
    return places


def hyperparameter_effects(
    rows: Sequence[Row],
    objective: str,
    path: Path,
    *,
    floor: float | None,
    synthetic: bool = False,
) -> Path:
    """Writes the scores at each value of each hyperparameter, with their means.

    Args:
        rows: scored trials, best first, at least one.
        objective: name of the score.
        path: of the PNG, which is returned.
        floor: the score of a model that finds nothing, if the objective has one.
        synthetic: the photos are rendered.
    """
    names = _shown(rows)
    shape = (1, len(names)) if len(names) < 4 else (2, 2)
    figure = new_figure("Effect of each hyperparameter", 3.6 * shape[0], synthetic=synthetic)
    panels = figure.subplots(*shape, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, names, strict=True):
        _effect_panel(panel, rows, name)
        if floor is not None:
            panel.axhline(floor, color=ORANGE, linestyle="--", label="background only (the floor)")
    for panel in panels[:, 0]:
        panel.set_ylabel(SCORE_LABELS[objective])
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path)
    return path


def _effect_panel(panel: Axes, rows: Sequence[Row], name: str) -> None:
    levels = _levels(rows, name)
    places = _places(rows, name)
    scores = np.array([row.objective for row in rows])
    collapsed = np.array([row.background_only for row in rows])
    panel.scatter(places[~collapsed], scores[~collapsed], s=26, color=BLUE, label="trial")
    if collapsed.any():
        panel.scatter(
            places[collapsed],
            scores[collapsed],
            s=26,
            facecolors="none",
            edgecolors=GREY,
            label="trial, background only",
        )
    means = [scores[np.round(places) == level].mean() for level in range(len(levels))]
    left = np.arange(len(levels)) - SPREAD / 2
    panel.hlines(means, left, left + SPREAD, color=DARK, linewidth=2.5, label="mean")
    panel.set_title(name.replace("_", " "), fontsize=11, loc="left")
    panel.set_xticks(range(len(levels)), [_text(value) for value in levels])
    panel.set_xlim(-0.6, len(levels) - 0.4)
    panel.grid(axis="y", color=GRID)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
