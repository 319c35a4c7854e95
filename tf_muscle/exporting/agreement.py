"""Compares an exported model with the Keras model on the same photos, and states the limits."""

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from tf_muscle.errors import UserError
from tf_muscle.model.metrics import confusion_matrix, scores

# From photos, uint8 [B, S, S, 3], to class ids, uint8 [B, S, S].
Predict = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Limit:
    """What an export may lose."""

    agreement: float  # least share of the pixels with the Keras model's class
    mean_iou_drop: float  # largest; it also catches a model that lost the few pixels of a muscle


# Rounding alone flips the class of a pixel in 100,000 where two are equally likely.
LIMITS = {
    "float32": Limit(0.9999, 0.002),
    "float16": Limit(0.999, 0.005),
    "bfloat16": Limit(0.99, 0.02),
    "dynamic": Limit(0.98, 0.02),
    "int8": Limit(0.98, 0.02),
}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How an exported model does on the test images, one at a time."""

    agreement: float
    """Share of all pixels with the Keras model's class."""
    foreground_agreement: float
    """The same of the pixels that either model marks; nearly all of an image is background."""
    mean_iou: float
    mean_iou_difference: float
    """mean_iou minus that of the Keras model."""
    latency_ms_median: float
    latency_ms_p95: float
    image_count: int


def compare(
    predict: Predict, images: np.ndarray, masks: np.ndarray, expected: np.ndarray, class_count: int
) -> Agreement:
    """Runs the test images through an exported model.

    Args:
        predict: the exported model in its own runtime.
        images: uint8 [N, S, S, 3].
        masks: true class ids, uint8 [N, S, S].
        expected: class ids that the Keras model gives, [N, S, S].
        class_count: K.
    """
    predict(images[:1])  # the first call also prepares the runtime
    predictions, seconds = [], []
    for image in images:
        start = time.perf_counter()
        predictions.append(predict(image[np.newaxis])[0])
        seconds.append(time.perf_counter() - start)
    predicted = np.stack(predictions)
    same = predicted == expected
    marked = (predicted > 0) | (expected > 0)
    mean_iou, expected_mean_iou = (
        float(scores(confusion_matrix(masks, ids, class_count).astype(float))["mean_iou"])
        for ids in (predicted, expected)
    )
    return Agreement(
        agreement=float(same.mean()),
        foreground_agreement=float(same[marked].mean()) if marked.any() else 1.0,
        mean_iou=mean_iou,
        mean_iou_difference=mean_iou - expected_mean_iou,
        latency_ms_median=float(np.median(seconds) * 1000),
        latency_ms_p95=float(np.percentile(seconds, 95) * 1000),
        image_count=len(images),
    )


def refuse_drop(name: str, kind: str, measured: Agreement) -> None:
    """Refuses an export that lost more than its type may.

    Args:
        name: what the export is called, such as "litert int8".
        kind: key of `LIMITS`.
        measured: the result of `compare`.

    Raises:
        UserError: agreement or mIoU is below its limit.
    """
    limit = LIMITS[kind]
    if measured.agreement < limit.agreement or measured.mean_iou_difference < -limit.mean_iou_drop:
        raise UserError(
            f"{name} gives {measured.agreement:.4%} of the test pixels the Keras model's class "
            f"(at least {limit.agreement:.2%} is asked for) and changes the mIoU by "
            f"{measured.mean_iou_difference:+.4f} (at most -{limit.mean_iou_drop}), so it was not "
            "written: leave it out with --formats, --litert_types or --precision"
        )
