"""An EMG recording as its file has it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Recording:
    """An EMG file of N samples and C channels.

    Attributes:
        path: the file.
        seconds: float [N], time of each sample on the recording's own clock, increasing.
        names: of the C channels, as in the file.
        units: of each; "" where the file does not tell.
        values: float [N, C]; NaN where there is none.
        faults: for each channel what in it cannot be read as a number, with its place; else "".
    """

    path: Path
    seconds: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    faults: tuple[str, ...]
