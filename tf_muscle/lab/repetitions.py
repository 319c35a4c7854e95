"""The repetitions of a muscle: peaks of its area over time, with onset and offset.

Arithmetic on arrays alone; docs/predict.md has the formulas.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import find_peaks

from tf_muscle.report.csv_file import csv_writer

SAMPLING = 100.0  # samples a second that a signal is brought to, whatever the frame rate
LONGEST_FLICKER = 0.1  # seconds; a median over so long takes out masks that come or go for a frame
SMOOTHING = 0.06  # seconds, sigma of the Gaussian; of a sine of 2 Hz it leaves 75 percent
PROMINENCE = 0.4  # of the signal's range: how far a muscle has to fall off between two repetitions
ONSET = 0.2  # of the way from rest to peak: where a repetition starts and ends
SHORTEST_REPETITION = 0.3  # seconds between two peaks
SMALLEST_RANGE = 0.5  # of the largest area: less is a muscle that holds, not one that repeats
NEARBY = int(SAMPLING)  # samples, a second: smoothing moves an edge by less
SMALLEST_AREA = 0.0005  # of the frame at the peak; less is a speck

CutOff = Literal["", "start", "end", "both"]


@dataclass(frozen=True)
class Repetition:
    """One contraction of a muscle; times are seconds since the first frame of the video.

    Attributes:
        start: onset; where the video cuts it off, the first frame.
        peak: of the area.
        end: offset; where the video cuts it off, the last frame.
        cut_off: by which end of the video.
        rest_before: seconds since the end of the repetition before; None for the first.
        peak_area: at the peak, share of the frame's pixels, 0 to 1.
        relative_area: at the peak, by the largest area of this muscle in the video, 0 to 1.
        area_under_curve: integral of the relative area from start to end, in seconds.
        mean_probability: mean over its frames of the probability of the muscle's own pixels.
        confidence: 0 to 1, the probability of its pixels times how far the muscle falls off beside
            it, see `find_repetitions`.
    """

    start: float
    peak: float
    end: float
    cut_off: CutOff
    rest_before: float | None
    peak_area: float
    relative_area: float
    area_under_curve: float
    mean_probability: float
    confidence: float

    @property
    def duration(self) -> float:
        """Seconds from start to end; of what is cut off, those that are seen."""
        return self.end - self.start

    @property
    def rise_time(self) -> float | None:
        """Seconds from start to peak; None where the start is cut off."""
        return None if self.cut_off in ("start", "both") else self.peak - self.start

    @property
    def fall_time(self) -> float | None:
        """Seconds from peak to end; None where the end is cut off."""
        return None if self.cut_off in ("end", "both") else self.end - self.peak


def find_repetitions(
    seconds: np.ndarray, area: np.ndarray, probability: np.ndarray
) -> tuple[Repetition, ...]:
    """Finds the repetitions of one muscle, by `scipy.signal.find_peaks` and two thresholds.

    A peak of the smoothed area counts if the area falls by `PROMINENCE` of its whole range on both
    sides. From there the repetition reaches to where the area crosses the lower threshold, `ONSET`
    of the way from the lowest area beside it to its own peak. The video's ends count as falls, so
    that a contraction which they cut off is one repetition. A muscle that is active all the time
    has none.

    `confidence` is P * (1 - V / A): P is the mean probability of all the repetition's pixels, A its
    largest area, V the higher one of the areas that it falls to before and after it.

    Args:
        seconds: float [N], increasing.
        area: float [N], share of the frame's pixels.
        probability: float [N], mean over the muscle's pixels; NaN where it has none.
    """
    signal = EvenSignal.of(seconds, area)
    peaks = signal.peaks()
    if not len(peaks):
        return ()
    inner = [a + int(signal.smooth[a : b + 1].argmin()) for a, b in pairwise(peaks)]
    valleys = [0, *inner, len(signal.at) - 1]
    found: list[Repetition] = []
    for peak, left, right in zip(peaks, valleys[:-1], valleys[1:], strict=True):
        # Nothing tells how far a muscle falls off beyond the video: as far as it does within.
        rests = [
            signal.steady.min() if valley in (0, len(signal.at) - 1) else signal.steady[valley]
            for valley in (left, right)
        ]
        largest = signal.steady[left : right + 1].max()
        start = signal.crossing(peak, left, rests[0] + ONSET * (largest - rests[0]))
        end = signal.crossing(peak, right, rests[1] + ONSET * (largest - rests[1]))
        cut_off: CutOff = (
            "both" if start is None and end is None
            else "start" if start is None else "end" if end is None else ""
        )  # fmt: skip
        start = float(seconds[0]) if start is None else start
        end = float(seconds[-1]) if end is None else end
        # Slices and not masks of the whole video, for which an hour took 14 seconds.
        first, last = np.searchsorted(seconds, start), np.searchsorted(seconds, end, "right")
        inside = first + np.flatnonzero(area[first:last] > 0)
        if not len(inside):  # shorter than the pause between two frames
            inside = np.array([np.abs(seconds - signal.at[peak]).argmin()])
        weights = np.where(np.isfinite(probability), area, 0)[inside]
        values = np.nan_to_num(probability[inside])
        certain = float(weights @ values / weights.sum()) if weights.any() else 0.0
        seen = np.isfinite(probability[inside])
        under = slice(
            np.searchsorted(signal.at, start), np.searchsorted(signal.at, end, side="right")
        )
        found.append(
            Repetition(
                start=start,
                peak=float(signal.at[peak]),
                end=end,
                cut_off=cut_off,
                rest_before=max(0.0, start - found[-1].end) if found else None,
                peak_area=float(largest),
                relative_area=float(largest / signal.steady.max()),
                area_under_curve=float(
                    trapezoid(signal.steady[under], dx=1 / SAMPLING) / signal.steady.max()
                ),
                mean_probability=float(values[seen].mean()) if seen.any() else 0.0,
                confidence=certain * float(1 - max(rests) / largest),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class EvenSignal:
    """An area sampled evenly.

    Attributes:
        at: float [S], seconds of the samples.
        steady: float [S], without flicker.
        smooth: float [S], also without noise, which blunts its edges.
    """

    at: np.ndarray
    steady: np.ndarray
    smooth: np.ndarray

    @classmethod
    def of(cls, seconds: np.ndarray, area: np.ndarray) -> "EvenSignal":
        at = np.arange(seconds[0], seconds[-1] + 0.5 / SAMPLING, 1 / SAMPLING)
        pause = float(np.median(np.diff(seconds))) if len(seconds) > 1 else np.inf
        frames = 2 * int(LONGEST_FLICKER / pause / 2) + 1
        steady = np.interp(at, seconds, median_filter(area, frames, mode="nearest"))
        return cls(at, steady, gaussian_filter1d(steady, SMOOTHING * SAMPLING, mode="nearest"))

    def peaks(self) -> np.ndarray:
        """Indices of the samples at the peaks, int [R]."""
        low, high = self.smooth.min(), self.smooth.max()
        if high < SMALLEST_AREA or high - low < SMALLEST_RANGE * high:
            return np.zeros(0, int)
        fall = PROMINENCE * (high - low)
        peaks, _ = find_peaks(
            np.concatenate([[low], self.smooth, [low]]),
            prominence=fall,
            distance=SHORTEST_REPETITION * SAMPLING,
        )
        kept: list[int] = []
        for peak in (peaks - 1).tolist():
            # To find_peaks the dip between peaks of exactly one height belongs to neither.
            if kept and self.smooth[kept[-1] : peak].min() > self.smooth[peak] - fall:
                continue
            kept.append(peak)
        return np.array(kept)

    def crossing(self, peak: int, valley: int, level: float) -> float | None:
        """When the area crosses a level between a peak and a valley; None if it never does.

        The smooth signal tells about when; the steady one, whose edges are sharp, the exact time.
        """
        step = -1 if valley < peak else 1
        stop = valley + step if valley + step >= 0 else None
        below = np.flatnonzero(self.smooth[peak:stop:step] < level)
        if not len(below):
            return None
        about = self.at[peak + step * below[0]]
        nearby = slice(max(min(peak, valley) - NEARBY, 0), max(peak, valley) + NEARBY + 1)
        above = self.steady[nearby] >= level
        after = nearby.start + np.flatnonzero(np.diff(above.astype(int)) == -step)
        if not len(after):
            return None
        low, high = self.steady[after], self.steady[after + 1]
        times = self.at[after] + (level - low) / (high - low) / SAMPLING
        return float(times[np.abs(times - about).argmin()])


COLUMNS = (
    *("video", "person", "muscle", "side", "repetition", "start", "peak", "end", "duration"),
    *("rise_time", "fall_time", "rest_before", "cut_off", "peak_area_share", "relative_area"),
    *("area_under_curve", "mean_probability", "confidence"),
)


@dataclass(frozen=True)
class RepetitionSeries:
    """The repetitions of one muscle on one side of one person.

    Attributes:
        person: 1 is the largest.
        muscle: its name.
        side: "left" or "right" in the picture, "" where only one of it is seen.
        repetitions: in the order of time.
    """

    person: int
    muscle: str
    side: str
    repetitions: tuple[Repetition, ...]


def write_repetitions(path: Path, video: str, series: Iterable[RepetitionSeries]) -> None:
    """Writes repetitions.csv: a row for each repetition, see docs/predict.md.

    Args:
        path: the file.
        video: name of the video, in each row.
        series: what was found in it.
    """
    with csv_writer(path, COLUMNS) as write_row:
        for one in series:
            for number, repetition in enumerate(one.repetitions, start=1):
                times = (
                    *(repetition.start, repetition.peak, repetition.end, repetition.duration),
                    *(repetition.rise_time, repetition.fall_time, repetition.rest_before),
                )
                write_row(
                    (
                        *(video, one.person, one.muscle, one.side, number),
                        *("" if time is None else f"{time:.4f}" for time in times),
                        repetition.cut_off,
                        f"{repetition.peak_area:.6f}",
                        f"{repetition.relative_area:.4f}",
                        f"{repetition.area_under_curve:.4f}",
                        f"{repetition.mean_probability:.4f}",
                        f"{repetition.confidence:.4f}",
                    )
                )
