"""Results of the benchmarks as a table on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def cell(value: object) -> str:
    """Three digits of a number, anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints rows of equal keys; lists, which are for the JSON, are left out."""
    table = Table(title=title)
    columns = [name for name, value in rows[0].items() if not isinstance(value, list)]
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(cell(row[name]) for name in columns))
    Console(width=160).print(table)
