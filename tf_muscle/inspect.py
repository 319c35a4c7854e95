"""Looks an export over before anything is trained on it: `python -m tf_muscle.inspect EXPORT`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tf_muscle.cluster.pieces import asked_cluster
from tf_muscle.command import add_cluster, command_parser, parse, run_command
from tf_muscle.runs.folder import default_name


def main(argv: Sequence[str]) -> int:
    """The command: 0 if nothing but notes was found, 1 if errors or warnings were."""
    parser = command_parser(
        "inspect", "Look an export over before training on it: one HTML page, one JSON.", "EXPORT "
    )
    parser.add_argument(
        "export", help='Folder or .zip that Roboflow served, or "sample" for the bundled photos.'
    )
    parser.add_argument(
        "--out",
        type=str,
        help="New folder for the page and the JSON. Without it, inspections/NAME-TIME.",
    )
    parser.add_argument(
        "--resplit",
        type=str,
        help="New folder for a copy of the export, split anew so that copies of a photo and frames "
        "of a video stay in one split.",
    )
    parser.add_argument(
        "--split_seed",
        type=int,
        default=0,
        help="Number that decides which photos go to which split, in --resplit and where the "
        "export lacks a split. Give the number that the training will have.",
    )
    parser.add_argument(
        "--groups",
        type=str,
        help="What --resplit keeps together in place of what looks alike, such as a person, a "
        "session or a video: a .csv file with a file name and its group in each line, or a regular "
        "expression whose first group, or whole match, in the file name is the group.",
    )
    parser.add_argument(
        "--ignore",
        type=int,
        help="Value of mask pixels that nobody labelled, such as 255, or the id of the COCO "
        "category that marks them. They are left out of the statistics.",
    )
    add_cluster(parser)
    options = parse(parser, argv)
    cluster = asked_cluster(options)
    data = options["export"]
    name = Path(data).resolve().name.removesuffix(".zip")
    out = Path(options["out"] or Path("inspections") / default_name(name))
    resplit = Path(options["resplit"]) if options["resplit"] else None
    from tf_muscle.inspection.inspection import inspect_export

    findings = inspect_export(
        data, out, resplit, options["split_seed"], options["ignore"], options["groups"], cluster
    )
    for finding in findings:
        print(f"{finding.severity}: {finding.sentence}")
    print(f"written to {out / 'inspection.html'}")
    return int(any(finding.severity != "note" for finding in findings))


if __name__ == "__main__":
    sys.exit(run_command(main))
