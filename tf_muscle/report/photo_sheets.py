"""Figures made of photos: samples with their masks, and predictions beside the truth."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tf_muscle.model.metrics import confusion_matrix, scores
from tf_muscle.report.figure_style import (
    WIDTH,
    fitting,
    legend_below,
    new_figure,
    save_figure,
)
from tf_muscle.report.lettering import class_labels
from tf_muscle.report.overlays import class_colors, overlay

TITLE_ROOM = WIDTH / 4 - 0.1  # inches, above a photo of four in a row

COLUMNS = 4  # samples in a row of the preview
Arrays = np.ndarray | Sequence[np.ndarray]  # one a photo, stacked or listed


def preview_sheet(
    images: Arrays,
    masks: Arrays,
    class_names: Sequence[str],
    path: Path,
    *,
    aspect: float = 1.0,
) -> Path:
    """Writes a sheet of samples with their masks, to check data and augmentation by eye.

    Args:
        images: RGB, uint8 [H, W, 3], all of one size, at least one.
        masks: class ids, uint8 [H, W].
        class_names: K names; [0] is the background.
        path: the PNG.
        aspect: width over height at which a square is shown, as of `Geometry`.

    Returns:
        `path`.
    """
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    figure, axes = _photo_grid(
        "", rows, columns, images[0].shape, class_names, aspect=aspect, synthetic=False
    )
    for axis, image, mask in zip(axes.flat, images, masks, strict=False):
        _show(axis, image, mask)
    return save_figure(figure, path)


def before_after(
    images: Arrays,
    truths: Arrays,
    before: Arrays,
    after: Arrays,
    names: Sequence[str],
    class_names: Sequence[str],
    path: Path,
    *,
    aspect: float = 1.0,
    synthetic: bool = False,
) -> Path:
    """Writes the same test photos with their true mask, and as seen before and after training.

    Args:
        images: RGB, uint8 [H, W, 3], all of one size; a row each, at least one.
        truths: class ids, uint8 [H, W].
        before: predicted class ids, uint8 [H, W], of the untrained model.
        after: predicted class ids, uint8 [H, W], of the trained one.
        names: file names.
        class_names: K names; [0] is the background.
        path: the PNG.
        aspect: width over height at which a square is shown, as of `Geometry`.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    figure, axes = _photo_grid(
        "Before and after training",
        len(images),
        4,
        images[0].shape,
        class_names,
        aspect=aspect,
        synthetic=synthetic,
    )
    for row, image, truth, name, untrained, trained in zip(
        axes, images, truths, names, before, after, strict=True
    ):
        _show(row[0], image, title=photo_label(name))
        _show(row[1], image, truth, "truth")
        _show(row[2], image, untrained, f"before, {_verdict(truth, untrained)}")
        _show(row[3], image, trained, f"after, {_verdict(truth, trained)}")
    return save_figure(figure, path)


def best_and_worst(
    images: Arrays,
    truths: Arrays,
    predictions: Arrays,
    names: Sequence[str],
    class_names: Sequence[str],
    path: Path,
    *,
    count: int = 4,
    aspect: float = 1.0,
    synthetic: bool = False,
) -> Path:
    """Writes the test photos with the highest and the lowest foreground IoU.

    A photo without a muscle in truth or prediction is right, but no feat, and stands on neither
    side.

    Args:
        images: RGB, uint8 [H, W, 3], all of one size, at least one.
        truths: class ids, uint8 [H, W].
        predictions: class ids, uint8 [H, W].
        names: file names.
        class_names: K names; [0] is the background.
        path: the PNG.
        count: photos on each side; fewer if there are not twice as many.
        aspect: width over height at which a square is shown, as of `Geometry`.
        synthetic: the photos are rendered.

    Returns:
        `path`.
    """
    best, worst = rank(truths, predictions, count)
    figure, axes = _photo_grid(
        "Best (left) and worst (right) predictions",
        max(1, len(best)),
        4,
        images[0].shape,
        class_names,
        aspect=aspect,
        synthetic=synthetic,
    )
    for columns, side in ((axes[:, :2], best), (axes[:, 2:], worst)):
        for (left, right), index in zip(columns, side, strict=False):
            image, truth, prediction = images[index], truths[index], predictions[index]
            _show(left, image, truth, f"{photo_label(names[index])}: truth")
            _show(right, image, prediction, f"prediction, {_verdict(truth, prediction)}")
    return save_figure(figure, path)


def rank(truths: Arrays, predictions: Arrays, count: int) -> tuple[list[int], list[int]]:
    """Finds the photos with the highest and the lowest foreground IoU.

    Returns:
        At most `count` indices each, the best and the worst first; no index is in both, and none is
        of a photo without a muscle in truth or prediction.
    """
    overlaps = {
        index: foreground_iou(truth, prediction)
        for index, (truth, prediction) in enumerate(zip(truths, predictions, strict=True))
        if truth.any() or prediction.any()
    }
    ranked = sorted(overlaps, key=lambda index: -overlaps[index])
    best = ranked[: min(count, (len(ranked) + 1) // 2)]
    return best, ranked[len(best) :][::-1][:count]


def foreground_iou(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Foreground mIoU of one photo, over the muscles that are in its truth or prediction."""
    class_count = int(max(truth.max(), prediction.max(), 1)) + 1
    confusion = confusion_matrix(truth, prediction, class_count)
    return float(scores(confusion.astype(float))["foreground_mean_iou"])


def _verdict(truth: np.ndarray, prediction: np.ndarray) -> str:
    if truth.any() or prediction.any():
        return f"IoU {foreground_iou(truth, prediction):.2f}"
    return "correct: no muscle"


def photo_label(name: str) -> str:
    """What tells a photo from others, short enough to stand above it.

    Roboflow names X.jpg "X_jpg.rf.<hash>.jpg".
    """
    name = name.rpartition("/")[2]
    label = re.sub(r"(_(jpe?g|png))?(\.rf\.\w+)?\.\w+$", "", name, flags=re.IGNORECASE)
    return label if len(label) <= 18 else f"{label[:8]}…{label[-9:]}"


def _photo_grid(
    title: str,
    rows: int,
    columns: int,
    image_shape: Sequence[int],
    class_names: Sequence[str],
    *,
    aspect: float,
    synthetic: bool,
) -> tuple[Figure, np.ndarray]:
    """A figure with axes, object [rows, columns], for photos of shape (H, W, ...), and a legend."""
    photo_height = WIDTH / columns * image_shape[0] / image_shape[1] / aspect
    row_height = photo_height + (0.2 if title else 0)
    height = rows * row_height + (0.7 if title else 0.4)
    figure = new_figure(title, height, synthetic=synthetic)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.04, wspace=0.01, hspace=0.01)
    colors = class_colors(len(class_names))[1:] / 255
    patches = [Patch(facecolor=color, edgecolor="#555555", linewidth=0.5) for color in colors]
    legend_below(figure, patches, class_labels(class_names)[1:])
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
        axis.set_aspect(1 / aspect)
    return figure, axes


def _show(axis: Axes, image: np.ndarray, mask: np.ndarray | None = None, title: str = "") -> None:
    """Shows a photo, with its overlay where there is a mask."""
    axis.imshow(image if mask is None else overlay(image, mask), aspect=axis.get_aspect())
    axis.set_title(fitting(title, TITLE_ROOM, 9), fontsize=9, pad=3)
