"""What a tracker is told of a run, and what it has to be able to do with that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

End = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True)
class Beginning:
    """A run that begins.

    Attributes:
        name: "mine"; of a fold "mine/fold_2".
        group: name that the folds of a run and the whole of it share; None for a single run.
        folder: of the run.
        parameters: the resolved options by their names, and `data_fingerprint`.
        folds: ids that the tracker gave to the runs of the folds; only for the whole of them.
    """

    name: str
    group: str | None
    folder: Path
    parameters: Mapping[str, Any]
    folds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a complete run has to show.

    Attributes:
        scores: of the best model, "test/mean_iou" and the like.
        files: configuration, manifest, report and model.
        figures: PNG files, which show photos of the data.
    """

    scores: Mapping[str, float]
    files: tuple[Path, ...]
    figures: tuple[Path, ...]


class Tracker(Protocol):
    """One tracker and the one run that it has open.

    Any method may raise whatever the tracker's own package does.
    """

    def reach(self, run_id: str | None) -> None:
        """Asks the tracker whether it takes this user's runs, and knows the one to go on with."""

    def begin(self, beginning: Beginning, run_id: str | None) -> str:
        """Opens a new run, or goes on with the one that it gave this id. Returns the id."""

    def log_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Adds a point to each curve. Epochs are counted from 0, as in history.csv."""

    def log_result(self, result: Result) -> None:
        """Adds what a complete run has to show."""

    def end(self, how: End) -> None:
        """Closes the run."""
