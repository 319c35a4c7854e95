"""What `python -m tf_muscle.predict` does: every source into one folder, and how far it is."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from tf_muscle.errors import UserError, printable
from tf_muscle.prediction.live_meter import LiveMeter
from tf_muscle.prediction.live_model import live_model
from tf_muscle.prediction.photos import Photo, open_photo
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sources import Source, find_sources
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions, predict_photos
from tf_muscle.prediction.threads import ahead

OPENED = 2  # photos that wait for the model; those of 12 megapixels take 36 MB each


def predict_sources(
    model: str,
    words: Sequence[str],
    out: Path,
    output_format: Format,
    *,
    smooth: float,
    person: int | None = None,
    **options: Any,
) -> int:
    """Predicts photos, videos and cameras.

    Args:
        model: see `load_predictor`.
        words: see `find_sources`.
        out: folder to write, absent or empty.
        output_format: see `ResultsFolder`.
        smooth: see `VideoPredictions`.
        person: see `Timeline`.
        options: the other ones of `load_predictor`.

    Returns:
        The exit code: 0 if every source was read, 1 if some could not be.

    Raises:
        UserError: before any work, an option or a source is wrong.
        KeyboardInterrupt: ctrl-C; what was predicted until then is complete.
    """
    sources = find_sources(words)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is never overwritten: choose another --out")
    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    if not sources.photos and all(isinstance(one, int) for one in sources.videos):
        options["batch_size"] = 1  # a camera's frames come one at a time
        asked = {name: options.get(name) for name in ("image_size", "tta")}
        chosen = live_model(model, **asked, calibrated=options.get("calibrated", True))
        model = chosen.model
        if chosen.told:
            console.print(chosen.told)
    predictor = load_predictor(model, **options)
    if sources.passed_over:
        console.print(sources.passed_over)
    if predictor.settings:
        console.print(predictor.settings)
    with (
        ResultsFolder(out, predictor.class_names, output_format, person=person) as results,
        Progress(console=console) as progress,
    ):
        failures = add_photos(results, predictor, sources.photos, progress)
        failures += add_videos(results, predictor, sources.videos, smooth, progress)
    print(f"written to {out}")
    if failures:
        count = len(sources.photos) + len(sources.videos)
        print(f"{failures} of {count} sources could not be read", file=sys.stderr)
    return int(failures > 0)


def add_photos(
    results: ResultsFolder, predictor: Predictor, paths: Sequence[Path], progress: Progress
) -> int:
    """Predicts photos; returns how many could not be read."""
    if not paths:
        return 0
    task = progress.add_task("photos", total=len(paths))
    read = 0
    opened = ahead(readable(paths, progress, task), OPENED)
    with closing(opened) as photos:
        for prediction in predict_photos(predictor, photos):
            results.add_photo(prediction)
            read += 1
            progress.advance(task)
    return len(paths) - read


def readable(paths: Sequence[Path], progress: Progress, task: TaskID) -> Iterator[Photo]:
    """Opens photos, and tells which cannot be read and which hold several pictures."""
    for path in paths:
        try:
            photo = open_photo(path)
        except UserError as error:
            progress.console.print(f"skipped: {error}")
            progress.advance(task)
            continue
        if photo.has_more:
            name = printable(str(path))
            progress.console.print(f"note: {name} holds several pictures, the first is taken")
        yield photo


def add_videos(
    results: ResultsFolder,
    predictor: Predictor,
    videos: Sequence[Source],
    smooth: float,
    progress: Progress,
) -> int:
    """Predicts videos and cameras, and says how often each muscle worked.

    Returns:
        How many could not be read.

    Raises:
        KeyboardInterrupt: ctrl-C stopped a video before its end, after its outputs are written; it
            is how a camera's recording ends and then stops nothing.
    """
    failures = 0
    for source in videos:
        name = f"camera {source}, until ctrl-C" if isinstance(source, int) else source.name
        name = printable(name)
        task = progress.add_task(escape(name), total=None)
        try:
            with closing(VideoPredictions(predictor, source, smooth=smooth)) as predictions:
                show = partial(_show_frame, progress, task, name, predictions.live)
                video = results.add_video(predictions, show)
        except UserError as error:
            failures += 1
            progress.console.print(f"skipped: {error}")
            progress.remove_task(task)
            continue
        if video.note:
            progress.console.print(f"note: {video.note}")
        progress.console.print(f"{name}: {video.timeline.told}")
        if video.live:
            progress.console.print(f"{name}: {video.live.told}")
        if video.interrupted and not isinstance(source, int):
            raise KeyboardInterrupt
        progress.update(task, total=len(video.timeline.seconds))  # the file may declare another
    return failures


def _show_frame(
    progress: Progress, task: TaskID, name: str, live: LiveMeter | None, frame: PredictedFrame
) -> None:
    progress.update(task, completed=frame.number + 1, total=frame.count or None)
    if live:
        progress.update(task, description=escape(f"{name}: {live.now}"))
