"""What all figures of a report have in common."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from tf_muscle.report.lettering import drawable, families, fitted, text_width

# The first three from light to dark; the orange marks what a model is compared with.
GREY, BLUE, DARK, ORANGE = "#9AA5B1", "#0072B2", "#1B2A41", "#D55E00"
GRID = "#E5E5E5"
WIDTH = 8.0  # inches: 10 pt text then reads as body text where a page shows the figure at 800 px
DPI = 160
POINTS = 72  # an inch
SLACK = 0.96  # matplotlib's hinting can set a text some percent wider than Pillow's


def new_figure(title: str, height: float, *, width: float = WIDTH, synthetic: bool) -> Figure:
    """An empty figure under its title; `save_figure` writes it.

    Args:
        title: one line, may be empty; its middle is left out where it is too long.
        height: in inches.
        width: in inches.
        synthetic: say so in the title, since the figure shows scores on rendered photos.
    """
    # A Figure by itself, without pyplot: needs no display and leaves no state behind.
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    if title:
        title = f"{title}, synthetic photos" if synthetic else title
        figure.suptitle(fitting(title, width - 0.2, 12), fontsize=12)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, its names in fonts that have their letters.

    Returns:
        `path`.
    """
    for text in figure.findobj(Text):
        if not text.get_text().isascii():
            text.set_fontfamily(families(text.get_text()))
    figure.savefig(path, format="png")
    return path


def plain(name: str) -> str:
    """A name for matplotlib, which would read a formula between dollars and fail on $\\frac$."""
    return drawable(name).replace("$", r"\$")


def fitting(name: str, room: float, points: float) -> str:
    """A name for matplotlib, shortened to its room.

    Args:
        name: any text of one line.
        room: in inches.
        points: size of the font.
    """
    return plain(fitted(drawable(name), SLACK * room * DPI, _pixels(points)))


def inches(name: str, points: float) -> float:
    """How wide, at most, matplotlib draws a name in a font of this size."""
    return text_width(drawable(name), _pixels(points)) / DPI / SLACK


def legend_below(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, points: float = 10
) -> None:
    """Puts a legend below the axes and makes the figure as much higher as its lines need.

    It has as many columns as its labels leave room for. A label that is wider than half the figure
    is shortened, so that there are two at least.

    Args:
        figure: a figure of `new_figure`, whose height has room for a legend of one line.
        handles: what the labels stand beside, one for each.
        labels: any texts of one line.
        points: size of the font in points.
    """
    if not labels:
        return
    em = points / POINTS
    beside = 2.8 * em  # of a label: its handle, and the pad between them
    between = 2.0 * em  # columns
    room = figure.get_figwidth() - 0.2
    half = (room - between) / 2 - beside
    widths = [min(inches(label, points), half) + beside for label in labels]

    def needed(columns: int) -> float:  # Legend fills column by column
        filled = np.array_split(np.array(widths), columns)
        return sum(float(column.max()) for column in filled) + between * (columns - 1)

    columns = next((n for n in range(len(labels), 1, -1) if needed(n) <= room), 1)
    lines = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 1.7 * em * (lines - 1))
    legend = figure.legend(
        handles,
        [str(number) for number in range(len(labels))],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=points,
    )
    # Only now, because Legend leaves out labels that begin with "_".
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(fitting(label, half, points))


def _pixels(points: float) -> int:
    return round(points * DPI / POINTS)
