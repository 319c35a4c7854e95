"""Sentences for the user, as they are: told at once, or kept by a worker that nobody looks at."""

import io
from typing import IO

from rich.console import Console
from rich.progress import Progress


def sentence_console(file: IO[str] | None = None) -> Console:
    """A console that neither wraps nor colours what is printed; on stderr without a file."""
    return Console(file=file, stderr=file is None, soft_wrap=True, markup=False, highlight=False)


class KeptSentences:
    """A bar that is not shown, whose console keeps what is printed.

    Attributes:
        progress: the bar.
    """

    def __init__(self) -> None:
        self._text = io.StringIO()
        self.progress = Progress(console=sentence_console(self._text), disable=True)

    @property
    def kept(self) -> tuple[str, ...]:
        return tuple(self._text.getvalue().splitlines())
