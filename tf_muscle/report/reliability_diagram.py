"""How far probabilities can be believed: the reliability diagram and the table of errors."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_muscle.model.reliability import Reliability
from tf_muscle.report.figure_style import legend_below, new_figure, save_figure

PANELS = {"all pixels": slice(None), "pixels marked as a muscle": slice(1, None)}
MARKERS = (12, 150)  # area in square points, of a bin without pixels and of one with all of them


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
    smallest, largest = MARKERS
    for axis, (title, classes) in zip(figure.subplots(1, 2).flat, PANELS.items(), strict=True):
        axis.plot((0, 1), (0, 1), color="#D55E00", linestyle="--", label="as sure as right")
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
        axis.grid(color="#E5E5E5")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share that is right")
    legend_below(figure, *figure.axes[0].get_legend_handles_labels())
    return save_figure(figure, path)


def error_rows(errors: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The header and the lines of the table of expected calibration errors.

    Args:
        errors: header of a column -> `Reliability.record`.
    """
    yield "pixels", *errors
    for row in PANELS:
        key = "all" if row == "all pixels" else "foreground"
        yield row, *(_cell(record[key]) for record in errors.values())
    _, *muscles = next(iter(errors.values()))["classes"]
    for name in muscles:
        yield f"marked as {name}", *(_cell(record["classes"][name]) for record in errors.values())


def _cell(error: float | None) -> str:
    return "*none*" if error is None else f"{error:.3f}"
