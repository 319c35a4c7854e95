"""A session: what `python -m tf_muscle.predict` wrote of one video, read again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_muscle.errors import UserError, listed, shortened
from tf_muscle.lab.session_csv import Row, read_rows

TIMELINE, REPETITIONS = "timeline.csv", "repetitions.csv"
AREA, RELATIVE, COUNT = " area_share", " relative_area", " repetitions"
SIDES = ("left", "right")
COLUMNS = (
    *("video", "person", "muscle", "side", "start", "end", "duration", "rise_time", "fall_time"),
    *("rest_before", "cut_off", "peak_area_share", "relative_area", "area_under_curve"),
    "mean_probability",
)
CUT_OFF = ("", "start", "end", "both")
ROUNDING = 0.02  # seconds; a peak is found on a grid of 0.01 s, which reaches beyond the last frame


@dataclass(frozen=True)
class SessionRepetition:
    """A row of repetitions.csv; docs/predict.md has the columns.

    Attributes:
        start: onset, seconds since the first frame.
        end: offset, not before the start.
        whole: the video begins before its onset and ends behind its offset.
        duration: seconds.
        rise_time: seconds; None where it is cut off.
        fall_time: seconds; None where it is cut off.
        rest_before: seconds since the end of the one before; None for the first.
        peak_area_share: share of the frame's pixels.
        relative_area: at the peak, by the largest of this muscle and side in the video.
        area_under_curve: of the relative area, in seconds.
        mean_probability: 0 to 1.
    """

    start: float
    end: float
    whole: bool
    duration: float
    rise_time: float | None
    fall_time: float | None
    rest_before: float | None
    peak_area_share: float
    relative_area: float
    area_under_curve: float
    mean_probability: float


@dataclass(frozen=True)
class SessionMuscle:
    """One muscle on one side over the N frames of a session.

    Attributes:
        muscle: its name.
        side: "left" or "right" in the picture, "" where only one region of it is seen.
        relative_area: float [N], by its largest in the video, 0 to 1.
        repetitions: in the order of the file.
    """

    muscle: str
    side: str
    relative_area: np.ndarray
    repetitions: tuple[SessionRepetition, ...]

    @property
    def whole(self) -> tuple[SessionRepetition, ...]:
        """The repetitions that no end of the video cuts off."""
        return tuple(one for one in self.repetitions if one.whole)

    @property
    def cut_off(self) -> int:
        """How many repetitions the video's ends cut off."""
        return len(self.repetitions) - len(self.whole)


@dataclass(frozen=True)
class Session:
    """One video of N frames.

    Attributes:
        folder: that holds its two tables.
        video: as `predict` was given it; the folder's name where the video has no repetition.
        person: whose repetitions they are, from 1; None where there are none.
        seconds: float [N], time of each frame, increasing.
        muscles: each muscle and side, in the order of the columns.
    """

    folder: Path
    video: str
    person: int | None
    seconds: np.ndarray
    muscles: tuple[SessionMuscle, ...]


def find_session(words: str) -> Path:
    """The folder of a video's results.

    Args:
        words: that folder, `predictions/X/videos/NAME`, or `predictions/X` if it holds one video.

    Raises:
        UserError: there is no such folder, or it holds no video or several.
    """
    folder = Path(words)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(
            f"{shortened(folder)} {what}: give a folder that python -m tf_muscle.predict wrote of "
            "a video, such as predictions/X/videos/NAME"
        )
    if _holds_tables(folder):
        return folder
    videos = folder / "videos"
    found = sorted(filter(_holds_tables, videos.iterdir())) if videos.is_dir() else []
    if not found:
        raise UserError(
            f"{folder} holds no {TIMELINE} and no videos/NAME/{TIMELINE}: give a folder that "
            "python -m tf_muscle.predict wrote of a video, such as predictions/X/videos/NAME"
        )
    if len(found) > 1:
        raise UserError(
            f"{folder} holds {len(found)} videos ({listed([one.name for one in found])}): name "
            f"one of them, such as {found[0]}"
        )
    return found[0]


def _holds_tables(folder: Path) -> bool:
    return (folder / TIMELINE).exists() or (folder / REPETITIONS).exists()


def read_session(folder: Path) -> Session:
    """Reads a video's timeline.csv and repetitions.csv.

    Args:
        folder: of `find_session`.

    Raises:
        UserError: a file is missing, damaged or of another kind, or the two do not belong together.
    """
    timeline, table = folder / TIMELINE, folder / REPETITIONS
    columns, frames = read_rows(timeline, ("seconds",))
    muscles = [name.removesuffix(AREA) for name in columns if name.endswith(AREA)]
    signals = _signals(timeline, muscles, columns)
    if not frames:
        raise UserError(f"{timeline} has no frame: predict the video again")
    seconds = np.array([frame.number("seconds") for frame in frames])
    if np.any(np.diff(seconds) <= 0):
        line = int(np.argmax(np.diff(seconds) <= 0)) + 1
        raise UserError(
            f"{timeline}, line {frames[line].line}: the seconds do not increase: predict the video "
            "again"
        )
    _, rows = read_rows(table, COLUMNS)
    people = {row.text("person") for row in rows}
    if len(people) > 1:
        raise UserError(
            f"{table} has repetitions of several people ({listed(sorted(people))}): predict the "
            "video again for one of them, by --person"
        )
    by_signal = dict[tuple[str, str], list[SessionRepetition]]()
    for row in rows:
        key = (row.text("muscle"), row.text("side"))
        if key not in signals:
            raise UserError(
                f"{row.place}: {shortened(' '.join(key).strip())} is none of the muscles of "
                f"{TIMELINE}: the two files are of different videos, predict the video again"
            )
        by_signal.setdefault(key, []).append(_repetition(row, float(seconds[-1])))
    for muscle in muscles:
        _refuse_lost(folder, muscle, columns, frames[-1], by_signal)
    return Session(
        folder,
        rows[0].text("video") if rows else folder.resolve().name,
        rows[0].integer("person") if rows else None,
        seconds,
        tuple(
            SessionMuscle(
                *key,
                np.array([frame.share(column) for frame in frames]),
                tuple(by_signal.get(key, ())),
            )
            for key, column in signals.items()
        ),
    )


def _signals(path: Path, muscles: list[str], columns: dict[str, int]) -> dict[tuple[str, str], str]:
    """For each muscle and side the column of its relative area.

    A muscle has one such column, or one for each side. The first comes before the others, so that
    the column of a muscle "calf left" is not taken for that of the left calf.
    """
    left = [name for name in columns if name.endswith(RELATIVE)]
    found = dict[tuple[str, str], str]()
    for muscle in muscles:
        names = {f"{muscle}{f' {side}' if side else ''}{RELATIVE}": side for side in ("", *SIDES)}
        own = f"{muscle}{RELATIVE}"
        here = [name for name in left if name in names]
        here = [own] if own in here else here
        if not here:
            raise UserError(
                f"{path} has no column {shortened(own)}: it was written by an older version, "
                "predict the video again"
            )
        for name in here:
            found[muscle, names[name]] = name
            left.remove(name)
    if not found:
        raise UserError(
            f"{path} has no column that ends in{AREA}, so it is no timeline of "
            "python -m tf_muscle.predict: predict the video again"
        )
    return found


def _repetition(row: Row, last: float) -> SessionRepetition:
    start, end = row.number("start"), row.number("end")
    if not start <= end:
        raise UserError(f"{row.place}: it ends before it starts: predict the video again")
    if end > last + ROUNDING:
        raise UserError(
            f"{row.place}: it ends at {end:g} s, but {TIMELINE} ends at {last:g} s: one of the two "
            "files is cut off or of another video, predict the video again"
        )
    cut_off = row.text("cut_off")
    if cut_off not in CUT_OFF:
        raise UserError(
            f"{row.place}: cut_off is {shortened(cut_off)} and must be empty, start, end or both: "
            "predict the video again"
        )
    return SessionRepetition(
        start=start,
        end=end,
        whole=cut_off == "",
        duration=row.number("duration"),
        rise_time=row.number_or_none("rise_time"),
        fall_time=row.number_or_none("fall_time"),
        rest_before=row.number_or_none("rest_before"),
        peak_area_share=row.share("peak_area_share"),
        relative_area=row.share("relative_area"),
        area_under_curve=row.number("area_under_curve"),
        mean_probability=row.share("mean_probability"),
    )


def _refuse_lost(
    folder: Path,
    muscle: str,
    columns: dict[str, int],
    last: Row,
    by_signal: dict[tuple[str, str], list[SessionRepetition]],
) -> None:
    """Refuses a repetitions.csv that has lost rows, which the timeline has counted."""
    if f"{muscle}{COUNT}" not in columns:
        return
    counted = last.integer(f"{muscle}{COUNT}")
    most = max(len(by_signal.get((muscle, side), ())) for side in ("", *SIDES))
    if counted > most:
        raise UserError(
            f"{folder}: {TIMELINE} counts {counted} repetitions of {shortened(muscle)}, but "
            f"{REPETITIONS} has {most}: it is cut off or of another video, predict the video again"
        )
