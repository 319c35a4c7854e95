"""Masks for photos, videos and cameras: `python -m tf_muscle.predict MODEL SOURCE...`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tf_muscle.command import command_parser, parse, run_command
from tf_muscle.config import at_least, between
from tf_muscle.errors import UserError, printable
from tf_muscle.runs.folder import default_name

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tf_muscle.prediction.predictor import Predictor
    from tf_muscle.prediction.results_folder import ResultsFolder
    from tf_muscle.prediction.sources import Source
    from tf_muscle.prediction.video import PredictedFrame


def main(argv: Sequence[str]) -> int:
    """The command: 1 if some of the sources could not be read, else 0.

    Raises:
        UserError: before any work, an option or a source is wrong.
    """
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
        "--out", type=str, help="New folder for the results. Without it, predictions/MODEL-TIME."
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
        action="store_true",
        help="Average four predictions of each photo, at two sizes and each also mirrored, which "
        "takes longer.",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="Probability, 0 to 1, below which a pixel is no muscle. Without it, a pixel is of its "
        "likeliest class.",
    )
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
        default=0.1,  # video.SMOOTH, which --help is too quick to import
        help="Time constant, in seconds, over which a video's probabilities are averaged; 0 "
        "averages nothing.",
    )
    options = parse(parser, argv)
    at_least("batch_size", options["batch_size"], 1)
    at_least("smooth", options["smooth"], 0)
    if options["image_size"] is not None:
        at_least("image_size", options["image_size"], 32)
    if options["threshold"] is not None:
        between("threshold", options["threshold"], 0.0, 1.0)

    from tf_muscle.prediction.sources import find_sources

    sources = find_sources(options["source"])
    out = Path(
        options["out"] or Path("predictions") / default_name(Path(options["model"]).resolve().stem)
    )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is never overwritten: choose another --out")

    from rich.console import Console
    from rich.progress import Progress

    from tf_muscle.prediction.predictor import load_predictor
    from tf_muscle.prediction.results_folder import ResultsFolder

    predictor = load_predictor(
        options["model"],
        image_size=options["image_size"],
        batch_size=options["batch_size"],
        tta=options["tta"],
        threshold=options["threshold"],
    )
    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    if sources.passed_over:
        console.print(sources.passed_over)
    with (
        ResultsFolder(out, predictor, options["format"]) as results,
        Progress(console=console) as progress,
    ):
        failures = predict_photos(predictor, sources.photos, results, progress)
        failures += predict_videos(sources.videos, results, progress, options["smooth"])
    print(f"written to {out}")
    if failures:
        count = len(sources.photos) + len(sources.videos)
        print(f"{failures} of {count} sources could not be read", file=sys.stderr)
    return int(failures > 0)


def predict_photos(
    predictor: "Predictor", photos: "Sequence[Path]", results: "ResultsFolder", progress: "Progress"
) -> int:
    """Predicts photos, a batch in memory at a time.

    Returns:
        How many could not be read.
    """
    from tf_muscle.prediction.file_kinds import has_pages
    from tf_muscle.prediction.sources import read_photo

    failures = 0
    if not photos:
        return failures
    task = progress.add_task("photos", total=len(photos))
    for start in range(0, len(photos), predictor.batch_size):
        images = {}
        for path in photos[start : start + predictor.batch_size]:
            try:
                images[path] = read_photo(path)
            except UserError as error:
                failures += 1
                progress.console.print(f"skipped: {error}")
                progress.advance(task)
                continue
            if has_pages(path):
                name = printable(str(path))
                progress.console.print(f"note: {name} holds several pictures, the first is taken")
        predictions = predictor.stream(list(images.values()))
        for (path, image), probabilities in zip(images.items(), predictions, strict=True):
            results.add_photo(path, image, probabilities)
            progress.advance(task)
    return failures


def predict_videos(
    videos: "Sequence[Source]", results: "ResultsFolder", progress: "Progress", smooth: float
) -> int:
    """Predicts videos and cameras, and says how often each muscle worked.

    Returns:
        How many could not be read.

    Raises:
        KeyboardInterrupt: ctrl-C stopped a video before its end, after its outputs are written; it
            is how a camera's recording ends and then stops nothing.
    """
    from rich.markup import escape

    failures = 0
    for source in videos:
        name = f"camera {source}, until ctrl-C" if isinstance(source, int) else source.name
        name = printable(name)
        task = progress.add_task(escape(name), total=None)
        try:
            video = results.add_video(source, smooth, partial(_show_frame, progress, task))
        except UserError as error:
            failures += 1
            progress.console.print(f"skipped: {error}")
            progress.remove_task(task)
            continue
        if video.note:
            progress.console.print(f"note: {video.note}")
        counts = {muscle: len(peaks) for muscle, peaks in video.timeline.repetitions.items()}
        told = ", ".join(f"{muscle} {count}" for muscle, count in counts.items())
        progress.console.print(f"{name}: repetitions: {told}")
        if video.interrupted and not isinstance(source, int):
            raise KeyboardInterrupt
        progress.update(task, total=len(video.timeline.seconds))  # the file may declare another
    return failures


def _show_frame(progress: "Progress", task: "TaskID", frame: "PredictedFrame") -> None:
    progress.update(task, completed=frame.number + 1, total=frame.count or None)


if __name__ == "__main__":
    sys.exit(run_command(main))
