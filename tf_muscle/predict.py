"""Masks for photos, videos and cameras: `python -m tf_muscle.predict MODEL SOURCE...`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.config import at_least, between
from tf_muscle.runs.folder import default_name


def main(argv: Sequence[str]) -> int:
    """The command: 0 if every source was read, 1 if some could not be."""
    parser = command_parser(
        "predict", "Mark the active muscles in photos and videos.", "MODEL SOURCE... "
    )
    parser.add_argument(
        "model", help="Run (runs/NAME), .keras file, or SavedModel folder (saved_models/NAME)."
    )
    parser.add_argument(
        "source", nargs="+", help="Photos, folders, globs, videos, or the number of a camera."
    )
    parser.add_argument(
        "--out", type=str | None, help="New folder; by default predictions/MODEL-TIME."
    )
    parser.add_argument(
        "--format",
        type=Literal["overlay", "mask", "both", "coco"],
        default="both",
        help="overlay: tinted photos; mask: photos with masks in Roboflow's layout; both; coco: "
        "photos with outlines. A video always gets an overlay; with mask and coco each of its "
        "frames is written as a photo, too.",
    )
    parser.add_argument(
        "--tta", action="store_true", help="Mean over four looks: two sizes, each mirrored, too."
    )
    parser.add_argument(
        "--threshold",
        type=float | None,
        help="Probability below which a pixel is no muscle; by default the likeliest class counts.",
    )
    parser.add_argument("--batch_size", type=int, default=8, help="Photos or frames at a time.")
    parser.add_argument(
        "--image_size",
        type=int | None,
        help="Longer side in pixels at which the model looks; by default what it was trained at.",
    )
    parser.add_argument(
        "--smooth",
        type=float,
        default=0.1,  # stream.SMOOTH, which --help is too quick to import
        help="Seconds over which a video's probabilities are averaged (time constant); 0: not.",
    )
    options = parse(parser, argv)
    at_least("batch_size", options["batch_size"], 1)
    at_least("smooth", options["smooth"], 0)
    if options["image_size"] is not None:
        at_least("image_size", options["image_size"], 32)
    if options["threshold"] is not None:
        between("threshold", options["threshold"], 0.0, 1.0)

    model = options["model"]
    out = Path(options["out"] or Path("predictions") / default_name(Path(model).resolve().stem))
    from tf_muscle.prediction.run_predict import predict_sources

    all_read = predict_sources(
        model,
        options["source"],
        out,
        options["format"],
        image_size=options["image_size"],
        batch_size=options["batch_size"],
        tta=options["tta"],
        threshold=options["threshold"],
        smooth=options["smooth"],
    )
    return 0 if all_read else 1


if __name__ == "__main__":
    sys.exit(run_command(main))
