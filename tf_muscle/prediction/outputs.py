"""What is told and drawn of a prediction: numbers for each muscle, an overlay with a legend."""

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import cv2
import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import find_objects

from tf_muscle.prediction.addresses import File
from tf_muscle.report.lettering import class_labels, draw_text, fitted, percent, text_width
from tf_muscle.report.overlays import class_colors, overlay

COLUMNS = (
    *("file", "output", "muscle", "active", "area_share", "mean_probability"),
    *("box_x", "box_y", "box_width", "box_height"),
)
INK, FAINT = "#1B2A41", "#7A8594"  # text of a muscle that is active, and of one that is not
SMALLEST_TEXT = 11  # pixels that can still be read
LEAST_WIDTH = 240  # pixels of a legend below a narrower photo


@dataclass(frozen=True)
class MuscleRow:
    """What a mask says of one muscle.

    Attributes:
        muscle: name of the class.
        active: whether the mask has a pixel of it.
        area_share: share of the photo's pixels, 0 to 1.
        mean_probability: over the pixels of the mask that are its own; None without one.
        box: around them, (x, y, width, height) in pixels from the top left; None without one.
    """

    muscle: str
    active: bool
    area_share: float
    mean_probability: float | None
    box: tuple[int, int, int, int] | None


def muscle_rows(
    highest: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str]
) -> tuple[MuscleRow, ...]:
    """Describes each muscle of a photo, in the order of the class ids.

    Args:
        highest: probability of each pixel's own class, float32 [H, W].
        class_ids: uint8 [H, W], of `Predictor.class_ids`.
        class_names: K names, the first is the background's and gets no row.
    """
    rows = []
    # Muscles are a small part of most photos, and the rest is not searched.
    left, top, width, height = cv2.boundingRect(class_ids)
    muscles = np.s_[top : top + height, left : left + width]
    pixels, highest = class_ids[muscles], highest[muscles]
    regions = find_objects(pixels, max_label=len(class_names) - 1)
    for class_id, (name, region) in enumerate(zip(class_names[1:], regions, strict=True), start=1):
        if region is None:
            rows.append(MuscleRow(name, False, 0.0, None, None))
            continue
        ys, xs = region
        inside = pixels[region] == class_id
        rows.append(
            MuscleRow(
                muscle=name,
                active=True,
                area_share=np.count_nonzero(inside) / class_ids.size,
                mean_probability=float(highest[region][inside].mean(dtype=float)),
                box=(left + xs.start, top + ys.start, xs.stop - xs.start, ys.stop - ys.start),
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class PhotoResult:
    """A photo and what was predicted of it.

    Attributes:
        image: RGB, uint8 [H, W, 3].
        probabilities: of each class, float32 [H, W, K]; the K of a pixel add up to 1.
        mask: class ids, uint8 [H, W]; 0 is the background.
        class_names: K names, by class id.
    """

    image: np.ndarray
    probabilities: np.ndarray
    mask: np.ndarray
    class_names: tuple[str, ...]

    @property
    def rows(self) -> tuple[MuscleRow, ...]:
        """What the mask says of each muscle: whether it is active, its share of the photo ..."""
        own = np.take_along_axis(self.probabilities, self.mask[..., np.newaxis], axis=-1)
        return muscle_rows(own[..., 0], self.mask, self.class_names)

    def overlay(self, alpha: float = 0.6) -> np.ndarray:
        """The photo with its muscles tinted and named.

        Args:
            alpha: of the tint, 0 (outlines only) to 1 (opaque).

        Returns:
            RGB, uint8 [H + legend, W, 3], see `draw_overlay`.
        """
        return draw_overlay(self.image, self.mask, self.class_names, alpha=alpha)


class PredictionTable:
    """predictions.csv, written row by row."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(COLUMNS)

    def add(self, path: File, output: str, rows: Sequence[MuscleRow]) -> None:
        """Writes the rows of one photo or video, whose outputs are called `output`."""
        for row in rows:
            probability = "" if row.mean_probability is None else f"{row.mean_probability:.4f}"
            box = row.box or ("",) * 4
            active = "yes" if row.active else "no"
            self._writer.writerow(
                (path, output, row.muscle, active, f"{row.area_share:.6f}", probability, *box)
            )


def draw_overlay(
    image: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str], *, alpha: float = 0.6
) -> np.ndarray:
    """Tints the muscles on a photo and names them below it, each with its share of the photo.

    Args:
        image: RGB, uint8 [H, W, 3].
        class_ids: uint8 [H, W].
        class_names: K names.
        alpha: opacity of the tint, 0 (outlines only) to 1 (opaque).

    Returns:
        RGB, uint8 [H + legend, W, 3]; a photo too narrow for a name gets white on its right. The
        size depends on the photo's size and the names alone, so that frames of a video agree.
    """
    height, width = class_ids.shape
    legend = _legend(width, height, tuple(class_names))
    drawn = np.full((height + legend.height, max(width, legend.width), 3), 255, np.uint8)
    drawn[:height, :width] = overlay(image, class_ids, alpha=alpha)
    band = Image.new("RGB", (drawn.shape[1], legend.height), "white")
    draw = ImageDraw.Draw(band)
    count = len(class_names)
    counts = cv2.calcHist([class_ids], [0], None, [count], [0, count]).ravel()
    shares = counts.astype(float) / class_ids.size
    colors = class_colors(len(class_names)).tolist()
    size = legend.text_size
    swatch = round(0.8 * size)
    for i, (label, share_x) in enumerate(zip(legend.labels, legend.share_x, strict=True)):
        row, column = divmod(i, legend.columns)
        x = size // 2 + column * legend.cell_width
        y = size // 2 + row * legend.row_height
        active = counts[i + 1] > 0
        fill = tuple(colors[i + 1]) if active else None
        draw.rectangle((x, y, x + swatch, y + swatch), fill=fill, outline=INK)
        ink = INK if active else FAINT
        draw_text(draw, (x + round(1.5 * swatch), y + swatch), label, size, ink)
        draw_text(draw, (x + share_x, y + swatch), percent(shares[i + 1]), size, ink)
    drawn[height:] = np.asarray(band)
    return drawn


@dataclass(frozen=True)
class _Legend:
    """The band below a photo; sizes in pixels.

    Attributes:
        labels: the name of each muscle, shortened to its room.
        share_x: where the share behind each label begins, from the left of its cell.
        text_size: height of the font.
        cell_width: width of one muscle; they stand in `columns`.
        columns: muscles in a row.
        row_height: height of a row.
        width: that it needs at least.
        height: height of the whole band.
    """

    labels: tuple[str, ...]
    share_x: tuple[int, ...]
    text_size: int
    cell_width: int
    columns: int
    row_height: int
    width: int
    height: int


@functools.lru_cache(maxsize=64)
def _legend(width: int, height: int, class_names: tuple[str, ...]) -> _Legend:
    size = max(SMALLEST_TEXT, min(width, height) // 28)
    start = round(1.5 * round(0.8 * size))  # of a label, behind its swatch
    gap = round(text_width(" ", size))
    behind = gap + round(text_width("100.0 %", size)) + size  # of a label, to the next column
    whole = max(width, LEAST_WIDTH) - size // 2
    labels = class_labels(class_names)[1:]
    labels = [fitted(label, whole - start - behind, size) for label in labels]
    ends = [start + int(text_width(label, size)) for label in labels]
    cell_width = max(ends, default=start) + behind
    columns = max(1, min(len(labels), whole // cell_width))
    rows = -(-len(labels) // columns)
    row_height = round(1.5 * size)
    return _Legend(
        labels=tuple(labels),
        share_x=tuple(end + gap for end in ends),
        text_size=size,
        cell_width=cell_width,
        columns=columns,
        row_height=row_height,
        width=size // 2 + columns * cell_width,
        height=rows * row_height + size // 2,
    )
