"""Masks for photos, videos and cameras: `python -m tf_muscle.predict [MODEL] SOURCE...`."""

import sys
from collections.abc import Sequence
from typing import Literal

from tf_muscle.cluster.pieces import asked_cluster
from tf_muscle.command import (
    add_cluster,
    add_no_calibration,
    command_parser,
    parse,
    run_command,
)
from tf_muscle.errors import at_least, between


def main(argv: Sequence[str]) -> int:
    """The command: 0 if every source was read, 1 if some could not be."""
    parser = command_parser(
        "predict", "Mark the active muscles in photos and videos.", "[MODEL] SOURCE... "
    )
    parser.add_argument(
        "source",
        nargs="+",
        help="First the model: a run (runs/NAME), a .keras or .tflite file, a SavedModel folder "
        "(saved_models/NAME), or one on the Hugging Face Hub (hf://USER/NAME). Without one, the "
        "model in the package, which has seen rendered figures only. Then photos, folders, globs, "
        "videos, also in an object store (s3://BUCKET/NAME, gs://BUCKET/NAME), or the number of a "
        "camera.",
    )
    parser.add_argument(
        "--out",
        type=str,
        help="New folder for the results, also in an object store (s3://BUCKET/NAME). Without it, "
        "predictions/MODEL-TIME.",
    )
    parser.add_argument(
        "--format",
        type=Literal["overlay", "mask", "both", "coco"],
        default="both",
        help="What is written for a photo. overlay: the photo with its muscles tinted; mask: photo "
        "and mask in Roboflow's layout; both: overlay and mask; coco: photo and outlines in "
        "Roboflow's COCO layout. A video always gets an overlay; with mask and coco, each of its "
        "frames is written as a photo, too.",
    )
    parser.add_argument(
        "--tta",
        type=Literal["none", "mirror", "mirror_scale"],
        nargs="?",
        const="mirror",
        help="Test-time augmentation, which takes longer. mirror, or --tta alone: the mean of the "
        "predictions of the photo and of its mirror image; mirror_scale: of both at two sizes, for "
        "a model trained with --zoom; none: of the photo alone. Without it, the run's calibration "
        "decides.",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="Probability, 0 to 1, from which on a pixel is of its likeliest muscle. Without it, "
        "the run's calibration decides, else a pixel is of its likeliest class.",
    )
    add_no_calibration(parser)
    parser.add_argument(
        "--batch_size",
        type=int,
        default=8,
        help="Photos or frames that are predicted at a time. Fewer need less memory.",
    )
    parser.add_argument(
        "--image_size",
        type=int,
        help="Longer side, in pixels, at which the model sees a photo. Without it, the size that "
        "it was trained at.",
    )
    parser.add_argument(
        "--smooth",
        type=float,
        default=0.1,  # smoothing.SMOOTH, which --help is too quick to import
        help="Time constant, in seconds, over which a video's probabilities are averaged; 0 "
        "averages nothing.",
    )
    parser.add_argument(
        "--person",
        type=int,
        help="Whose repetitions are counted in a video of several people: 1 is the largest, 2 the "
        "next. Without it, the largest.",
    )
    parser.add_argument(
        "--time_range",
        type=float,
        nargs=2,
        help="START END: the part of one video to predict, in seconds; inf for its end.",
    )
    parser.add_argument(
        "--lab_formats",
        type=Literal["csv", "parquet", "sto", "c3d"],
        nargs="+",
        help="Also write the signals of each video as a tidy table (csv, parquet), for OpenSim "
        "(sto), or as analog channels (c3d).",
    )
    parser.add_argument(
        "--sync",
        type=str,
        nargs="+",
        help="Seconds to add to the times of one video for those of the laboratory's clock; or an "
        "EMG file (.csv, .c3d), from which they are found and with which the video is compared; or "
        "both.",
    )
    parser.add_argument(
        "--emg_channel",
        type=str,
        nargs="+",
        help="MUSCLE=CHANNEL for each muscle to compare with EMG. Without it, the channel in whose "
        "name the muscle's occurs.",
    )
    parser.add_argument(
        "--emg_rate",
        type=float,
        help="Samples a second of an EMG file (.csv) without a column of times.",
    )
    add_cluster(parser)
    options = parse(parser, argv)
    at_least("batch_size", options["batch_size"], 1)
    at_least("smooth", options["smooth"], 0)
    if options["image_size"] is not None:
        at_least("image_size", options["image_size"], 32)
    if options["person"] is not None:
        at_least("person", options["person"], 1)
    if options["emg_rate"] is not None:
        between("emg_rate", options["emg_rate"], 20.0, 100_000.0)
    if options["threshold"] is not None:
        between("threshold", options["threshold"], 0.0, 1.0)

    options["cluster"] = asked_cluster(options)
    options["calibrated"] = not options.pop("no_calibration")
    words, out = options.pop("source"), options.pop("out")
    from tf_muscle.prediction.run_predict import predict_words

    return predict_words(words, out, options.pop("format"), **options)


if __name__ == "__main__":
    sys.exit(run_command(main))
