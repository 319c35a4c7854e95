"""The annotated photos of an export, those first whose masks are the most doubtful."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tf_muscle.labelling.doubt import Doubt, Kind, find_doubts, usual
from tf_muscle.labelling.predictions import Predictions
from tf_muscle.roboflow.pixels import read_mask
from tf_muscle.roboflow.records import Example


@dataclass(frozen=True)
class Region:
    """A doubtful region, in pixels of the photo as it is shown.

    Attributes:
        kind: of `Doubt`.
        annotated: class id.
        predicted: class id.
        score: 0 to 1.
        left: of the box around it, the first column.
        top: the first row.
        width: of the box.
        height: of the box.
        pixels: of the region itself, about: it is found at the network's size.
    """

    kind: Kind
    annotated: int
    predicted: int
    score: float
    left: int
    top: int
    width: int
    height: int
    pixels: int

    @property
    def class_id(self) -> int:
        """See `Doubt`."""
        return self.predicted or self.annotated


@dataclass(frozen=True)
class DoubtfulPhoto:
    """A photo with at least one doubtful region.

    Attributes:
        name: "train/X.jpg".
        example: of the export.
        regions: the most doubtful first.
    """

    name: str
    example: Example
    regions: tuple[Region, ...]

    @property
    def score(self) -> float:
        """That of its most doubtful region."""
        return self.regions[0].score


@dataclass(frozen=True)
class Review:
    """What `review` found.

    Attributes:
        photos: the doubtful ones, the most doubtful first.
        reviewed: photos that were compared with what a model says of them.
        skipped: why, in a few words, by the name of each photo that could not be.
        class_names: K names.
    """

    photos: tuple[DoubtfulPhoto, ...]
    reviewed: int
    skipped: Mapping[str, str]
    class_names: tuple[str, ...]


def rank(examples: Mapping[str, Example], predictions: Predictions) -> list[DoubtfulPhoto]:
    """Finds the doubtful photos, the most doubtful first; equal ones by name.

    Args:
        examples: photos that can be read, by name, as their predictions can.
        predictions: by networks that were not trained on the photos.
    """
    photos = _Photos(examples, predictions)
    what_is_usual = usual(photos, predictions.class_count)
    found = []
    for (name, example), (mask, probabilities) in zip(examples.items(), photos, strict=True):
        doubts = find_doubts(mask, probabilities, what_is_usual)
        size = read_mask(example).shape
        regions = tuple(_placed(doubt, (size[0], size[1])) for doubt in doubts)
        if regions:
            found.append(DoubtfulPhoto(name, example, regions))
    return sorted(found, key=lambda photo: (-photo.score, photo.name))


@dataclass(frozen=True)
class _Photos:
    """Masks and probabilities where the network's square shows the photo, read anew each time."""

    examples: Mapping[str, Example]
    predictions: Predictions

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        geometry = self.predictions.geometry
        for name, example in self.examples.items():
            mask = read_mask(example)
            content = geometry.box(*mask.shape).content
            yield geometry.fit_mask(mask)[content], self.predictions.read(name)[content]


def _placed(doubt: Doubt, size: tuple[int, int]) -> Region:
    """The region on a photo of a height and width."""
    scale = np.array(size) / doubt.region.shape
    places = np.argwhere(doubt.region)
    top, left = (int(one) for one in np.floor(places.min(axis=0) * scale))
    bottom, right = (int(one) for one in np.ceil((places.max(axis=0) + 1) * scale))
    return Region(
        doubt.kind,
        doubt.annotated,
        doubt.predicted,
        doubt.score,
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        pixels=round(len(places) * float(scale.prod())),
    )
