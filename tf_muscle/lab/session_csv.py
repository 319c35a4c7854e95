"""A CSV file of `predict`, row by row, with errors that name the file, the line and the column."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tf_muscle.errors import UserError, listed, one_line, shortened


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        path: the file.
        line: of the file, from 1; of the row's end, where a name has line ends.
        columns: the place of each column by its name.
        cells: as many as there are columns.
    """

    path: Path
    line: int
    columns: dict[str, int]
    cells: Sequence[str]

    @property
    def place(self) -> str:
        """Such as "repetitions.csv, line 3"."""
        return f"{self.path}, line {self.line}"

    def text(self, column: str) -> str:
        """What a cell holds."""
        return self.cells[self.columns[column]]

    def number(self, column: str) -> float:
        """A finite number.

        Raises:
            UserError: the cell holds none.
        """
        text = self.text(column)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._wrong(column, "no finite number")
        return value

    def number_or_none(self, column: str) -> float | None:
        """A finite number, or None for an empty cell.

        Raises:
            UserError: the cell holds something else.
        """
        return self.number(column) if self.text(column) else None

    def share(self, column: str) -> float:
        """A number from 0 to 1.

        Raises:
            UserError: the cell holds something else.
        """
        value = self.number(column)
        if not 0 <= value <= 1:
            raise self._wrong(column, "not from 0 to 1")
        return value

    def integer(self, column: str) -> int:
        """A whole number.

        Raises:
            UserError: the cell holds none.
        """
        value = self.number(column)
        if value != int(value):
            raise self._wrong(column, "no whole number")
        return int(value)

    def _wrong(self, column: str, what: str) -> UserError:
        held = shortened(self.text(column)) or "empty"
        return UserError(
            f"{self.place}: {shortened(column)} is {held}, {what}: predict the video again"
        )


def read_rows(path: Path, needed: Sequence[str]) -> tuple[dict[str, int], list[Row]]:
    """Reads a file whose first row names the columns.

    Args:
        path: the file, UTF-8.
        needed: columns that it has to have; it may have others.

    Returns:
        The place of each column by its name, and the rows.

    Raises:
        UserError: it is missing, empty, no CSV, lacks a column or has one twice, or a row has
            more or fewer cells.
    """
    columns = dict[str, int]()
    rows = list[Row]()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            columns = {name: place for place, name in enumerate(header)}
            missing = [name for name in needed if name not in columns]
            twice = [name for name in columns if header.count(name) > 1]
            if twice:
                raise UserError(
                    f"{path} has several columns called {listed(twice)}, so nothing tells them "
                    "apart: give the classes other names, or leave one column"
                )
            if not header or missing:
                what = f"lacks the columns {listed(missing)}" if header else "is empty"
                raise UserError(
                    f"{path} {what}: it is not as python -m tf_muscle.predict wrote it, predict "
                    "the video again"
                )
            for cells in reader:
                if len(cells) != len(header):
                    raise UserError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells instead of "
                        f"{len(header)}, so the file is cut off or damaged: predict the video again"
                    )
                rows.append(Row(path, reader.line_num, columns, cells))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: predict the video again") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path} cannot be read as a table in UTF-8 ({one_line(error)}): predict the video "
            "again"
        ) from error
    return columns, rows
