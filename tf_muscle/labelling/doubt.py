"""Where a mask and a prediction disagree more than their class usually does.

Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 70, 2021) with pixels in place of photos. A network that rarely finds triceps
is not sure of them where they are, so a low probability of triceps says little against a mask: what
counts as confident is measured for each class, on the pixels annotated as it. The scores compare
regions with those of other photos in the same way. Needs no TensorFlow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from tf_muscle.roboflow.records import VOID

Kind = Literal["missed", "marked", "wrong class", "ragged edge"]

EDGE = 0.04  # of the longer side: how far from an outline a disagreement is one about the outline
RAGGED = 0.05  # the highest score of a ragged edge
SMALLEST = 0.05  # of the usual area of a class: what is smaller is no region but noise
LOW = 0.25  # quantile of the photos below which confidence in an annotated class is unusual
ALARMS = 0.95  # quantile of the photos up to which a class that is not there is usually predicted


@dataclass(frozen=True)
class Usual:
    """What a class usually is like, measured over all photos.

    Attributes:
        confidence: float [K], the mean probability of a class on the pixels annotated as it, which
            is confident learning's threshold; infinite for a class without a pixel.
        area: float [K], the median over the photos that show a class of its share of the pixels.
        low: float [K], the `LOW` quantile over these photos of the mean probability of a class on
            the pixels annotated as it.
        alarms: for each class, over the photos that do not show it, the highest value of
            `strength`, ascending.
    """

    confidence: np.ndarray
    area: np.ndarray
    low: np.ndarray
    alarms: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Doubt:
    """A region that is annotated as one class and predicted as another.

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
    """Measures what is usual; goes over the photos twice.

    Args:
        photos: masks, uint8 [H, W], `VOID` where nothing counts, with the probabilities that a
            network gives that was not trained on the photo, float [H, W, K]; no iterator.
        class_count: K.
    """
    sums, counts = np.zeros(class_count), np.zeros(class_count)
    shares: list[list[float]] = [[] for _ in range(class_count)]
    own: list[list[float]] = [[] for _ in range(class_count)]
    for mask, probabilities in photos:
        for class_id in np.unique(mask[mask != VOID]).tolist():
            annotated = probabilities[mask == class_id][:, class_id]
            sums[class_id] += annotated.sum()
            counts[class_id] += len(annotated)
            shares[class_id].append(len(annotated) / mask.size)
            own[class_id].append(float(annotated.mean()))
    area = np.array([np.median(one) if one else np.inf for one in shares])
    alarms: list[list[float]] = [[] for _ in range(class_count)]
    for mask, probabilities in photos:
        for class_id in range(1, class_count):
            if counts[class_id] and not (mask == class_id).any():
                found = strength(mask, probabilities, class_id, area[class_id])
                alarms[class_id].append(float(found.max()))
    return Usual(
        np.divide(sums, counts, out=np.full(class_count, np.inf), where=counts > 0),
        area,
        np.array([np.quantile(one, LOW) if one else 0.0 for one in own]),
        tuple(np.sort(one) for one in alarms),
    )


def strength(mask: np.ndarray, probabilities: np.ndarray, class_id: int, area: float) -> np.ndarray:
    """How much of a class is predicted around each pixel, where background is annotated.

    Args:
        mask: uint8 [H, W].
        probabilities: float [H, W, K].
        class_id: of a muscle; pixels along the outline of what is annotated as it count as 0.
        area: its usual area, a share of the mask.

    Returns:
        float32 [H, W], the mean probability in a square of that area.
    """
    outside = (mask == 0) & ~_near(mask == class_id)
    side = max(1, round((area * mask.size) ** 0.5))
    far = np.where(outside, probabilities[..., class_id], 0).astype(np.float32)
    return ndimage.uniform_filter(far, side, mode="constant")


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
    for class_id in np.unique(mask[(mask > 0) & (mask != VOID)]).tolist():
        for region in _regions(mask == class_id, usual.area[class_id]):
            parts = [
                _part(class_id, int(other), part, region, probabilities, usual)
                for other in np.unique(confident[region & (confident != class_id)])
                for part in _regions(region & (confident == other), usual.area[class_id])
            ]
            # Where no class reaches its threshold, the network may still see none of this one.
            if not parts or 2 * sum(one.region.sum() for one in parts) >= region.sum():
                doubts.append(_annotated(class_id, region, probabilities, usual))
            else:
                doubts += parts
    background = mask == 0
    for class_id in np.unique(confident[background & (confident != 0)]).tolist():
        around = strength(mask, probabilities, class_id, usual.area[class_id])
        edge = _near(mask == class_id)
        alarms = usual.alarms[class_id]
        for region in _regions(background & (confident == class_id), usual.area[class_id]):
            if edge[region].all():
                doubts.append(_edge(0, class_id, region, usual))
                continue
            weaker = np.searchsorted(alarms, around[region].max(), side="right")
            share = weaker / len(alarms) if len(alarms) else 1.0
            score = max(0.0, (share - ALARMS) / (1 - ALARMS))
            doubts.append(Doubt("missed", 0, class_id, score, region))
    return sorted((one for one in doubts if one.score > 0), key=lambda one: -one.score)


def _annotated(class_id: int, region: np.ndarray, probabilities: np.ndarray, usual: Usual) -> Doubt:
    """The doubt about a whole annotated region: 0 where the network is as sure as usually."""
    means = probabilities[region].mean(axis=0)
    others = means / usual.confidence
    others[class_id] = -1
    predicted = int(others.argmax())
    score = _unusual(means[class_id], usual.low[class_id])
    size = min(1.0, float(region.mean() / usual.area[class_id]) ** 0.5)
    return Doubt(
        "wrong class" if predicted else "marked", class_id, predicted, score * size, region
    )


def _part(
    class_id: int,
    predicted: int,
    part: np.ndarray,
    region: np.ndarray,
    probabilities: np.ndarray,
    usual: Usual,
) -> Doubt:
    """The doubt about a part of an annotated region, less the smaller it is of the whole."""
    if _near(~region)[part].all() and 2 * part.sum() < region.sum():
        return _edge(class_id, predicted, part, usual)
    score = _unusual(probabilities[part][:, class_id].mean(), usual.low[class_id])
    score *= float(part.sum() / region.sum()) * min(
        1.0, float(region.mean() / usual.area[class_id]) ** 0.5
    )
    return Doubt("wrong class" if predicted else "marked", class_id, predicted, score, part)


def _unusual(confidence: float, low: float) -> float:
    """0 from the lowest usual confidence on, 1 where there is none at all."""
    return max(0.0, 1 - float(confidence) / low) if low else 0.0


def _edge(annotated: int, predicted: int, region: np.ndarray, usual: Usual) -> Doubt:
    size = min(1.0, float(region.mean() / usual.area[predicted or annotated]))
    return Doubt("ragged edge", annotated, predicted, RAGGED * size, region)


def _regions(where: np.ndarray, area: float) -> list[np.ndarray]:
    """The connected regions that are large enough for a class of a usual area."""
    labels, count = ndimage.label(where)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    large = np.flatnonzero(sizes[1:] >= SMALLEST * area * where.size) + 1
    return [labels == number for number in large]


def _near(where: np.ndarray) -> np.ndarray:
    """The pixels that are not farther from others than an outline may be off: bool [H, W]."""
    return ndimage.binary_dilation(where, iterations=max(1, round(EDGE * max(where.shape))))
