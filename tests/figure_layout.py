"""What every picture that matplotlib writes has to keep to; conftest.py asks it of each one."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

LEAST_SIDE = 0.5  # of the picture that the axes together span, across and down
LEAST_AREA = 0.25  # of the picture that the axes cover
TOUCH = 1.5  # pixels that two texts may share, or stand out of the picture


def check_layout(figure: Figure) -> None:
    """Axes take their share of a figure that was drawn, and its texts are whole and apart."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.bbox.size
    boxes = np.array([axes.get_position().extents for axes in figure.axes])  # [N, 4], 0 to 1
    if len(boxes):
        spans = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum()
        legend = sum(one.get_window_extent(renderer).height for one in figure.legends) / height
        assert spans[0] > LEAST_SIDE, f"the axes span {spans[0]:.0%} of the width"
        assert spans[1] > LEAST_SIDE * (1 - legend), f"the axes span {spans[1]:.0%} of the height"
        assert area > LEAST_AREA * (1 - legend), f"the axes cover {area:.0%} of the picture"
    texts = [text for text in shown_texts(figure) if text.get_text().strip()]
    found = np.array([text.get_window_extent(renderer).extents for text in texts]).reshape(-1, 4)
    outside = (found[:, :2] < -TOUCH).any(axis=1)
    outside |= (found[:, 2:] > np.array([width, height]) + TOUCH).any(axis=1)
    assert not outside.any(), f"cut off: {[texts[i].get_text() for i in np.flatnonzero(outside)]}"
    low = np.maximum(found[:, None, :2], found[None, :, :2])
    high = np.minimum(found[:, None, 2:], found[None, :, 2:])
    shared = np.triu(((high - low) > TOUCH).all(axis=-1), k=1)
    pairs = [(texts[i].get_text(), texts[j].get_text()) for i, j in np.argwhere(shared)]
    assert not pairs, f"one over the other: {pairs[:5]}"


def shown_texts(figure: Figure) -> Iterator[Text]:
    """The texts of a figure, but for those of ticks beyond the ends of their axis."""
    ticks = {id(text) for axis in figure.findobj(Axis) for text in tick_texts(axis)}
    for text in figure.findobj(Text):
        if text.get_visible() and id(text) not in ticks:
            yield text
    for axes in figure.axes:
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                margin = 1e-9 * (high - low)
                for tick in axis.get_major_ticks():
                    for text in (tick.label1, tick.label2):
                        if text.get_visible() and low - margin <= tick.get_loc() <= high + margin:
                            yield text


def tick_texts(axis: Axis) -> Iterator[Text]:
    """All that `findobj` finds of the ticks of an axis."""
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        yield from (tick.label1, tick.label2)
