"""Every score of a segmentation from one confusion matrix; numpy alone, no TensorFlow.

The formulas take the module that computes them (`xp`), so that the Keras metric of a training run
(keras_metrics.py, with keras.ops) and the final evaluation (here, with numpy) cannot disagree.
"""

from types import ModuleType
from typing import Any

import numpy as np

from tf_muscle.roboflow.records import VOID

# A model that finds less than this share of the foreground pixels is called background only.
BACKGROUND_ONLY_RECALL = 0.01


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, class_count: int) -> np.ndarray:
    """Counts pixels by true class (rows) and predicted class (columns).

    Args:
        truth: class ids of any shape, integers in 0..K-1, or `VOID` for pixels that do not count.
        prediction: class ids of the same shape.
        class_count: K.

    Returns:
        int64 [K, K].
    """
    counted = truth != VOID
    index = truth[counted].astype(np.int64) * class_count + prediction[counted].astype(np.int64)
    return np.bincount(index, minlength=class_count**2).reshape(class_count, class_count)


def _mean_where(values: Any, present: Any, xp: ModuleType) -> Any:
    """Mean of the values where present; 0 if none is."""
    weights = xp.where(present, 1.0, 0.0)
    return xp.sum(xp.where(present, values, 0.0)) / xp.maximum(xp.sum(weights), 1.0)


def scores(confusion: Any, xp: Any = np) -> dict[str, Any]:
    """Scores of a confusion matrix, rows true and columns predicted, class 0 the background.

    A class is left out of a mean where its denominator is 0: neither true nor predicted for IoU
    and Dice, not true for class accuracy.

    Args:
        confusion: float [K, K], K >= 2.
        xp: numpy or keras.ops.

    Returns:
        Scalars in [0, 1]: `mean_iou` over all classes, `foreground_mean_iou` over classes 1..K-1,
        `pixel_accuracy`, `mean_class_accuracy` (mean recall: what the report calls accuracy),
        `foreground_pixel_accuracy` (share of the true foreground given its right class); and
        vectors [K]: `iou`, `dice`, `present` (bool: true or predicted somewhere).
    """
    hits = xp.diagonal(confusion)  # [K]
    true = xp.sum(confusion, axis=1)  # [K]
    predicted = xp.sum(confusion, axis=0)  # [K]
    union = true + predicted - hits
    present = union > 0
    iou = hits / xp.maximum(union, 1.0)
    recall = hits / xp.maximum(true, 1.0)
    return {
        "mean_iou": _mean_where(iou, present, xp),
        "foreground_mean_iou": _mean_where(iou[1:], present[1:], xp),
        "pixel_accuracy": xp.sum(hits) / xp.maximum(xp.sum(true), 1.0),
        "mean_class_accuracy": _mean_where(recall, true > 0, xp),
        "foreground_pixel_accuracy": xp.sum(hits[1:]) / xp.maximum(xp.sum(true[1:]), 1.0),
        "iou": iou,
        "dice": 2 * hits / xp.maximum(true + predicted, 1.0),
        "present": present,
    }


SCALARS = (
    "mean_iou",
    "foreground_mean_iou",
    "pixel_accuracy",
    "mean_class_accuracy",
    "foreground_pixel_accuracy",
)


def floor_mean_iou(pixel_counts: np.ndarray) -> float:
    """mIoU of the model that predicts background everywhere.

    Args:
        pixel_counts: int64 [K], pixels of each class.

    Returns:
        The background's share of the pixels divided by the number of classes that occur: .2451 for
        the report's validation set, 10 of whose 13 trials ended there.
    """
    occurring = np.count_nonzero(pixel_counts[1:]) + 1
    return float(pixel_counts[0] / max(pixel_counts.sum(), 1) / occurring)


def is_background_only(confusion: np.ndarray) -> bool:
    """Whether a model found next to none of the foreground (see BACKGROUND_ONLY_RECALL)."""
    foreground = confusion[1:].sum()
    return bool(foreground > 0 and confusion[1:, 1:].sum() < BACKGROUND_ONLY_RECALL * foreground)


def background_only_sentence(mean_iou: float, floor: float) -> str:
    """Calls a collapsed model by its name."""
    return (
        f"background only: mIoU {mean_iou:.3f} is the floor of this data set, {floor:.4f} "
        "(what a model scores that never predicts a muscle)"
    )
