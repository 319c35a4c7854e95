"""Checks a run, trains it again and compares: `python -m tf_muscle.reproduce RUN`."""

import sys
from collections.abc import Sequence

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.options import RunConfig
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> int:
    """The command: 0 if everything agrees, else 1."""
    parser = command_parser("reproduce", "Check a finished run, train it again, compare.", "RUN ")
    parser.add_argument("run", help="Folder of a finished run, such as runs/NAME.")
    parser.add_argument(
        "--check_only",
        action="store_true",
        help="Compare the run's files and photos with what it recorded, and train nothing.",
    )
    parser.add_argument(
        "--data",
        type=str,
        help="Where the run's export lies now. Without it, where it lay during the training.",
    )
    parser.add_argument(
        "--run_name",
        type=str,
        help="Name of the new run, whose folder is made beside the old one's. Without it, the old "
        "name with -again and the time.",
    )
    parser.add_argument(
        "--against", type=str, help="Compare with this finished run, and train nothing."
    )
    options = parse(parser, argv)
    RunConfig(run_name=options["run_name"])  # refuses what is no plain name
    run = find_run(options.pop("run"))
    from tf_muscle.training.reproduction import reproduce

    return 0 if reproduce(run, **options) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
