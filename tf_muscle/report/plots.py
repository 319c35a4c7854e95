"""The charts of a report: learning curves, confusion matrix, IoU of each class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tf_muscle.model.reliability import Reliability
from tf_muscle.report.figure_style import (
    BLUE,
    DARK,
    GREY,
    GRID,
    ORANGE,
    POINTS,
    WIDTH,
    fitting,
    inches,
    legend_below,
    new_figure,
    plain,
    save_figure,
)
from tf_muscle.report.history import best_epoch
from tf_muscle.report.lettering import class_labels, percent
from tf_muscle.report.score_rows import SPLIT_LABELS

SPLIT_COLORS = {"train": GREY, "valid": BLUE, "test": DARK}  # light to dark

LONGEST_NAME = 1.8  # inches of a class's name beside an axis
MOST_CELLS = 40  # classes of a matrix whose cells have their numbers in them; more make it huge

PANELS = {
    "loss": "loss",
    "mean_class_accuracy": "accuracy (mean over classes)",
    "mean_iou": "mIoU, background included",
    "foreground_mean_iou": "foreground mIoU, background left out",
}
RELIABILITY = {"all pixels": slice(None), "pixels marked as a muscle": slice(1, None)}
DOTS = (12, 150)  # area in square points, of a bin without pixels and of one with all of them


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
        history: the columns of history.csv by name, float [E] each.
        path: the PNG.
        floor_mean_iou: mIoU, 0 to 1, of a model that marks nothing in the validation photos.
        tie: difference of mIoU that counts as none, see `best_epoch`.
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
                in_layout=False,  # unclipped lines without a point upset the constrained layout
                label=SPLIT_LABELS[split],
            )
        axis.set_title(label, fontsize=11, loc="left")
        axis.set_xlim(0.5, max(1, len(values)) + 0.5)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(axis="y", color=GRID)
        axis.spines[["top", "right"]].set_visible(False)
        if column == "loss":
            _scale_loss(axis)
        else:
            axis.set_ylim(0, 1)
        if column == "mean_iou":
            axis.axhline(floor_mean_iou, color=ORANGE, linestyle="--", label="if nothing is marked")
        axis.axvline(
            best, color="#555555", linestyle=":", zorder=0, label=f"best epoch ({best}), kept"
        )
    for axis in figure.axes[2:]:
        axis.set_xlabel("epoch")
    legend_below(figure, *figure.axes[2].get_legend_handles_labels())
    return save_figure(figure, path)


def _scale_loss(axis: Axes) -> None:
    """Takes a logarithmic scale if the first epochs would dwarf the others."""
    values = np.concatenate([line.get_ydata() for line in axis.lines]).astype(float)
    values = values[np.isfinite(values)]
    if not values.size:
        axis.set_ylim(0, 1)
        return
    if values.min() > 0 and values.max() / values.min() > 10:
        axis.set_yscale("log")
        few_decades = values.max() / values.min() < 1000
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.set_ylim(min(0, 1.05 * values.min()), 1.05 * values.max() if values.max() > 0 else 1)


def confusion_heatmap(
    confusion: np.ndarray, class_names: Sequence[str], path: Path, *, synthetic: bool = False
) -> Path:
    """Writes where the pixels of each true class went: percent of that class, and pixels.

    Args:
        confusion: int64 [K, K], rows true, columns predicted.
        class_names: K names.
        path: the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    class_count = len(class_names)
    names = class_labels(class_names)
    totals = confusion.sum(axis=1)
    shares = confusion / np.maximum(totals, 1)[:, None]
    few, many = class_count <= 6, class_count > MOST_CELLS
    points = 6 if many else 10
    # In inches: a page of the usual width, or a wider one where the text of the cells needs it.
    cell_width, cell_height = (0.12, 0.12) if many else (0.62, 0.46)
    grid_width = max(WIDTH - 2, cell_width * class_count)
    columns, upright, columns_height = _column_names(names, grid_width / class_count, points)
    height = max(3.6, cell_height * class_count) + 1.4 + columns_height
    figure = new_figure("Confusion matrix", height, width=grid_width + 2, synthetic=synthetic)
    axis = figure.subplots()
    ids = np.arange(class_count)
    edges = np.arange(class_count + 1) - 0.5
    axis.pcolormesh(
        edges, edges, shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#D0D7DE", linewidth=0.5
    )
    axis.invert_yaxis()
    for row, column in [] if many else np.argwhere(confusion):
        share = shares[row, column]
        axis.text(
            column,
            row,
            f"{percent(share, digits=0)}\n{_short_count(confusion[row, column])}",
            ha="center",
            va="center",
            fontsize=10 if few else 8,
            color="white" if share > 0.6 else "#222222",
        )
    rows = [fitting(name, LONGEST_NAME, points) for name in names]
    if not many:
        rows = [f"{name}\n{_short_count(n)} px" for name, n in zip(rows, totals, strict=True)]
    axis.set_yticks(ids, rows, fontsize=points)
    axis.set_xticks(ids, columns, rotation=90 if upright else 0, fontsize=points)
    axis.tick_params(length=0)
    axis.set_ylabel("true class")
    axis.set_xlabel("predicted class")
    return save_figure(figure, path)


def _column_names(
    names: Sequence[str], room: float, points: float
) -> tuple[list[str], bool, float]:
    """Names below the columns of a matrix: in lines as wide as a column, or upright.

    Args:
        names: the names of the columns.
        room: width of a column in inches.
        points: size of the font in points.

    Returns:
        The texts, whether they are upright, and their height in inches.
    """
    broken = [_lines(name, 0.9 * room, points) for name in names]
    if all(
        len(lines) <= 3 and all(inches(line, points) <= 0.9 * room for line in lines)
        for lines in broken
    ):
        texts = ["\n".join(map(plain, lines)) for lines in broken]
        return texts, False, max(map(len, broken)) * 1.2 * points / POINTS
    texts = [fitting(name, LONGEST_NAME, points) for name in names]
    return texts, True, min(LONGEST_NAME, max(inches(name, points) for name in names))


def _lines(name: str, room: float, points: float) -> list[str]:
    """The words of a name in lines of this many inches; a wider word has a line of its own."""
    lines: list[str] = []
    for word in name.split():
        if lines and inches(f"{lines[-1]} {word}", points) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


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
        metrics: split -> record of `tf_muscle.model.score_records.summarize`.
        path: the PNG.
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
            [value or 0.0 for value in values],  # None: neither in the truth nor predicted
            height=0.92 * thickness,
            color=SPLIT_COLORS[split],
            label=SPLIT_LABELS[split],
        )
        texts = ["absent" if value is None else f"{value:.2f}" for value in values]
        axis.bar_label(bars, texts, padding=3, fontsize=9)
    labels = [fitting(label, LONGEST_NAME, 10) for label in class_labels(class_names)]
    axis.set_yticks(range(class_count), labels)
    axis.set_ylim(class_count - 0.45, -0.55)  # the first class on top
    axis.set_xlim(0, 1.06)  # room for the number beside a full bar
    axis.set_xticks(np.linspace(0, 1, 6))
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right"]].set_visible(False)
    legend_below(figure, *axis.get_legend_handles_labels())
    return save_figure(figure, path)


def reliability_diagram(
    curves: Mapping[str, Reliability],
    colors: Mapping[str, str],
    path: Path,
    *,
    synthetic: bool = False,
) -> Path:
    """Writes the share of pixels that are right against the probability that the model gave.

    Args:
        curves: label -> reliability.
        colors: label -> colour, such as "#0072B2".
        path: the PNG.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    figure = new_figure("Reliability", 4.6, synthetic=synthetic)
    smallest, largest = DOTS
    for axis, (title, classes) in zip(figure.subplots(1, 2), RELIABILITY.items(), strict=True):
        axis.plot((0, 1), (0, 1), color=ORANGE, linestyle="--", label="as sure as right")
        for label, reliability in curves.items():
            confidence, right, pixels = reliability.curve(classes)
            axis.plot(confidence, right, color=colors[label], linewidth=2, label=label)
            sizes = smallest + (largest - smallest) * pixels / max(pixels.sum(), 1)
            axis.scatter(confidence, right, sizes, color=colors[label], zorder=3)
        axis.set_title(title, fontsize=11, loc="left")
        axis.set_xlim(0, 1.03)
        axis.set_ylim(0, 1.03)
        axis.set_xticks(np.linspace(0, 1, 6))
        axis.set_xlabel("probability of the likeliest class")
        axis.grid(color=GRID)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share that is right")
    legend_below(figure, *figure.axes[0].get_legend_handles_labels())
    return save_figure(figure, path)
