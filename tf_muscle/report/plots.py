"""The charts of a report: learning curves, confusion matrix, IoU of each class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tf_muscle.report.figure_style import new_figure, plain
from tf_muscle.report.history import best_epoch
from tf_muscle.report.score_rows import SPLIT_LABELS

SPLIT_COLORS = {"train": "#9AA5B1", "valid": "#0072B2", "test": "#1B2A41"}  # light to dark

PANELS = {
    "loss": "loss",
    "mean_class_accuracy": "accuracy (mean over classes)",
    "mean_iou": "mIoU, background included",
    "foreground_mean_iou": "foreground mIoU, background left out",
}


def learning_curves(
    history: Mapping[str, Sequence[float]],
    path: Path,
    *,
    floor_mean_iou: float,
    tie: float = 0.0,
    synthetic: bool = False,
) -> Path:
    """Writes loss, accuracy and both mIoU against epochs, for training and validation.

    Args:
        history: the columns of history.csv, see `tf_muscle.report.history`.
        path: of the PNG.
        floor_mean_iou: of the validation set, see `tf_muscle.model.metrics`.
        tie: option of the run, see `best_epoch`.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    figure = new_figure("Learning curves", 6.2, synthetic=synthetic)
    best = best_epoch(history, tie)
    for axis, (column, label) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for split, prefix in (("train", ""), ("valid", "val_")):
            values = history[prefix + column]
            axis.plot(
                range(1, len(values) + 1),
                values,
                color=SPLIT_COLORS[split],
                linewidth=2,
                marker="o" if len(values) <= 30 else None,
                markersize=3.5,
                clip_on=False,
                label=SPLIT_LABELS[split],
            )
        axis.set_title(label, fontsize=11, loc="left")
        axis.set_xlim(0.5, len(values) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(axis="y", color="#E5E5E5")
        axis.spines[["top", "right"]].set_visible(False)
        if column == "loss":
            _scale_loss(axis)
        else:
            axis.set_ylim(0, 1)
        if column == "mean_iou":
            axis.axhline(
                floor_mean_iou, color="#D55E00", linestyle="--", label="background only (the floor)"
            )
        axis.axvline(
            best, color="#555555", linestyle=":", zorder=0, label=f"best epoch ({best}), kept"
        )
    for axis in figure.axes[2:]:
        axis.set_xlabel("epoch")
    handles, labels = figure.axes[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path)
    return path


def _scale_loss(axis: Axes) -> None:
    """Takes a logarithmic scale if the first epochs would dwarf the others."""
    values = np.concatenate([line.get_ydata() for line in axis.lines])
    if np.nanmin(values) > 0 and np.nanmax(values) / np.nanmin(values) > 10:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.set_ylim(0, 1.05 * np.nanmax(values))


def confusion_heatmap(
    confusion: np.ndarray, class_names: Sequence[str], path: Path, *, synthetic: bool = False
) -> Path:
    """Writes where the pixels of each true class went: percent of that class, and pixels.

    Args:
        confusion: int64 [K, K], rows true, columns predicted.
        class_names: K names.
        path: of the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    class_count = len(class_names)
    class_names = list(map(plain, class_names))
    few = class_count <= 6
    totals = confusion.sum(axis=1)
    shares = confusion / np.maximum(totals, 1)[:, None]
    # In inches: a page of the usual width, or a wider one where the text of the cells needs it.
    width = max(6.0, 0.62 * class_count) + 2
    height = max(3.6, 0.46 * class_count) + 1.8
    figure = new_figure("Confusion matrix", height, width=width, synthetic=synthetic)
    axis = figure.subplots()
    ids = np.arange(class_count)
    axis.pcolormesh(
        ids, ids, shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#D0D7DE", linewidth=0.5
    )
    axis.invert_yaxis()
    for row, column in np.argwhere(confusion):
        share = shares[row, column]
        axis.text(
            column,
            row,
            f"{_percent(share)}\n{_short_count(confusion[row, column])}",
            ha="center",
            va="center",
            fontsize=10 if few else 8,
            color="white" if share > 0.6 else "#222222",
        )
    rows = [f"{name}\n{_short_count(n)} px" for name, n in zip(class_names, totals, strict=True)]
    axis.set_yticks(ids, rows)
    if few:
        axis.set_xticks(ids, [name.replace(" ", "\n") for name in class_names])
    else:
        axis.set_xticks(ids, class_names, rotation=90)
    axis.tick_params(length=0)
    axis.set_ylabel("true class")
    axis.set_xlabel("predicted class")
    figure.savefig(path)
    return path


def _percent(share: float) -> str:
    """Whole percents, but never 0 % or 100 % of what only rounds to it."""
    if share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def _short_count(count: float) -> str:
    """At most four characters: 812, 3.4k, 35k, 1.2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            value = count / size
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{count:.0f}"


def class_iou_bars(
    metrics: Mapping[str, Mapping[str, Any]], path: Path, *, synthetic: bool = False
) -> Path:
    """Writes the IoU of each class in each split.

    Args:
        metrics: split -> record of `tf_muscle.model.metrics.summarize`.
        path: of the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    class_names = list(next(iter(metrics.values()))["iou"])
    class_count, split_count = len(class_names), len(metrics)
    figure = new_figure(
        "IoU of each class", 0.25 * class_count * (split_count + 0.7) + 1.2, synthetic=synthetic
    )
    axis = figure.subplots()
    thickness = 0.8 / split_count
    for number, (split, record) in enumerate(metrics.items()):
        values = [record["iou"][name] for name in class_names]
        bars = axis.barh(
            np.arange(class_count) + (number - (split_count - 1) / 2) * thickness,
            [value or 0.0 for value in values],
            height=0.92 * thickness,
            color=SPLIT_COLORS[split],
            label=SPLIT_LABELS[split],
        )
        texts = ["absent" if value is None else f"{value:.2f}" for value in values]
        axis.bar_label(bars, texts, padding=3, fontsize=9)
    axis.set_yticks(range(class_count), list(map(plain, class_names)))
    axis.set_ylim(class_count - 0.45, -0.55)  # the first class on top
    axis.set_xlim(0, 1.06)  # room for the number beside a full bar
    axis.set_xticks(np.linspace(0, 1, 6))
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=split_count, frameon=False)
    figure.savefig(path)
    return path
