"""A new split that keeps together what belongs together."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tf_muscle.errors import UserError
from tf_muscle.inspection.leakage import Links
from tf_muscle.inspection.measure import ImageInfo
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.roboflow.splitting import HELD_OUT
from tf_muscle.roboflow.video_frames import find_frames

PIECES = 10  # that a group is cut into which leaves nothing to hold out
LEAST_TRAINING = 0.5  # of the photos; below that a group is cut


def found_groups(images: Sequence[ImageInfo], links: Links) -> list[str]:
    """What each image belongs to: the photos that links join with it, directly or through others.

    Args:
        images: N images of an export.
        links: pairs of their indices 0 to N - 1.

    Returns:
        N names, each that of the group's first photo by name.
    """
    photos, photo_of = _photos(images)
    groups = _components(photo_of[np.concatenate([links.duplicates, links.frames])], len(photos))
    name_of = {photo: photos[group[0]] for group in groups for photo in group}
    return [name_of[photo] for photo in photo_of]


def grouped_split(
    images: Sequence[ImageInfo],
    links: Links,
    seed: int = 0,
    named: Sequence[str] | None = None,
) -> tuple[dict[str, list[int]], list[int]]:
    """Divides images into train, valid and test, about 80/10/10, so that no link joins two.

    Photos are counted by their names, so that augmented copies stay together. What links join,
    directly or through others, is a group and goes into one split. A single long video makes one
    group of everything: it is cut into pieces in the order of its frames, and the training photos
    that are linked across a cut are left out.

    Args:
        images: N images of an export.
        links: pairs of their indices 0 to N - 1.
        seed: another int gives another division.
        named: the group of each image, which then counts in place of the links; it is never cut.

    Returns:
        Indices by split, and the indices that were left out.

    Raises:
        UserError: there are too few photos, or groups, to fill three splits.
    """
    photos, photo_of = _photos(images)
    if named is None:
        edges = photo_of[np.concatenate([links.duplicates, links.frames])]  # [E, 2] photos
        groups = _cut_until_they_divide(_components(edges, len(photos)), photos, seed)
    else:
        edges = np.empty((0, 2), np.int64)
        groups = _divide_named(dict(zip(photo_of.tolist(), named, strict=True)), photos, seed)
    split_of = np.empty(len(photos), np.int64)
    for number, split in enumerate(SPLITS):
        split_of[groups[split]] = number
    dropped = _linked_across(edges, split_of)
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    left_out = []
    for index, photo in enumerate(photo_of):
        if photo in dropped:
            left_out.append(index)
        else:
            splits[SPLITS[split_of[photo]]].append(index)
    if not all(splits.values()):
        raise _too_few(len(photos))
    return splits, left_out


def _photos(images: Sequence[ImageInfo]) -> tuple[list[str], np.ndarray]:
    """The P photos that images were made from, sorted, and that of each image, int64 [N]."""
    photos, photo_of = np.unique(
        [image.example.source_name for image in images], return_inverse=True
    )
    return photos.tolist(), photo_of


def _divide_named(
    group_of: Mapping[int, str], photos: list[str], seed: int
) -> dict[str, list[int]]:
    """Divides groups that may not be cut; `group_of` a photo."""
    groups = defaultdict(list)
    for photo, group in sorted(group_of.items()):
        groups[group].append(photo)
    if divided := _divide(list(groups.values()), photos, seed):
        return divided
    raise UserError(
        f"the {len(groups)} groups of --groups are too few or too large to be split into train, "
        "valid and test whole; give smaller groups, or add photos of other groups"
    )


def _components(edges: np.ndarray, count: int) -> list[list[int]]:
    """The photos that edges join, directly or through others."""
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    _, labels = connected_components(graph, directed=False)
    groups = defaultdict(list)
    for photo, label in enumerate(labels):
        groups[label].append(photo)
    return list(groups.values())


def _cut_until_they_divide(
    groups: list[list[int]], photos: list[str], seed: int
) -> dict[str, list[int]]:
    count = len(photos)
    frames = find_frames(photos)
    places = [  # in the order of the videos and their frames
        (frames[name].video, frames[name].number) if name in frames else (name, 0)
        for name in photos
    ]
    while True:
        if divided := _divide(groups, photos, seed):
            return divided
        largest = max(groups, key=len)
        if len(largest) < 2:
            raise _too_few(count)
        groups.remove(largest)
        in_order = sorted(largest, key=lambda photo: places[photo])
        pieces = np.array_split(in_order, min(PIECES, len(in_order)))
        groups += [piece.tolist() for piece in pieces]


def _divide(groups: list[list[int]], photos: list[str], seed: int) -> dict[str, list[int]] | None:
    """Fills test and valid with whole groups; None if too little is left to train on."""
    total = sum(map(len, groups))
    wanted = max(1, round(HELD_OUT * total))

    def drawn(group: list[int]) -> bytes:
        return hashlib.sha256(f"{seed}/{photos[group[0]]}".encode("utf-8", "replace")).digest()

    free = sorted(groups, key=drawn)
    taken: dict[str, list[int]] = {}
    for split in ("test", "valid"):
        taken[split] = []
        # Groups of a fitting size first, so that one large one does not make the split too large.
        for group in sorted(free, key=lambda group: max(len(group), wanted)):
            if len(taken[split]) < wanted:
                taken[split] += group
                free.remove(group)
    taken["train"] = [photo for group in free for photo in group]
    return taken if len(taken["train"]) >= LEAST_TRAINING * total and taken["valid"] else None


def _linked_across(edges: np.ndarray, split_of: np.ndarray) -> set[int]:
    """Of the photos that an edge joins across two splits, the one in the larger split."""
    dropped = set()
    for pair in edges[split_of[edges[:, 0]] != split_of[edges[:, 1]]].tolist():
        dropped.add(min(pair, key=lambda photo: split_of[photo]))  # train, then valid, then test
    return dropped


def _too_few(count: int) -> UserError:
    return UserError(
        f"{count} photos are too few, or too closely related, to be split into train, valid and "
        "test without leakage; add photos of other people or other videos."
    )
