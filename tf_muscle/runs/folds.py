"""Which photo is tested in which fold: folds.json, read and written here alone."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_muscle.errors import UserError
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.runs.assignment import Assignment
from tf_muscle.runs.folder import PUT_BACK, RunFolder, read_json

VERSION = 1


@dataclass(frozen=True)
class FoldPhoto:
    """One photo.

    Attributes:
        file_name: unique in its split.
        split: the export's folder that it is in, by Roboflow's name.
        group: what it belongs to; all photos of a group are in one fold.
        fold: that tests it, 1 to K.
        validates: the folds in which it chooses the epoch; it trains in all others.
        class_pixels: pixels of each class in its mask, as exported.
    """

    file_name: str
    split: str
    group: str
    fold: int
    validates: tuple[int, ...]
    class_pixels: tuple[int, ...]

    @property
    def name(self) -> str:
        """As in `Assignment`."""
        return f"{self.split}/{self.file_name}"

    def role(self, fold: int) -> str:
        """The split that it is in while this fold is trained."""
        if fold == self.fold:
            return "test"
        return "valid" if fold in self.validates else "train"


@dataclass(frozen=True)
class Folds:
    """The content of folds.json.

    Attributes:
        count: K, of folds.
        fingerprint: of the export's content.
        photos: all of the export.
    """

    count: int
    fingerprint: str
    photos: tuple[FoldPhoto, ...]

    def assignment(self, fold: int) -> Assignment:
        """What the model of a fold, 1 to K, trains on, is chosen by and is tested on."""
        parts = {
            split: [photo for photo in self.photos if photo.role(fold) == split] for split in SPLITS
        }
        return Assignment(
            {split: [photo.name for photo in photos] for split, photos in parts.items()},
            {
                split: np.sum([photo.class_pixels for photo in photos], axis=0).tolist()
                for split, photos in parts.items()
            },
        )

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Folds":
        """Reads the object in folds.json.

        Raises:
            KeyError, TypeError, ValueError: it is not what `to_json` gave.
        """
        if record["version"] != VERSION:
            raise ValueError(f"version {record['version']}, not {VERSION}")
        lists = ("validates", "class_pixels")
        photos = tuple(
            FoldPhoto(**(photo | {name: tuple(photo[name]) for name in lists}))
            for photo in record["photos"]
        )
        return cls(record["folds"], record["fingerprint"], photos)

    def to_json(self) -> dict[str, Any]:
        """The object in folds.json."""
        return {
            "version": VERSION,
            "folds": self.count,
            "fingerprint": self.fingerprint,
            "photos": [dataclasses.asdict(photo) for photo in self.photos],
        }


def read_folds(run: RunFolder) -> Folds:
    """Reads folds.json.

    Raises:
        UserError: it is missing or damaged.
    """
    return read_json(run.folds, Folds.from_json, f"{PUT_BACK}, or start a new run")


def trained_runs(run: RunFolder) -> tuple[RunFolder, ...]:
    """The run by itself; of a run with folds, the run of each fold.

    Raises:
        UserError: a training is not finished.
    """
    runs: tuple[RunFolder, ...] = (run,)
    if run.folds.is_file():
        runs = tuple(run.fold_run(number) for number in range(1, read_folds(run).count + 1))
    for one in runs:
        if not one.model.is_file():
            raise UserError(f"{one.model} is missing: finish the run by --resume {run.path} first")
    return runs
