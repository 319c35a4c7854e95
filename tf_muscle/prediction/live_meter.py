"""What is told of a camera while it runs: frames a second, latency, repetitions so far."""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_muscle.prediction.camera import CameraFrames
from tf_muscle.prediction.live_repetitions import LiveCounts

RECENT = 30  # frames that the numbers shown meanwhile are of


@dataclass(frozen=True)
class LiveReport:
    """How a camera was kept up with, from its first frame to its last one.

    Attributes:
        seen: frames that the camera took.
        predicted: those that were predicted and drawn; the others were dropped.
        rate: of the predicted ones, frames a second; None for a single one.
        latency_median: milliseconds from when the camera handed a frame over to when it was drawn.
        latency_p95: the 95th percentile of these.
    """

    seen: int
    predicted: int
    rate: float | None
    latency_median: float
    latency_p95: float

    @property
    def dropped(self) -> int:
        """Frames that were never predicted, as a newer one was there."""
        return self.seen - self.predicted

    @property
    def told(self) -> str:
        """All of it in one line."""
        rate = "" if self.rate is None else f"{self.rate:.1f} frames a second, "
        return (
            f"{self.seen:,} frames seen, {self.predicted:,} predicted, {self.dropped:,} dropped; "
            f"{rate}latency {self.latency_median:.0f} ms (median), {self.latency_p95:.0f} ms (95th "
            "percentile)"
        )


class LiveMeter:
    """Measures while a camera's frames are predicted; keeps 8 bytes of each.

    Args:
        camera: whose frames they are.
        muscles: M names.

    Attributes:
        repetitions: counts those of each muscle.
    """

    def __init__(self, camera: CameraFrames, muscles: Sequence[str]) -> None:
        self.repetitions = LiveCounts(muscles)
        self._camera = camera
        self._latencies = array("d")  # milliseconds
        self._recent = deque[float](maxlen=RECENT)  # seconds
        self._first = 0.0

    def drawn(self, seconds: float) -> None:
        """Notes that the frame of so many seconds is drawn now."""
        if not self._latencies:
            self._first = seconds
        self._latencies.append(1000 * (self._camera.elapsed - seconds))
        self._recent.append(seconds)

    @property
    def now(self) -> str:
        """Of the last frames, as in "14.2 frames/s, 61 ms, repetitions biceps 3, calf 0"."""
        told = []
        if self._recent:
            rate = frame_rate(len(self._recent), self._recent[-1] - self._recent[0])
            told += [] if rate is None else [f"{rate:.1f} frames/s"]
            told.append(f"{np.median(self._latencies[-RECENT:]):.0f} ms")
        counts = [f"{muscle} {count}" for muscle, count in self.repetitions.counts.items()]
        return ", ".join([*told, f"repetitions {', '.join(counts)}"])

    def report(self) -> LiveReport | None:
        """The whole of it; None if nothing was drawn."""
        if not self._latencies:
            return None
        median, high = np.quantile(self._latencies, (0.5, 0.95)).tolist()
        count = len(self._latencies)
        rate = frame_rate(count, self._recent[-1] - self._first)
        return LiveReport(self._camera.seen, count, rate, median, high)


def frame_rate(frames: int, seconds: float) -> float | None:
    """Frames a second of so many that were taken within so many seconds; None for a single one."""
    return (frames - 1) / seconds if seconds > 0 else None
