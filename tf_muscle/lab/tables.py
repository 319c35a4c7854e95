"""A video's signals as a tidy table: one value a row, in CSV or Parquet."""

from pathlib import Path

import numpy as np

from tf_muscle.lab.signals import UNIT, VideoSignals
from tf_muscle.report.csv_file import csv_writer

COLUMNS = ("video", "time", "lab_time", "person", "muscle", "side", "variable", "value", "unit")


def write_csv(path: Path, video: VideoSignals) -> None:
    """Writes the table as CSV, UTF-8; an empty cell where there is no value.

    Args:
        path: the file.
        video: with N frames and C channels; the table has N times C rows.
    """
    times = [f"{second:.4f}" for second in video.seconds]
    lab_times = [""] * len(times) if video.lag is None else [f"{one:.4f}" for one in video.clock]
    with csv_writer(path, COLUMNS) as write_row:
        for channel in video.channels:
            signal = channel.signal
            before = (video.person, signal.muscle, signal.side, channel.variable)
            for time, lab_time, value in zip(times, lab_times, channel.values, strict=True):
                shown = "" if np.isnan(value) else f"{value:.6f}"
                write_row((video.video, time, lab_time, *before, shown, UNIT))


def write_parquet(path: Path, video: VideoSignals) -> None:
    """Writes the same table as Parquet; null where there is no value.

    Args:
        path: the file.
        video: with N frames and C channels; the table has N times C rows.
    """
    import pyarrow as pa  # of the extra `lab`
    from pyarrow import parquet

    channels = list(video.channels)
    count = len(video.seconds)
    lab_times = video.clock if video.lag is not None else np.full(count, np.nan)

    def numbers(values: np.ndarray) -> pa.Array:
        return pa.array(values, pa.float64(), from_pandas=True)  # NaN becomes null

    def texts(values: list[str]) -> pa.Array:
        """A text for each channel, repeated for its frames."""
        shown = [one.encode("utf-8", "backslashreplace").decode() for one in values]
        index = pa.array(np.repeat(np.arange(len(channels), dtype=np.int32), count))
        return pa.DictionaryArray.from_arrays(index, pa.array(shown, pa.string()))

    columns = (
        texts([video.video] * len(channels)),
        numbers(np.tile(video.seconds, len(channels))),
        numbers(np.tile(lab_times, len(channels))),
        pa.array(np.full(count * len(channels), video.person, np.int32)),
        texts([one.signal.muscle for one in channels]),
        texts([one.signal.side for one in channels]),
        texts([one.variable for one in channels]),
        numbers(np.concatenate([one.values for one in channels])),
        texts([UNIT] * len(channels)),
    )
    parquet.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))), path)
