import csv
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.prediction.outputs import MuscleRow
from tf_muscle.prediction.timeline import (
    Timeline,
    frame_signals,
    repetition_peaks,
    write_timeline,
)

CURL_MASKS = Path(__file__).parents[3] / "shared" / "curl_masks.npz"


def curls(seconds: np.ndarray, count: int) -> np.ndarray:
    """Area 0 to 2 percent of the frame, at rest at both ends."""
    return 0.01 * (1 - np.cos(2 * np.pi * count * seconds / seconds[-1]))


@pytest.mark.parametrize("rate", [10, 25, 60])
@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_synthetic_curls_are_counted(rate: int, count: int) -> None:
    seconds = np.arange(0, 30, 1 / rate)
    peaks = repetition_peaks(seconds, curls(seconds, count))
    expected = (np.arange(count) + 0.5) * seconds[-1] / count
    np.testing.assert_allclose(peaks, expected, atol=0.1)


def test_noise_flicker_and_dips_are_no_repetitions() -> None:
    random = np.random.default_rng(0)
    seconds = np.arange(0, 20, 1 / 25)
    area = curls(seconds, 5)
    noisy = np.clip(area + random.normal(0, 0.002, len(seconds)), 0, 1)
    assert len(repetition_peaks(seconds, noisy)) == 5
    flickering = area.copy()
    flickering[random.choice(len(seconds), 15, replace=False)] = 0
    assert len(repetition_peaks(seconds, flickering)) == 5
    # Two humps a curl, as the arm turns to the camera and away, 20 percent apart.
    humps = np.clip(area, 0, 0.012) * (1 - 0.2 * (area > 0.019))
    assert len(repetition_peaks(seconds, humps)) == 5


def test_a_contraction_that_the_video_cuts_off_counts() -> None:
    seconds = np.arange(0, 4, 1 / 16)
    starts_at_rest = 0.01 * (1 - np.cos(2 * np.pi * seconds / 2.7))  # peaks at 1.35 and 4.05
    assert len(repetition_peaks(seconds, starts_at_rest)) == 2
    starts_at_peak = starts_at_rest[::-1]
    assert len(repetition_peaks(seconds, starts_at_peak)) == 2


def test_rest_a_held_muscle_and_specks_have_no_repetition() -> None:
    random = np.random.default_rng(0)
    seconds = np.arange(0, 10, 1 / 25)
    for area in (
        np.zeros(len(seconds)),
        np.full(len(seconds), 0.02),
        0.02 + random.normal(0, 0.001, len(seconds)),
        curls(seconds, 3) / 100,  # 0.02 percent of the frame
    ):
        assert len(repetition_peaks(seconds, area)) == 0
    assert len(repetition_peaks(np.array([0.0]), np.array([0.02]))) == 0


def test_frames_at_uneven_times_do_not_change_the_count() -> None:
    random = np.random.default_rng(0)
    seconds = np.sort(random.uniform(0, 30, 400))
    phase = 2 * np.pi * 9 * seconds / 30
    assert len(repetition_peaks(seconds, 0.01 * (1 - np.cos(phase)))) == 9


def test_the_rendered_curl_has_two_contractions() -> None:
    if not CURL_MASKS.exists():
        pytest.skip("needs curl_masks.npz in the folder shared beside the checkout")
    with np.load(CURL_MASKS) as known:
        masks, elbow = known["masks"], known["elbow_deg"]
    area = (masks == 1).mean(axis=(1, 2))
    peaks = repetition_peaks(np.arange(len(area)) / 16, area)
    # The elbow bends twice beyond a right angle; the video ends while it is bent again.
    assert np.count_nonzero(np.diff((elbow > 90).astype(int)) == 1) == 2
    assert len(peaks) == 2
    assert (elbow[np.round(16 * peaks).astype(int)] > 45).all()


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
    biceps, calf = timeline.summary()
    assert biceps.active
    assert biceps.area_share == pytest.approx(area.mean())
    assert biceps.mean_probability == pytest.approx(0.8)
    assert (calf.active, calf.mean_probability) == (False, None)
