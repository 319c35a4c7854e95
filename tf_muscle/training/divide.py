"""The photos of an export divided by groups: into folds, or 80/10/10."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.data.geometry import Geometry, resolve
from tf_muscle.errors import UserError, listed
from tf_muscle.inspection.grouping import found_groups, grouped_split
from tf_muscle.inspection.leakage import Links, find_links
from tf_muscle.inspection.measure import ImageInfo, survey
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.archive import export_path, fingerprint, open_export, split_names
from tf_muscle.roboflow.groups import named_groups
from tf_muscle.roboflow.reader import check_pixels, middle_aspect, read_export
from tf_muscle.roboflow.records import ALL, SPLITS, DataInfo
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.folds import FoldPhoto, Folds

VALID_PARTS = 8  # of the photos that a fold does not test, one of these chooses the epoch


@dataclass(frozen=True)
class Photos:
    """All photos of an export, in order.

    Attributes:
        images: N of them.
        links: pairs that look alike or are neighbouring frames.
        named: the N groups of `--groups`; None without the option.
        class_names: K names.
        fingerprint: of the export's content.
        geometry: how they reach the network.
    """

    images: list[ImageInfo]
    links: Links
    named: list[str] | None
    class_names: tuple[str, ...]
    fingerprint: str
    geometry: Geometry

    @property
    def groups(self) -> list[str]:
        """The group of each photo: of the option, else what was found alike."""
        return self.named or found_groups(self.images, self.links)


def survey_photos(config: DataConfig) -> Photos:
    """Reads all photos of an export, whatever folder they are in, with what groups them.

    Raises:
        UserError: the export or the groups cannot be used.
    """
    path = export_path(config.data)
    with open_export(path) as root:
        export = read_export(root, ignore=config.ignore, split=ALL)
        examples = [e for split in SPLITS for e in export.splits.get(split, ())]
        named = None if config.groups is None else named_groups(config.groups, examples)
        check_pixels(export)
        images = survey(export).images
        info = DataInfo(fingerprint(path), stretched=export.stretched, aspect=middle_aspect(export))
        return Photos(
            images,
            find_links(images),
            named,
            export.class_names,
            info.fingerprint,
            resolve(config, info),
        )


def divide_into_folds(photos: Photos, config: DataConfig) -> Folds:
    """Divides photos into K folds of about one size, each group whole, the classes spread evenly.

    scikit-learn's StratifiedGroupKFold. A photo counts as one of the rarest class in it, by the
    number of photos that show a class, since those are the ones that a fold could lack. In each
    fold an eighth of the other photos, whole groups again, chooses the epoch.

    Args:
        photos: N of them.
        config: `folds` and `split_seed`.

    Raises:
        UserError: there are too few groups, or one is larger than a fold.
    """
    groups = np.array(photos.groups)
    _refuse_groups(groups, config)
    labels = rarest_class(np.array([image.class_pixels for image in photos.images]))
    tests = _parts(labels, groups, config.folds, config.split_seed)
    fold_of = np.empty(len(groups), np.int64)
    validates: list[list[int]] = [[] for _ in groups]
    for fold, tested in enumerate(tests, 1):
        fold_of[tested] = fold
        rest = np.setdiff1d(np.arange(len(groups)), tested)
        _refuse_single(np.unique(groups[rest]), groups, config)
        parts = min(VALID_PARTS, len(np.unique(groups[rest])))
        found = _parts(labels[rest], groups[rest], parts, config.split_seed)
        # A large group makes its part large; the most ordinary one is taken.
        valid = min(found, key=lambda part: abs(len(part) - len(rest) / VALID_PARTS))
        for index in rest[valid]:
            validates[index].append(fold)
    return Folds(
        config.folds,
        photos.fingerprint,
        tuple(
            FoldPhoto(
                image.example.file_name,
                image.split,
                str(group),
                int(fold),
                tuple(valid),
                tuple(image.class_pixels.tolist()),
            )
            for image, group, fold, valid in zip(
                photos.images, groups, fold_of, validates, strict=True
            )
        ),
    )


def divide_once(photos: Photos, config: DataConfig) -> Assignment:
    """Divides the photos of an export that has only train/ by groups, 80/10/10.

    Raises:
        UserError: the export has another folder, or too few groups.
    """
    folders = split_names(export_path(config.data))
    if list(folders) != ["train"]:
        raise UserError(
            f"--split_groups divides an export that has only train/, and {config.data} has "
            f"{listed(list(folders.values()))}: leave it out, or divide the export anew by "
            "python -m tf_muscle.inspect with --resplit"
        )
    splits, left_out = grouped_split(photos.images, photos.links, config.split_seed, photos.named)
    sizes = ", ".join(f"{len(indices)} {split}" for split, indices in splits.items())
    print(f"Split by groups, seed {config.split_seed}: {sizes} photos, {len(left_out)} left out")
    return Assignment(
        {
            split: [_name(photos.images[index]) for index in indices]
            for split, indices in splits.items()
        },
        {
            split: np.sum([photos.images[i].class_pixels for i in indices], axis=0).tolist()
            for split, indices in splits.items()
        },
    )


def rarest_class(class_pixels: np.ndarray) -> np.ndarray:
    """The class in each photo that the fewest photos show, 0 where there is background alone.

    Args:
        class_pixels: int64 [N, K], pixels of each class.

    Returns:
        int64 [N].
    """
    shown = class_pixels > 0
    shown[:, 0] = True
    photo_counts = shown.sum(axis=0)
    photo_counts[0] = len(shown) + 1  # never rarer than a muscle that every photo shows
    return np.argmin(np.where(shown, photo_counts, len(shown) + 2), axis=1)


def _parts(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Indices of each part."""
    from sklearn.model_selection import StratifiedGroupKFold  # takes 2 s

    if np.bincount(labels).max() < count:  # it then refuses to stratify
        labels = np.zeros_like(labels)
    parts = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of a class that cannot be in every fold: `describe` tells
        warnings.simplefilter("ignore", UserWarning)
        return [part for _, part in parts.split(labels, labels, groups)]


def _refuse_groups(groups: np.ndarray, config: DataConfig) -> None:
    names, sizes = np.unique(groups, return_counts=True)
    source = _source(config)
    least = max(config.folds, 3)  # two folds, and in each one group to train on, one to choose by
    if len(names) < least:
        fewer = f"--folds {len(names)} at most" if len(names) >= 3 else "photos of more groups"
        raise UserError(
            f"--folds {config.folds} needs at least {least} groups of photos, and {source} "
            f"make {len(names)}: give {fewer}, or smaller groups by --groups"
        )
    largest = int(np.argmax(sizes))
    if sizes[largest] > -(-len(groups) // config.folds):
        most = len(groups) // int(sizes[largest])
        fewer = f"--folds {most} at most, or " if most >= 2 else ""
        raise UserError(
            f"the group {names[largest]} ({source}) has {sizes[largest]} of {len(groups)} photos, "
            f"more than one of {config.folds} folds: give {fewer}smaller groups by --groups"
        )


def _refuse_single(left: np.ndarray, groups: np.ndarray, config: DataConfig) -> None:
    """Refuses a fold of all groups but one, which two folds of unequal groups may come to."""
    if len(left) > 1:
        return
    largest = np.unique(groups, return_counts=True)[1].max()
    more = "--folds 3, or " if largest <= -(-len(groups) // 3) else ""
    raise UserError(
        f"--folds {config.folds} would test all groups of photos but one, {left[0]}, at once "
        f"({_source(config)}), and two have to be left, one to train on and one to choose "
        f"the epoch by: give {more}smaller groups by --groups"
    )


def _source(config: DataConfig) -> str:
    return f"--groups {config.groups}" if config.groups is not None else "photos that look alike"


def describe(photos: Photos, folds: Folds) -> list[str]:
    """What the user should know of the folds, in sentences."""
    by_split = ", ".join(
        f"{sum(photo.split == split for photo in folds.photos)} {split}"
        for split in dict.fromkeys(photo.split for photo in folds.photos)
    )
    groups = len({photo.group for photo in folds.photos})
    told = [
        f"All {len(folds.photos)} photos take part, whatever split they are in ({by_split}): "
        f"{groups} groups in {folds.count} folds"
    ]
    told += _lacking(folds, photos.class_names)
    if photos.named is not None:
        told += _alike(photos, photos.named)
    return told


def _lacking(folds: Folds, class_names: Sequence[str]) -> list[str]:
    """Folds whose model is tested on a class that it never saw."""
    told = []
    for fold in range(1, folds.count + 1):
        counts = folds.assignment(fold).pixel_counts
        unseen = [
            name
            for name, trained, tested in zip(
                class_names, counts["train"], counts["test"], strict=True
            )
            if tested and not trained
        ]
        if unseen:
            told.append(
                f"WARNING: no training photo of fold {fold} shows {listed(unseen)}, which its test "
                "photos do: too few groups have it"
            )
    return told


def _alike(photos: Photos, named: Sequence[str]) -> list[str]:
    """Photos that look alike in different groups of `--groups`."""
    pairs = np.concatenate([photos.links.duplicates, photos.links.frames])
    across = [(i, j) for i, j in pairs.tolist() if named[i] != named[j]]
    if not across:
        return []
    files = [
        f"{_name(photos.images[i])} ({named[i]}) and {_name(photos.images[j])} ({named[j]})"
        for i, j in across
    ]
    return [
        f"WARNING: photos that look alike, or are neighbouring frames, are in different groups of "
        f"--groups ({len(across)} pairs), which makes scores too good: {listed(files)}"
    ]


def _name(image: ImageInfo) -> str:
    return f"{image.split}/{image.example.file_name}"
