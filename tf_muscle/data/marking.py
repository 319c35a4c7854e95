"""From probabilities to masks: temperature, thresholds, smallest area. Needs no TensorFlow."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from tf_muscle.data.geometry import resized
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


def likeliest_enlarged(
    probabilities: np.ndarray, height: int, width: int, thresholds: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """`likeliest` of probabilities that are brought to a photo's size, one class after the other.

    All classes at a photo's size are never in memory: those of 12 megapixels take 48 MB each.

    Args:
        probabilities: float [h, w, K].
        height: the photo's, in pixels.
        width: the photo's, in pixels.
        thresholds: see `likeliest`.

    Returns:
        Class ids, uint8 [height, width], and the probability of each pixel's own class, float32
        [height, width]; where no muscle reached its threshold, that of its likeliest muscle.
    """
    first = 1 if len(thresholds) else 0
    highest = resized(probabilities[..., first], height, width)
    class_ids = np.full((height, width), first, np.uint8)
    for class_id in range(first + 1, probabilities.shape[-1]):
        other = resized(probabilities[..., class_id], height, width)
        class_ids[other > highest] = class_id
        np.maximum(highest, other, out=highest)
    if len(thresholds):
        least = np.array([0, *thresholds], np.float32)
        class_ids[highest < least[class_ids]] = 0
    return class_ids, highest


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
    for class_id, box in enumerate(ndimage.find_objects(class_ids), start=1):
        if box is None:
            continue
        regions, _ = ndimage.label(class_ids[box] == class_id)
        small = np.bincount(regions.ravel()) < smallest_area * class_ids.size
        small[0] = False  # what is no region
        kept[box][small[regions]] = 0
    return kept


def mark_enlarged(
    probabilities: np.ndarray, height: int, width: int, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray]:
    """`mark` of probabilities that are brought to a photo's size; see `likeliest_enlarged`."""
    class_ids, highest = likeliest_enlarged(probabilities, height, width, calibration.thresholds)
    return without_specks(class_ids, calibration.smallest_area), highest


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
