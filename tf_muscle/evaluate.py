"""Scores a trained model: `python -m tf_muscle.evaluate RUN [--data EXPORT] [--split test]`."""

import sys
from collections.abc import Sequence

from tf_muscle.command import command_parser, parse, run_command, with_values
from tf_muscle.errors import UserError
from tf_muscle.roboflow.records import SPLITS
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> None:
    """The command."""
    parser = command_parser(
        "evaluate", "Score a trained model on a split of its own or other data.", "RUN "
    )
    parser.add_argument("run", help="Folder of the run, such as runs/NAME.")
    parser.add_argument("--data", type=str | None, help="Other export; by default the run's own.")
    parser.add_argument(
        "--split",
        type=str | None,
        help="train, valid or test; by default test, or the one split that --data has.",
    )
    parser.add_argument("--allow_leakage", type=bool, default=False, help="As in training.")
    parser.add_argument("--batch_size", type=int, default=16, help="Photos at a time.")
    options = parse(parser, with_values(argv))
    if options["split"] not in (None, *SPLITS):
        raise UserError(f"--split must be train, valid or test, got {options['split']}")
    run = find_run(options.pop("run"))
    from tf_muscle.training.evaluation import evaluate

    scores = evaluate(run, **options)
    print(f"written to {scores.path}")


if __name__ == "__main__":
    sys.exit(run_command(main))
