"""The figure of a video: area and probability of each muscle against seconds."""

from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tf_muscle.prediction.timeline import Timeline
from tf_muscle.report.figure_style import WIDTH, inches, legend_below, new_figure, save_figure
from tf_muscle.report.lettering import class_labels
from tf_muscle.report.overlays import class_colors

# Some colours of masks are too light for a line on white by themselves.
OUTLINE = withStroke(linewidth=3.2, foreground="#333333")
BINS = 1000  # the axes are about as many pixels wide
CROWDED = 100  # repetitions from which on their triangles would be one black bar
DOT = {"linestyle": "none", "marker": "o", "markersize": 5, "markeredgecolor": "#333333"}
LINE_STYLES = ("-", "--", ":", "-.")  # tells muscles apart without colours, too


def draw_timeline(timeline: Timeline, path: Path, *, title: str = "") -> Path:
    """Writes two charts, one over the other, of the person whose repetitions are counted.

    A triangle stands on each repetition, unless there are too many to tell them apart, and the area
    below it is tinted from start to end. Of a muscle's two sides the right one is a thin line with
    white triangles. Muscles that never appear are named in the legend and not drawn.

    Args:
        timeline: the numbers of the video.
        path: the PNG.
        title: such as the video's name.

    Returns:
        `path`.
    """
    figure = new_figure(title, 4.8, synthetic=False)
    above, below = figure.subplots(2, 1, sharex=True)
    names = class_labels(("background", *timeline.muscles))[1:]
    colors = class_colors(len(names) + 1)[1:] / 255
    handles, labels, never = [], [], []
    for signal, series in zip(timeline.signals, timeline.series, strict=True):
        i = timeline.muscles.index(signal.muscle)
        area, probability = 100 * signal.area, signal.probability
        if not area.any():
            never.append(names[i])
            continue
        peaks = np.array([one.peak for one in series.repetitions])
        second, crowded = signal.side == "right", len(peaks) >= CROWDED
        style = {
            "color": colors[i],
            "linestyle": LINE_STYLES[i % len(LINE_STYLES)],
            "linewidth": 0.5 if crowded else 1 if second else 2,
            "path_effects": [] if crowded else [OUTLINE],
        }
        x, y = _thinned(timeline.seconds, area)
        inside = [(x >= one.start) & (x <= one.end) for one in series.repetitions]
        tinted = np.any(inside, axis=0) if inside else np.zeros(len(x), bool)
        above.fill_between(x, y, where=tinted, color=colors[i], alpha=0.3, linewidth=0)
        for axis, values in ((above, area), (below, probability)):
            x, y = _thinned(timeline.seconds, values)
            lines = axis.plot(x, y, **style)
            alone = _alone(y)  # a line of one point is not seen
            axis.plot(x[alone], y[alone], color=colors[i], **DOT)
        handles += lines
        marked = peaks[:0] if crowded else peaks
        above.plot(
            marked,
            np.interp(marked, timeline.seconds, area),
            linestyle="none",
            marker="v",
            markersize=9,
            markerfacecolor="white" if second else colors[i],
            markeredgecolor="#333333",
            clip_on=False,
            in_layout=False,  # unclipped, a line without a point upsets the constrained layout
            zorder=3,
        )
        count = f"{len(peaks)} repetition{'' if len(peaks) == 1 else 's'}"
        labels.append(f"{names[i]}{f' {signal.side}' if signal.side else ''}: {count}")
    if never:
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(_listed("never active: ", never))
    first, last = timeline.seconds[[0, -1]]
    margin = 0.03 * (last - first) or 0.5
    above.set_xlim(first - margin, last + margin)
    above.set_ylabel("area, % of the frame")
    above.set_ylim(bottom=0)
    below.set_ylabel("mean probability")
    below.set_ylim(0, 1.02)  # a line at 1 is whole
    below.set_xlabel("seconds")
    for axis in (above, below):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    legend_below(figure, handles, labels, points=9)
    return save_figure(figure, path)


def _thinned(seconds: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest value of each of `BINS` pieces: what is seen of a long video."""
    if len(values) <= 2 * BINS:
        return seconds, values
    kept: list[int] = []
    for piece in np.array_split(np.arange(len(values)), BINS):
        finite = piece[np.isfinite(values[piece])]
        ends = (
            {finite[values[finite].argmin()], finite[values[finite].argmax()]}
            if len(finite)
            else {piece[0]}
        )
        kept += sorted(ends)
    return seconds[kept], values[kept]


def _alone(values: np.ndarray) -> np.ndarray:
    """Which values have no finite neighbour, bool [N]."""
    finite = np.pad(np.isfinite(values), 1)
    return finite[1:-1] & ~finite[:-2] & ~finite[2:]


def _listed(start: str, names: list[str]) -> str:
    """The names in one label; those without room are counted."""
    for shown in range(len(names), 0, -1):
        rest = f" and {len(names) - shown} more" if shown < len(names) else ""
        label = f"{start}{', '.join(names[:shown])}{rest}"
        if inches(label, 9) < WIDTH / 2 - 0.8:
            return label
    return f"{start}{names[0] if len(names) == 1 else f'{len(names)} muscles'}"
