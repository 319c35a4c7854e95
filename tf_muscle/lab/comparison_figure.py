"""The figure of one muscle in two sessions: mean curves with bands, and their difference."""

from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tf_muscle.lab.comparison import LEAST, PHASES, Compared, spread
from tf_muscle.report.figure_style import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    legend_below,
    new_figure,
    save_figure,
)

STYLES = (("A", BLUE, "-"), ("B", ORANGE, "--"))  # told apart without colours, too
PHASE = np.arange(PHASES)  # percent


def draw_compared(compared: Compared, path: Path) -> Path:
    """Writes two charts side by side.

    The left one has the mean relative area of each session's whole repetitions over their phase,
    with a band of one standard deviation; the right one B - A with its pointwise 95 % interval,
    empty where only one session has the muscle.

    Args:
        compared: with a whole repetition in one session at least.
        path: the PNG.

    Returns:
        `path`.
    """
    figure = new_figure("", 3.4, synthetic=False)
    left, right = figure.subplots(1, 2)
    handles: list[Line2D | Patch] = []
    labels = []
    for (name, color, style), curves in zip(
        STYLES, (compared.curves_a, compared.curves_b), strict=True
    ):
        if not len(curves):
            continue
        mean, deviation = curves.mean(axis=0), spread(curves)
        handles += left.plot(PHASE, mean, color=color, linestyle=style, linewidth=2)
        count = len(curves)
        labels.append(f"{name}: mean and SD of {count}" if count > 1 else f"{name}: one repetition")
        if deviation is not None:
            band = (mean - deviation, mean + deviation)
            left.fill_between(PHASE, *band, color=color, alpha=0.2, linewidth=0)
    left.set_ylabel("area, by the video's largest")
    left.set_ylim(bottom=0)
    right.axhline(0, color=GREY, linewidth=1)
    difference = compared.curve_difference
    if difference is None:
        right.set_title("only one session has whole repetitions", fontsize=9)
    else:
        handles += right.plot(PHASE, difference.mean, color=DARK, linewidth=2)
        labels.append("B - A")
        if difference.low is None or difference.high is None:
            right.set_title(f"no interval: fewer than {LEAST} repetitions", fontsize=9)
        else:
            right.fill_between(
                PHASE, difference.low, difference.high, color=DARK, alpha=0.18, linewidth=0
            )
            handles.append(Patch(color=DARK, alpha=0.18, linewidth=0))
            labels.append("95 % interval at each phase")
        largest = max(
            float(np.abs(one).max())
            for one in (difference.mean, difference.low, difference.high)
            if one is not None
        )
        right.set_ylim(-1.1 * max(largest, 0.05), 1.1 * max(largest, 0.05))
    right.set_ylabel("difference, B - A")
    for axes in (left, right):
        axes.set_xlim(0, 100)
        axes.set_xlabel("phase, % of the repetition")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, handles, labels, points=9)
    return save_figure(figure, path)
