"""Which frames to label next: `python -m tf_muscle.suggest MODEL SOURCE...`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tf_muscle.cluster.pieces import asked_cluster
from tf_muscle.command import add_cluster, command_parser, parse, run_command
from tf_muscle.errors import UserError, at_least
from tf_muscle.runs.folder import default_name


def main(argv: Sequence[str]) -> int:
    """The command: 0 if every source was read, 1 if some could not be."""
    parser = command_parser(
        "suggest",
        "Choose the photos and frames whose labels would teach a model most, and write them with "
        "their predicted masks, to be corrected.",
        "MODEL SOURCE... ",
    )
    parser.add_argument("model", help="Run (runs/NAME, with folds or without) or .keras file.")
    parser.add_argument(
        "source",
        nargs="+",
        help="Photos, folders, globs or videos, also in an object store (s3://BUCKET/NAME, "
        "gs://BUCKET/NAME).",
    )
    parser.add_argument(
        "--count", type=int, default=40, help="How many photos and frames to choose."
    )
    parser.add_argument(
        "--out", type=str, help="New folder for them. Without it, suggestions/MODEL-TIME."
    )
    parser.add_argument(
        "--format",
        type=Literal["mask", "coco"],
        default="mask",
        help="How masks are written. mask: as Roboflow's Semantic Segmentation Masks; coco: as "
        "outlines in Roboflow's COCO layout.",
    )
    parser.add_argument(
        "--every",
        type=float,
        default=0.5,
        help="Seconds from one frame of a video that is looked at to the next; 0 looks at every "
        "frame.",
    )
    parser.add_argument(
        "--data",
        type=str,
        help="Export with the photos that are labelled already. Without it, the one that the run "
        "was trained on.",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=8,
        help="Photos or frames that are predicted at a time. Fewer need less memory.",
    )
    add_cluster(parser)
    options = parse(parser, argv)
    cluster = asked_cluster(options)
    at_least("count", options["count"], 1)
    at_least("every", options["every"], 0)
    at_least("batch_size", options["batch_size"], 1)
    model = options["model"]
    out = Path(options["out"] or Path("suggestions") / default_name(Path(model).resolve().stem))
    from tf_muscle.labelling.run_suggest import suggest_from_sources
    from tf_muscle.prediction.addresses import is_address

    if options["out"] and is_address(options["out"]):
        raise UserError(
            f"--out {options['out']}: suggestions are written to a folder of this machine: give "
            "one, and copy it from there"
        )
    return suggest_from_sources(
        model,
        options["source"],
        out,
        count=options["count"],
        every=options["every"],
        output_format=options["format"],
        data=options["data"],
        batch_size=options["batch_size"],
        cluster=cluster,
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
