"""A search whose trainings take no time."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from tf_muscle.data.dataset import Data
from tf_muscle.data.geometry import Geometry
from tf_muscle.roboflow.records import DataInfo
from tf_muscle.runs.folder import RunFolder
from tf_muscle.tuner.folder import SearchFolder, open_folder
from tf_muscle.tuner.hypermodel import SegmentationHyperModel, scores
from tf_muscle.tuner.options import Combination, Search, combination_of
from tf_muscle.tuner.oracle import make_oracle
from tf_muscle.tuner.results import Row, rows_of
from tf_muscle.tuner.trial_runner import TrialRunner
from tf_muscle.tuner.workers import Role

FINGERPRINT = "0123456789abcdef"
WEIGHTS = 1000  # bytes of a checkpoint here
SIX = {
    "learning_rate": [0.1, 0.01],
    "batch_size": [2, 4, 8],
    "optimizer": ["sgd"],
    "epochs": [2],
}


class QuickHyperModel(SegmentationHyperModel):
    """Writes what a training writes, but trains nothing."""

    def __init__(self, search: Search, act: Callable[[Combination, int], float | None]):
        data = Data({}, DataInfo(FINGERPRINT), Geometry("pad", 32), {})
        super().__init__(search, data, "float32")
        self.act = act
        self.calls: list[tuple[Combination, int]] = []
        self.disk: list[int] = []

    def build(self, hp: Any) -> keras.Model:
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp: Any, model: keras.Model, *, run: RunFolder) -> dict[str, float]:
        combination = combination_of(hp.values)
        self.calls.append((combination, self.execution))
        run.backup.mkdir(parents=True, exist_ok=True)
        self.config(hp).save(run.config)
        (run.backup / "latest.weights.h5").write_bytes(b"x" * 2 * WEIGHTS)
        run.best_weights.write_bytes(b"x" * WEIGHTS)
        folder = run.path.parents[2]
        self.disk.append(sum(one.stat().st_size for one in folder.rglob("*.weights.h5")))
        score = self.act(combination, self.execution)
        write_history(run, [math.nan if score is None else score])
        return scores(run)


def write_history(run: RunFolder, mean_ious: list[float], **others: list[float]) -> None:
    """A history.csv with these validation scores."""
    columns = {
        "loss": [math.nan if math.isnan(score) else 0.5 for score in mean_ious],
        "val_loss": [0.4] * len(mean_ious),
        "val_mean_iou": mean_ious,
        "val_foreground_mean_iou": [0.5 * score for score in mean_ious],
        "val_mean_class_accuracy": [0.6] * len(mean_ious),
        "val_foreground_pixel_accuracy": [0.3] * len(mean_ious),
        "seconds": [2.0] * len(mean_ious),
    } | others
    run.path.mkdir(parents=True, exist_ok=True)
    with run.history.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *columns])
        writer.writerows(
            [epoch, *row] for epoch, row in enumerate(zip(*columns.values(), strict=True))
        )


class Bench:
    """A search over `SIX` with a given training."""

    def __init__(self, search: Search, act: Callable[[Combination, int], float | None]):
        self.search = search
        path = Path(search.base.run.runs_dir) / "tuner" / search.name
        self.folder = SearchFolder(path)
        open_folder(self.folder, search, FINGERPRINT)
        self.hypermodel = QuickHyperModel(search, act)
        self.oracle = make_oracle(search, self.hypermodel.hyperparameters(), self.folder)
        self.runner = TrialRunner(self.hypermodel, self.oracle, search, self.folder, Role("alone"))

    def rows(self) -> list[Row]:
        return rows_of(self.oracle.trials, self.search)


def good(combination: Combination, execution: int) -> float:
    return 0.3 + combination.learning_rate + combination.batch_size / 100 + execution / 1000
