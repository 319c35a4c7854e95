"""Class ids drawn on their photo: the colours, one overlay, a sheet of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

# Index = class id. Background and the first seven classes have the colours of Okabe and Ito, Color
# Universal Design (2008), with the three first that stay furthest apart, and from skin, in the eyes
# of readers with protanopia and deuteranopia. The others were picked one by one from a grid of sRGB
# as the colour furthest (CIEDE2000) from all before it, to those readers and to the rest.
PALETTE = (
    "#000000 #0072B2 #F0E442 #56B4E9 #CC79A7 #D55E00 #009E73 #E69F00 "
    "#661111 #FFEEEE #223344 #226655 #3300BB #CCCC99 #993300 #DDDDFF #3388FF #CCAAAA #665577 "
    "#FF5577 #443333 #996644 #550077 #5511FF #DDFFAA #BBBBCC #886677 #AA3355 #CC0099 #335533"
).split()

WIDTH = 8.0  # inches: 10 pt text then reads as body text where a page shows the picture at 800 px
DPI = 160


def class_colors(class_count: int) -> np.ndarray:
    """The colour of each class.

    Args:
        class_count: K; beyond 30 the colours of classes 1..29 come again.

    Returns:
        RGB, uint8 [K, 3]; black for class 0, which `overlay` leaves transparent.
    """
    rgb = np.array([tuple(bytes.fromhex(color[1:])) for color in PALETTE], np.uint8)
    ids = np.arange(class_count)
    return rgb[np.where(ids == 0, 0, (ids - 1) % (len(PALETTE) - 1) + 1)]


def overlay(
    image: np.ndarray, mask: np.ndarray, *, alpha: float = 0.5, contours: bool = True
) -> np.ndarray:
    """Tints each class in its colour and draws its outline; background stays as it is.

    Args:
        image: RGB, uint8 [H, W, 3].
        mask: class ids, uint8 [H, W].
        alpha: of the tint, 0 (none) to 1 (opaque).
        contours: draw opaque outlines, within the region, so that small muscles stay visible.

    Returns:
        RGB, uint8 [H, W, 3].
    """
    colors = class_colors(256)[mask]  # [H, W, 3]
    opacity = np.full(mask.shape, alpha)
    if contours:
        # One pixel for each 256 of the side: as thick to the eye at every size.
        opacity[_edges(mask, thickness=max(1, round(min(mask.shape) / 256)))] = 1.0
    opacity[mask == 0] = 0.0
    return np.rint(image + opacity[..., None] * (colors.astype(float) - image)).astype(np.uint8)


def _edges(mask: np.ndarray, thickness: int) -> np.ndarray:
    """Pixels with another class within `thickness` pixels across or down: bool [H, W]."""
    edges = np.zeros(mask.shape, bool)
    for distance in range(1, min(thickness + 1, *mask.shape)):
        for one, other in (
            (np.s_[distance:], np.s_[:-distance]),
            (np.s_[:, distance:], np.s_[:, :-distance]),
        ):
            differs = mask[one] != mask[other]
            edges[one] |= differs
            edges[other] |= differs
    return edges


def photo_grid(
    rows: int, columns: int, image_shape: Sequence[int], *, labelled: bool
) -> tuple[Figure, np.ndarray]:
    """A figure for photos in rows and columns.

    Args:
        rows: at least 1.
        columns: at least 1.
        image_shape: (H, W, ...) of the photos.
        labelled: leave room for a line of text above each row.

    Returns:
        The figure, and its axes without ticks or frames, object [rows, columns].
    """
    row_height = WIDTH / columns * image_shape[0] / image_shape[1] + 0.25 * labelled
    figure = Figure(figsize=(WIDTH, rows * row_height + 0.9), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, axes


def show(axis: Axes, image: np.ndarray, mask: np.ndarray | None = None, title: str = "") -> None:
    """Shows a photo, with its overlay where there is a mask, under a title."""
    axis.imshow(image if mask is None else overlay(image, mask))
    axis.set_title(title, fontsize=9, pad=3)


def add_legend(figure: Figure, class_names: Sequence[str]) -> None:
    """Names the colour of each class but the background, below the figure's axes.

    Args:
        figure: with constrained layout, which makes room for the legend.
        class_names: K names; [0] is the background.
    """
    colors = class_colors(len(class_names)) / 255
    patches = [
        Patch(facecolor=color, edgecolor="#555555", linewidth=0.5, label=name)
        for color, name in zip(colors[1:], class_names[1:], strict=True)
    ]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=min(len(patches), 5), frameon=False
    )


def preview_sheet(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    class_names: Sequence[str],
    path: Path,
    *,
    columns: int = 4,
) -> Path:
    """Writes a sheet of samples with their masks, to check data and augmentation by eye.

    Args:
        images: RGB, uint8 [H, W, 3], all of one size.
        masks: class ids, uint8 [H, W].
        class_names: K names; [0] is the background.
        path: of the PNG.
        columns: samples in a row.

    Returns:
        `path`.
    """
    rows = -(-len(images) // columns)
    figure, axes = photo_grid(rows, columns, images[0].shape, labelled=False)
    for axis, image, mask in zip(axes.flat, images, masks, strict=False):
        show(axis, image, mask)
    add_legend(figure, class_names)
    figure.savefig(path)
    return path
