"""Made signals: areas of a muscle and made EMG with known contractions. None was measured."""

from pathlib import Path

import numpy as np

from tf_muscle.lab.envelope import Envelope, envelope
from tf_muscle.lab.recording import Recording
from tf_muscle.lab.signals import Signal, VideoSignals

RATE = 1000.0  # samples a second of made EMG


def starts(seed: int, count: int = 8) -> np.ndarray:
    """When contractions start, seconds; unevenly, so that only one lag is right."""
    return np.cumsum(np.random.default_rng(seed).uniform(1.5, 2.5, count))


def activity(at: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """0 to 1: each contraction rises for 0.25 s, holds for 0.6 s and falls for 0.25 s."""
    since = at[:, None] - onsets
    return np.clip(np.minimum(since / 0.25, (1.1 - since) / 0.25), 0, 1).sum(axis=1)


def video(onsets: np.ndarray, fps: float, muscle: str = "biceps") -> VideoSignals:
    """A video that begins at 0 and ends 2 s after the last contraction began."""
    seconds = np.arange(0, onsets[-1] + 2, 1 / fps)
    area = 0.02 * activity(seconds, onsets)
    signal = Signal(muscle, "", area, np.where(area > 0, 0.8, np.nan))
    return VideoSignals("made.mp4", 1, seconds, (signal,))


def made_emg(
    onsets: np.ndarray, *, first: float, last: float, shift: float, seed: int, noise: float = 0.1
) -> Recording:
    """White noise that is as loud as the muscle is active, and noise of the amplifier.

    Args:
        onsets: on the video's clock.
        first: of the recording, on the video's clock.
        last: likewise.
        shift: how much later the EMG's clock is.
        seed: of the noise.
        noise: of the amplifier, by the loudest signal.
    """
    rng = np.random.default_rng(seed)
    at = np.arange(first, last, 1 / RATE)
    values = activity(at, onsets) * rng.standard_normal(len(at))
    values += noise * rng.standard_normal(len(at))
    return recording(at + shift, values)


def recording(seconds: np.ndarray, values: np.ndarray, name: str = "EMG Biceps R") -> Recording:
    return Recording(Path("made.csv"), seconds, (name,), ("mV",), values[:, None], ("",))


def made_envelope(onsets: np.ndarray, shift: float = 0.0, seed: int = 0) -> Envelope:
    made = made_emg(onsets, first=-2, last=onsets[-1] + 3, shift=shift, seed=seed)
    return envelope(made, 0)
