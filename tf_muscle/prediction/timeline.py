"""When each muscle works in a video: its area and probability over time, and its repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tf_muscle.lab.repetitions import RepetitionSeries, find_repetitions
from tf_muscle.lab.signals import Signal
from tf_muscle.prediction.outputs import MuscleRow
from tf_muscle.prediction.tracks import Track
from tf_muscle.report.csv_file import csv_writer


@dataclass(frozen=True)
class Timeline:
    """The numbers of a video with N frames and M muscles.

    Attributes:
        muscles: M names.
        seconds: float [N], time of each frame from the first one of the file.
        area: float [N, M], share of the frame's pixels, 0 to 1; of everybody in the picture.
        probability: float [N, M], mean over the muscle's pixels; NaN where it has none.
        tracks: the regions that were followed, of everybody; None takes all pixels of a muscle for
            one region.
        person: whose repetitions are counted, from 1; None for the largest. If there are fewer
            people, it is the largest, too.
        first_frame: number in the file of the first one here.
    """

    muscles: tuple[str, ...]
    seconds: np.ndarray
    area: np.ndarray
    probability: np.ndarray
    tracks: tuple[Track, ...] | None = None
    person: int | None = None
    first_frame: int = 0

    @property
    def people(self) -> int:
        """How many people the regions tell."""
        return 1 if self.tracks is None else max((one.person for one in self.tracks), default=0)

    @property
    def counted(self) -> int:
        """The person whose repetitions are counted."""
        return self.person if self.person and self.person <= self.people else 1

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The person's muscles in order, each with one region or two; all have a signal."""
        found = []
        for i, muscle in enumerate(self.muscles):
            tracks = [
                one
                for one in self.tracks or ()
                if one.person == self.counted and one.class_id == i + 1
            ]
            found += [Signal(muscle, one.side, one.area, one.probability) for one in tracks]
            if self.tracks is None:
                found.append(Signal(muscle, "", self.area[:, i], self.probability[:, i]))
            elif not tracks:
                nothing = np.zeros(len(self.seconds))
                found.append(Signal(muscle, "", nothing, np.full(len(nothing), np.nan)))
        return tuple(found)

    @cached_property
    def series(self) -> tuple[RepetitionSeries, ...]:
        """The repetitions of each signal."""
        return tuple(
            RepetitionSeries(
                self.counted,
                one.muscle,
                one.side,
                find_repetitions(self.seconds, one.area, one.probability),
            )
            for one in self.signals
        )

    @property
    def repetitions(self) -> dict[str, np.ndarray]:
        """For each muscle the seconds at which its repetitions peak; of the side with more."""
        found = dict[str, np.ndarray]()
        for one in self.series:
            peaks = np.array([repetition.peak for repetition in one.repetitions])
            if one.muscle not in found or len(peaks) > len(found[one.muscle]):
                found[one.muscle] = peaks
        return found

    @property
    def told(self) -> str:
        """How often each muscle worked, and who of how many people was counted, in one line."""
        counts = []
        for muscle, peaks in self.repetitions.items():
            sides = [
                f"{one.side} {len(one.repetitions)}"
                for one in self.series
                if one.muscle == muscle and one.side
            ]
            counts.append(f"{muscle} {len(peaks)}" + (f" ({', '.join(sides)})" if sides else ""))
        line = f"repetitions: {', '.join(counts)}"
        if self.people > 1:
            which = "the largest" if self.counted == 1 else "chosen by --person"
            line += f"; of person {self.counted} of {self.people}, {which}"
        if self.person and self.person != self.counted:
            line += f"; there is no person {self.person}"
        return line

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


def write_timeline(timeline: Timeline, path: Path) -> None:
    """Writes timeline.csv: a row for each frame, repetitions counted up to it."""
    repetitions = timeline.repetitions
    columns = ["frame", "seconds"]
    for muscle in timeline.muscles:
        columns += [f"{muscle} area_share", f"{muscle} mean_probability", f"{muscle} repetitions"]
    relative = [signal.relative_area for signal in timeline.signals]
    columns += [f"{signal.name} relative_area" for signal in timeline.signals]
    with csv_writer(path, columns) as write_row:
        for frame, seconds in enumerate(timeline.seconds):
            row = [str(timeline.first_frame + frame), f"{seconds:.4f}"]
            for i, muscle in enumerate(timeline.muscles):
                probability = timeline.probability[frame, i]
                row += [
                    f"{timeline.area[frame, i]:.6f}",
                    "" if np.isnan(probability) else f"{probability:.4f}",
                    str(np.count_nonzero(repetitions[muscle] <= seconds)),
                ]
            write_row(row + [f"{area[frame]:.4f}" for area in relative])
