"""How far probabilities are from what is found: reliability and calibration error.

numpy alone, no TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_muscle.roboflow.records import VOID

BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True)
class Reliability:
    """Pixels sorted by their likeliest class and that class's probability, in `BINS` equal bins.

    Bin b holds probabilities from b/15 to (b+1)/15, the last one 1 too.

    Attributes:
        pixels: int64 [K, BINS], number of pixels.
        confidence: float64 [K, BINS], sum of their probabilities.
        right: int64 [K, BINS], how many of them truly are of the class.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    def curve(self, classes: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The reliability diagram of some classes together.

        Args:
            classes: of class ids, such as `slice(1, None)` for all muscles.

        Returns:
            For each bin with a pixel in it, [<= BINS] each: mean probability, share that is right,
            and number of pixels.
        """
        pixels = self.pixels[classes].sum(axis=0)
        filled = pixels > 0
        sums = (self.confidence[classes].sum(axis=0), self.right[classes].sum(axis=0))
        confidence, right = (one[filled] / pixels[filled] for one in sums)
        return confidence, right, pixels[filled]

    def error(self, classes: slice) -> float | None:
        """Expected calibration error, 0 to 1, of pixels whose likeliest class is one of these.

        The mean of |share that is right - mean probability| over the bins, weighted by their pixels
        (Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 3; for one class by itself:
        Gupta and Ramdas 2022, Top-label calibration). None without a pixel.

        Args:
            classes: see `curve`.
        """
        confidence, right, pixels = self.curve(classes)
        if not pixels.size:
            return None
        return float(np.average(np.abs(right - confidence), weights=pixels))

    def record(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The errors as metrics.json keeps them; `class_names` are K names."""
        return {
            "all": self.error(slice(None)),
            "foreground": self.error(slice(1, None)),
            "classes": {
                name: self.error(slice(class_id, class_id + 1))
                for class_id, name in enumerate(class_names)
            },
        }


def reliability(truth: np.ndarray, probabilities: np.ndarray) -> Reliability:
    """Sorts the pixels of photos.

    Args:
        truth: class ids, integers [...] in 0..K-1, or `VOID` for pixels that do not count.
        probabilities: float [..., K].
    """
    class_count = probabilities.shape[-1]
    counted = truth != VOID
    probabilities = probabilities[counted]
    class_ids = probabilities.argmax(axis=-1)
    confidence = probabilities.max(axis=-1).astype(float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    shape = (class_count, BINS)
    index = class_ids * BINS + bins

    def summed(weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(index, weights, class_count * BINS).reshape(shape)

    right = summed((class_ids == truth[counted]).astype(float)).astype(int)
    return Reliability(summed(), summed(confidence), right)


def total(parts: Sequence[Reliability]) -> Reliability:
    """The reliability of all photos from those of some each."""
    return Reliability(
        np.sum([part.pixels for part in parts], axis=0),
        np.sum([part.confidence for part in parts], axis=0),
        np.sum([part.right for part in parts], axis=0),
    )
