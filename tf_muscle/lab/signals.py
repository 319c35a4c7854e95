"""The signals of a video's muscles: what every format of the laboratory is made from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UNIT = "1"  # of every variable: shares and probabilities


@dataclass(frozen=True)
class Signal:
    """A muscle of the person who is counted, over N frames; its two sides are two signals.

    Attributes:
        muscle: its name.
        side: "left" or "right" in the picture, "" where only one of it is seen.
        area: float [N], share of the frame's pixels, 0 to 1.
        probability: float [N], mean over the muscle's pixels; NaN where it has none.
    """

    muscle: str
    side: str
    area: np.ndarray
    probability: np.ndarray

    @property
    def name(self) -> str:
        """Such as "biceps left"."""
        return f"{self.muscle} {self.side}".strip()

    @property
    def relative_area(self) -> np.ndarray:
        """Area by its largest in the video, float [N], 0 to 1; 0 if the muscle is never seen."""
        return self.area / (self.area.max() or 1)


@dataclass(frozen=True)
class Channel:
    """One variable of one signal.

    Attributes:
        signal: whose.
        variable: "area_share", "relative_area" or "mean_probability".
        values: float [N]; NaN where there is none.
    """

    signal: Signal
    variable: str
    values: np.ndarray

    @property
    def label(self) -> str:
        """Such as "biceps_left.area_share", without white space."""
        return "_".join(f"{self.signal.name}.{self.variable}".split())


@dataclass(frozen=True)
class VideoSignals:
    """The signals of a video, or of a part of it, with N frames.

    Attributes:
        video: its path, as the user gave it.
        person: whose signals they are, from 1.
        seconds: float [N], time of each frame from the first one of the file, increasing.
        signals: of each muscle and side.
        lag: seconds to add for the time of the laboratory's clock; None if that is not known.
    """

    video: str
    person: int
    seconds: np.ndarray
    signals: tuple[Signal, ...]
    lag: float | None = None

    @property
    def clock(self) -> np.ndarray:
        """Times of the laboratory's clock, float [N]; those of the video if it is not known."""
        return self.seconds + (self.lag or 0.0)

    @property
    def channels(self) -> Iterator[Channel]:
        """All variables of all signals, in order."""
        for signal in self.signals:
            yield Channel(signal, "area_share", signal.area)
            yield Channel(signal, "relative_area", signal.relative_area)
            yield Channel(signal, "mean_probability", signal.probability)


def unique_labels(channels: list[Channel]) -> list[str]:
    """Labels that differ: a second one gets "_2", as those of muscles "a b" and "a_b" would."""
    labels: list[str] = []
    for channel in channels:
        label, count = channel.label, 1
        while label in labels:
            count += 1
            label = f"{channel.label}_{count}"
        labels.append(label)
    return labels
