"""How far scores would move with other test images: bootstrap intervals; numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.model.metrics import SCALARS, scores

# Of images that a difference is told from. The smallest p of a paired test without assumptions, the
# sign test's, is 2 / 2^n: at 5 images it is still above 5 percent.
LEAST_PAIRS = 6
COMPARED = ("foreground_mean_iou", "mean_iou")  # of two models; the first decides


def group_numbers(groups: Sequence[str] | np.ndarray | None, image_count: int) -> np.ndarray:
    """The number of each image's group, int64 [N]; without groups each image is one."""
    labels = np.arange(image_count) if groups is None else np.asarray(groups)
    return np.unique(labels, return_inverse=True)[1]


def by_group(values: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """The sum of each of G groups, [G, ...], of values [N, ...] whose group numbers are given."""
    sums = np.zeros((group_of.max() + 1, *values.shape[1:]), values.dtype)
    np.add.at(sums, group_of, values)
    return sums


def draws_of(count: int, resamples: int, seed: int) -> np.ndarray:
    """Sets of as many numbers below `count`, drawn with replacement: int64 [resamples, count]."""
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


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
    group_of = group_numbers(groups, len(losses))
    sums = by_group(confusions, group_of)
    loss_sums, sizes = by_group(losses, group_of), np.bincount(group_of)
    drawn = [
        scores(sums[draw].sum(axis=0).astype(float))
        | {"loss": loss_sums[draw].sum() / sizes[draw].sum()}
        for draw in draws_of(len(sizes), resamples, seed)
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
    group_of = group_numbers(groups, len(confusions))
    summed = [by_group(one, group_of) for one in (confusions, others)]
    count = len(summed[0])

    def difference(chosen: np.ndarray) -> dict[str, float]:
        ours, theirs = (scores(model[chosen].sum(axis=0).astype(float)) for model in summed)
        return {name: float(ours[name] - theirs[name]) for name in COMPARED}

    drawn = [difference(draw) for draw in draws_of(count, resamples, seed)]
    whole = difference(np.arange(count))
    bounds = {name: np.percentile([one[name] for one in drawn], (2.5, 97.5)) for name in COMPARED}
    return {
        name: Difference(whole[name], float(bounds[name][0]), float(bounds[name][1]), count)
        for name in COMPARED
    }
