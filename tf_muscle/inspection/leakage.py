"""Photos that know each other: copies of one photo, and neighbouring frames of one video.

A model that has trained on one of two such photos is not tested by the other.

Distances were measured with a perceptual hash of 256 bits (Zauner 2010, Implementation and
benchmarking of perceptual image hash functions, 3.2.2; `imagehash.phash`) on 150 photos of a
rendered and of two real data sets: the same photo saved again as JPEG down to quality 30, resized,
blurred, greyed or noised lies within 16 bits, brightened by 25 percent within 22 in nine cases of
ten. Of 250,000 pairs of different photos from different splits the nearest lies at 88, while
frames of one video that a person would call the same picture lie at 12 to 50.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.inspection.measure import ImageInfo
from tf_muscle.roboflow.video_frames import find_frames, neighbours

NEAR = 24  # of 256 bits: the copies above, and no different photos, not even of one scene


@dataclass(frozen=True)
class Links:
    """Pairs of images, by their index.

    Attributes:
        duplicates: int64 [P, 2]: photos that look the same or like each other's mirror image.
        distances: int64 [P]: bits by which the hashes of these differ.
        mirrored: bool [P]: only the mirror image looks the same.
        frames: int64 [Q, 2]: neighbouring frames of one video, by their names.
    """

    duplicates: np.ndarray
    distances: np.ndarray
    mirrored: np.ndarray
    frames: np.ndarray


def find_links(images: Sequence[ImageInfo]) -> Links:
    """Finds all pairs, within a split as well as across two."""
    return Links(*near_duplicates(images), neighbouring_frames(images))


def near_duplicates(images: Sequence[ImageInfo]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compares every photo with every other: `duplicates`, `distances`, `mirrored` of `Links`.

    Takes seconds for 10,000 photos and grows with the square of their number.
    """
    indices = np.array([i for i, image in enumerate(images) if image.hashes is not None], np.int64)
    hashes = np.array([images[i].hashes for i in indices]).reshape(-1, 2, 4)
    pairs, distances, mirrored = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)], []
    for row, (photo, mirror) in enumerate(hashes):
        others = hashes[row + 1 :, 0]
        both = np.stack([hash_distance(others, photo), hash_distance(others, mirror)])  # [2, rest]
        near = np.flatnonzero(both.min(axis=0) <= NEAR)
        partners = indices[row + 1 :][near]
        pairs.append(np.stack([np.full_like(partners, indices[row]), partners], axis=1))
        distances.append(both[:, near].min(axis=0))
        mirrored.append(both[1, near] < both[0, near])
    return (
        np.concatenate(pairs),
        np.concatenate(distances),
        np.concatenate(mirrored) if mirrored else np.empty(0, bool),
    )


def hash_distance(hashes: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits that differ, int64 [N], for uint64 [N, 4] and uint64 [4]."""
    return np.bitwise_count(hashes ^ other).sum(axis=1, dtype=np.int64)


def neighbouring_frames(images: Sequence[ImageInfo]) -> np.ndarray:
    """Pairs whose names are those of neighbouring frames: `frames` of `Links`."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        by_name[image.example.source_name].append(index)
    pairs = [
        pair
        for one, other in neighbours(find_frames(by_name))
        for pair in itertools.product(by_name[one], by_name[other])
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def across_splits(images: Sequence[ImageInfo], pairs: np.ndarray) -> np.ndarray:
    """Of pairs, int64 [P, 2], those of different photos in different splits: bool [P].

    Copies of one photo by its name are left to the reader, which refuses them.
    """
    splits = _codes([image.split for image in images])[pairs]
    sources = _codes([image.example.source_name for image in images])[pairs]
    return (splits[:, 0] != splits[:, 1]) & (sources[:, 0] != sources[:, 1])


def _codes(names: list[str]) -> np.ndarray:
    """A number for each name, int64 [N]."""
    return np.unique(names, return_inverse=True)[1]
