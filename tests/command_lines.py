"""The command lines that users are shown in README.md and docs/, as words for a command."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "datasets/*/README.md", "saved_models/*.md")
# `python -m package.command words` or `tf-muscle command words`, behind variables and a prompt.
COMMAND = re.compile(
    r"(?:\$ )?(?:[A-Z_]+=\S+ +)*(?:\S*/)?(?:python3? -m (?P<module>[\w.]+)|tf-muscle(?= |$))"
    r"(?P<words>.*)"
)


@dataclass(frozen=True)
class CommandLine:
    """One command line as it stands on a page."""

    page: str
    module: str
    """Such as tf_muscle.train, or "tf-muscle"."""
    words: str
    """What follows, on one line."""


def shown_command_lines() -> list[CommandLine]:
    """Those in fenced blocks, and those between backticks in the text, of every page."""
    found = []
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            for line in (*fenced_lines(text), *spans(text)):
                if match := COMMAND.fullmatch(line):
                    page = path.relative_to(ROOT).as_posix()
                    module = match["module"] or "tf-muscle"
                    found.append(CommandLine(page, module, match["words"].strip()))
    return found


def fenced_lines(text: str) -> Iterator[str]:
    """Lines of fenced blocks without their comments; an indented line continues the one before."""
    for block in re.findall(r"^```(?:sh|console|text)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        joined = re.sub(r"\s*\\?\n[ \t]+", " ", block)
        for line in joined.splitlines():
            yield re.sub(r"\s{2,}#.*", "", line).strip()


def spans(text: str) -> Iterator[str]:
    """Code between single backticks, which may go over the end of a line."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`]+)`", prose):
        yield " ".join(span.split()).replace("\\|", "|")


def argument_lists(words: str) -> list[list[str]]:
    """The words as an argv, one for each alternative in `--format mask|coco`.

    Brackets around what may be left out are taken away, and so is what stands for more of the same:
    `[options]`, `...`.
    """
    words = re.sub(r"\[(options|=flags)\]", "", words)
    plain = re.sub(r"[\[\]]", " ", words).replace("...", " ")
    given = shlex.split(plain)
    most = max((word.count("|") for word in given), default=0)
    return [
        [parts[min(i, len(parts) - 1)] for parts in (word.split("|") for word in given)]
        for i in range(most + 1)
    ]
