"""Writes docs/reference/commands.md, what each command answers to --help, for `make docs`."""

import os
import subprocess
import sys
from pathlib import Path

from tf_muscle.__main__ import COMMANDS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
COLUMNS = 80

HEAD = """# Commands

What each command answers to `--help`, written when this site was built. `tf-muscle COMMAND` is the same as
`python -m` with the command's module.
"""


def main() -> None:
    """Writes the page anew."""
    parts = [HEAD]
    for command in COMMANDS:
        parts.append(f"## {command}\n\n```text\n{help_of(COMMANDS[command])}\n```\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def help_of(module: str) -> str:
    """What a command's module prints for --help, in `COLUMNS` columns and without colours."""
    environment = os.environ | {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    words = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
