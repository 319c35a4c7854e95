"""Scores a trained model, or two: `python -m tf_muscle.evaluate RUN [--against OTHER_RUN]`.

With --calibrate, chooses how its probabilities become masks.
"""

import sys
from collections.abc import Sequence
from typing import Literal

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.errors import UserError, at_least
from tf_muscle.runs.folder import find_run


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = command_parser(
        "evaluate", "Score a trained model on a split of its own or other data.", "RUN "
    )
    parser.add_argument("run", help="Folder of a finished run, such as runs/NAME.")
    parser.add_argument(
        "--against",
        type=str,
        help="Other finished run with the same classes, to tell which of the two is better on the "
        "same photos, and by how much.",
    )
    parser.add_argument(
        "--data",
        type=str,
        help="Other export to score the model on, a folder or a .zip with the same classes. "
        "Without it, the run's own.",
    )
    parser.add_argument(
        "--split",
        type=Literal["train", "valid", "test"],
        help="Photos to score. Without it, test, or the only split that --data has.",
    )
    parser.add_argument(
        "--allow_leakage",
        type=bool,
        nargs="?",
        const=True,
        default=False,
        help="Go on although copies of one photo are in two splits, which makes the scores better "
        "than the model is.",
    )
    parser.add_argument(
        "--ignore",
        type=int,
        help="Mask value of pixels that nobody labelled, such as 255, or the id of the COCO "
        "category that marks them. Without it, the run's own.",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=16,
        help="Photos that are predicted at a time. Fewer need less memory; the scores stay.",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="Choose temperature, test-time augmentation, thresholds and smallest area on the "
        "run's validation photos, score them on its test photos, and keep them in the run as "
        "calibration.json, which predict, demo and export use. --data then tells where the run's "
        "own export was moved to.",
    )
    options = parse(parser, argv)
    at_least("batch_size", options["batch_size"], 1)
    run, against = find_run(options.pop("run")), options.pop("against")
    if options.pop("calibrate"):
        where, batch_size = options.pop("data"), options.pop("batch_size")
        for name, value in {"against": against, **options}.items():
            if value:
                raise UserError(
                    f"--{name} has no meaning with --calibrate, which takes the run's validation "
                    "photos as it was trained: leave it out"
                )
        from tf_muscle.training.calibrate import calibrate

        calibrate(run, where, batch_size=batch_size)
        print(f"written to {run.calibration}")
        return 0
    if against:
        other = find_run(against)
        from tf_muscle.training.comparison import compare

        path = compare(run, other, **options).path
    else:
        from tf_muscle.training.evaluation import evaluate

        path = evaluate(run, **options).path
    print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
