"""The folder of a comparison.

index.html         curves and differences of each muscle
differences.csv    the numbers of its tables
curves.csv         the curves of its figures
"""

from pathlib import Path

import numpy as np

from tf_muscle.atomic import refuse_folder, replacing
from tf_muscle.lab.comparison import PHASES, Comparison, compare_sessions, spread
from tf_muscle.lab.comparison_page import write_page
from tf_muscle.lab.session import find_session
from tf_muscle.report.csv_file import csv_writer

DIFFERENCE_COLUMNS = (
    *("muscle", "side", "measure", "unit", "repetitions_a", "repetitions_b", "mean_a", "mean_b"),
    *("difference", "low", "high"),
)
CURVE_COLUMNS = (
    *("muscle", "side", "phase_percent", "repetitions_a", "repetitions_b", "mean_a", "sd_a"),
    *("mean_b", "sd_b", "difference", "low", "high"),
)


def write_comparison(a: str, b: str, out: Path) -> Comparison:
    """Compares two sessions and writes the folder.

    Args:
        a: see `find_session`.
        b: another one.
        out: path of a new folder.

    Raises:
        UserError: the folder exists, or the sessions cannot be compared.
    """
    refuse_folder("out", out)
    found = compare_sessions(find_session(a), find_session(b))
    with replacing(out) as unfinished:
        unfinished.mkdir()
        write_page(unfinished / "index.html", found)
        _write_differences(unfinished / "differences.csv", found)
        _write_curves(unfinished / "curves.csv", found)
    return found


def _write_differences(path: Path, found: Comparison) -> None:
    """A row for each measure of each muscle that could be compared."""
    with csv_writer(path, DIFFERENCE_COLUMNS) as write_row:
        for muscle in found.both:
            for one in muscle.differences:
                numbers = (one.mean_a, one.mean_b, one.difference, one.low, one.high)
                write_row(
                    (
                        *(muscle.muscle, muscle.side, one.measure.name, one.measure.unit),
                        *(one.count_a, one.count_b),
                        *map(_cell, numbers),
                    )
                )


def _write_curves(path: Path, found: Comparison) -> None:
    """A row for each phase of each muscle, empty where there is no number."""
    with csv_writer(path, CURVE_COLUMNS) as write_row:
        for muscle in found.muscles:
            columns: list[np.ndarray | None] = []
            for curves in (muscle.curves_a, muscle.curves_b):
                columns += [curves.mean(axis=0) if len(curves) else None, spread(curves)]
            change = muscle.curve_difference
            columns += [change.mean, change.low, change.high] if change else [None] * 3
            counts = (len(muscle.curves_a), len(muscle.curves_b))
            for phase in range(PHASES):
                cells = [_cell(None if one is None else float(one[phase])) for one in columns]
                write_row((muscle.muscle, muscle.side, phase, *counts, *cells))


def _cell(number: float | None) -> str:
    return "" if number is None else f"{round(number, 6) + 0.0:.6f}"  # no "-0.000000"
