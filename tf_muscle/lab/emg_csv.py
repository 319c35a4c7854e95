"""EMG out of CSV files, whose columns are channels."""

import csv
import re
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from tf_muscle.errors import UserError, listed, shortened
from tf_muscle.lab.recording import Recording

BLOCK = 10_000  # rows that are converted together
GAPS = ("", "nan", "na", "n/a", "null", "none", "-")  # cells without a value
MICRO = ("us", "µs", "μs", "microsecond", "microseconds")  # with both letters mu
MILLI = ("ms", "msec", "millisecond", "milliseconds")
TIME = re.compile(
    r"(?:time|timestamp|t|seconds?|secs?)[ _]*[\[(]?"
    rf"(?P<unit>s|secs?|seconds?|{'|'.join((*MILLI, *MICRO))})?[\])]?"
)
WITH_UNIT = re.compile(r"(?P<name>.*\S)\s*[\[(](?P<unit>[^\[\]()]+)[\])]")


@dataclass(eq=False)
class _Column:
    """The cells of a column.

    Attributes:
        name: as the header has it.
        values: a number for each row, NaN where there is none.
        numbers: how many cells are numbers.
        others: how many are neither number nor gap.
        fault: the first of those, with its line.
    """

    name: str
    values: array = field(default_factory=lambda: array("d"))  # 8 bytes a number, a list 32
    numbers: int = 0
    others: int = 0
    fault: str = ""

    @property
    def numeric(self) -> bool:
        return self.numbers > self.others

    def add(self, cells: Sequence[str], lines: Sequence[int], comma: bool) -> None:
        """Adds cells with their lines; `comma` says that one in them may be decimal."""
        texts = [cell.replace(",", ".") for cell in cells] if comma else cells
        with suppress(ValueError):
            numbers = np.array(texts, float)  # in one go, as nearly all can be read
            if np.isfinite(numbers).all():
                self.values.extend(numbers.tolist())
                self.numbers += len(numbers)
                return
        for line, text in zip(lines, texts, strict=True):
            self.values.append(self._number(text.strip(), line))

    def _number(self, text: str, line: int) -> float:
        value = np.nan
        if text.casefold() not in GAPS:
            with suppress(ValueError):
                value = float(text)
            if np.isfinite(value):
                self.numbers += 1
            else:
                value = np.nan
                self.others += 1
                self.fault = self.fault or f'line {line} has "{shortened(text)}"'
        return value


def read_csv(path: Path, rate: float | None = None) -> Recording:
    """Reads a table with one header line; commas, semicolons or tabs between the cells.

    With semicolons and tabs, decimal commas are understood. The times are the column called `time`,
    `t` or `seconds`, in seconds unless the name has another unit, as in `time (ms)`. A column in
    which most cells are text is no channel.

    Args:
        path: the file, UTF-8.
        rate: samples a second; then the first sample is at 0 and a column of times is not used.

    Raises:
        UserError: the file cannot be read as such a table, or its times do not increase.
    """
    try:
        # A byte order mark, which Excel writes, is no part of the first name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(filter(str.strip, file), "")
            delimiter = next((one for one in ";\t" if one in first), ",")
            file.seek(0)
            columns = _columns(path, csv.reader(file, delimiter=delimiter), delimiter != ",")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path} cannot be read as CSV ({error}): export it again") from error
    times = [one for one in columns if one.numeric and TIME.fullmatch(one.name.casefold())]
    channels = [one for one in columns if one.numeric and one not in times]
    if not channels:
        raise UserError(f"{path} has no column of numbers besides the times: export the EMG, too")
    count = len(channels[0].values)
    parts = [WITH_UNIT.fullmatch(one.name) for one in channels]
    return Recording(
        path,
        _seconds(path, columns, times) if rate is None else np.arange(count) / rate,
        tuple(p["name"] if p else one.name for p, one in zip(parts, channels, strict=True)),
        tuple(p["unit"] if p else "" for p in parts),
        np.column_stack([one.values for one in channels]),
        tuple(one.fault for one in channels),
    )


def _columns(path: Path, rows: Iterable[list[str]], comma: bool) -> list[_Column]:
    """The columns of a table; `comma` says that it may be a decimal one."""
    numbered = ((line, row) for line, row in enumerate(rows, start=1) if any(map(str.strip, row)))
    _, names = next(numbered, (1, []))
    columns = [_Column(cell.strip() or f"column {i}") for i, cell in enumerate(names, start=1)]
    while block := list(islice(numbered, BLOCK)):
        for line, row in block:
            if len(row) < len(columns) or any(map(str.strip, row[len(columns) :])):
                raise UserError(
                    f"{path}: line {line} has {len(row)} cells, the header {len(columns)}: export "
                    "it again, with semicolons between the cells if numbers have decimal commas"
                )
        lines = [line for line, _ in block]
        # Rows may be longer, by blank cells.
        cells = zip(*(row[: len(columns)] for _, row in block), strict=True)
        for column, own in zip(columns, cells, strict=True):
            column.add(own, lines, comma)
    if not columns or not columns[0].values:
        raise UserError(f"{path} has no rows below its header: give a table of samples")
    header = _Column("")
    header.add(names, [1] * len(names), comma)
    if header.numbers and not header.others:
        raise UserError(f"{path} has numbers in its first line: name the columns there")
    return columns


def _seconds(path: Path, columns: Sequence[_Column], times: Sequence[_Column]) -> np.ndarray:
    """The times of the samples, float [N], in seconds."""
    rate = "give the samples a second by --emg_rate HZ"
    found = listed([one.name for one in times or columns])
    if not times:
        raise UserError(
            f'{path} has no column of times among {found}: call one "time (s)", or {rate}'
        )
    if len(times) > 1:
        raise UserError(f"{path} has several columns of times {found}: keep one of them, or {rate}")
    (time,) = times
    match = TIME.fullmatch(time.name.casefold())
    unit = (match["unit"] if match else "") or "s"
    scale = 1e-6 if unit in MICRO else 1e-3 if unit in MILLI else 1.0
    seconds = scale * np.array(time.values)
    wrong = np.flatnonzero(~np.isfinite(seconds) | (np.diff(seconds, prepend=-np.inf) <= 0))
    if len(wrong):
        raise UserError(
            f"{path}: sample {wrong[0] + 1} has no time, or none after the one before it, in "
            f'"{time.name}": mend it, or {rate}'
        )
    return seconds
