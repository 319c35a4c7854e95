"""The figure of a video: area and probability of each muscle against seconds."""

from pathlib import Path

import numpy as np
from matplotlib.patheffects import withStroke

from tf_muscle.prediction.timeline import Timeline
from tf_muscle.report.figure_style import new_figure, plain
from tf_muscle.report.overlays import class_colors

# Some colours of masks are too light for a line on white by themselves.
OUTLINE = withStroke(linewidth=3.2, foreground="#333333")
LINE_STYLES = ("-", "--", ":", "-.")  # tells muscles apart without colours, too


def draw_timeline(timeline: Timeline, path: Path, *, title: str = "") -> Path:
    """Writes two charts, one over the other; a triangle stands on each repetition.

    Muscles that never appear are named in the legend and not drawn.

    Args:
        timeline: of the video.
        path: of the PNG.
        title: such as the video's name.

    Returns:
        `path`.
    """
    figure = new_figure(title, 4.8, synthetic=False)
    above, below = figure.subplots(2, 1, sharex=True)
    colors = class_colors(len(timeline.muscles) + 1)[1:] / 255
    never = []
    for i, (muscle, peaks) in enumerate(timeline.repetitions.items()):
        area = 100 * timeline.area[:, i]
        if not area.any():
            never.append(muscle)
            continue
        style = {
            "color": colors[i],
            "linestyle": LINE_STYLES[i % len(LINE_STYLES)],
            "linewidth": 2,
            "path_effects": [OUTLINE],
        }
        count = f"{len(peaks)} repetition{'' if len(peaks) == 1 else 's'}"
        above.plot(timeline.seconds, area, label=f"{plain(muscle)}: {count}", **style)
        below.plot(timeline.seconds, timeline.probability[:, i], **style)
        above.plot(
            peaks,
            np.interp(peaks, timeline.seconds, area),
            linestyle="none",
            marker="v",
            markersize=9,
            markerfacecolor=colors[i],
            markeredgecolor="#333333",
            clip_on=False,
            zorder=3,
        )
    if never:
        above.plot([], [], linestyle="none", label=f"never active: {plain(', '.join(never))}")
    above.set_ylabel("area, % of the frame")
    above.set_ylim(bottom=0)
    below.set_ylabel("mean probability")
    below.set_ylim(0, 1)
    below.set_xlabel("seconds")
    for axis in (above, below):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path)
    return path
