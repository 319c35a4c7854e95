"""Two sessions of a person side by side: `python -m tf_muscle.compare A B`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.errors import printable
from tf_muscle.runs.folder import default_name

LONGEST = 80  # bytes of each name in the default folder's; file systems take 255


def main(argv: Sequence[str]) -> int:
    """The command: one page and two tables."""
    parser = command_parser(
        "compare",
        "Compare the repetitions of two videos that were predicted: mean curves, differences with "
        "intervals, one page. Two models are compared by python -m tf_muscle.evaluate RUN "
        "--against RUN.",
        "A B ",
    )
    what = "what predict wrote of a video: predictions/X/videos/NAME, or predictions/X if it holds "
    parser.add_argument("a", help=f"The first session, {what}one video.")
    parser.add_argument("b", help=f"The second session, {what}one video. Differences are B - A.")
    parser.add_argument(
        "--out", type=str, help="New folder for the results. Without it, comparisons/A-B-TIME."
    )
    options = parse(parser, argv)
    a, b = options["a"], options["b"]
    out = Path(options["out"] or Path("comparisons") / default_name(f"{_name(a)}-{_name(b)}"))
    from tf_muscle.lab.comparison_folder import write_comparison

    found = write_comparison(a, b, out)
    for one in found.muscles:
        counts = f"{len(one.curves_a)} and {len(one.curves_b)} whole repetitions"
        print(printable(f"{one.name}: {counts}"))
        for note in one.notes:
            print(printable(f"  {note}"))
    if found.idle:
        print(printable(f"no whole repetition in either: {'; '.join(found.idle)}"))
    print(f"written to {out / 'index.html'}")
    return 0


def _name(session: str) -> str:
    """The last part of a path, no longer than `LONGEST` bytes."""
    name = Path(session).resolve().name
    return name.encode("utf-8", "surrogateescape")[:LONGEST].decode("utf-8", "ignore")


if __name__ == "__main__":
    sys.exit(run_command(main))
