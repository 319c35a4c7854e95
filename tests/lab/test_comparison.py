import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from made_sessions import MadeRepetition, repeated, write_session
from scipy.stats import bootstrap

from tf_muscle.errors import UserError
from tf_muscle.lab.comparison import (
    Comparison,
    compare_sessions,
    difference_interval,
    phase_curves,
    spread,
)
from tf_muscle.lab.session import SessionMuscle, SessionRepetition

Muscles = Mapping[tuple[str, str], Sequence[MadeRepetition]]
THREE = {("biceps", ""): repeated((1, 5, 9), 2.0)}


@pytest.fixture(autouse=True)
def no_warning() -> None:
    warnings.simplefilter("error")


def compared(folder: Path, a: Muscles, b: Muscles) -> Comparison:
    return compare_sessions(write_session(folder / "A", a), write_session(folder / "B", b))


def test_differences_of_known_repetitions(tmp_path: Path) -> None:
    """A lasts 2 s and B 3 s, each peaks after a quarter; the one that is cut off does not count."""
    slower = [
        MadeRepetition(1, 1.75, 4, None, "", 0.03, 0.8, 1.5, 0.7),
        MadeRepetition(6, 6.75, 9, 2.0, "", 0.03, 0.8, 1.5, 0.7),
        MadeRepetition(12, 12.75, 15, 3.0, "", 0.03, 0.8, 1.5, 0.7),
        MadeRepetition(19, 19.2, 29.9, 4.0, "end", 0.9, 0.1, 9.0, 0.1),
    ]
    (muscle,) = compared(tmp_path, THREE, {("biceps", ""): slower}).both
    found = {one.measure.name: one for one in muscle.differences}
    truth = {
        "duration": (2, 3),
        "rise_time": (0.5, 0.75),
        "fall_time": (1.5, 2.25),
        "peak_area_share": (0.02, 0.03),
        "relative_area": (0.9, 0.8),
        "area_under_curve": (0.5, 1.5),
        "mean_probability": (0.8, 0.7),
    }
    for name, (a, b) in truth.items():
        one = found[name]
        assert (one.count_a, one.count_b) == (3, 3)
        assert one.mean_a == pytest.approx(a)
        assert one.mean_b == pytest.approx(b)
        assert one.difference == pytest.approx(b - a)
        # All are equal, so that the interval has no width.
        assert (one.low, one.high) == (pytest.approx(b - a), pytest.approx(b - a))
    rest = found.pop("rest_before")
    assert set(found) == set(truth)
    assert (rest.count_a, rest.count_b, rest.mean_a) == (0, 2, None)
    assert rest.mean_b == pytest.approx(2.5)
    assert (rest.difference, rest.low, rest.high) == (None, None, None)
    assert muscle.notes == ("1 repetition is cut off by an end of the video of B and left out.",)


def test_phase_curve_of_a_sine() -> None:
    """sin^2 between its zeros is sin(pi p)^2 over the phase p, whatever the speed."""
    seconds = np.arange(0, 20, 0.02)
    speed = np.pi * np.where(seconds < 10, 1 / 2, 1 / 5)  # periods of 2 s, then of 5 s
    signal = np.sin(speed * seconds) ** 2
    rows = tuple(
        SessionRepetition(start, end, True, end - start, 1, 1, None, 0.1, 1, 1, 1)
        for start, end in ((2, 4), (10, 15))
    )
    muscle = SessionMuscle("calf", "", signal, rows)
    curves = phase_curves(seconds, muscle)
    truth = np.sin(np.pi * np.arange(101) / 100) ** 2
    assert curves.shape == (2, 101)
    # Linear interpolation is off by h^2/8 max|f''| at most: 0.02^2 / 8 * pi^2 / 2.
    assert np.abs(curves - truth).max() < 0.02**2 / 8 * np.pi**2 / 2 + 1e-12
    assert curves.argmax(axis=1).tolist() == [50, 50]
    deviation = spread(curves)
    assert deviation is not None
    assert deviation == pytest.approx(np.abs(curves[0] - curves[1]) / np.sqrt(2))
    assert spread(curves[:1]) is None
    assert phase_curves(seconds, None).shape == (0, 101)


def test_interval_of_a_tiny_case_by_hand() -> None:
    """A is 5, 5, 5 and B 0, 0, 3.

    The mean of B, drawn again, is 0, 1, 2 or 3 with probabilities of 8, 12, 6 and 1 in 27; that of
    A is always 5. Since 1/27 = 0.037 > 0.025, the interval reaches from 0 - 5 to 3 - 5.
    """
    a, b = np.full((3, 1), 5.0), np.array([[0.0], [0.0], [3.0]])
    interval = difference_interval(a, b)
    assert interval is not None
    assert [float(end[0]) for end in interval] == [-5, -2]


def test_interval_is_scipys() -> None:
    """Each phase by itself, as scipy computes one sample of numbers by another way."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 0.2, (12, 2)), rng.normal(1.5, 0.3, (9, 2))
    interval = difference_interval(a, b)
    assert interval is not None
    again = difference_interval(a, b)
    assert again is not None
    assert np.array_equal(interval, again)
    for column in range(2):
        reference = bootstrap(
            (a[:, column], b[:, column]),
            lambda x, y: np.mean(y) - np.mean(x),
            vectorized=False,
            method="percentile",
            n_resamples=4000,
            random_state=np.random.default_rng(7),
        ).confidence_interval
        for end, known in zip(interval, reference, strict=True):
            assert end[column] == pytest.approx(known, abs=0.02)
    difference = b.mean(axis=0) - a.mean(axis=0)
    assert np.all((interval[0] < difference) & (difference < interval[1]))


def test_fewer_than_three_repetitions_have_no_interval(tmp_path: Path) -> None:
    (muscle,) = compared(tmp_path, THREE, {("biceps", ""): repeated((1, 5), 3.0)}).both
    duration = muscle.differences[0]
    assert duration.difference == pytest.approx(1)
    assert (duration.low, duration.high) == (None, None)
    assert muscle.curve_difference is not None
    assert muscle.curve_difference.low is None
    assert muscle.notes == (
        "There are no intervals: they need 3 whole repetitions in each session.",
    )


def test_what_only_one_session_has_is_told(tmp_path: Path) -> None:
    rows = repeated((1, 5, 9), 2.0)
    found = compared(
        tmp_path,
        {("biceps", ""): rows, ("calf", ""): rows, ("toe", ""): [], ("quads", ""): rows},
        {("biceps", ""): rows, ("calf", "left"): rows, ("calf", "right"): rows, ("toe", ""): []}
        | {("quads", ""): []},
    )
    assert [one.name for one in found.both] == ["biceps"]
    assert found.idle == ("toe",)
    notes = {one.name: one.notes for one in found.muscles}
    assert notes == {
        "biceps": (),
        "calf": ("B shows it as left and right only, so this one cannot be compared.",),
        "quads": ("B has no whole repetition of it.",),
        "calf, left": ("A shows it as one region only, so this one cannot be compared.",),
        "calf, right": ("A shows it as one region only, so this one cannot be compared.",),
    }
    other = compared(tmp_path / "other", THREE, THREE | {("neck", ""): rows})
    assert other.muscles[1].notes == ("The model of A does not know this muscle.",)
    assert len(other.muscles[1].curves_b) == 3


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    rest = {("biceps", ""): repeated((1,), 2.0, "start")}
    with pytest.raises(UserError, match=r"no muscle has a whole repetition both in .*biceps\)"):
        compared(tmp_path, THREE, rest)
    with pytest.raises(UserError, match="are the same folder"):
        compare_sessions(tmp_path / "A", tmp_path / "B" / ".." / "A")


def test_curves_of_sessions_that_were_written(tmp_path: Path) -> None:
    """A rises from 0 to 1 within its repetition and B stays at a half."""
    seconds = np.arange(0, 3, 0.04)
    rising = np.clip(seconds - 1, 0, 1)
    rows = {("calf", ""): repeated((1, 1, 1), 1)}
    a = write_session(tmp_path / "A", rows, seconds=seconds, signal=rising)
    b = write_session(tmp_path / "B", rows)
    (muscle,) = compare_sessions(a, b).both
    change = muscle.curve_difference
    assert change is not None
    assert change.mean == pytest.approx(0.5 - np.arange(101) / 100, abs=1e-6)
    assert change.low == pytest.approx(change.mean, abs=1e-9)
    assert change.high == pytest.approx(change.mean, abs=1e-9)


def test_a_part_of_a_video_keeps_the_times_of_its_file(tmp_path: Path) -> None:
    """As `predict --time_range 12 42` writes it; the same repetitions, so no difference."""
    seconds = np.arange(0, 30, 0.04)
    signal = np.sin(np.pi * seconds / 2) ** 2
    a, b = (
        write_session(
            tmp_path / f"from_{first}",
            {("calf", ""): repeated([first + at for at in (2, 6, 10)], 2.0)},
            seconds=first + seconds,
            signal=signal,
        )
        for first in (0, 12)
    )
    (muscle,) = compare_sessions(a, b).both
    assert muscle.curves_b == pytest.approx(muscle.curves_a, abs=1e-6)
    assert muscle.curves_b[:, 50] == pytest.approx(1, abs=1e-3)


def test_how_often_intervals_hold_the_truth() -> None:
    """On 600 pairs of normal samples without a difference; docs/compare.md has these numbers."""
    rng = np.random.default_rng(3)
    for count, held in ((3, 0.81), (9, 0.92)):
        interval = difference_interval(rng.normal(size=(count, 600)), rng.normal(size=(count, 600)))
        assert interval is not None
        low, high = interval
        assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(held, abs=0.04)
