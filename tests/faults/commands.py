"""The commands that kill_loop.py kills: how they start, what they have finished, their result."""

import abc
import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import h5py
import tensorflow_datasets as tfds

SAMPLE = Path(__file__).parents[2] / "datasets" / "sample_gym"
# Trainings of seconds, whose results are equal to the last digit.
TINY = [
    "--data", "export", "--data_dir", "tfds", "--image_size", "32", "--batch_size", "4",
    "--encoder", "resnet18", "--encoder_weights", "none", "--precision", "float32",
    "--deterministic",
]  # fmt: skip
EPOCHS = 3
STEPS = 3  # an epoch, of 12 photos
TRIALS = 2
PREPARE = """
import sys
from tf_muscle.options import DataConfig
from tf_muscle.data.prepare import load_builder
load_builder(DataConfig(data=sys.argv[1], data_dir=sys.argv[2]))
"""


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of those that are files."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file()
    }


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file without its times."""
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class Command(abc.ABC):
    """One round of a command; a round ends when the command comes to its end.

    `title` names it in the table, `files` are patterns of files at whose appearance it is killed,
    `random_kills` how often it is killed at a random moment, `rounds` in how many lives.
    """

    title: str
    files: tuple[str, ...]
    random_kills: int
    rounds: int

    def __init__(self, work: Path, number: int):
        self.work = work
        self.number = number

    @abc.abstractmethod
    def words(self) -> list[str]:
        """Words after `python` that start it, or go on with it."""

    @abc.abstractmethod
    def finished(self) -> dict[str, str]:
        """What must never be lost again, by name, with what it must stay equal to."""

    @abc.abstractmethod
    def result(self) -> object:
        """Of the complete command: equal for every round."""


class Train(Command):
    """A training, which is resumed."""

    title = "`train`, then `train --resume`"
    files = (
        "config.yaml",
        "environment.json",
        "checkpoints/unfinished_best.weights.h5",
        "checkpoints/backup/unfinished_latest.weights.h5",
        "checkpoints/backup/previous.weights.h5",
        "unfinished_best.keras",
        "unfinished_figures/before_after.png",
        "../../saved_models/unfinished_run{n}/saved_model.pb",
        "metrics.json",
        "run.json",
    )
    random_kills = 6
    rounds = 3

    @property
    def folder(self) -> Path:
        return self.work / "runs" / f"run{self.number}"

    def words(self) -> list[str]:
        if self.folder.exists():
            return ["-m", "tf_muscle.train", "--resume", str(self.folder)]
        name = ["--run_name", self.folder.name]
        return ["-m", "tf_muscle.train", *TINY, "--minutes", "0", "--epochs", str(EPOCHS), *name]

    def finished(self) -> dict[str, str]:
        complete = digests(self.folder / name for name in ("best.keras", "run.json"))
        epochs = EPOCHS if complete else self.epochs()
        saved_model = self.work / "saved_models" / self.folder.name
        return (
            complete
            | {f"checkpoint of epoch {epoch + 1}": "there" for epoch in range(epochs)}
            | digests(saved_model.rglob("*"))
        )

    def epochs(self) -> int:
        """Epochs in the newest checkpoint."""
        for name in ("latest", "previous"):
            path = self.folder / "checkpoints" / "backup" / f"{name}.weights.h5"
            if path.is_file():
                with h5py.File(path) as file:
                    return int(file["optimizer/vars/0"][()]) // STEPS
        return 0

    def result(self) -> object:
        assert not (self.folder / "checkpoints").exists()
        metrics = json.loads((self.folder / "metrics.json").read_text())
        return metrics, rows_of(self.folder / "history.csv")


class Search(Command):
    """A search of two trials."""

    title = "`tuner`"
    files = (
        "search.yaml",
        "trial_0000/trial.json",
        "trial_0000/execution_0/checkpoints/backup/unfinished_latest.weights.h5",
        "trial_0000/execution_0/result.json",
        "trial_0001/execution_0/history.csv",
        "unfinished_figures",
    )
    random_kills = 4
    rounds = 4  # three kills without an epoch between them, and a trial is given up

    @property
    def folder(self) -> Path:
        return self.work / "runs" / "tuner" / f"search{self.number}"

    def words(self) -> list[str]:
        space = ["--learning_rate", "0.002", "0.001", "--optimizer", "adam", "--epochs", "2"]
        return ["-m", "tf_muscle.tuner", *TINY, *space, "--name", self.folder.name]

    def finished(self) -> dict[str, str]:
        trials = [json.loads(path.read_text()) for path in self.folder.glob("trial_*/trial.json")]
        return digests(self.folder.glob("trial_*/*/result.json")) | {
            one["trial_id"]: str(one["score"]) for one in trials if one["status"] == "COMPLETED"
        }

    def result(self) -> object:
        table = rows_of(self.folder / "results.csv")
        assert len(table) == TRIALS
        assert len(list((self.folder / "figures").glob("*.png"))) == 3
        return table, [rows_of(path) for path in sorted(self.folder.rglob("history.csv"))]


class Prepare(Command):
    """An export of 520 photos becomes a TFDS data set."""

    title = "preparing an export"
    files = (
        "*/*/incomplete.*",
        "*/*/incomplete.*/*tfrecord*",
        "*/*/incomplete.*/dataset_info.json",
        "*/*/2.0.0",
    )
    random_kills = 4
    rounds = 2

    @property
    def folder(self) -> Path:
        return self.work / f"tfds{self.number}"

    def words(self) -> list[str]:
        return ["-c", PREPARE, str(SAMPLE), str(self.folder)]

    def finished(self) -> dict[str, str]:
        return digests(self.folder.glob("*/*/2.0.0/*"))

    def result(self) -> object:
        (folder,) = self.folder.glob("*/[0-9a-f]*/*")  # and nothing incomplete beside it
        builder = tfds.builder_from_directory(folder)
        # Not the bytes of the records, in which protobuf orders the fields as it likes.
        return [
            (split, one["file_name"], one["image"].tobytes(), one["segmentation_mask"].tobytes())
            for split in builder.info.splits
            for one in tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))
        ]


class Export(Command):
    """The SavedModel of a finished training."""

    title = "`export`"
    files = (
        "unfinished_exported{n}",
        "unfinished_exported{n}/variables",
        "unfinished_exported{n}/saved_model.pb",
        "exported{n}",
    )
    random_kills = 4
    rounds = 2

    @property
    def folder(self) -> Path:
        return self.work / "saved_models"

    def words(self) -> list[str]:
        name = ["--name", f"exported{self.number}"]
        return ["-m", "tf_muscle.export", str(self.work / "runs" / "run0"), *name]

    def finished(self) -> dict[str, str]:
        return digests((self.folder / f"exported{self.number}").rglob("*"))

    def result(self) -> object:
        exported = self.folder / f"exported{self.number}"
        labels = (exported / "assets" / "labels.txt").read_text()
        return labels, sorted(str(path.relative_to(exported)) for path in exported.rglob("*"))
