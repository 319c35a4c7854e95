"""From probabilities to masks: temperature, thresholds, smallest area. Needs no TensorFlow."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from tf_muscle.runs.calibration import Calibration


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities of the same logits divided by a temperature.

    softmax(z / T) = softmax(log(softmax(z)) / T), so that the logits z need not be known.

    Args:
        probabilities: float [..., K].
        temperature: above 0; above 1 makes the model less sure.

    Returns:
        The same shape and dtype. The likeliest class stays the likeliest.
    """
    powers = (probabilities / probabilities.max(axis=-1, keepdims=True)) ** (1 / temperature)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(probabilities.dtype)


def likeliest(probabilities: np.ndarray, thresholds: Sequence[float] = ()) -> np.ndarray:
    """The likeliest class of each pixel, or the likeliest muscle where that reaches its threshold.

    Args:
        probabilities: float [H, W, K].
        thresholds: K-1 probabilities, one for each muscle; see `Calibration`.

    Returns:
        Class ids, uint8 [H, W].
    """
    if not len(thresholds):
        return probabilities.argmax(axis=-1).astype(np.uint8)
    muscles = probabilities[..., 1:]
    muscle = muscles.argmax(axis=-1)
    reached = muscles.max(axis=-1) >= np.asarray(thresholds, probabilities.dtype)[muscle]
    return np.where(reached, muscle + 1, 0).astype(np.uint8)


def without_specks(class_ids: np.ndarray, smallest_area: float) -> np.ndarray:
    """The mask without regions that are too small; pixels of one touch by their sides.

    Args:
        class_ids: uint8 [H, W].
        smallest_area: share of the mask's pixels, 0 to 1.

    Returns:
        uint8 [H, W].
    """
    if not smallest_area:
        return class_ids
    kept = class_ids.copy()
    for class_id in np.unique(class_ids[class_ids > 0]):
        regions, _ = ndimage.label(class_ids == class_id)
        small = np.bincount(regions.ravel()) < smallest_area * class_ids.size
        small[0] = False  # what is no region
        kept[small[regions]] = 0
    return kept


def mark(probabilities: np.ndarray, calibration: Calibration) -> np.ndarray:
    """The mask of a photo: thresholds, then the smallest area.

    Args:
        probabilities: float [H, W, K], at the calibration's temperature already.
        calibration: whose thresholds and smallest area count.

    Returns:
        Class ids, uint8 [H, W].
    """
    class_ids = likeliest(probabilities, calibration.thresholds)
    return without_specks(class_ids, calibration.smallest_area)
