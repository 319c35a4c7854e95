"""The figure of a video beside EMG: both against time, and their onsets by Bland and Altman."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tf_muscle.lab.agreement import Agreement
from tf_muscle.lab.beside_emg import BesideEmg, Pair
from tf_muscle.report.figure_style import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    fitting,
    legend_below,
    new_figure,
    save_figure,
)

MOST = 6  # muscles that are drawn; the numbers of all are in sync.json
MARKERS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼", "P": "✚"}  # and as text
HEIGHT = 1.7  # inches of a chart against time


def draw_beside_emg(beside: BesideEmg, path: Path, *, title: str = "") -> Path:
    """Writes a chart against time for each muscle, and one of the differences of onsets.

    Each signal is divided by its largest value. Triangles at the bottom are the EMG's onsets that
    have a partner, those at the top the video's. The lower chart is Bland and Altman's over the
    pairs of these muscles, whose signs stand in the titles, with bias and limits of agreement.

    Args:
        beside: the numbers.
        path: the PNG.
        title: such as the video's name.

    Returns:
        `path`.
    """
    shown = beside.pairs[:MOST]
    figure = new_figure(title, HEIGHT * len(shown) + 3.2, synthetic=False)
    ratios = [HEIGHT] * len(shown) + [2.2]
    charts = figure.subplots(len(shown) + 1, 1, height_ratios=ratios)
    for axis, pair, sign in zip(charts, shown, MARKERS.values(), strict=False):
        handles = _draw_pair(axis, beside, pair, sign)
    charts[len(shown) - 1].set_xlabel("seconds of the EMG's clock")
    left_out = "" if len(shown) == len(beside.pairs) else f", {MOST} of {len(beside.pairs)} muscles"
    _draw_differences(charts[-1], shown, left_out)
    for axis in charts:
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    legend_below(
        figure, handles, ("area in the video", "EMG envelope", "onset, video", "onset, EMG")
    )
    return save_figure(figure, path)


def _draw_pair(axis: Axes, beside: BesideEmg, pair: Pair, sign: str) -> list[Line2D]:
    """Draws two signals over each other; returns what the legend names."""
    clock, emg = beside.video.clock, pair.channel.envelope
    inside = (emg.seconds >= clock[0]) & (emg.seconds <= clock[-1])
    values = emg.values / (emg.values[inside].max(initial=0) or 1.0)
    handles = [
        *axis.plot(clock, pair.signal.relative_area, color=BLUE, linewidth=2),
        *axis.plot(emg.seconds[inside], values[inside], color=ORANGE, linewidth=1.2),
    ]
    for onsets, height, marker, color in (
        (pair.onsets.video, 1.12, "v", BLUE),
        (pair.onsets.emg, -0.12, "^", ORANGE),
    ):
        handles += axis.plot(
            onsets,
            np.full(len(onsets), height),
            linestyle="none",
            marker=marker,
            markersize=6,
            color=color,
        )
    axis.set_ylim(-0.22, 1.22)
    axis.set_yticks([0, 0.5, 1])
    margin = 0.02 * (clock[-1] - clock[0]) or 0.5
    axis.set_xlim(clock[0] - margin, clock[-1] + margin)
    axis.set_ylabel("share of largest", fontsize=9)
    r = "" if pair.correlation is None else f", r = {pair.correlation:.2f}"
    names = f"{pair.signal.name} and {pair.channel.name}"
    axis.set_title(f"{sign} {fitting(names, 5.5, 9)}{r}", fontsize=9, loc="left")
    return handles


def _draw_differences(axis: Axes, pairs: tuple[Pair, ...], left_out: str) -> None:
    together = Agreement(
        np.concatenate([one.onsets.video for one in pairs]),
        np.concatenate([one.onsets.emg for one in pairs]),
        video_alone=sum(one.onsets.video_alone for one in pairs),
        emg_alone=sum(one.onsets.emg_alone for one in pairs),
    )
    for pair, marker in zip(pairs, MARKERS, strict=False):
        axis.plot(
            (pair.onsets.video + pair.onsets.emg) / 2,
            1000 * pair.onsets.difference,
            linestyle="none",
            marker=marker,
            markersize=5,
            color=DARK,
        )
    if together.bias is not None:
        axis.axhline(1000 * together.bias, color=BLUE, linewidth=1.5)
    for limit in together.limits or ():
        axis.axhline(1000 * limit, color=GREY, linewidth=1.5, linestyle="--")
    axis.axhline(0, color=DARK, linewidth=0.6)
    axis.set_title(together.told + left_out, fontsize=9, loc="left")
    axis.set_ylabel("video - EMG, ms", fontsize=9)
    axis.set_xlabel("mean of both onsets, seconds of the EMG's clock")
