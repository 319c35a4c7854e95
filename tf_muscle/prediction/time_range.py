"""The part of a video that is predicted."""

from dataclasses import dataclass
from math import inf

from tf_muscle.errors import UserError

ROUNDING = 0.0005  # seconds: Matroska keeps milliseconds


@dataclass(frozen=True)
class TimeRange:
    """The frames from `start` on and before `end`, in seconds since the first one of the file.

    Raises:
        UserError: it begins before 0, or does not end after it begins.
    """

    start: float = 0.0
    end: float = inf

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise UserError(
                f"--time_range must be START END in seconds, START from 0 and END after it, got "
                f"{self.start:g} {self.end:g}"
            )

    def is_before(self, seconds: float) -> bool:
        """Whether a frame is too early; times in files are rounded."""
        return seconds < self.start - ROUNDING

    def is_after(self, seconds: float) -> bool:
        """Whether a frame is too late, and all that follow it."""
        return seconds >= self.end - ROUNDING


WHOLE = TimeRange()
