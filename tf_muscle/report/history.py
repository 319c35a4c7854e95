"""Reads what CSVLogger has written of a run."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_history(path: Path) -> dict[str, list[float]]:
    """Reads history.csv.

    A run that was killed between the log and the backup of an epoch repeats that epoch when it is
    resumed; what it logged last holds.

    Args:
        path: a CSV file with a column `epoch`, counted from 0.

    Returns:
        The values of each column by epoch.
    """
    with path.open(newline="") as file:
        rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return {column: [float(row[column]) for row in ordered] for column in ordered[0]}


def replaces_best(score: float, best: float, tie: float) -> bool:
    """Whether a later epoch replaces the best so far: it is better, or within `tie` below it."""
    return score > best or (tie > 0 and score >= best - tie)


def best_epoch(history: Mapping[str, Sequence[float]], tie: float = 0.0) -> int:
    """The epoch, counted from 1, whose weights a run keeps.

    Args:
        history: of `read_history`.
        tie: option of the run; with 0, the first of the epochs with the best validation mIoU.
    """
    kept, best = 1, float("-inf")
    for epoch, score in enumerate(history["val_mean_iou"], 1):
        if replaces_best(score, best, tie):
            kept, best = epoch, max(score, best)
    return kept
