"""What a written HTML page holds, read by Python's own parser."""

from html.parser import HTMLParser
from pathlib import Path

ADDRESSES = ("src", "href", "data", "action")


class PageContent(HTMLParser):
    """A page.

    Attributes:
        tags: of its elements, in order.
        attributes: names and values of all.
        pieces: what is between the tags.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.pieces: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    @property
    def addresses(self) -> list[str]:
        """What it would load or lead to."""
        return [value or "" for name, value in self.attributes if name in ADDRESSES]

    @property
    def text(self) -> str:
        """What is between the tags, with its line ends."""
        return "".join(self.pieces)

    @property
    def words(self) -> str:
        """What a reader sees: single spaces between the words."""
        return " ".join(" ".join(self.pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
