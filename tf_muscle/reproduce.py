"""Checks a run, trains it again and compares: `python -m tf_muscle.reproduce RUN`."""

import sys
from collections.abc import Sequence

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> int:
    """The command: 0 if everything agrees, else 1."""
    parser = command_parser("reproduce", "Check a finished run, train it again, compare.", "RUN ")
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument("--check_only", action="store_true", help="Train nothing.")
    parser.add_argument("--data", type=str | None, help="The run's export, if it lies elsewhere.")
    parser.add_argument("--run_name", type=str | None, help="Of the new run, beside the old one.")
    parser.add_argument(
        "--against", type=str | None, help="Compare with this finished run; train nothing."
    )
    options = parse(parser, argv)
    run = find_run(options.pop("run"))
    from tf_muscle.training.reproduction import reproduce

    return 0 if reproduce(run, **options) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
