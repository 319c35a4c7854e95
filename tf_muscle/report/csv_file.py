"""CSV files that are written row by row."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WriteRow = Callable[[Iterable[object]], object]


@contextmanager
def csv_writer(path: Path, columns: Sequence[str]) -> Iterator[WriteRow]:
    """Begins a CSV file with a header, UTF-8; what is not Unicode in a file's name is escaped.

    Yields:
        Writes a row.
    """
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer.writerow
