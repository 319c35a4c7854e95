"""Repetitions counted while a camera runs, by the rule of lab/repetitions.py.

Each number is what `find_repetitions` would count if the recording ended at that moment, `DELAY`
seconds ago. Memory holds a second of frames, and two numbers for each repetition.
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from tf_muscle.lab.repetitions import (
    LONGEST_FLICKER,
    PROMINENCE,
    SMALLEST_AREA,
    SMALLEST_RANGE,
    SMOOTHING,
    EvenSignal,
)
from tf_muscle.prediction.tracks import Tracker

# The median and the Gaussian (to 4 sigma, as SciPy has it) look so many seconds ahead.
DELAY = LONGEST_FLICKER / 2 + 4 * SMOOTHING
CONTEXT = 0.5  # seconds before the newest counted sample that its filters may look back
SORTED_AGAIN = 1.0  # seconds after which it is looked anew who of several people is counted


class LiveRepetitions:
    """Counts the repetitions of one region while its areas come in.

    The smoothed area is kept as its turning points. A fall and a rise between two of them that is
    less than `PROMINENCE` of the whole range so far is taken out, the smallest first, which leaves
    the peaks of at least that prominence (the persistence of Edelsbrunner, Letscher and Zomorodian
    2002, Topological Persistence and Simplification, in one dimension). The range only grows, so
    what is taken out never comes back.
    """

    def __init__(self) -> None:
        self._frames = deque[tuple[float, float]]()
        self._counted_to = -math.inf
        self._low, self._high = math.inf, -math.inf
        self._turns: list[float] = []  # heights: peak, valley, peak, ...; the last one may move

    @property
    def count(self) -> int:
        """Repetitions so far, that in progress too; falls if later ones make earlier ones small."""
        spread = self._high - self._low
        if not self._turns or self._high < SMALLEST_AREA or spread < SMALLEST_RANGE * self._high:
            return 0
        rises = np.subtract(self._turns[2::2], self._turns[1:-1:2])
        return 1 + int(np.count_nonzero(rises >= PROMINENCE * spread))

    def add(self, seconds: float, area: float) -> None:
        """Takes the area of the next frame, a share of the frame's pixels, 0 where it is unseen."""
        self._frames.append((seconds, area))
        heights = self._smoothed(seconds - DELAY)
        if not len(heights):
            return
        while len(self._frames) > 1 and self._frames[1][0] < self._counted_to - CONTEXT:
            self._frames.popleft()
        spread = self._high - self._low
        self._low = min(self._low, float(heights.min()))
        self._high = max(self._high, float(heights.max()))
        changed_from = max(0, len(self._turns) - 3)
        for height in heights.tolist():
            self._follow(height)
        self._simplify(changed_from if self._high - self._low == spread else 0)

    def _smoothed(self, until: float) -> np.ndarray:
        """The smoothed areas up to a time that were not counted before, float [S]."""
        if not any(area for _, area in self._frames):  # most regions, most of the time
            started = self._frames[0][0] <= until
            self._counted_to = until if started else self._counted_to
            return np.zeros(int(started))
        signal = EvenSignal.of(*np.array(self._frames).T)
        fresh = (signal.at > self._counted_to) & (signal.at <= until)
        if fresh.any():
            self._counted_to = float(signal.at[fresh][-1])
        return signal.smooth[fresh]

    def _follow(self, height: float) -> None:
        """Moves the last turning point, or adds one."""
        at_peak = len(self._turns) % 2 == 1
        if self._turns and (height >= self._turns[-1] if at_peak else height <= self._turns[-1]):
            self._turns[-1] = height
        else:
            self._turns.append(height)

    def _simplify(self, i: int) -> None:
        """Takes out swings that are too small and no larger than both beside them, from i on."""
        turns = self._turns
        least = PROMINENCE * (self._high - self._low)
        while i + 2 < len(turns):
            before = abs(turns[i] - turns[i - 1]) if i else math.inf
            swing, after = abs(turns[i + 1] - turns[i]), abs(turns[i + 2] - turns[i + 1])
            if swing < least and swing <= min(before, after):
                del turns[i : i + 2]
                i = max(0, i - 2)
            else:
                i += 1


class LiveCounts:
    """Counts the repetitions of the muscles of one person while a camera runs.

    Args:
        muscles: M names.

    Attributes:
        counts: repetitions of each muscle so far; of two sides that with more. Each frame brings a
            new dictionary, which other threads may read.
    """

    def __init__(self, muscles: Sequence[str]) -> None:
        self.counts = dict.fromkeys(muscles, 0)
        self._muscles = tuple(muscles)
        self._counters: dict[int, LiveRepetitions] = {}
        self._times = deque[float]()  # of the last frames
        self._sorted = -math.inf
        self._counted: list[tuple[int, int]] = []  # class id and number of each region

    def add(self, seconds: float, tracker: Tracker, person: int | None = None) -> None:
        """Takes the newest frame of a tracker; `person` as of `Timeline`."""
        areas = tracker.newest()
        for number in self._counters.keys() - areas.keys():
            del self._counters[number]
        for number, area in areas.items():
            if number not in self._counters:
                self._counters[number] = LiveRepetitions()
                for earlier in self._times:  # in which it was not there
                    self._counters[number].add(earlier, 0.0)
            self._counters[number].add(seconds, area)
        self._times.append(seconds)
        while self._times[0] < seconds - CONTEXT - DELAY:
            self._times.popleft()
        if seconds >= self._sorted + SORTED_AGAIN:
            self._sorted = seconds
            people = tracker.people()
            chosen = person if person and person <= len(people) else 1
            self._counted = people[chosen - 1] if people else []
        counts = dict.fromkeys(self._muscles, 0)
        for class_id, number in self._counted:
            if number in self._counters:
                muscle = self._muscles[class_id - 1]
                counts[muscle] = max(counts[muscle], self._counters[number].count)
        self.counts = counts
