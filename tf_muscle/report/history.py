"""Reads what CSVLogger has written of a run."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


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


def best_epoch(history: Mapping[str, Sequence[float]]) -> int:
    """The epoch, counted from 1, with the highest validation mIoU; the first of equals."""
    return int(np.nanargmax(history["val_mean_iou"])) + 1
