import csv
from pathlib import Path

import numpy as np
import pytest

from tf_muscle.lab.repetitions import (
    Repetition,
    RepetitionSeries,
    find_repetitions,
    write_repetitions,
)

CURL_MASKS = Path(__file__).parents[3] / "shared" / "curl_masks.npz"
SCALES = (0.02, 0.002)  # of the frame: a person near the camera, and one three times as far


def found(seconds: np.ndarray, area: np.ndarray) -> tuple[Repetition, ...]:
    return find_repetitions(seconds, area, np.where(area > 0, 0.8, np.nan))


def peaks(seconds: np.ndarray, area: np.ndarray) -> np.ndarray:
    return np.array([one.peak for one in found(seconds, area)])


def curls(seconds: np.ndarray, count: int) -> np.ndarray:
    """Area 0 to 2 percent of the frame, at rest at both ends."""
    return 0.01 * (1 - np.cos(2 * np.pi * count * seconds / seconds[-1]))


def trapezoids(seconds: np.ndarray, rate: float, first: float) -> np.ndarray:
    """Contractions of 0.6 of a period from second `first` on; a quarter each for rise and fall."""
    phase = (seconds - first) * rate % 1
    inside = (phase < 0.6) & (seconds >= first)
    return np.where(inside, np.clip(np.minimum(phase, 0.6 - phase) / 0.15, 0, 1), 0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("speed", [0.3, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("rate", [10, 16, 25, 30, 60])
def test_known_contractions_to_the_frame(rate: int, speed: float, scale: float) -> None:
    count = round(12 * speed)
    seconds = np.arange(0, count / speed + 0.5, 1 / rate)
    starts = 0.25 + np.arange(count) / speed
    area = scale * trapezoids(seconds, speed, 0.25) * (seconds < 0.25 + count / speed)
    repetitions = found(seconds, area)
    assert len(repetitions) == count
    measured = [(one.start, one.peak, one.end) for one in repetitions]
    # The thresholds lie at a fifth of the rise and of the fall.
    truth = starts[:, None] + np.array([0.2 * 0.15, 0.3, 0.6 - 0.2 * 0.15]) / speed
    np.testing.assert_allclose(measured, truth, atol=1.01 / rate)
    assert {one.cut_off for one in repetitions} == {""}


def test_the_numbers_of_two_repetitions() -> None:
    """Rise of 1 s, hold of 1 s, fall of 2 s, to 2 and then to 1 percent; 3 s of rest between."""
    seconds = np.arange(0, 15, 0.05)
    corners = [0, 1, 2, 3, 5, 8, 9, 10, 12, 15]
    area = np.interp(seconds, corners, [0, 0, 0.02, 0.02, 0, 0, 0.01, 0.01, 0, 0])
    probability = np.where(seconds < 6, 0.9, 0.5)
    probability[area == 0] = np.nan
    first, second = find_repetitions(seconds, area, probability)
    assert (first.start, first.end) == pytest.approx((1.2, 4.6), abs=0.02)
    assert (second.start, second.end) == pytest.approx((8.2, 11.6), abs=0.02)
    assert 2 < first.peak < 3
    assert first.duration == pytest.approx(3.4, abs=0.03)
    assert first.rise_time == pytest.approx(first.peak - first.start)
    assert first.fall_time == pytest.approx(first.end - first.peak)
    assert first.rest_before is None
    assert second.rest_before == pytest.approx(3.6, abs=0.03)
    assert (first.peak_area, second.peak_area) == pytest.approx((0.02, 0.01))
    assert (first.relative_area, second.relative_area) == pytest.approx((1, 0.5))
    # Trapezia without the lowest fifth of rise and fall: 0.8 (0.2 + 1) / 2, 1, 1.6 (0.2 + 1) / 2.
    assert first.area_under_curve == pytest.approx(0.48 + 1 + 0.96, abs=0.02)
    assert second.area_under_curve == pytest.approx(first.area_under_curve / 2, abs=0.01)
    assert (first.mean_probability, second.mean_probability) == pytest.approx((0.9, 0.5))
    assert (first.confidence, second.confidence) == pytest.approx((0.9, 0.5))


def test_less_fall_is_less_confidence() -> None:
    seconds = np.arange(0, 10, 0.04)
    area = 0.01 + 0.01 * np.sin(2 * np.pi * 0.5 * seconds) * np.where(seconds > 4.5, 0.5, 1)
    confidences = [one.confidence for one in found(seconds, area)]
    assert confidences[0] == pytest.approx(0.8, abs=0.02)  # falls to nothing
    assert confidences[3] == pytest.approx(0.8 * (1 - 0.005 / 0.015), abs=0.02)


@pytest.mark.parametrize("rate", [16, 25, 60])
def test_contractions_that_the_video_cuts_off(rate: int) -> None:
    seconds = np.arange(0, 6, 1 / rate)
    area = 0.02 * ((seconds < 0.8) | ((seconds > 2) & (seconds < 3.5)) | (seconds > 5))
    first, whole, last = found(seconds, area)
    assert (first.cut_off, whole.cut_off, last.cut_off) == ("start", "", "end")
    assert (first.start, last.end) == (0, seconds[-1])
    assert (first.rise_time, last.fall_time) == (None, None)
    assert first.fall_time is not None
    assert first.end == pytest.approx(0.8, abs=1 / rate)
    assert (whole.start, whole.end) == pytest.approx((2, 3.5), abs=1 / rate)
    assert last.start == pytest.approx(5, abs=1 / rate)
    assert whole.rest_before == pytest.approx(1.2, abs=2 / rate)


@pytest.mark.parametrize("rate", [10, 25, 60])
@pytest.mark.parametrize("count", [1, 2, 7, 15])
def test_synthetic_curls_are_counted(rate: int, count: int) -> None:
    seconds = np.arange(0, 30, 1 / rate)
    expected = (np.arange(count) + 0.5) * seconds[-1] / count
    np.testing.assert_allclose(peaks(seconds, curls(seconds, count)), expected, atol=1 / rate)


def test_noise_flicker_and_dips_are_no_repetitions() -> None:
    random = np.random.default_rng(0)
    seconds = np.arange(0, 20, 1 / 25)
    area = curls(seconds, 5)
    noisy = np.clip(area + random.normal(0, 0.002, len(seconds)), 0, 1)
    assert len(found(seconds, noisy)) == 5
    flickering = area.copy()
    flickering[random.choice(len(seconds), 15, replace=False)] = 0
    assert len(found(seconds, flickering)) == 5
    # Two humps a curl, as the arm turns to the camera and away, 20 percent apart.
    humps = np.clip(area, 0, 0.012) * (1 - 0.2 * (area > 0.019))
    assert len(found(seconds, humps)) == 5


def test_a_contraction_that_the_video_cuts_off_counts() -> None:
    seconds = np.arange(0, 4, 1 / 16)
    starts_at_rest = 0.01 * (1 - np.cos(2 * np.pi * seconds / 2.7))  # peaks at 1.35 and 4.05
    assert len(found(seconds, starts_at_rest)) == 2
    starts_at_peak = starts_at_rest[::-1]
    assert len(found(seconds, starts_at_peak)) == 2


def test_rest_a_held_muscle_and_specks_have_no_repetition() -> None:
    random = np.random.default_rng(0)
    seconds = np.arange(0, 10, 1 / 25)
    for area in (
        np.zeros(len(seconds)),
        np.full(len(seconds), 0.02),
        0.02 + random.normal(0, 0.001, len(seconds)),
        curls(seconds, 3) / 100,  # 0.02 percent of the frame
    ):
        assert not found(seconds, area)
    assert not found(np.array([0.0]), np.array([0.02]))


def test_frames_at_uneven_times_do_not_change_the_count() -> None:
    random = np.random.default_rng(0)
    seconds = np.sort(random.uniform(0, 30, 400))
    phase = 2 * np.pi * 9 * seconds / 30
    assert len(found(seconds, 0.01 * (1 - np.cos(phase)))) == 9


def test_the_rendered_curl_has_two_contractions() -> None:
    if not CURL_MASKS.exists():
        pytest.skip("needs curl_masks.npz in the folder shared beside the checkout")
    with np.load(CURL_MASKS) as known:
        masks, elbow = known["masks"], known["elbow_deg"]
    area = (masks == 1).mean(axis=(1, 2))
    seconds = np.arange(len(area)) / 16
    first, second = found(seconds, area)
    # The elbow bends twice beyond a right angle; the video ends while it is bent again.
    assert np.count_nonzero(np.diff((elbow > 90).astype(int)) == 1) == 2
    edges = np.flatnonzero(np.diff((area > 0).astype(int))) + 1
    measured = [first.start, first.end, second.start]
    np.testing.assert_allclose(measured, seconds[edges], atol=1 / 16)
    assert (first.cut_off, second.cut_off) == ("", "end")
    assert all(elbow[round(16 * one.peak)] > 45 for one in (first, second))


def test_the_table(tmp_path: Path) -> None:
    seconds = np.arange(0, 6, 1 / 25)
    area = 0.02 * ((seconds < 0.8) | ((seconds > 2) & (seconds < 3.5)))
    series = [
        RepetitionSeries(2, "biceps, long head", "left", found(seconds, area)),
        RepetitionSeries(2, "calf", "", ()),
    ]
    write_repetitions(tmp_path / "repetitions.csv", "a,b.mp4", series)
    with (tmp_path / "repetitions.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["video"], first["person"], first["muscle"], first["side"]) == (
        "a,b.mp4", "2", "biceps, long head", "left",
    )  # fmt: skip
    assert (first["repetition"], second["repetition"]) == ("1", "2")
    assert (first["cut_off"], first["rise_time"], first["rest_before"]) == ("start", "", "")
    assert float(second["rest_before"]) == pytest.approx(1.2, abs=0.08)
    assert float(second["duration"]) == pytest.approx(
        float(second["rise_time"]) + float(second["fall_time"]), abs=2e-4
    )
