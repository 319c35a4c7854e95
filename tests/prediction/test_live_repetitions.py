"""The online count against known contractions, and against the final count of the same signal."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from tf_muscle.lab.repetitions import find_repetitions
from tf_muscle.prediction.live_repetitions import DELAY, LiveCounts, LiveRepetitions
from tf_muscle.prediction.timeline import Timeline
from tf_muscle.prediction.tracks import Tracker, frame_regions

SCALES = (0.02, 0.002)  # of the frame, as in test_repetitions.py


def counted(seconds: np.ndarray, area: np.ndarray) -> np.ndarray:
    """The count after each frame."""
    live = LiveRepetitions()
    counts = []
    for second, share in zip(seconds.tolist(), area.tolist(), strict=True):
        live.add(second, share)
        counts.append(live.count)
    return np.array(counts)


def final(seconds: np.ndarray, area: np.ndarray) -> int:
    return len(find_repetitions(seconds, area, np.where(area > 0, 0.8, np.nan)))


def curls(seconds: np.ndarray, rate: float, count: int) -> np.ndarray:
    """Raised cosines from 0 to 1 from second 0.5 on, then rest."""
    phase = (seconds - 0.5) * rate
    inside = (phase > 0) & (phase < count)
    return np.where(inside, (1 - np.cos(2 * np.pi * phase)) / 2, 0)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("speed", [0.3, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("rate", [10, 16, 30, 60])
def test_known_contractions_as_they_happen(
    rate: int, speed: float, scale: float, noise: float
) -> None:
    count = round(10 * speed)
    seconds = np.arange(0, 0.5 + count / speed + 1, 1 / rate)
    area = curls(seconds, speed, count)
    area += np.random.default_rng(0).normal(0, noise, len(seconds)) * (area > 0)
    area = scale * np.clip(area, 0, 1)
    counts = counted(seconds, area)
    assert counts[-1] == count == final(seconds, area)
    for number in range(2, count + 1):
        # Risen by 40 percent: 1 - cos = 0.8, then `DELAY`, a frame, and what the filters blunt.
        risen = 0.5 + (number - 1 + np.arccos(1 - 2 * 0.4) / (2 * np.pi)) / speed
        at = seconds[np.argmax(counts >= number)]
        assert -0.1 < at - risen - DELAY < 1 / rate + 0.1


def test_frames_at_uneven_times_and_partial_repetitions() -> None:
    """Piecewise linear areas that begin and end within a contraction, then stand still."""
    random = np.random.default_rng(1)
    for _ in range(40):
        rate, length = random.choice([10, 25, 30]), random.uniform(5, 20)
        seconds = np.sort(np.arange(0, length, 1 / rate) + random.uniform(-0.3, 0.3) / rate)
        seconds -= seconds[0]
        heights = random.uniform(0, 0.02, round(length))
        area = np.interp(seconds, np.linspace(0, length, len(heights)), heights)
        area[seconds > length - 0.7] = area[-1]
        assert counted(seconds, area)[-1] == final(seconds, area)


def test_noise_that_wanders_is_counted_as_at_the_end() -> None:
    random = np.random.default_rng(2)
    for _ in range(20):
        seconds = np.arange(0, 20, 1 / 25)
        area = np.abs(np.cumsum(random.normal(0, 0.002, len(seconds))))
        area[seconds > 19.3] = area[-1]
        assert counted(seconds, area)[-1] == final(seconds, area)


def test_small_first_repetitions_are_taken_back() -> None:
    """A warm-up of a third of the later range counts until that range is known."""
    seconds = np.arange(0, 20, 1 / 25)
    area = 0.02 * curls(seconds, 1, 15) * np.where(seconds < 5.5, 0.3, 1)
    counts = counted(seconds, area)
    assert counts[np.searchsorted(seconds, 5.4)] == 5
    assert counts[-1] == final(seconds, area) == 10


def test_rest_a_held_muscle_and_specks_have_none() -> None:
    seconds = np.arange(0, 10, 1 / 25)
    for area in (
        np.zeros(len(seconds)),
        np.full(len(seconds), 0.02),
        0.02 + np.random.default_rng(0).normal(0, 0.001, len(seconds)),
        0.0002 * curls(seconds, 0.5, 4),
    ):
        assert not counted(seconds, area).any()


def test_memory_of_an_hour() -> None:
    seconds = np.arange(0, 3600, 0.1)
    live = LiveRepetitions()
    for second, area in zip(seconds, 0.02 * curls(seconds, 0.5, 1790), strict=True):
        live.add(float(second), float(area))
    assert live.count == 1790
    assert len(live._frames) < 15
    assert len(live._turns) < 2 * 1790 + 10


Spot = tuple[int, float, float]  # class id, x and radius in pixels


def frame(spots: Sequence[Spot]) -> tuple[np.ndarray, np.ndarray]:
    class_ids = np.zeros((90, 320), np.uint8)
    for class_id, x, radius in spots:
        cv2.circle(class_ids, (round(x), 45), round(radius), class_id, -1)
    return np.full(class_ids.shape, 0.8, np.float32), class_ids


def test_sides_and_people_are_counted_as_at_the_end() -> None:
    """Biceps 6 times left and 4 right of one person, 3 times of a smaller one; no calf."""
    seconds = np.arange(0, 14, 1 / 15)
    left, right = curls(seconds, 0.5, 6), curls(seconds, 0.35, 4)
    other = curls(seconds, 0.25, 3)
    muscles = ("biceps", "calf")
    for person, expected in ((None, 6), (2, 3), (9, 6)):
        tracker, live = Tracker(), LiveCounts(muscles)
        for second, a, b, c in zip(seconds.tolist(), left, right, other, strict=True):
            spots = [(1, 40, 14 * a), (1, 100, 14 * b), (1, 280, 9 * c)]
            regions = frame_regions(*frame([one for one in spots if one[2] > 2]))
            tracker.add(second, regions)
            live.add(second, tracker, person)
        nothing = np.zeros((len(seconds), 2))
        tracks = tracker.tracks(len(seconds))
        timeline = Timeline(muscles, seconds, nothing, nothing, tracks, person)
        assert live.counts == {"biceps": expected, "calf": 0}
        assert live.counts == {name: len(at) for name, at in timeline.repetitions.items()}
