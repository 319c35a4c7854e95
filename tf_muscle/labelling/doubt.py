"""Where a mask and a prediction disagree more than their class usually does.

Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70, 2021) with pixels in place of photos. A network that rarely finds triceps
is not sure of them where they are, so a low probability of triceps says little against a mask: what
counts as confident is measured for each class, on the pixels annotated as it. Needs no TensorFlow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from tf_muscle.roboflow.records import VOID

Kind = Literal["missed", "marked", "wrong class", "ragged edge"]

EDGE = 0.02  # of the longer side: how far from an outline a disagreement is one about the outline
RAGGED = 0.1  # by this the score of a ragged edge is multiplied
SMALLEST = 0.05  # of the usual area of a class: what is smaller is no region but noise


@dataclass(frozen=True)
class Usual:
    """What a class usually is like, measured over all photos.

    Attributes:
        confidence: float [K], the mean probability of a class on the pixels annotated as it, which
            is confident learning's threshold; infinite for a class without a pixel.
        area: float [K], the median over the photos that show a class of its share of the pixels.
    """

    confidence: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class Doubt:
    """A region that is annotated as one class and confidently predicted as another.

    Attributes:
        kind: "missed": annotated as background; "marked": predicted as background; "wrong class":
            neither is background; "ragged edge": any of them along an outline alone.
        annotated: class id.
        predicted: class id.
        score: 0 to 1; the higher, the more doubtful.
        region: bool [H, W].
    """

    kind: Kind
    annotated: int
    predicted: int
    score: float
    region: np.ndarray

    @property
    def class_id(self) -> int:
        """The class that it is about: the predicted one, or the annotated one if that is none."""
        return self.predicted or self.annotated


def usual(photos: Iterable[tuple[np.ndarray, np.ndarray]], class_count: int) -> Usual:
    """Measures what is usual.

    Args:
        photos: masks, uint8 [H, W], `VOID` where nothing counts, with the probabilities that a
            network gives that was not trained on the photo, float [H, W, K].
        class_count: K.
    """
    sums = np.zeros(class_count)
    counts = np.zeros(class_count, np.int64)
    shares = []
    for mask, probabilities in photos:
        counted = mask != VOID
        own = np.take_along_axis(probabilities[counted], mask[counted][:, None], -1)[:, 0]
        sums += np.bincount(mask[counted], own, class_count)
        pixels = np.bincount(mask[counted], minlength=class_count)
        counts += pixels
        shares.append(pixels / mask.size)
    by_class = np.array(shares).reshape(-1, class_count).T
    return Usual(
        np.divide(sums, counts, out=np.full(class_count, np.inf), where=counts > 0),
        np.array([np.median(one[one > 0]) if one.any() else np.inf for one in by_class]),
    )


def confident_classes(
    mask: np.ndarray, probabilities: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    """The likeliest of the classes that reach their thresholds.

    Args:
        mask: uint8 [H, W].
        probabilities: float [H, W, K].
        confidence: of `Usual`.

    Returns:
        uint8 [H, W]; the annotated class where no class reaches its threshold, and where the mask
        is `VOID`.
    """
    reached = probabilities >= confidence
    likeliest = np.where(reached, probabilities, -1).argmax(axis=-1).astype(np.uint8)
    return np.where(reached.any(axis=-1) & (mask != VOID), likeliest, mask)


def find_doubts(mask: np.ndarray, probabilities: np.ndarray, usual: Usual) -> list[Doubt]:
    """The doubtful regions of a photo, the most doubtful first.

    Args:
        mask: uint8 [H, W].
        probabilities: float [H, W, K].
        usual: of all photos.
    """
    confident = confident_classes(mask, probabilities, usual.confidence)
    doubts = []
    pairs = np.unique(np.stack([mask, confident])[:, mask != confident], axis=1)
    for annotated, predicted in pairs.T.tolist():
        regions, count = ndimage.label((mask == annotated) & (confident == predicted))
        sizes = np.bincount(regions.ravel())
        least = SMALLEST * usual.area[predicted or annotated] * mask.size
        for number in range(1, count + 1):
            if sizes[number] < least:
                continue
            region = regions == number
            score = _score(region, annotated, predicted, probabilities, usual)
            kind: Kind = "wrong class"
            if _is_edge(region, mask, annotated, predicted):
                kind, score = "ragged edge", RAGGED * score
            elif not annotated:
                kind = "missed"
            elif not predicted:
                kind = "marked"
            doubts.append(Doubt(kind, annotated, predicted, score, region))
    return sorted(doubts, key=lambda doubt: -doubt.score)


def _score(
    region: np.ndarray, annotated: int, predicted: int, probabilities: np.ndarray, usual: Usual
) -> float:
    """How sure the network is of the other class, less the smaller a region is: 0 to 1."""
    share = region.mean() / usual.area[predicted or annotated]
    margin = probabilities[region][:, predicted] - probabilities[region][:, annotated]
    return float(margin.mean().clip(0) * min(1.0, share))


def _is_edge(region: np.ndarray, mask: np.ndarray, annotated: int, predicted: int) -> bool:
    """Whether a region lies along an outline: by pixels of its class, a part of what is annotated.

    A small muscle of which nothing is seen is none, though all of it is near its outline.
    """
    reach = max(1, round(EDGE * max(mask.shape)))
    if not ndimage.binary_dilation(mask == predicted, iterations=reach)[region].all():
        return False
    whole, _ = ndimage.label(mask == annotated)
    return bool(2 * region.sum() < (whole == whole[region][0]).sum())
