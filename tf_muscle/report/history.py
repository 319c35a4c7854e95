"""Reads history.csv, which `training.callbacks.HistoryFile` has written of a run."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_history(path: Path) -> dict[str, list[float]]:
    """Reads history.csv.

    A run that was killed between the log and the backup of an epoch repeats that epoch when it is
    resumed; what it logged last holds.

    Args:
        path: a CSV file with a column `epoch`, counted from 0.

    Returns:
        The values of each column by epoch; NaN also for infinity.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return {column: [_number(row[column]) for row in ordered] for column in ordered[0]}


def _number(cell: str) -> float:
    value = float(cell)
    return value if math.isfinite(value) else math.nan


def ended_in_nan(history: Mapping[str, Sequence[float]]) -> bool:
    """Whether the last epoch left NaN or infinity, which `StopOnNaN` notes in `val_loss`."""
    return math.isnan(history.get("val_loss", [0.0])[-1])


def replaces_best(score: float, best: float, tie: float) -> bool:
    """Whether a later epoch replaces the best so far: it is better, or within `tie` below it."""
    return score > best or (tie > 0 and score >= best - tie)


def best_epoch(history: Mapping[str, Sequence[float]], tie: float = 0.0) -> int:
    """The epoch, counted from 1, whose weights a run keeps.

    Args:
        history: the columns of history.csv by name, float [E] each; an epoch whose `val_loss` is
            NaN is never kept.
        tie: difference of mIoU that counts as none; with 0, the first of the epochs with the best
            validation mIoU.
    """
    kept, best = 1, float("-inf")
    scores = history["val_mean_iou"]
    losses = history.get("val_loss", [0.0] * len(scores))
    for epoch, (score, loss) in enumerate(zip(scores, losses, strict=True), 1):
        if replaces_best(score, best, tie) and not math.isnan(loss):
            kept, best = epoch, max(score, best)
    return kept
