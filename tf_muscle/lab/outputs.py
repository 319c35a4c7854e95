"""What a laboratory gets of a video: its signals in the formats asked for, and EMG beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Literal

from tf_muscle.atomic import replacing
from tf_muscle.errors import UserError, printable, refuse_missing
from tf_muscle.lab.beside_emg import BesideEmg, NoLagError, beside_emg
from tf_muscle.lab.c3d import write_c3d
from tf_muscle.lab.emg import EmgChannel, emg_channels, read_emg
from tf_muscle.lab.emg_figure import draw_beside_emg
from tf_muscle.lab.opensim import write_sto
from tf_muscle.lab.signals import VideoSignals
from tf_muscle.lab.sync_file import write_sync
from tf_muscle.lab.tables import write_csv, write_parquet

LabFormat = Literal["csv", "parquet", "sto", "c3d"]
WRITERS: dict[LabFormat, Callable[[Path, VideoSignals], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "sto": write_sto,
    "c3d": write_c3d,
}
PACKAGES: dict[LabFormat, str] = {"parquet": "pyarrow", "c3d": "ezc3d"}  # of the extra `lab`


@dataclass(frozen=True)
class LabOutputs:
    """What is written beside a video's timeline.

    Attributes:
        formats: of signals.csv, .parquet, .sto and .c3d.
        lag: seconds to add to the video's times; None if they are not known.
        emg: path of the EMG file; None without.
        channels: of its muscles.
    """

    formats: tuple[LabFormat, ...] = ()
    lag: float | None = None
    emg: Path | None = None
    channels: tuple[EmgChannel, ...] = ()

    @classmethod
    def of(
        cls,
        muscles: Sequence[str],
        *,
        formats: Sequence[LabFormat] = (),
        sync: Sequence[str] = (),
        emg_channel: Sequence[str] = (),
        emg_rate: float | None = None,
    ) -> "LabOutputs":
        """Reads the EMG and checks the options.

        Args:
            muscles: names of the model's.
            formats: see `WRITERS`.
            sync: seconds, an EMG file, or both.
            emg_channel: see `emg_channels`.
            emg_rate: see `read_emg`.

        Raises:
            UserError: an option is wrong, a package is missing, or the EMG cannot be used.
        """
        for one in formats:
            if one in PACKAGES:
                refuse_missing(f"--lab_formats {one}", "lab", [PACKAGES[one]])
        lags = [lag for word in sync if (lag := _number(word)) is not None]
        files = [Path(word).expanduser() for word in sync if _number(word) is None]
        if len(lags) > 1 or len(files) > 1:
            raise UserError(
                f"--sync takes seconds, an EMG file, or both, got {' '.join(sync)}: give one"
            )
        if not files and (emg_channel or emg_rate is not None):
            option = "emg_channel" if emg_channel else "emg_rate"
            raise UserError(f"--{option} needs an EMG file: add --sync EMG.csv")
        channels: tuple[EmgChannel, ...] = ()
        if files:
            channels = emg_channels(read_emg(files[0], emg_rate), muscles, emg_channel)
        return cls(
            tuple(dict.fromkeys(formats)),
            lags[0] if lags else None,
            files[0] if files else None,
            channels,
        )

    def write(self, folder: Path, video: VideoSignals) -> tuple[str, ...]:
        """Writes signals.*, and with --sync sync.json and emg.png.

        Args:
            folder: which exists.
            video: its signals, without a lag.

        Returns:
            Sentences for the user.
        """
        lag = self.lag
        notes: tuple[str, ...] = ()
        beside: BesideEmg | None = None
        if self.emg is not None:
            try:
                beside = beside_emg(video, self.channels, lag)
            except NoLagError as error:
                notes = (f"not compared with {printable(str(self.emg))}: {error}",)
            else:
                lag, notes = beside.video.lag, beside.notes
        if lag is not None or self.emg is not None:
            with replacing(folder / "sync.json") as path:
                write_sync(path, video.video, self.emg, beside, lag, "; ".join(notes))
        if beside is not None:
            title = printable(f"{Path(video.video).name} and {Path(str(self.emg)).name}")
            with replacing(folder / "emg.png") as path:
                draw_beside_emg(beside, path, title=title)
        for one in self.formats:
            with replacing(folder / f"signals.{one}") as path:
                WRITERS[one](path, replace(video, lag=lag))
        return (beside.told, *notes) if beside else notes


def _number(word: str) -> float | None:
    """A number of seconds; None for the name of a file.

    Raises:
        UserError: it is not finite.
    """
    try:
        value = float(word)
    except ValueError:
        return None
    if not isfinite(value):
        raise UserError(f"--sync must be seconds or an EMG file, got {word}: give a finite number")
    return value
