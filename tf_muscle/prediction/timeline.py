"""When each muscle works in a video: its area and probability over time, and its repetitions."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from tf_muscle.prediction.outputs import MuscleRow

SAMPLING = 20.0  # samples a second that a signal is brought to, whatever the frame rate
SMOOTHING = 0.1  # seconds, sigma of the Gaussian; a mask that flickers for a frame is no repetition
PROMINENCE = 0.4  # of the signal's range: how far a muscle has to fall off between two repetitions
SHORTEST_REPETITION = 0.5  # seconds between two peaks
SMALLEST_RANGE = 0.5  # of the largest area: less is a muscle that holds, not one that repeats
SMALLEST_AREA = 0.0005  # of the frame at the peak; less is a speck


@dataclass(frozen=True)
class Timeline:
    """The signals of a video with N frames and M muscles.

    Attributes:
        muscles: M names.
        seconds: float [N], time of each frame from the first one.
        area: float [N, M], share of the frame's pixels, 0 to 1.
        probability: float [N, M], mean over the muscle's pixels; NaN where it has none.
    """

    muscles: tuple[str, ...]
    seconds: np.ndarray
    area: np.ndarray
    probability: np.ndarray

    @property
    def repetitions(self) -> dict[str, np.ndarray]:
        """For each muscle the seconds at which its repetitions peak."""
        return {
            muscle: repetition_peaks(self.seconds, self.area[:, i])
            for i, muscle in enumerate(self.muscles)
        }

    def summary(self) -> list[MuscleRow]:
        """Each muscle over the whole video: its mean area, and its mean probability where it is."""
        rows = []
        for i, muscle in enumerate(self.muscles):
            seen = self.area[:, i] > 0
            probability = float(self.probability[seen, i].mean()) if seen.any() else None
            share = float(self.area[:, i].mean())
            rows.append(MuscleRow(muscle, bool(seen.any()), share, probability, None))
        return rows


def frame_signals(rows: Sequence[MuscleRow]) -> np.ndarray:
    """Areas and probabilities of a frame's muscles, float [2, M]: all that is kept of a frame."""
    areas = [row.area_share for row in rows]
    return np.array([areas, [row.mean_probability for row in rows]], dtype=float)  # None is NaN


def repetition_peaks(seconds: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Finds the repetitions of a muscle: the peaks of its area, by `scipy.signal.find_peaks`.

    The signal is sampled evenly and smoothed. A peak counts if the area falls by `PROMINENCE` of
    its whole range on both sides; the video's ends count as such falls, so that a contraction which
    they cut off is one repetition. A muscle that is active all the time has none.

    Args:
        seconds: float [N], increasing.
        area: float [N], share of the frame's pixels.

    Returns:
        Seconds of the peaks, float [R].
    """
    even = np.arange(seconds[0], seconds[-1] + 0.5 / SAMPLING, 1 / SAMPLING)
    signal = gaussian_filter1d(np.interp(even, seconds, area), SMOOTHING * SAMPLING, mode="nearest")
    low, high = signal.min(), signal.max()
    if high < SMALLEST_AREA or high - low < SMALLEST_RANGE * high:
        return np.zeros(0)
    peaks, _ = find_peaks(
        np.concatenate([[low], signal, [low]]),
        prominence=PROMINENCE * (high - low),
        distance=SHORTEST_REPETITION * SAMPLING,
    )
    return even[peaks - 1]


def write_timeline(timeline: Timeline, path: Path) -> None:
    """Writes timeline.csv: a row for each frame, repetitions counted up to it."""
    repetitions = timeline.repetitions
    columns = ["frame", "seconds"]
    for muscle in timeline.muscles:
        columns += [f"{muscle} area_share", f"{muscle} mean_probability", f"{muscle} repetitions"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for frame, seconds in enumerate(timeline.seconds):
            row = [str(frame), f"{seconds:.4f}"]
            for i, muscle in enumerate(timeline.muscles):
                probability = timeline.probability[frame, i]
                row += [
                    f"{timeline.area[frame, i]:.6f}",
                    "" if np.isnan(probability) else f"{probability:.4f}",
                    str(np.count_nonzero(repetitions[muscle] <= seconds)),
                ]
            writer.writerow(row)
