"""Pictures of a search: every trial as a line, every hyperparameter's effect. No TensorFlow."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D

from tf_muscle.report.figure_style import WIDTH, inches, legend_below, new_figure, save_figure
from tuner.options import OPTIMIZER_NAMES, SEARCHED
from tuner.results import Row

SCORE_LABELS = {
    "val_mean_iou": "validation mIoU",
    "val_foreground_mean_iou": "validation foreground mIoU",
    "val_mean_class_accuracy": "validation accuracy (mean over classes)",
    "val_foreground_pixel_accuracy": "validation foreground pixel accuracy",
    "val_loss": "validation loss",
}
LABELS = {name: name.replace("_", " ") for name in SEARCHED}
SPREAD = 0.6  # share of the room of a value that its trials are spread over
LINE = 0.14  # inches that a label of 8 pt is high, its distance from the next included
GOLDEN_RATIO = 0.618  # its multiples modulo 1 keep apart from one another
COLLAPSED_COLOR = "#9AA5B1"
FLOOR_COLOR = "#D55E00"
DOT_COLOR = "#0072B2"
DARK = "#1B2A41"
# The better a score, the darker its line; the lightest colour can still be seen on white.
COLORS = ListedColormap(colormaps["viridis_r"](np.linspace(0.1, 1.0, 256)))


def _levels(rows: Sequence[Row], name: str) -> list[Any]:
    """The values of a hyperparameter, numbers in ascending order."""
    return sorted({getattr(row.combination, name) for row in rows})


def _shown(rows: Sequence[Row]) -> list[str]:
    """The hyperparameters with more than one value; all of them if none has."""
    varied = [name for name in SEARCHED if len(_levels(rows, name)) > 1]
    return varied or list(SEARCHED)


def _text(value: Any) -> str:
    return OPTIMIZER_NAMES[value] if isinstance(value, str) else f"{value:g}"


def _labelled(levels: Sequence[Any], room: float) -> int:
    """1 if each value has room for a label, 2 if every second one has, and so on.

    Args:
        levels: values of a hyperparameter.
        room: for all of them, in inches.
    """
    return math.ceil(len(levels) * LINE / room)


def _places(rows: Sequence[Row], name: str) -> np.ndarray:
    """Where each trial stands on the axis of a hyperparameter: its value's place is 0, 1, ...

    Trials with the same value lie side by side in the order of their scores, so that no two hide
    one another.

    Returns:
        float [N].
    """
    levels = _levels(rows, name)
    places = np.empty(len(rows))
    for level, value in enumerate(levels):
        same = [i for i, row in enumerate(rows) if getattr(row.combination, name) == value]
        same.sort(key=lambda i: rows[i].objective or 0.0)
        offsets = (np.arange(len(same)) + 0.5) / len(same) - 0.5
        places[same] = level + SPREAD * offsets
    return places


def parallel_coordinates(
    rows: Sequence[Row], objective: str, path: Path, *, synthetic: bool = False
) -> Path:
    """Writes each scored trial as a line through its values to its score.

    Args:
        rows: scored trials, best first, at least one.
        objective: name of the score.
        path: of the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    names = _shown(rows)
    scores = np.array([row.objective for row in rows])
    low, high = _limits(scores)
    figure = new_figure("Trials of the search", 4.6, synthetic=synthetic)
    axis = figure.subplots()
    columns = [(_places(rows, name) + 0.5) / len(_levels(rows, name)) for name in names]
    columns.append((scores - low) / (high - low))
    lines = np.stack(columns, axis=1)  # [N, axes]
    norm = Normalize(low, high)
    colors = COLORS if scores[0] >= scores[-1] else COLORS.reversed()  # the lowest loss is best
    for i in reversed(range(len(rows))):  # the best on top
        collapsed = rows[i].background_only
        axis.plot(
            lines[i],
            color=COLLAPSED_COLOR if collapsed else colors(norm(scores[i])),
            linestyle="--" if collapsed else "-",
            linewidth=3.5 if i == 0 else 1.3,
            solid_capstyle="round",
            clip_on=False,
            in_layout=False,
        )
    for place, name in enumerate(names):
        levels = _levels(rows, name)
        for level, value in enumerate(levels):
            middle, half = (level + 0.5) / len(levels), 0.5 * SPREAD / len(levels)
            axis.plot(
                [place, place],
                [middle - half, middle + half],
                color=DARK,
                linewidth=5,
                clip_on=False,
                in_layout=False,
            )
            if level % _labelled(levels, 3.2):
                continue
            axis.annotate(
                _text(value),
                (place, middle),
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=10 if len(levels) < 10 else 8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
            )
    axis.set_xlim(0, len(names))
    axis.set_ylim(0, 1)
    axis.set_xticks(range(len(names)), [LABELS[name] for name in names])
    axis.set_yticks([])
    axis.tick_params(axis="x", length=0, pad=8)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(ScalarMappable(norm, colors), ax=axis, pad=0.0, aspect=28)
    bar.set_label(SCORE_LABELS[objective])
    bar.outline.set_visible(False)
    legend = {"best trial": Line2D([], [], color=colors(norm(scores[0])), linewidth=3.5)}
    if any(row.background_only for row in rows):
        legend["marks nothing"] = Line2D([], [], color=COLLAPSED_COLOR, linestyle="--")
    legend_below(figure, list(legend.values()), list(legend))
    return save_figure(figure, path)


def _limits(scores: np.ndarray) -> tuple[float, float]:
    """Lowest and highest score, a little apart if there is but one."""
    low, high = float(scores.min()), float(scores.max())
    return (low, high) if high > low else (low - 0.01, high + 0.01)


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
        path: of the PNG.
        floor: score of a model that finds nothing, if the objective has one.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    names = _shown(rows)
    scores = np.array([row.objective for row in rows])
    collapsed = np.array([row.background_only for row in rows])
    columns = len(names) if len(names) < 4 else 2
    height = 3.6 if len(names) < 4 else 6.2
    figure = new_figure("Effect of each hyperparameter", height, synthetic=synthetic)
    grid = figure.subplots(-(-len(names) // columns), columns, sharey=True, squeeze=False)
    for panel, name in zip(grid.flat, names, strict=True):
        _effect_panel(panel, rows, name, scores, collapsed, room=WIDTH / columns - 0.9)
        if floor is not None:
            panel.axhline(floor, color=FLOOR_COLOR, linestyle="--", label="if nothing is marked")
    figure.supylabel(SCORE_LABELS[objective], fontsize=10)
    handles: Mapping[str, Any] = {
        label: handle
        for panel in grid.flat
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    legend_below(figure, list(handles.values()), list(handles))
    return save_figure(figure, path)


def _effect_panel(
    panel: Axes,
    rows: Sequence[Row],
    name: str,
    scores: np.ndarray,
    collapsed: np.ndarray,
    *,
    room: float,
) -> None:
    """Draws the scores at each value of a hyperparameter; `room` is the panel's width in inches."""
    levels = _levels(rows, name)
    offsets = GOLDEN_RATIO * np.arange(len(rows)) % 1 - 0.5
    places = SPREAD * offsets + [levels.index(getattr(row.combination, name)) for row in rows]
    panel.scatter(places[~collapsed], scores[~collapsed], s=26, color=DOT_COLOR, label="trial")
    if collapsed.any():
        panel.scatter(
            places[collapsed],
            scores[collapsed],
            s=26,
            facecolors="none",
            edgecolors="#555555",
            label="trial that marks nothing",
        )
    for level, value in enumerate(levels):
        here = [getattr(row.combination, name) == value for row in rows]
        mean = scores[here].mean()
        panel.plot(
            [level - SPREAD / 2, level + SPREAD / 2],
            [mean, mean],
            color=DARK,
            linewidth=2.5,
            label="mean" if level == 0 else None,
        )
    panel.set_title(LABELS[name], fontsize=11, loc="left")
    if 1.2 * len(levels) * max(inches(_text(value), 10) for value in levels) < room:
        panel.set_xticks(range(len(levels)), [_text(value) for value in levels])
    else:
        ticks = range(0, len(levels), _labelled(levels, room))
        panel.set_xticks(ticks, [_text(levels[i]) for i in ticks], rotation=90, fontsize=8)
    panel.set_xlim(-0.6, len(levels) - 0.4)
    panel.grid(axis="y", color="#E5E5E5")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
