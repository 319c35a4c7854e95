import csv
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.prediction.outputs import MuscleRow
from tf_muscle.prediction.timeline import (
    Timeline,
    frame_signals,
    write_timeline,
)


def curls(seconds: np.ndarray, count: int) -> np.ndarray:
    """Area 0 to 2 percent of the frame, at rest at both ends."""
    return 0.01 * (1 - np.cos(2 * np.pi * count * seconds / seconds[-1]))


def test_timeline_csv_counts_up(tmp_path: Path) -> None:
    seconds = np.arange(0, 10, 0.1)
    area = curls(seconds, 4)
    frames = [
        frame_signals(
            [
                MuscleRow("biceps", a > 0, a, 0.8 if a > 0 else None, None),
                MuscleRow("calf, left", False, 0.0, None, None),
            ]
        )
        for a in area
    ]
    timeline = Timeline(("biceps", "calf, left"), seconds, *np.stack(frames, axis=1))
    write_timeline(timeline, tmp_path / "timeline.csv")
    with (tmp_path / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["seconds"]) for row in rows] == pytest.approx(seconds.tolist())
    assert [float(row["biceps area_share"]) for row in rows] == pytest.approx(area, abs=1e-6)
    assert rows[0]["biceps mean_probability"] == ""
    assert rows[1]["biceps mean_probability"] == "0.8000"
    counts = [int(row["biceps repetitions"]) for row in rows]
    assert (counts[0], counts[50], counts[-1]) == (0, 2, 4)
    assert sorted(counts) == counts
    assert {row["calf, left repetitions"] for row in rows} == {"0"}
    relative = [float(row["biceps relative_area"]) for row in rows]
    assert relative == pytest.approx(area / area.max(), abs=1e-4)
    assert {row["calf, left relative_area"] for row in rows} == {"0.0000"}
    biceps, calf = timeline.summary()
    assert biceps.active
    assert biceps.area_share == pytest.approx(area.mean())
    assert biceps.mean_probability == pytest.approx(0.8)
    assert (calf.active, calf.mean_probability) == (False, None)
