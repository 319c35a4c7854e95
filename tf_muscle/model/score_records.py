"""The scores of a split or of folds as metrics.json keeps them; numpy alone, no TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_muscle.model.bootstrap import bootstrap_intervals
from tf_muscle.model.metrics import SCALARS, floor_mean_iou, is_background_only, scores


def summarize(
    confusions: np.ndarray,
    losses: np.ndarray,
    class_names: Sequence[str],
    groups: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The scores of one split as metrics.json keeps them.

    Args:
        confusions: int64 [N, K, K], one confusion matrix an image.
        losses: float [N], the loss of each image.
        class_names: K names; [0] is the background.
        groups: the group of each image, see `bootstrap_intervals`.

    Returns:
        A record of plain numbers: `image_count`, `loss` (mean over images), the scalars of
        `scores`, `intervals` ({score: [low, high]}), `iou` and `dice` ({class name: value, None
        where absent}), `floor_mean_iou`, `background_only` (bool) and `confusion_matrix` (K lists
        of K).
    """
    total = confusions.sum(axis=0)
    values = scores(total.astype(float))
    by_class = {
        key: {
            name: float(value) if present else None
            for name, value, present in zip(
                class_names, values[key], values["present"], strict=True
            )
        }
        for key in ("iou", "dice")
    }
    return {
        "image_count": len(confusions),
        "loss": float(np.mean(losses)),
        **{name: float(values[name]) for name in SCALARS},
        "intervals": bootstrap_intervals(confusions, losses, groups),
        **by_class,
        "floor_mean_iou": floor_mean_iou(total.sum(axis=1)),
        "background_only": is_background_only(total),
        "confusion_matrix": total.tolist(),
    }


def mean_and_spread(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation over the folds of a cross-validation.

    Args:
        records: of `summarize`, one a fold.

    Returns:
        `mean` and `standard_deviation` (of a sample: divided by one less than their number), each
        with `loss`, `SCALARS`, and `iou` by class, over the folds that have the class; None for a
        mean of none and a deviation of one.
    """
    columns = {name: [record[name] for record in records] for name in ("loss", *SCALARS)}
    ious = {name: [record["iou"][name] for record in records] for name in records[0]["iou"]}

    def apply(function: Callable[[list[float]], Any], least: int) -> dict[str, Any]:
        def over(values: list[float | None]) -> float | None:
            present = [value for value in values if value is not None]
            return float(function(present)) if len(present) >= least else None

        single = {name: over(values) for name, values in columns.items()}
        return {**single, "iou": {name: over(values) for name, values in ious.items()}}

    return {
        "mean": apply(np.mean, 1),
        "standard_deviation": apply(lambda values: np.std(values, ddof=1), 2),
    }
