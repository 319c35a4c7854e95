"""Two sessions of a person, number by number: curves by phase, means, and bootstrap intervals.

Arithmetic alone; docs/compare.md has the formulas.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from tf_muscle.errors import UserError, listed
from tf_muscle.lab.session import Session, SessionMuscle, SessionRepetition, read_session

PHASES = 101  # 0 to 100 percent of a repetition in steps of one, as gait analysis has a stride
LEAST = 3  # repetitions in each session, below which an interval would be made of one or two values
RESAMPLES = 9999
SEED = 0
LEVEL = 0.95
BATCH = 50  # resamples at a time: 101 phases of a thousand repetitions take 0.1 GB


@dataclass(frozen=True)
class Measure:
    """A number that every repetition has.

    Attributes:
        name: of the field of `SessionRepetition`.
        label: for readers.
        unit: "s" for seconds, "1" for shares and probabilities.
    """

    name: str
    label: str
    unit: str

    def values(self, repetitions: Iterable[SessionRepetition]) -> np.ndarray:
        """Of the repetitions that have it, float [R]."""
        found = [getattr(one, self.name) for one in repetitions]
        return np.array([value for value in found if value is not None], dtype=float)


MEASURES = (
    Measure("duration", "duration", "s"),
    Measure("rise_time", "rise time", "s"),
    Measure("fall_time", "fall time", "s"),
    Measure("rest_before", "rest before", "s"),
    Measure("peak_area_share", "peak area, share of the frame", "1"),
    Measure("relative_area", "peak area, by the largest in the video", "1"),
    Measure("area_under_curve", "area under the curve", "s"),
    Measure("mean_probability", "mean probability", "1"),
)


@dataclass(frozen=True)
class Difference:
    """One measure of one muscle in both sessions.

    Attributes:
        measure: which.
        count_a: repetitions of A that have it.
        count_b: those of B.
        mean_a: over them; None without any.
        mean_b: the same of B.
        difference: mean of B - mean of A; None where one is missing.
        low: lower end of its 95 % interval; None where one has less than `LEAST` repetitions.
        high: upper end.
    """

    measure: Measure
    count_a: int
    count_b: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CurveDifference:
    """Mean curve of B - mean curve of A at each of the 101 phases.

    Attributes:
        mean: float [101].
        low: float [101], lower end of each phase's own 95 % interval; None as in `Difference`.
        high: float [101].
    """

    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


@dataclass(frozen=True)
class Compared:
    """One muscle on one side in both sessions.

    Attributes:
        muscle: its name.
        side: "left", "right", or "" where only one region of it is seen.
        curves_a: float [R, 101], relative area of the R whole repetitions of A.
        curves_b: those of B.
        differences: of each measure; none where one session has no whole repetition.
        curve_difference: None in the same case.
        notes: what a reader has to know of it, a sentence each.
    """

    muscle: str
    side: str
    curves_a: np.ndarray
    curves_b: np.ndarray
    differences: tuple[Difference, ...]
    curve_difference: CurveDifference | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as "biceps, left"."""
        return f"{self.muscle}, {self.side}" if self.side else self.muscle


@dataclass(frozen=True)
class Comparison:
    """Two sessions beside each other.

    Attributes:
        a: the first.
        b: the second; differences are B - A.
        muscles: those with a whole repetition in either session.
        idle: names of the others.
    """

    a: Session
    b: Session
    muscles: tuple[Compared, ...]
    idle: tuple[str, ...]

    @property
    def both(self) -> tuple[Compared, ...]:
        """The muscles that could be compared."""
        return tuple(one for one in self.muscles if one.curve_difference)


def compare_sessions(folder_a: Path, folder_b: Path) -> Comparison:
    """Compares two videos' repetitions, muscle by muscle and side by side.

    Args:
        folder_a: of `find_session`.
        folder_b: another one.

    Raises:
        UserError: a folder cannot be read, both are the same, or no muscle has a whole repetition
            in both.
    """
    if folder_a.resolve() == folder_b.resolve():
        raise UserError(f"A and B are the same folder, {folder_a}: give two videos' results")
    a, b = read_session(folder_a), read_session(folder_b)
    by_key_a = {(one.muscle, one.side): one for one in a.muscles}
    by_key_b = {(one.muscle, one.side): one for one in b.muscles}
    muscles = list[Compared]()
    idle = list[str]()
    for key in by_key_a | by_key_b:
        in_a, in_b = by_key_a.get(key), by_key_b.get(key)
        if any(one and one.whole for one in (in_a, in_b)):
            muscles.append(_compared(*key, (a, in_a), (b, in_b)))
        else:
            idle.append(", ".join(filter(None, key)))
    found = Comparison(a, b, tuple(muscles), tuple(idle))
    if not found.both:
        seen = listed([one.name for one in muscles]) or "none"
        raise UserError(
            f"no muscle has a whole repetition both in {folder_a} and in {folder_b} (in one of "
            f"them: {seen}): film whole repetitions of the same exercise"
        )
    return found


def _compared(
    muscle: str,
    side: str,
    a: tuple[Session, SessionMuscle | None],
    b: tuple[Session, SessionMuscle | None],
) -> Compared:
    whole_a, whole_b = (one.whole if one else () for _, one in (a, b))
    curves_a, curves_b = (phase_curves(session.seconds, one) for session, one in (a, b))
    notes = [note for name, one in (("A", a), ("B", b)) for note in _notes(name, muscle, *one)]
    differences: tuple[Difference, ...] = ()
    curve_difference = None
    if whole_a and whole_b:
        differences = tuple(
            _difference(one, one.values(whole_a), one.values(whole_b)) for one in MEASURES
        )
        curve_difference = CurveDifference(
            curves_b.mean(axis=0) - curves_a.mean(axis=0),
            *(difference_interval(curves_a, curves_b) or (None, None)),
        )
        if min(len(whole_a), len(whole_b)) < LEAST:
            notes.append(
                f"There are no intervals: they need {LEAST} whole repetitions in each session."
            )
    return Compared(muscle, side, curves_a, curves_b, differences, curve_difference, tuple(notes))


def _notes(name: str, muscle: str, session: Session, one: SessionMuscle | None) -> list[str]:
    if one is None:
        sides = [other.side for other in session.muscles if other.muscle == muscle]
        if not sides:
            return [f"The model of {name} does not know this muscle."]
        regions = " and ".join(side or "one region" for side in sides)
        return [f"{name} shows it as {regions} only, so this one cannot be compared."]
    notes = [] if one.whole else [f"{name} has no whole repetition of it."]
    if one.cut_off:
        were = "repetition is" if one.cut_off == 1 else "repetitions are"
        notes.append(f"{one.cut_off} {were} cut off by an end of the video of {name} and left out.")
    return notes


def phase_curves(seconds: np.ndarray, muscle: SessionMuscle | None) -> np.ndarray:
    """The relative area over each whole repetition, from onset (0 %) to offset (100 %).

    Between frames it is interpolated linearly.

    Args:
        seconds: float [N], time of each frame.
        muscle: None has no repetition.

    Returns:
        float [R, 101], 0 to 1.
    """
    if muscle is None or not muscle.whole:
        return np.zeros((0, PHASES))
    at = [np.linspace(one.start, one.end, PHASES) for one in muscle.whole]
    return np.interp(np.array(at), seconds, muscle.relative_area)


def _difference(measure: Measure, a: np.ndarray, b: np.ndarray) -> Difference:
    mean_a, mean_b = (float(one.mean()) if len(one) else None for one in (a, b))
    difference = None if mean_a is None or mean_b is None else mean_b - mean_a
    interval = difference_interval(a[:, None], b[:, None])
    low, high = (None, None) if interval is None else (float(one[0]) for one in interval)
    return Difference(measure, len(a), len(b), mean_a, mean_b, difference, low, high)


def difference_interval(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The 95 % interval of mean of B - mean of A, by `scipy.stats.bootstrap`.

    The repetitions of each session are drawn again, with replacement, `RESAMPLES` times, and the
    2.5th and 97.5th percentile of the differences taken ("percentile"). Of equal values the
    interval has no width. It is the same each time.

    Args:
        a: float [R, V], V values of each repetition of A.
        b: float [S, V], those of B.

    Returns:
        Lower and upper end, float [V] each; None below `LEAST` repetitions in A or B.
    """
    if min(len(a), len(b)) < LEAST:
        return None
    interval = bootstrap(
        (a, b),
        _mean_difference,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        axis=0,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),  # `rng` needs scipy 1.15
    ).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def _mean_difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    difference: np.ndarray = b.mean(axis=axis) - a.mean(axis=axis)
    return difference


def spread(curves: np.ndarray) -> np.ndarray | None:
    """Standard deviation across repetitions (with n - 1), float [101]; None of fewer than two."""
    return curves.std(axis=0, ddof=1) if len(curves) > 1 else None
