"""Photos and frames on their way to a choice: of each remains a record of about a kilobyte."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from PIL import Image

from tf_muscle.data.geometry import Box, Geometry
from tf_muscle.inspection.measure import photo_hashes
from tf_muscle.labelling.choosing import Frames
from tf_muscle.labelling.features import pooled
from tf_muscle.labelling.uncertainty import Uncertainty, measure_uncertainty
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.frames import Frame

MOST = 10_000  # records that are kept at a time, about 20 MB; the least uncertain one gives way
TOLERANCE = 1e-6  # seconds, of a frame's time


@dataclass(frozen=True)
class Place:
    """Where a picture is.

    Attributes:
        path: of a photo or a video.
        frame: its number in the video, from 0; None for a photo.
        seconds: from the first frame of the video; None for a photo.
    """

    path: File
    frame: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Sample:
    """A picture as the network sees it.

    Attributes:
        place: where it is.
        square: RGB, uint8 [S, S, 3].
        box: where the picture lies in the square.
        hashes: uint64 [2, 4], see `measure.photo_hashes`; zeros for a picture of one colour.
        next_square: of the next frame; None for a photo and a video's last frame.
    """

    place: Place
    square: np.ndarray
    box: Box
    hashes: np.ndarray
    next_square: np.ndarray | None = None


@dataclass(frozen=True)
class Candidate:
    """What is kept of a picture.

    Attributes:
        place: where it is.
        uncertainty: of the model.
        features: of the encoder, float16 [F], of length 1.
        areas: share of the picture that each muscle covers, float32 [K-1].
        hashes: as of `Sample`.
    """

    place: Place
    uncertainty: Uncertainty
    features: np.ndarray
    areas: np.ndarray
    hashes: np.ndarray


class Looks(Protocol):
    """`features.Networks`, or what stands for them."""

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `features.Networks.look`."""


def sampled(
    place: Place, image: np.ndarray, geometry: Geometry, next_image: np.ndarray | None = None
) -> Sample:
    """Brings a picture, uint8 [H, W, 3], to the network's size."""
    hashes = photo_hashes(Image.fromarray(image))
    return Sample(
        place,
        geometry.fit(image),
        geometry.box(*image.shape[:2]),
        np.zeros((2, 4), np.uint64) if hashes is None else hashes,
        None if next_image is None else geometry.fit(next_image),
    )


def sampled_frames(
    path: File, frames: Iterable[Frame], every: float, geometry: Geometry
) -> Iterator[Sample]:
    """Takes frames of a video that are at least `every` seconds apart, each with the next one."""
    due = 0.0
    taken: tuple[Place, np.ndarray] | None = None
    for number, frame in enumerate(frames):
        if taken:
            yield sampled(*taken, geometry, frame.image)
            taken = None
        if frame.seconds >= due - TOLERANCE:
            taken = Place(path, number, frame.seconds), frame.image
            due = frame.seconds + every
    if taken:
        yield sampled(*taken, geometry)


def examined(
    networks: Looks,
    samples: Iterable[Sample],
    class_ids: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
) -> Iterator[Candidate]:
    """Looks at pictures, a batch at a time.

    Args:
        networks: of the model.
        samples: the pictures, at the networks' size.
        class_ids: from probabilities float32 [H, W, K] to the mask, uint8 [H, W].
        batch_size: pictures that the networks see at a time.
    """
    remaining = iter(samples)
    while batch := list(islice(remaining, batch_size)):
        probabilities, features = networks.look(np.stack([one.square for one in batch]))
        with_next = [one.next_square for one in batch if one.next_square is not None]
        following = iter(())
        if with_next:
            following = iter(networks.look(np.stack(with_next))[0].swapaxes(0, 1))
        for i, one in enumerate(batch):
            shown = np.s_[:, *one.box.content]
            own = probabilities[:, i][shown]
            after = None if one.next_square is None else next(following)[shown]
            mask = class_ids(own.mean(axis=0))
            counts = np.bincount(mask.ravel(), minlength=own.shape[-1])
            yield Candidate(
                one.place,
                measure_uncertainty(own, after),
                pooled(features[i], len(one.square), one.box).astype(np.float16),
                (counts[1:] / mask.size).astype(np.float32),
                one.hashes,
            )


class Pool:
    """The most uncertain candidates of however many there are.

    Args:
        most: how many are kept.

    Attributes:
        seen: how many there were.
    """

    def __init__(self, most: int = MOST) -> None:
        self.seen = 0
        self._most = most
        # The number keeps equally uncertain ones from being compared.
        self._heap: list[tuple[float, int, Candidate]] = []

    def add(self, candidate: Candidate) -> None:
        """Keeps it, or lets the least uncertain one go."""
        self.seen += 1
        entry = candidate.uncertainty.total, -self.seen, candidate
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def add_all(self, candidates: Iterable[Candidate], seen: int) -> None:
        """Adds what another pool has kept of `seen` ones."""
        before = self.seen
        for candidate in candidates:
            self.add(candidate)
        self.seen = before + seen

    def kept(self) -> list[Candidate]:
        """Those that are left, in the order in which they came."""
        return [entry[2] for entry in sorted(self._heap, key=lambda entry: -entry[1])]


def as_frames(candidates: Sequence[Candidate]) -> Frames:
    """The arrays that a choice is made from; of at least one candidate."""
    videos: dict[File, int] = {}
    for one in candidates:
        if one.place.frame is not None:
            videos.setdefault(one.place.path, len(videos))
    return Frames(
        np.array([one.uncertainty.total for one in candidates]),
        np.stack([one.features for one in candidates]).astype(np.float32),
        np.stack([one.areas for one in candidates]),
        np.stack([one.hashes for one in candidates]),
        np.array([-1 if one.place.frame is None else videos[one.place.path] for one in candidates]),
    )
