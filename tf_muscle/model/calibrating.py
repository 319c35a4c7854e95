"""Chooses the settings of prediction from probabilities and true masks; no TensorFlow.

The probabilities have to be of photos that the model was not trained on: those of the validation
split, or out-of-fold ones. A setting is kept only if it would have helped photos that it was not
chosen on, see `chosen`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import minimize_scalar

from tf_muscle.data.marking import likeliest, without_specks
from tf_muscle.model.metrics import confusion_matrix, scores
from tf_muscle.roboflow.records import VOID
from tf_muscle.runs.calibration import Calibration, Tta

TEMPERATURES = (0.1, 10.0)  # between which one is looked for
THRESHOLDS = tuple(n / 20 for n in range(2, 19))  # 0.1 to 0.9; finer ones only fit noise
AREAS = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01)  # shares of the photo
FOLDS = 5
RESAMPLES = 500  # enough for the first digit of a standard error

Setting = TypeVar("Setting")
Maps = Sequence[np.ndarray]  # one array a photo; sizes may differ


@dataclass(frozen=True)
class Step:
    """What became of one setting.

    Attributes:
        gain: in foreground mIoU, of photos that it was not chosen on.
        error: the gain's standard error over the photos.
        kept: whether the gain is larger than that.
    """

    gain: float
    error: float
    kept: bool


def fit_temperature(probabilities: Maps, masks: Maps) -> float:
    """The temperature with the least negative log-likelihood of the pixels that are marked.

    Guo et al. 2017, On Calibration of Modern Neural Networks, 4.2, but only over pixels whose
    likeliest class is a muscle, which are the same at any temperature. Theirs are the probabilities
    that anyone sees, and the background, 98 percent of the pixels, would decide otherwise:
    docs/calibration.md has a run whose muscles' probabilities would become twice as wrong.

    Args:
        probabilities: float [H, W, K] each, at temperature 1.
        masks: uint8 [H, W] each, `VOID` where a pixel does not count.

    Returns:
        The temperature; 1 if no pixel is marked.
    """
    marked = [
        (mask != VOID) & (one.argmax(axis=-1) > 0)
        for one, mask in zip(probabilities, masks, strict=True)
    ]
    truth = np.concatenate([mask[m] for mask, m in zip(masks, marked, strict=True)])
    found = np.concatenate([one[m] for one, m in zip(probabilities, marked, strict=True)])
    if not truth.size:
        return 1.0
    logits = np.log(np.maximum(found, np.finfo(np.float32).tiny))
    own = np.take_along_axis(logits, truth[:, None].astype(int), axis=1)[:, 0]
    top = logits.max(axis=1)

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        total = np.log(np.exp((logits - top[:, None]) * scale).sum(axis=1)) + (top - own) * scale
        return float(total.mean(dtype=float))

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def choose(
    predicted: Mapping[Tta, Maps], masks: Maps, temperature: float = 1.0
) -> tuple[Calibration, dict[str, Step]]:
    """Chooses test-time augmentation, thresholds and the smallest area, one after the other.

    Args:
        predicted: kind of test-time augmentation -> probabilities, float [H, W, K] each, at the
            temperature; "none" is among them.
        masks: uint8 [H, W] each, `VOID` where a pixel does not count.
        temperature: that the probabilities are at, for the result.

    Returns:
        The calibration, and what became of "tta", "thresholds" and "smallest_area".
    """
    class_count = predicted["none"][0].shape[-1]

    def confusions(maps: Maps, thresholds: Sequence[float], area: float) -> np.ndarray:
        return np.stack([
            confusion_matrix(mask, without_specks(likeliest(one, thresholds), area), class_count)
            for one, mask in zip(maps, masks, strict=True)
        ])  # fmt: skip

    steps = {}
    by_tta: dict[Tta, np.ndarray] = {
        kind: confusions(maps, (), 0.0) for kind, maps in predicted.items()
    }
    single: Tta = "none"
    tta, steps["tta"] = chosen(single, _best_of(by_tta), by_tta.__getitem__)
    maps = predicted[tta]

    counts = [_threshold_counts(one, mask) for one, mask in zip(maps, masks, strict=True)]
    by_thresholds: dict[tuple[float, ...], np.ndarray] = {}

    def at_thresholds(thresholds: tuple[float, ...]) -> np.ndarray:
        if thresholds not in by_thresholds:
            by_thresholds[thresholds] = confusions(maps, thresholds, 0.0)
        return by_thresholds[thresholds]

    def best_thresholds(photos: np.ndarray) -> tuple[float, ...]:
        return _best_thresholds([counts[i] for i in photos])

    likeliest_class: tuple[float, ...] = ()
    thresholds, steps["thresholds"] = chosen(likeliest_class, best_thresholds, at_thresholds)

    by_area = {area: confusions(maps, thresholds, area) for area in AREAS}
    area, steps["smallest_area"] = chosen(0.0, _best_of(by_area), by_area.__getitem__)
    return Calibration(temperature, tta, thresholds, area), steps


def chosen(
    plain: Setting,
    best: Callable[[np.ndarray], Setting],
    confusions: Callable[[Setting], np.ndarray],
) -> tuple[Setting, Step]:
    """The best setting of all photos if it helps photos that it was not chosen on, else the plain.

    Few photos always have a setting that fits them by chance. So the photos are cut into five
    parts, in their order, which keeps frames of one video together; each part is marked with what
    is best for the other four. The gain of that over the plain setting has to be larger than its
    standard error over the photos (the one-standard-error rule; Breiman et al. 1984, Classification
    and Regression Trees, 3.4.3).

    Args:
        plain: the setting to beat.
        best: the best setting for some of the photos, by their numbers.
        confusions: int64 [N, K, K] of a setting, one confusion matrix a photo.
    """
    before = confusions(plain)
    everyone = np.arange(len(before))
    if len(before) < FOLDS:
        return plain, Step(0.0, 0.0, False)
    held_out = before.copy()
    for part in np.array_split(everyone, FOLDS):
        held_out[part] = confusions(best(np.setdiff1d(everyone, part)))[part]

    def gain(photos: np.ndarray) -> float:
        return _foreground_iou(held_out[photos]) - _foreground_iou(before[photos])

    draws = np.random.default_rng(0).integers(0, len(before), (RESAMPLES, len(before)))
    error = float(np.std([gain(draw) for draw in draws]))
    step = Step(gain(everyone), error, gain(everyone) > error)
    return (best(everyone) if step.kept else plain), step


def _foreground_iou(confusions: np.ndarray) -> float:
    return float(scores(confusions.sum(axis=0).astype(float))["foreground_mean_iou"])


def _best_of(candidates: Mapping[Setting, np.ndarray]) -> Callable[[np.ndarray], Setting]:
    """The one with the highest foreground mIoU; of equals the first."""
    return lambda photos: max(candidates, key=lambda one: _foreground_iou(candidates[one][photos]))


def _threshold_counts(probabilities: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Of one photo: right, marked and true pixels of each muscle, int64 [3, K-1, thresholds].

    A pixel can only be of its likeliest muscle, so a muscle's threshold changes no other's IoU.
    """
    counted = mask != VOID
    muscles, truth = probabilities[counted][:, 1:], mask[counted]
    muscle_count = muscles.shape[1]
    likely, top = muscles.argmax(axis=1), muscles.max(axis=1)
    right = truth == likely + 1
    counts = np.zeros((3, muscle_count, len(THRESHOLDS)), int)
    for number, threshold in enumerate(THRESHOLDS):
        marked = top >= threshold
        counts[0, :, number] = np.bincount(likely[marked & right], minlength=muscle_count)
        counts[1, :, number] = np.bincount(likely[marked], minlength=muscle_count)
    counts[2] = np.bincount(truth, minlength=muscle_count + 1)[1:, None]
    return counts


def _best_thresholds(counts: Sequence[np.ndarray]) -> tuple[float, ...]:
    """Each muscle's threshold with the highest IoU; 0.5 for one that is in none of the masks."""
    right, marked, true = np.sum(counts, axis=0)
    iou = right / np.maximum(marked + true - right, 1)
    best = np.where(true[:, 0] > 0, np.array(THRESHOLDS)[iou.argmax(axis=1)], 0.5)
    return tuple(map(float, best))
