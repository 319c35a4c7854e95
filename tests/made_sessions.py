"""Folders as `predict` writes them of a video, made by hand: every number in them is known."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

COLUMNS = (
    *("video", "person", "muscle", "side", "repetition", "start", "peak", "end", "duration"),
    *("rise_time", "fall_time", "rest_before", "cut_off", "peak_area_share", "relative_area"),
    *("area_under_curve", "mean_probability", "confidence"),
)


@dataclass(frozen=True)
class MadeRepetition:
    """A row of repetitions.csv; the numbers that no test is about have a value."""

    start: float
    peak: float
    end: float
    rest_before: float | None = None
    cut_off: str = ""
    peak_area_share: float = 0.02
    relative_area: float = 0.9
    area_under_curve: float = 0.5
    mean_probability: float = 0.8


def repeated(starts: Sequence[float], duration: float, cut_off: str = "") -> list[MadeRepetition]:
    """Repetitions of one duration that peak after a quarter of it."""
    return [MadeRepetition(at, at + duration / 4, at + duration, None, cut_off) for at in starts]


def write_session(
    folder: Path,
    muscles: Mapping[tuple[str, str], Sequence[MadeRepetition]],
    *,
    seconds: np.ndarray | None = None,
    signal: np.ndarray | None = None,
    video: str = "films/curl.mp4",
    person: int = 1,
) -> Path:
    """Writes both tables of a video.

    Args:
        folder: which is made.
        muscles: the repetitions by muscle and side.
        seconds: float [N]; 30 s at 25 frames a second without it.
        signal: float [N], relative area of all muscles; a half without it.
        video: its name in repetitions.csv.
        person: whose they are.

    Returns:
        `folder`.
    """
    seconds = np.arange(0, 30, 0.04) if seconds is None else seconds
    signal = np.full(len(seconds), 0.5) if signal is None else signal
    folder.mkdir(parents=True)
    names = list(dict.fromkeys(muscle for muscle, _ in muscles))
    counts = {
        name: max(len(rows) for (muscle, _), rows in muscles.items() if muscle == name)
        for name in names
    }
    header = ["frame", "seconds"]
    for name in names:
        header += [f"{name} area_share", f"{name} mean_probability", f"{name} repetitions"]
    header += [f"{f'{muscle} {side}'.strip()} relative_area" for muscle, side in muscles]
    with (folder / "timeline.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for frame, (second, value) in enumerate(zip(seconds, signal, strict=True)):
            row = [str(frame), f"{second:.4f}"]
            for name in names:
                row += ["0.020000", "0.8000", str(counts[name])]
            writer.writerow(row + [f"{value:.6f}"] * len(muscles))
    with (folder / "repetitions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [
            _cells(video, person, muscle, side, number, one)
            for (muscle, side), repetitions in muscles.items()
            for number, one in enumerate(repetitions, 1)
        ]
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return folder


def _cells(
    video: str, person: int, muscle: str, side: str, number: int, one: MadeRepetition
) -> dict[str, object]:
    begins, ends = one.cut_off not in ("start", "both"), one.cut_off not in ("end", "both")
    return {
        **{"video": video, "person": person, "muscle": muscle, "side": side},
        **asdict(one),
        "repetition": number,
        "duration": one.end - one.start,
        "rise_time": one.peak - one.start if begins else "",
        "fall_time": one.end - one.peak if ends else "",
        "rest_before": "" if one.rest_before is None else one.rest_before,
        "confidence": 0.7,
    }
