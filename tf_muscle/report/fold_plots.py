"""The chart of a cross-validation: the scores of the folds beside those over all photos."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_muscle.report.figure_style import (
    BLUE,
    DARK,
    GREY,
    GRID,
    fitting,
    legend_below,
    new_figure,
    save_figure,
)
from tf_muscle.report.lettering import class_labels
from tf_muscle.report.plots import LONGEST_NAME

MEANS = {"mean_iou": "mIoU", "foreground_mean_iou": "foreground mIoU"}


def fold_scores(record: Mapping[str, Any], path: Path, *, synthetic: bool = False) -> Path:
    """Writes the means and the IoU of each class: a point a fold, and the one over all photos.

    Args:
        record: the content of metrics.json of a run with folds.
        path: the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    whole, folds = record["out_of_fold"], record["folds"]
    class_names = list(whole["iou"])
    labels = [*MEANS.values(), *class_labels(class_names)]
    values = [whole[name] for name in MEANS] + [whole["iou"][name] for name in class_names]
    of_folds = [[fold[name] for fold in folds] for name in MEANS]
    of_folds += [[fold["iou"][name] for fold in folds] for name in class_names]
    figure = new_figure("IoU of the folds", 0.42 * len(labels) + 1.2, synthetic=synthetic)
    axis = figure.subplots()
    rows = np.arange(len(labels))
    spread = np.linspace(-0.2, 0.2, len(folds))  # so that equal folds do not hide each other
    points = [
        (value, row + spread[i])
        for row, row_values in enumerate(of_folds)
        for i, value in enumerate(row_values)
        if value is not None
    ]
    x, y = np.array(points).reshape(-1, 2).T
    dots = axis.scatter(x, y, s=22, color=GREY, zorder=2, clip_on=False)
    bounds = np.array([whole["intervals"][name] for name in MEANS])
    lines = axis.hlines(range(len(MEANS)), *bounds.T, color=BLUE, linewidth=2.5, zorder=1)
    present = [row for row in rows if values[row] is not None]
    marks = axis.scatter(
        [values[row] for row in present],
        present,
        marker="|",
        s=260,
        linewidths=2.5,
        color=DARK,
        zorder=3,
        clip_on=False,
    )
    for row, value in enumerate(values):
        axis.text(1.02, row, "absent" if value is None else f"{value:.2f}", va="center", fontsize=9)
    axis.set_yticks(rows, [fitting(label, LONGEST_NAME, 10) for label in labels])
    axis.set_ylim(len(labels) - 0.5, -0.5)  # the means on top
    axis.set_xlim(0, 1.1)
    axis.set_xticks(np.linspace(0, 1, 6))
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=GRID)
    axis.spines[["top", "right"]].set_visible(False)
    legend_below(
        figure,
        [dots, marks, lines],
        ["one fold", "all photos", "95% interval over groups"],
    )
    return save_figure(figure, path)
