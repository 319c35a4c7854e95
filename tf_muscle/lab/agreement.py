"""How well the onsets that a video tells agree with those of EMG."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from tf_muscle.lab.envelope import Envelope
from tf_muscle.lab.repetitions import Repetition, find_repetitions

REACH = 0.5  # seconds between two onsets that are of one contraction, at most
LIMIT = 1.96  # standard deviations: 95 percent of a normal distribution lie within


@dataclass(frozen=True)
class Agreement:
    """Bland and Altman's analysis of P pairs of onsets.

    "Statistical methods for assessing agreement between two methods of clinical measurement",
    Lancet 327 (1986) 307-310. A difference is the video's onset minus the EMG's: positive
    where the video is late.

    Attributes:
        video: float [P], seconds of the EMG's clock.
        emg: float [P], likewise.
        video_alone: onsets of the video that have no partner.
        emg_alone: onsets of the EMG during the video that have none.
    """

    video: np.ndarray
    emg: np.ndarray
    video_alone: int
    emg_alone: int

    @property
    def difference(self) -> np.ndarray:
        """Seconds by which the video is late, float [P]."""
        return self.video - self.emg

    @property
    def bias(self) -> float | None:
        """Mean difference; None without pairs."""
        return float(self.difference.mean()) if len(self.video) else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the differences; None with fewer than two pairs."""
        return float(self.difference.std(ddof=1)) if len(self.video) > 1 else None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Limits of agreement, bias -+ 1.96 deviations; None with fewer than two pairs."""
        if self.bias is None or self.deviation is None:
            return None
        return self.bias - LIMIT * self.deviation, self.bias + LIMIT * self.deviation

    @property
    def told(self) -> str:
        """Pairs, bias and limits of agreement in words."""
        count = len(self.video)
        parts = [f"{count} pair{'' if count == 1 else 's'} of onsets"]
        if self.bias is not None:
            parts.append(f"bias {1000 * self.bias:+.0f} ms")
        if self.limits is not None:
            low, high = self.limits
            parts.append(f"limits of agreement {1000 * low:+.0f} to {1000 * high:+.0f} ms")
        return ", ".join(parts)


def emg_repetitions(emg: Envelope) -> tuple[Repetition, ...]:
    """The repetitions of an envelope, by the rules for areas; its largest value is area 1."""
    area = emg.values / (emg.values.max() or 1)
    return find_repetitions(emg.seconds, area, np.ones(len(area)))


def onset_agreement(
    seconds: np.ndarray, repetitions: tuple[Repetition, ...], emg: Envelope, lag: float
) -> Agreement:
    """Pairs the onsets of a video with those of EMG.

    Pairs are chosen so that their differences are smallest in sum, none more than `REACH`.
    Onsets that the start of a signal cuts off do not count, nor those outside the time that both
    cover.

    Args:
        seconds: float [N], times of the video's frames.
        repetitions: of the video.
        emg: of the same muscle.
        lag: seconds to add to those of the video for the EMG's clock.
    """
    first = max(seconds[0] + lag, emg.seconds[0])
    last = min(seconds[-1] + lag, emg.seconds[-1])
    video = _onsets(repetitions, lag)
    video = video[(video >= first) & (video <= last)]
    measured = _onsets(emg_repetitions(emg), 0.0)
    apart = np.abs(np.subtract.outer(video, measured))
    # One cost for all that is too far apart: no such pair may be chosen for its small difference.
    rows, columns = linear_sum_assignment(np.where(apart <= REACH, apart, 10 * REACH))
    near = apart[rows, columns] <= REACH
    rows, columns = rows[near], columns[near]
    alone = np.delete(measured, columns)
    return Agreement(
        video[rows],
        measured[columns],
        len(video) - len(rows),
        int(((alone >= first) & (alone <= last)).sum()),
    )


def _onsets(repetitions: tuple[Repetition, ...], lag: float) -> np.ndarray:
    return np.array([one.start + lag for one in repetitions if one.rise_time is not None])
