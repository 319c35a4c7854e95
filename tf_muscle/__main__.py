"""One command for all of them: `tf-muscle train|evaluate|export ...`."""

import importlib
import sys

from tf_muscle import __version__
from tf_muscle.command import run_command

# Command -> module; `python -m tf_muscle.train` is the same as `tf-muscle train`.
COMMANDS = {
    "train": "tf_muscle.train",
    "evaluate": "tf_muscle.evaluate",
    "predict": "tf_muscle.predict",
    "compare": "tf_muscle.compare",
    "demo": "tf_muscle.demo",
    "export": "tf_muscle.export",
    "inspect": "tf_muscle.inspect",
    "suggest": "tf_muscle.suggest",
    "review": "tf_muscle.review",
    "reproduce": "tf_muscle.reproduce",
    "tune": "tf_muscle.tuner.__main__",
}
USAGE = f"""usage: tf-muscle {"|".join(COMMANDS)} [options]

tf-muscle COMMAND --help lists its options."""


def main() -> int:
    """Hands the words after the command to the command's module."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        print(f"tf-muscle {__version__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"error: {words[0]} is no command of tf-muscle\n{USAGE}", file=sys.stderr)
        return 2
    return run_command(importlib.import_module(COMMANDS[words[0]]).main, words[1:])


if __name__ == "__main__":
    sys.exit(main())
