import numpy as np
import pytest
from made_signals import activity, made_emg, made_envelope, starts, video

from tf_muscle.lab.envelope import Envelope, envelope
from tf_muscle.lab.synchrony import correlation_at, find_lag


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fps", [10, 25, 60])
@pytest.mark.parametrize("shift", [0.35, -0.35, 0.0, 7.2])
@pytest.mark.parametrize("span", [(-8, 30), (3, 13)])  # EMG longer and shorter than the video
def test_a_planted_shift_is_found_within_a_frame(
    shift: float, fps: int, seed: int, span: tuple[float, float]
) -> None:
    onsets = starts(seed)
    film = video(onsets, fps)
    rng = np.random.default_rng(seed)
    area = film.signals[0].area + 0.002 * rng.random(len(film.seconds))
    made = made_emg(onsets, first=span[0], last=span[1], shift=shift, seed=seed, noise=0.2)
    lag = find_lag(film.seconds, area, envelope(made, 0))
    assert lag is not None
    assert lag.seconds == pytest.approx(shift, abs=1 / fps)
    assert lag.correlation > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_found_where_the_recordings_overlap_in_part(seed: int) -> None:
    onsets = starts(seed)
    film = video(onsets, 30)
    made = made_emg(onsets, first=6, last=40, shift=0.35, seed=seed)
    lag = find_lag(film.seconds, film.signals[0].area, envelope(made, 0))
    assert lag is not None
    assert lag.seconds == pytest.approx(0.35, abs=1 / 30)


def test_the_time_between_samples_is_told() -> None:
    """By the known shift of a smooth signal, much finer than its hundred samples a second."""
    at = np.arange(0, 20, 0.01)

    def smooth(seconds: np.ndarray) -> np.ndarray:
        return np.exp(-((seconds - 7) ** 2)) + np.exp(-((seconds - 12.5) ** 2) / 0.5)

    for shift in (0.3512, -0.1037):
        lag = find_lag(at, smooth(at), Envelope(at, smooth(at - shift), "made"))
        assert lag is not None
        assert lag.seconds == pytest.approx(shift, abs=2e-4)


def test_the_correlation_is_that_of_numpy() -> None:
    onsets = starts(0)
    film, emg = video(onsets, 25), made_envelope(onsets, 0.35)
    area = film.signals[0].area
    lag = find_lag(film.seconds, area, emg)
    assert lag is not None
    at = film.seconds + lag.seconds
    expected = np.corrcoef(area, np.interp(at, emg.seconds, emg.values))[0, 1]
    assert lag.correlation == pytest.approx(expected, abs=5e-3)
    assert correlation_at(film.seconds, area, emg, lag.seconds) == pytest.approx(expected, abs=5e-3)


def test_even_repetitions_have_a_rival_a_period_away() -> None:
    onsets = 1.0 + 2.0 * np.arange(8)
    film = video(onsets, 25)
    longer = 1.0 + 2.0 * np.arange(-4, 12)
    made = made_emg(longer, first=-8, last=26, shift=0.35, seed=0)
    lag = find_lag(film.seconds, film.signals[0].area, envelope(made, 0))
    assert lag is not None
    assert lag.rival is not None
    periods = (np.array([lag.seconds, lag.rival]) - 0.35) / 2
    np.testing.assert_allclose(periods, np.rint(periods), atol=0.02)
    assert abs(np.diff(np.rint(periods))) >= 1


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_an_area_that_never_changes_tells_nothing(level: float) -> None:
    seconds = np.arange(0, 10, 0.04)
    emg = made_envelope(starts(0))
    assert find_lag(seconds, np.full(len(seconds), level), emg) is None
    assert correlation_at(seconds, np.full(len(seconds), level), emg, 0.0) is None


def test_less_than_a_second_tells_nothing() -> None:
    emg = made_envelope(starts(0))
    for frames in (1, 2, 20):
        seconds = np.arange(frames) / 25
        assert find_lag(seconds, seconds, emg) is None
    assert correlation_at(np.arange(50) / 25, np.arange(50.0), emg, 1000.0) is None


def test_signals_that_are_opposite_at_every_lag_tell_none() -> None:
    rising = np.arange(0, 10, 0.01)
    assert find_lag(rising, rising, Envelope(rising, rising, "made")) is not None
    assert find_lag(rising, rising, Envelope(rising, rising[::-1].copy(), "made")) is None


def test_another_muscle_correlates_weakly() -> None:
    onsets = starts(0)
    film = video(onsets, 25)
    other = activity(np.arange(0, 20, 0.01), onsets + 0.9)
    lag = correlation_at(
        film.seconds, film.signals[0].area, Envelope(np.arange(0, 20, 0.01), other, "made"), 0.0
    )
    assert lag is not None
    assert lag < 0.2
