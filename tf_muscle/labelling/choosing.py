"""Which of many frames to label: those that a model is unsure of, and unlike each other.

The rule is that of Yang et al. 2017 (Suggestive Annotation: A Deep Active Learning Framework for
Biomedical Image Segmentation): of all frames the more uncertain ones are kept, twice as many as are
wanted, and of these the ones are taken that stand for most, by the features of the encoder. These
are found as in Sener and Savarese 2018 (Active Learning for Convolutional Neural Networks: A
Core-Set Approach): again and again the frame that is furthest from all that is labelled or taken
already, the greedy 2-approximation of the k-centre problem.

Before that, what shows the same thing twice is left out. Needs no TensorFlow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from tf_muscle.inspection.leakage import NEAR, hash_distance

# More uncertain frames to take from, by the number that is wanted: 16 for 8 in Yang et al.
CANDIDATES = 2.0
# Two frames of one video show the same phase of a repetition if both their features and the areas
# of their muscles differ by less than this part of what such frames differ by from their mean.
SAME_PHASE = 0.5


@dataclass(frozen=True)
class Frames:
    """What is known of N frames or photos.

    Attributes:
        uncertainty: float [N].
        features: float [N, F], of length 1.
        areas: share of the picture that each muscle covers, float [N, K-1].
        hashes: perceptual hashes of the picture and its mirror image, uint64 [N, 2, 4].
        videos: int64 [N], a number for the video that a frame is of; -1 for a photo.
    """

    uncertainty: np.ndarray
    features: np.ndarray
    areas: np.ndarray
    hashes: np.ndarray
    videos: np.ndarray


@dataclass(frozen=True)
class Labelled:
    """Photos that need no label any more.

    Attributes:
        features: float [L, F], of length 1, of those that the model was trained on.
        hashes: uint64 [P, 2, 4], of all.
    """

    features: np.ndarray
    hashes: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """A frame to label.

    Attributes:
        index: of the frame.
        distance: of its features to the nearest labelled or earlier chosen ones, 0 to 2; None for
            the first where nothing is labelled.
        labelled: index of the labelled photo that is this near; None if an earlier choice is.
        earlier: number of the earlier choice, from 0, that is this near.
    """

    index: int
    distance: float | None
    labelled: int | None
    earlier: int | None


@dataclass(frozen=True)
class Choice:
    """The frames to label, the furthest first, and how many were left out on the way to them.

    Attributes:
        chosen: at most as many as were asked for.
        copies_of_labelled: frames that look like a labelled photo.
        copies: frames that look like a more uncertain one.
        phases: frames that show the phase of a repetition that a more uncertain one shows.
    """

    chosen: tuple[Chosen, ...]
    copies_of_labelled: int
    copies: int
    phases: int


def choose(
    frames: Frames, labelled: Labelled, count: int, candidates: float = CANDIDATES
) -> Choice:
    """Chooses frames to label.

    Args:
        frames: N of them.
        labelled: what has a label.
        count: how many are wanted, from 1.
        candidates: float from 1, how many times as many of the more uncertain frames they are taken
            from. 1 takes the most uncertain ones, infinity those that are furthest apart.
    """
    wanted = max(count, min(len(frames.uncertainty), candidates * count))
    spread = _spread(frames)
    kept: list[int] = []
    left_out = {"copies_of_labelled": 0, "copies": 0, "phases": 0}
    for index in np.argsort(-frames.uncertainty, kind="stable").tolist():
        if len(kept) >= wanted:
            break
        if _looks_like(frames.hashes[index], labelled.hashes):
            left_out["copies_of_labelled"] += 1
        elif _looks_like(frames.hashes[index], frames.hashes[kept]):
            left_out["copies"] += 1
        elif _same_phase(frames, index, kept, spread):
            left_out["phases"] += 1
        else:
            kept.append(index)
    chosen = furthest(frames.features[kept], labelled.features, count)
    return Choice(
        tuple(Chosen(kept[c.index], c.distance, c.labelled, c.earlier) for c in chosen), **left_out
    )


def furthest(features: np.ndarray, labelled: np.ndarray, count: int) -> list[Chosen]:
    """The greedy k-centre choice: each is the furthest from the labelled and the earlier ones.

    Args:
        features: float [N, F]; of equally far ones the first is taken.
        labelled: float [L, F], the centres that there are.
        count: how many are wanted.
    """
    count = min(count, len(features))
    distance = np.full(len(features), np.inf)
    nearest = np.zeros(len(features), np.int64)
    if len(labelled) and len(features):
        between = cdist(features, labelled)
        nearest, distance = between.argmin(axis=1), between.min(axis=1)
    centres = len(labelled)  # those from here on were chosen
    chosen: list[Chosen] = []
    free = np.ones(len(features), bool)
    for number in range(count):
        index = int(np.argmax(np.where(free, distance, -1)))
        near = int(nearest[index])
        known = bool(np.isfinite(distance[index]))
        chosen.append(
            Chosen(
                index,
                float(distance[index]) if known else None,
                near if known and near < centres else None,
                near - centres if known and near >= centres else None,
            )
        )
        free[index] = False
        to_it = cdist(features, features[index : index + 1])[:, 0]
        nearest = np.where(to_it < distance, centres + number, nearest)
        distance = np.minimum(distance, to_it)
    return chosen


def _looks_like(hashes: np.ndarray, others: np.ndarray) -> bool:
    """Whether a picture, uint64 [2, 4], straight or mirrored is a near-copy of one of others."""
    near = [hash_distance(others[:, 0], one) <= NEAR for one in hashes]
    return bool(np.any(near))


def _spread(frames: Frames) -> dict[int, tuple[float, float]]:
    """How far a video's frames lie from their mean: root mean square, of features and of areas."""
    found = {}
    for video in np.unique(frames.videos[frames.videos >= 0]).tolist():
        own = frames.videos == video
        features, areas = (
            float(np.sqrt(values[own].astype(float).var(axis=0).sum()))
            for values in (frames.features, frames.areas)
        )
        found[video] = features, areas
    return found


def _same_phase(
    frames: Frames, index: int, kept: Sequence[int], spread: dict[int, tuple[float, float]]
) -> bool:
    """Whether a frame of the same video that is kept shows the same phase of a repetition."""
    video = int(frames.videos[index])
    same = [other for other in kept if frames.videos[other] == video]
    if video < 0 or not same:
        return False
    alike = np.ones(len(same), bool)
    for values, its_spread in zip((frames.features, frames.areas), spread[video], strict=True):
        apart = np.linalg.norm(values[same].astype(float) - values[index], axis=1)
        alike &= apart <= SAME_PHASE * its_spread
    return bool(alike.any())
