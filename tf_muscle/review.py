"""Which masks of a run's export are doubtful: `python -m tf_muscle.review RUN`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.errors import at_least, printable
from tf_muscle.runs.folder import default_name, find_run


def main(argv: Sequence[str]) -> int:
    """The command: 0 if every photo was reviewed, 1 if some had to be skipped."""
    parser = command_parser(
        "review",
        "Rank a run's photos by how doubtful their masks are: one page, one table, and the photos "
        "to correct.",
        "RUN ",
    )
    parser.add_argument(
        "run",
        help="Folder of a finished run, such as runs/NAME, best one that was trained with --folds.",
    )
    parser.add_argument(
        "--data", type=str, help="Where the run's export lies now, if it was moved."
    )
    parser.add_argument(
        "--out", type=str, help="New folder for the results. Without it, reviews/RUN-TIME."
    )
    parser.add_argument(
        "--count",
        type=int,
        default=40,
        help="Photos, the most doubtful ones, on the page and in the export to correct.",
    )
    options = parse(parser, argv)
    count = options["count"]
    at_least("count", count, 1)
    run = find_run(options["run"])
    out = Path(options["out"] or Path("reviews") / default_name(run.path.resolve().name))
    from tf_muscle.labelling.review import review

    found = review(run, out, options["data"], count)
    for name, why in found.skipped.items():
        print(f"skipped {printable(f'{name}: {why}')}", file=sys.stderr)
    doubtful = len(found.photos)
    print(f"{found.reviewed} masks reviewed, {doubtful} disagree somewhere with the prediction")
    if doubtful < count:
        print(f"these are fewer than the {count} of --count, so all of them are to be looked at")
    print(f"written to {out / 'index.html'}")
    return int(bool(found.skipped))


if __name__ == "__main__":
    sys.exit(run_command(main))
