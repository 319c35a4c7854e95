import numpy as np
import pytest
from made_signals import RATE, activity, made_emg, recording, starts

from tf_muscle.errors import UserError
from tf_muscle.lab.envelope import envelope

AT = np.arange(0, 10, 1 / RATE)


def burst(at: np.ndarray) -> np.ndarray:
    return np.exp(-((at - 5) ** 2) / 0.5)


def test_the_envelope_is_the_mean_of_the_rectified_signal() -> None:
    """A carrier within the band, of amplitude a: the mean of |a sin| is 2 a / pi."""
    raw = burst(AT) * np.sin(2 * np.pi * 150 * AT)
    made = envelope(recording(AT + 3, raw), 0)
    assert np.diff(made.seconds) == pytest.approx(0.01)
    np.testing.assert_allclose(made.values, 2 / np.pi * burst(made.seconds - 3), atol=0.01)
    assert made.filters == "band pass 20 to 450 Hz, rectified, low pass 6 Hz"


def test_what_lies_beside_the_band_is_taken_off() -> None:
    """An offset, a movement artifact of 2 Hz, and 50 times as loud as the muscle."""
    raw = burst(AT) * np.sin(2 * np.pi * 150 * AT) + 50 * np.sin(2 * np.pi * 2 * AT) + 7
    made = envelope(recording(AT, raw), 0)
    inner = (made.seconds > 1) & (made.seconds < 9)
    np.testing.assert_allclose(
        made.values[inner], 2 / np.pi * burst(made.seconds[inner]), atol=0.05
    )


def test_an_envelope_stays_one() -> None:
    made = envelope(recording(AT, burst(AT)), 0)
    np.testing.assert_allclose(made.values, burst(made.seconds), atol=0.01)
    assert made.filters == "an envelope already, low pass 6 Hz"
    slow = np.arange(0, 10, 0.02)
    made = envelope(recording(slow, burst(slow)), 0)
    np.testing.assert_allclose(made.values, burst(made.seconds), atol=0.01)


def test_raw_emg_with_an_offset_is_no_envelope() -> None:
    onsets = starts(0)
    raw = made_emg(onsets, first=0, last=20, shift=0, seed=0)
    lifted = recording(raw.seconds, raw.values[:, 0] + 10)
    assert lifted.values.min() > 0
    made = envelope(lifted, 0)
    assert made.filters.startswith("band pass")
    assert np.corrcoef(made.values, activity(made.seconds, onsets))[0, 1] > 0.95


@pytest.mark.parametrize(("rate", "filters"), [(500, "band pass 20 to 225 Hz"), (60, "median")])
def test_slower_sampling_narrows_the_band(rate: int, filters: str) -> None:
    at = np.arange(0, 10, 1 / rate)
    raw = burst(at) * np.random.default_rng(0).standard_normal(len(at))
    made = envelope(recording(at, raw), 0)
    assert made.filters.startswith(filters)
    assert made.seconds[made.values.argmax()] == pytest.approx(5, abs=0.5)


def test_short_gaps_and_uneven_times_are_bridged() -> None:
    raw = burst(AT) * np.sin(2 * np.pi * 150 * AT)
    whole = envelope(recording(AT, raw), 0)
    holes = raw.copy()
    holes[3000:3050] = holes[7000] = np.nan
    holes[:200] = np.nan  # the start is cut off, no gap
    made = envelope(recording(AT, holes), 0)
    assert made.seconds[0] == pytest.approx(0.2)
    expected = np.interp(made.seconds, whole.seconds, whole.values)
    np.testing.assert_allclose(made.values, expected, atol=0.02)
    jitter = AT + 2e-4 * np.random.default_rng(0).random(len(AT))
    slow = burst(jitter) * np.sin(2 * np.pi * 60 * jitter)
    made = envelope(recording(jitter, slow), 0)
    np.testing.assert_allclose(made.values, 2 / np.pi * burst(made.seconds), atol=0.02)


@pytest.mark.parametrize(
    ("seconds", "values", "told"),
    [
        (AT, np.zeros(len(AT)), "is 0 all the time"),
        (AT, np.full(len(AT), np.nan), "less than 1 s of values"),
        (AT[:500], AT[:500], "less than 1 s of values"),
        (AT[:1], AT[:1], "less than 1 s of values"),
        (np.arange(0, 10, 0.1), np.arange(0, 10, 0.1), "has 10 samples a second"),
        (np.delete(AT, np.s_[4000:4200]), np.delete(AT, np.s_[4000:4200]), "no values from 3.999"),
        (AT, np.where((AT > 4) & (AT < 4.3), np.nan, AT), "no values from 4.000 to 4.300 s"),
    ],
)
def test_what_cannot_be_filtered_is_refused(
    seconds: np.ndarray, values: np.ndarray, told: str
) -> None:
    with pytest.raises(UserError, match=told) as error:
        envelope(recording(seconds, values), 0)
    assert "channel EMG Biceps R" in str(error.value)
