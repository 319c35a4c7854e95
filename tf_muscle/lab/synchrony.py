"""How much later the clock of an EMG recording is than a video's, by cross-correlation."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import correlate, correlation_lags, find_peaks

from tf_muscle.lab.envelope import SAMPLING, Envelope
from tf_muscle.lab.repetitions import SHORTEST_REPETITION

LEAST_SHARE = 0.5  # of the shorter signal that has to overlap
LEAST_OVERLAP = 1.0  # seconds
WEAK = 0.5  # correlation; with less, the lag is doubtful
RIVAL = 0.9  # of the best score: another lag with more is named


@dataclass(frozen=True)
class Lag:
    """The lag at which an area and an envelope are most alike.

    Attributes:
        seconds: to add to the times of the video for those of the EMG.
        correlation: Pearson's, over the overlap at that lag, -1 to 1.
        score: correlation times the root of the overlap by the largest possible one.
        rival: seconds of the second best lag that is a repetition away; None if there is none.
        rival_correlation: Pearson's at that one.
    """

    seconds: float
    correlation: float
    score: float
    rival: float | None
    rival_correlation: float | None


def find_lag(seconds: np.ndarray, area: np.ndarray, emg: Envelope) -> Lag | None:
    """Finds the lag by cross-correlation; its peak is interpolated by a parabola.

    For each lag at which half of the shorter signal overlaps the longer one, r is Pearson's
    correlation over the n samples of the overlap; the sums that it needs are cross-correlations of
    the signals, their squares and ones. The largest r sqrt(n) tells which lag it is: among lags
    of equal r, as those of even repetitions, the one that explains more of the signals. The peak of
    r beside it is the lag.

    Args:
        seconds: float [N], increasing.
        area: float [N], of a muscle.
        emg: its envelope.

    Returns:
        None if one of the signals is constant, if they are too short, or if they correlate
        positively at no lag.
    """
    even = np.arange(seconds[0], seconds[-1] + 0.5 / SAMPLING, 1 / SAMPLING)
    video = np.interp(even, seconds, area)
    least = max(LEAST_SHARE * min(len(video), len(emg.values)), LEAST_OVERLAP * SAMPLING)
    constant = not (np.ptp(video) > 0 and np.ptp(emg.values) > 0)
    if min(len(video), len(emg.values)) < least or constant:
        return None
    lags = correlation_lags(len(emg.values), len(video))
    r, overlap = _correlations(emg.values, video)
    r = np.where(overlap >= least, r, -1.0)
    score = r * np.sqrt(overlap / overlap.max())
    reach = round(SHORTEST_REPETITION * SAMPLING)
    best = int(score.argmax())
    if score[best] <= 0:
        return None
    near = max(0, best - reach)
    best = near + int(r[near : best + reach + 1].argmax())
    start = emg.seconds[0] - seconds[0]
    peaks, _ = find_peaks(score)
    peaks = peaks[np.abs(peaks - best) > reach]
    peaks = peaks[score[peaks] > RIVAL * score[best]]
    rival = int(peaks[score[peaks].argmax()]) if len(peaks) else None
    return Lag(
        seconds=float(start + (lags[best] + _vertex(r, best)) / SAMPLING),
        correlation=float(r[best]),
        score=float(score[best]),
        rival=None if rival is None else float(start + lags[rival] / SAMPLING),
        rival_correlation=None if rival is None else float(r[rival]),
    )


def correlation_at(
    seconds: np.ndarray, area: np.ndarray, emg: Envelope, lag: float
) -> float | None:
    """Pearson's correlation over the overlap at a known lag; None if one of both is constant.

    Args:
        seconds: float [N], increasing.
        area: float [N].
        emg: envelope of the same muscle.
        lag: seconds to add to those of the video.
    """
    inside = (emg.seconds >= seconds[0] + lag) & (emg.seconds <= seconds[-1] + lag)
    if inside.sum() < LEAST_OVERLAP * SAMPLING:
        return None
    video = np.interp(emg.seconds[inside] - lag, seconds, area)
    values = emg.values[inside]
    if not np.ptp(video) > 0 or not np.ptp(values) > 0:
        return None
    return float(np.corrcoef(video, values)[0, 1])


def _correlations(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r at each lag of `correlation_lags`, and the samples that overlap there.

    Args:
        one: float [S].
        other: float [T].

    Returns:
        float [S + T - 1], and as much.
    """
    one = (one - one.mean()) / one.std()
    other = (other - other.mean()) / other.std()
    ones, others = np.ones(len(one)), np.ones(len(other))

    def summed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return correlate(left, right, method="fft")

    overlap = np.rint(summed(ones, others))
    sums = summed(one, others), summed(ones, other)
    squares = summed(one**2, others), summed(ones, other**2)
    variances = [both - total**2 / overlap for both, total in zip(squares, sums, strict=True)]
    # Where one of the signals is at rest in the whole overlap, nothing can be told.
    told = np.minimum(*variances) > 1e-6 * overlap
    product = summed(one, other) - sums[0] * sums[1] / overlap
    r = product / np.sqrt(np.where(told, variances[0] * variances[1], 1.0))
    return np.where(told, np.clip(r, -1, 1), 0.0), overlap


def _vertex(values: np.ndarray, peak: int) -> float:
    """How far the vertex of the parabola through a peak is from it, in samples."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    left, middle, right = values[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
