"""Tables and figures of a page in Markdown, and the same tables for a terminal."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table


def terminal_table(rows: Iterable[Sequence[str]]) -> Table:
    """A table for a terminal; the first row is the header."""
    header, *body = rows
    table = Table()
    for number, cell in enumerate(header):
        table.add_column(cell, justify="right" if number else "left")
    for row in body:
        table.add_row(*row)
    return table


def markdown_table(rows: Iterable[Sequence[str]], align: str = "---:") -> str:
    """A Markdown table; the first row is the header, `align` is for all columns but the first."""
    header, *body = rows
    rule = ["---", *(align for _ in header[1:])]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
        for row in (header, rule, *body)
    )


def figure_parts(folder: Path, captions: Mapping[str, str]) -> Iterator[str]:
    """The figures that are in the folder figures/ beside the page, each with its caption."""
    shown = [name for name in captions if (folder / name).exists()]
    if shown:
        yield "## Pictures"
    for name in shown:
        yield f"![{name.removesuffix('.png').replace('_', ' ')}](figures/{name})"
        yield captions[name]


def again(run: Path) -> str:
    """The command that trains a run's options anew, as a shell takes it."""
    config = shlex.quote(f"{run}/config.yaml")
    return f"```\npython -m tf_muscle.train --config {config} --run_name NEW_NAME\n```"


def named_values(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The header and the lines of a table of options."""
    yield "name", "value"
    for name, value in values.items():
        if isinstance(value, list):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "none" if value is None else str(value)
