"""How unsure a model is of a photo near its muscles. Needs no TensorFlow.

A photo is background but for a few percent, and background far from any muscle is what every model
is sure of: a mean over all pixels would tell how large the muscles are. So each pixel weighs by the
probability of muscle around it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

NEAR_MUSCLE = 1 / 32  # of the longer side: sigma of the Gaussian that tells what is near a muscle


@dataclass(frozen=True)
class Uncertainty:
    """Means over the pixels near muscle.

    Attributes:
        entropy: of the predicted class by the mean of the networks, by the most that K classes can
            have: 0 to 1.
        disagreement: what part of the entropy the networks have only together, each by itself being
            surer: the mutual information of class and network (Houlsby et al. 2011, Bayesian Active
            Learning; for ensembles, Beluch et al. 2018, The power of ensembles for active
            learning), 0 to 1; None for a single network.
        flicker: share of the probability that the next frame of the video gives to other classes,
            0 to 1; None for what has no next frame.
    """

    entropy: float
    disagreement: float | None = None
    flicker: float | None = None

    @property
    def total(self) -> float:
        """The sum of what is known."""
        return self.entropy + (self.disagreement or 0.0) + (self.flicker or 0.0)


def measure_uncertainty(
    probabilities: np.ndarray, next_probabilities: np.ndarray | None = None
) -> Uncertainty:
    """Measures it from what M networks say of a photo.

    Args:
        probabilities: float [M, H, W, K]; class 0 is the background.
        next_probabilities: of the next frame of the video, likewise.
    """
    mean = probabilities.mean(axis=0)
    sigma = NEAR_MUSCLE * max(mean.shape[:2])
    weights = gaussian_filter(1 - mean[..., 0], sigma, mode="nearest")
    weights = weights / max(float(weights.sum()), 1e-12)
    most = np.log(mean.shape[-1])

    def near_muscle(values: np.ndarray) -> float:
        return float((weights * values).sum())

    entropy = near_muscle(_entropy(mean)) / most
    disagreement = flicker = None
    if len(probabilities) > 1:
        own = near_muscle(_entropy(probabilities).mean(axis=0)) / most
        disagreement = max(0.0, entropy - own)  # below 0 by rounding alone
    if next_probabilities is not None:
        flicker = near_muscle(np.abs(mean - next_probabilities.mean(axis=0)).sum(axis=-1) / 2)
    return Uncertainty(entropy, disagreement, flicker)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    """In nats, float [...] for probabilities [..., K]."""
    return -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=-1)
