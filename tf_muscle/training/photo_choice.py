"""Which photos a run is scored on: those that it held out, or another export's."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_muscle.config import from_options
from tf_muscle.data.pipeline import load_names
from tf_muscle.data.prepare import load_builder, load_divided, refuse_other_classes
from tf_muscle.errors import UserError, listed
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.archive import export_path, fingerprint, split_names
from tf_muscle.roboflow.records import SPLITS, DataInfo
from tf_muscle.roboflow.video_frames import find_frames
from tf_muscle.roboflow_segmentation import Builder
from tf_muscle.runs.assignment import Assignment, read_assignment
from tf_muscle.runs.environment import read_environment
from tf_muscle.runs.folder import RunFolder, find_data, read_options
from tf_muscle.runs.folds import read_folds, trained_runs


@dataclass(frozen=True)
class PhotoChoice:
    """Which photos of which export, and how masks are read.

    Attributes:
        data: path of an export, or "sample"; None for the run's own.
        split: "train", "valid" or "test"; None for test, or the only split of another export.
        allow_leakage: go on although copies of one photo stand in two splits.
        ignore: mask value of pixels that nobody labelled; None for the run's own.
    """

    data: str | None = None
    split: str | None = None
    allow_leakage: bool = False
    ignore: int | None = None

    def __post_init__(self) -> None:
        if self.split not in (None, *SPLITS):
            raise UserError(f"--split must be train, valid or test, got {self.split}")

    def are_own(self, run: RunFolder) -> bool:
        """Whether they are photos of the export that the run, one without folds, was trained on."""
        if not self.data:
            return True
        return fingerprint(export_path(self.data)) == read_environment(run).info.fingerprint

    def scorers(self, run: RunFolder) -> tuple[RunFolder, ...]:
        """Which runs score these photos: its folds if the photos are its own, else the run itself.

        Each fold has held other photos out; the mean of all folds has seen every photo.

        Raises:
            UserError: the run is not finished, or these are photos that its folds were trained on.
        """
        runs = trained_runs(run)
        if len(runs) == 1 or not self.are_own(runs[0]):
            return (run,)
        if self.split not in (None, "test"):
            raise UserError(
                f"--split {self.split} has photos that folds of {run.path} were trained on: leave "
                "--split out, and each photo is scored by the fold that has held it out"
            )
        return runs


@dataclass(frozen=True)
class ChosenPhotos:
    """One split of a prepared export.

    Attributes:
        data: the export, as the user calls it.
        assignment: the division that the split is of; None for the export's own.
    """

    builder: Builder
    split: str
    data: str
    info: DataInfo
    assignment: Assignment | None

    def names(self) -> list[tuple[str, str]]:
        """File name and source name of each photo, in the order of `pipeline.load_split`."""
        return load_names(self.builder, self.split, self.assignment)


def open_photos(run: RunFolder, photos: PhotoChoice) -> ChosenPhotos:
    """Prepares the photos that a run is scored on, and says what has to be known of them.

    Args:
        run: one of `PhotoChoice.scorers`.
        photos: as they were asked for.

    Raises:
        UserError: the export is gone, cannot be used, or has other classes.
    """
    run = trained_runs(run)[0]
    trained = read_options(run)
    data = photos.data or find_data(trained["data"], f"python -m tf_muscle.evaluate {run.path}")
    reading = _reading(trained, data, allow_leakage=photos.allow_leakage, ignore=photos.ignore)
    split, assignment = photos.split or "test", None
    if photos.are_own(run):
        assignment = read_assignment(run)
        builder = load_divided(reading, assignment)  # as it was trained on
    else:
        folders = split_names(export_path(data))
        split = _split_to_score(photos.split, folders, data)
        builder = load_builder(reading, split)
        count = builder.info.splits[split].num_examples
        alone = ", its only folder, so none were held out" if len(folders) == 1 else ""
        print(f"All {count} photos in {folders[split]} of {data} are scored{alone}.")
    info = DataInfo.from_json(builder.info.metadata)
    for note in info.notes:
        print(note)
    refuse_other_classes(info.class_names, data, read_environment(run).info.class_names)
    return ChosenPhotos(builder, split, data, info, assignment)


def refuse_other_photos(run: RunFolder, scored: ChosenPhotos, *, chosen: bool) -> None:
    """Refuses photos that a run may have been trained on, as those of another run often are.

    Args:
        run: without folds.
        scored: photos of another run.
        chosen: they come from an export that the user has named.

    Raises:
        UserError: they are not what the run has held out.
    """
    if read_environment(run).info.fingerprint != scored.info.fingerprint:
        if chosen:
            return
        raise UserError(
            f"{run.path} was trained on another export: give both runs the same photos by --data, "
            "with photos that neither of them was trained on"
        )
    if sorted(own_names(run, scored.data, scored.split)) != sorted(scored.names()):
        raise UserError(
            f"{run.path} has other photos in its {scored.split} split, so it may have been trained "
            "on these: give both runs the same photos by --data, with photos that neither of them "
            "was trained on"
        )


def own_names(run: RunFolder, data: str, split: str) -> list[tuple[str, str]]:
    """File name and source name of the photos that were in a run's split.

    Args:
        run: without folds.
        data: where its export lies now.
        split: "train", "valid" or "test".
    """
    assignment = read_assignment(run)
    reading = _reading(read_options(run), data, allow_leakage=False, ignore=None)
    builder = load_divided(reading, assignment)
    return load_names(builder, split, assignment)


def groups_of(run: RunFolder, names: Sequence[tuple[str, str]]) -> list[str]:
    """What each photo belongs to: the groups of a run with folds, else source photos and videos.

    Args:
        run: that has scored the photos.
        names: file name and source name of each.
    """
    photos = read_folds(run).photos if run.folds.is_file() else ()
    known = {photo.name: photo.group for photo in photos}
    frames = find_frames({source for _, source in names})
    return [
        known.get(name) or (frames[source].video if source in frames else source)
        for name, source in names
    ]


def _reading(
    trained: dict[str, Any], data: str, *, allow_leakage: bool, ignore: int | None
) -> DataConfig:
    """How the export of a run with these options is read, which may lie elsewhere now."""
    reading = from_options(trained).data
    return dataclasses.replace(
        reading,
        data=data,
        allow_leakage=allow_leakage or reading.allow_leakage,
        ignore=reading.ignore if ignore is None else ignore,
    )


def _split_to_score(asked: str | None, folders: Mapping[str, str], data: str) -> str:
    """The split of another export: the one asked for, else its only one, else test."""
    if asked is None and len(folders) == 1:
        return next(iter(folders))
    split = asked or "test"
    if split not in folders:
        raise UserError(
            f"--split {split} is no folder of {data}, which has {listed(list(folders.values()))}: "
            f"give --split {' or '.join(folders)}"
        )
    return split
