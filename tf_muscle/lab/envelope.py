"""The linear envelope of EMG: how active a muscle is, from the raw signal."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfiltfilt

from tf_muscle.errors import UserError
from tf_muscle.lab.recording import Recording

# Hz. Below lie movement artifacts, above hardly any signal: De Luca et al., "Filtering the surface
# EMG signal: Movement artifact and baseline noise contamination", J Biomech 43 (2010) 1573-1579.
BAND = (20.0, 450.0)
# Hz, of the rectified signal: Winter, "Biomechanics and Motor Control of Human Movement", 4th ed.
# (2009), chapter 10, where 3 to 6 Hz are usual for a linear envelope.
LOW_PASS = 6.0
ORDER = 4  # of Butterworth's filter; run forward and back, which shifts no time
HIGHEST = 0.45  # of the rate: the upper edge of the band if the rate is too low for it
LOWEST_RATE = 20.0  # samples a second; 6 Hz can be told from noise then
SAMPLING = 100.0  # samples a second of an envelope
LONGEST_GAP = 0.1  # seconds that are bridged by a straight line
SHORTEST = 1.0  # seconds of a recording


@dataclass(frozen=True)
class Envelope:
    """An envelope of S samples.

    Attributes:
        seconds: float [S], evenly `SAMPLING` a second, on the clock of the recording.
        values: float [S], from 0, in the unit of the channel.
        filters: how it was made, in words.
    """

    seconds: np.ndarray
    values: np.ndarray
    filters: str


def envelope(recording: Recording, channel: int) -> Envelope:
    """Filters a channel: band pass, rectification, low pass, all without shifting it.

    Gaps and uneven times are bridged by straight lines first. A channel that is never negative and
    most of whose variance lies below the band is an envelope already, and only low-passed. So is,
    after its median is taken off and what is left is rectified, one that is sampled too
    slowly for the band.

    Args:
        recording: an EMG file.
        channel: index of the channel.

    Raises:
        UserError: the channel is constant, short, slowly sampled, has gaps of more than
            `LONGEST_GAP` seconds, or cells that are no numbers.
    """
    place = f"{recording.path}: channel {recording.names[channel]}"
    if recording.faults[channel]:
        raise UserError(
            f"{place} has text among its numbers ({recording.faults[channel]}): mend it"
        )
    there = np.isfinite(recording.values[:, channel])
    seconds, raw = recording.seconds[there], recording.values[there, channel]
    if len(seconds) < 2 or seconds[-1] - seconds[0] < SHORTEST:
        raise UserError(f"{place} has less than {SHORTEST:g} s of values: record more")
    if not np.ptp(raw) > 0:
        raise UserError(f"{place} is {raw[0]:g} all the time: choose another by --emg_channel")
    pauses = np.diff(seconds)
    rate = 1 / float(np.median(pauses))
    if rate < LOWEST_RATE:
        raise UserError(
            f"{place} has {rate:.3g} samples a second: at least {LOWEST_RATE:g} are needed"
        )
    widest = int(pauses.argmax())
    if pauses[widest] > max(LONGEST_GAP, 2 / rate):
        raise UserError(
            f"{place} has no values from {seconds[widest]:.3f} to {seconds[widest + 1]:.3f} s: cut "
            "the recording there"
        )
    at = np.arange(seconds[0], seconds[-1], 1 / rate)
    values, filters = _rectified(np.interp(at, seconds, raw), rate)
    low_pass = butter(ORDER, LOW_PASS, "lowpass", fs=rate, output="sos")
    # The filter swings below 0 beside steep edges.
    smooth = np.maximum(sosfiltfilt(low_pass, values), 0)
    even = np.arange(at[0], at[-1], 1 / SAMPLING)
    return Envelope(even, np.interp(even, at, smooth), f"{filters}, low pass {LOW_PASS:g} Hz")


def _rectified(values: np.ndarray, rate: float) -> tuple[np.ndarray, str]:
    """What the low pass is for, float [N], and how it was made."""
    high = min(BAND[1], HIGHEST * rate)
    if high < 2 * BAND[0]:
        if values.min() >= 0:
            return values, "an envelope already"
        return np.abs(values - np.median(values)), "median taken off, rectified"
    band_pass = butter(ORDER, (BAND[0], high), "bandpass", fs=rate, output="sos")
    passed = sosfiltfilt(band_pass, values)
    if values.min() >= 0 and passed.var() < values.var() / 2:
        return values, "an envelope already"
    return np.abs(passed), f"band pass {BAND[0]:g} to {high:g} Hz, rectified"
