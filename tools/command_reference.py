"""What each command answers to --help, as a page: `python tools/command_reference.py FILE.md`."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tf_muscle.__main__ import COMMANDS

WIDE = 4000  # columns, so that the help of an option is one line
# An option and its help, on one line or on two; what they are about stands at the left.
OPTION = re.compile(r"^ {2}(\S.*?)(?: {2,}(\S.*)|\n {3,}(\S.*))?$", re.MULTILINE)
HEADING = re.compile(r"^(\S.*):\n(?= )", re.MULTILINE)

HEAD = """# Commands

What each command answers to `--help`, written when this site was built. `tf-muscle COMMAND` is the
same as `python -m` with the command's module.
"""


def main(page: Path) -> None:
    """Writes the page anew."""
    parts = [HEAD]
    parts += [f"## {command}\n\n{markdown(help_of(COMMANDS[command]))}" for command in COMMANDS]
    page.write_text("\n".join(parts), encoding="utf-8")


def help_of(module: str) -> str:
    """What a command's module prints for --help, in `WIDE` columns and without colours."""
    environment = os.environ | {"COLUMNS": str(WIDE), "NO_COLOR": "1"}
    words = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip().replace(" \b", "")  # jsonargparse takes a blank back by a backspace


def markdown(help_text: str) -> str:
    """A help text as headings, paragraphs and a list of its options."""
    usage, description, *groups = help_text.split("\n\n")
    parts = [f"```text\n{usage.removeprefix('usage: ')}\n```", escaped(description)]
    for group in groups:
        if heading := HEADING.match(group):
            parts.append(f"**{escaped(heading[1].strip())}**")
        options = OPTION.findall(group)
        parts += [f"`{option}`\n:   {escaped(one or two)}" for option, one, two in options]
        if not options:
            parts.append(escaped(group))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which Markdown finds no markup."""
    return re.sub(r"([\\`*_\[\]])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
