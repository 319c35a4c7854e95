"""Every score of a segmentation from one confusion matrix; numpy alone, no TensorFlow.

The formulas take the module that computes them (`xp`), so that the Keras metric of a training run
(keras_metrics.py, with keras.ops) and the final evaluation (here, with numpy) cannot disagree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tf_muscle.roboflow.records import VOID

# A model that finds less than this share of the foreground pixels is called background only.
BACKGROUND_ONLY_RECALL = 0.01
# Of images that a difference is told from. The smallest p of a paired test without assumptions, the
# sign test's, is 2 / 2^n: at 5 images it is still above 5 percent.
LEAST_PAIRS = 6


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
COMPARED = ("foreground_mean_iou", "mean_iou")  # of two models; the first decides


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


def bootstrap_intervals(
    confusions: np.ndarray,
    losses: np.ndarray,
    groups: Sequence[str] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Percentile bootstrap over groups: the scores of sets of groups drawn with replacement.

    Images of one person are alike, and as many drawn one by one would seem to tell more than they
    do (Field and Welsh 2007, Bootstrapping clustered data, the cluster bootstrap).

    Args:
        confusions: int64 [N, K, K], one confusion matrix an image.
        losses: float [N], the loss of each image.
        groups: the group of each image, drawn as a whole; by default each image is one.
        resamples: sets drawn; 2000 puts the error of a 95 percent bound below its third digit.
        seed: int; the same seed draws the same sets.

    Returns:
        [low, high] of the 95 percent interval for each of `SCALARS` and for `loss` (Efron and
        Tibshirani, An Introduction to the Bootstrap, ch. 13).
    """
    sums, loss_sums, sizes = confusions, losses, np.ones(len(losses), np.int64)
    if groups is not None:
        _, group_of = np.unique(np.array(groups), return_inverse=True)
        sizes = np.bincount(group_of)
        loss_sums = np.bincount(group_of, weights=losses)
        sums = np.zeros((len(sizes), *confusions.shape[1:]), np.int64)
        np.add.at(sums, group_of, confusions)
    count = len(sizes)
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    drawn = [
        scores(sums[draw].sum(axis=0).astype(float))
        | {"loss": loss_sums[draw].sum() / sizes[draw].sum()}
        for draw in draws
    ]
    return {
        name: [float(bound) for bound in np.percentile([one[name] for one in drawn], (2.5, 97.5))]
        for name in ("loss", *SCALARS)
    }


@dataclass(frozen=True)
class Difference:
    """How far a model's score is above another's on the same images, with its 95 percent interval.

    Attributes:
        value: -1 to 1.
        low: lower bound.
        high: upper bound.
        pair_count: independent images, or groups of images, that it was told from.
    """

    value: float
    low: float
    high: float
    pair_count: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval is on one side of 0; 0 where no difference can be told."""
        if self.pair_count < LEAST_PAIRS:  # a bootstrap of few images is far too narrow
            return 0
        return (self.low > 0) - (self.high < 0)


def paired_differences(
    confusions: np.ndarray,
    others: np.ndarray,
    groups: Sequence[str] | np.ndarray | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Percentile bootstrap of the difference of two models on the same images.

    Each set that is drawn with replacement scores both models, so that images which are hard for
    both do not widen the interval (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 8.3
    and 13). Images of one group are drawn together.

    Args:
        confusions: int64 [N, K, K], one confusion matrix an image, of one model.
        others: the same of the other model, in the same order.
        groups: N labels, the same for images that are alike, such as copies of one photo; by
            default each image is a group of its own.
        resamples: sets drawn, as in `bootstrap_intervals`.
        seed: int; the same seed draws the same sets.

    Returns:
        `mean_iou` and `foreground_mean_iou`: the first model's minus the other's.

    Raises:
        ValueError: the two are not of the same images.
    """
    if confusions.shape != others.shape:
        raise ValueError(f"confusions {confusions.shape} and others {others.shape} are no pairs")
    labels = np.arange(len(confusions)) if groups is None else np.asarray(groups)
    names, group_of = np.unique(labels, return_inverse=True)
    count = len(names)
    summed = np.zeros((2, count, *confusions.shape[1:]))  # the pixels of each group
    for model, pixels in zip(summed, (confusions, others), strict=True):
        np.add.at(model, group_of, pixels)

    def difference(chosen: np.ndarray) -> dict[str, float]:
        ours, theirs = (scores(model[chosen].sum(axis=0)) for model in summed)
        return {name: float(ours[name] - theirs[name]) for name in COMPARED}

    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    drawn = [difference(draw) for draw in draws]
    whole = difference(np.arange(count))
    bounds = {name: np.percentile([one[name] for one in drawn], (2.5, 97.5)) for name in COMPARED}
    return {
        name: Difference(whole[name], float(bounds[name][0]), float(bounds[name][1]), count)
        for name in COMPARED
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
