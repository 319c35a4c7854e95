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
from tf_muscle.lab.outputs import LabFormat, LabOutputs
from tf_muscle.model.bundled_model import HINT
from tf_muscle.prediction.live_meter import LiveMeter
from tf_muscle.prediction.live_model import live_model
from tf_muscle.prediction.model_files import is_model, no_model
from tf_muscle.prediction.photos import Photo, open_photo
from tf_muscle.prediction.predictor import Predictor, load_predictor
from tf_muscle.prediction.results_folder import Format, ResultsFolder
from tf_muscle.prediction.sources import Source, Sources, find_sources
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions, predict_photos
from tf_muscle.prediction.threads import ahead
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.runs.folder import default_name

OPENED = 2  # photos that wait for the model; those of 12 megapixels take 36 MB each


def predict_words(words: Sequence[str], out: Path | None, *args: Any, **options: Any) -> int:
    """`predict_sources` of the words of a command line, the first of which may be the model.

    Args:
        words: the model, unless the first word is a source; then sources.
        out: by default a folder in predictions/, named by the model and the time.
        args: see `predict_sources`, and so for the options.
    """
    model, sources = model_and_sources(words)
    name = "bundled" if model is None else Path(model).resolve().stem
    out = out or Path("predictions") / default_name(name)
    return predict_sources(model, sources, out, *args, **options)


def model_and_sources(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Parts the words of a command line; the model is None if the first is a source.

    Raises:
        UserError: there is a model and no source, or the first of several words is neither.
    """
    first, *others = words
    if is_model(first):
        if not others:
            raise UserError(f"nothing to predict on: name photos or videos after the model {first}")
        return first, others
    if others and not Path(first).is_file():
        try:
            find_sources([first])
        except UserError as error:
            raise no_model(Path(first)) from error
    return None, list(words)


def predict_sources(
    model: str | None,
    words: Sequence[str],
    out: Path,
    output_format: Format,
    *,
    smooth: float,
    person: int | None = None,
    time_range: Sequence[float] | None = None,
    lab_formats: Sequence[LabFormat] | None = None,
    sync: Sequence[str] | None = None,
    emg_channel: Sequence[str] | None = None,
    emg_rate: float | None = None,
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
        time_range: see `TimeRange`.
        lab_formats: see `LabOutputs.of`, and so for the next three.
        sync: an EMG file, seconds, or both.
        emg_channel: "MUSCLE=CHANNEL" each.
        emg_rate: samples a second.
        options: the other ones of `load_predictor`.

    Returns:
        The exit code: 0 if every source was read, 1 if some could not be.

    Raises:
        UserError: before any work, an option or a source is wrong.
        KeyboardInterrupt: ctrl-C; what was predicted until then is complete.
    """
    sources = find_sources(words)
    part = TimeRange(*time_range) if time_range else WHOLE
    if time_range:
        refuse_unless_one_file("time_range", sources)
    if sync:
        refuse_unless_one_file("sync", sources)
    if lab_formats and not sources.videos:
        raise UserError("--lab_formats is for videos, got photos only: leave it out")
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
    if model is None:
        console.print(f"No model is given: {HINT}")
    lab = LabOutputs.of(
        predictor.class_names[1:],
        formats=lab_formats or (),
        sync=sync or (),
        emg_channel=emg_channel or (),
        emg_rate=emg_rate,
    )
    if sources.passed_over:
        console.print(sources.passed_over)
    if predictor.settings:
        console.print(predictor.settings)
    with (
        ResultsFolder(
            out, predictor.class_names, output_format, person=person, lab=lab, tell=console.print
        ) as results,
        Progress(console=console) as progress,
    ):
        failures = add_photos(results, predictor, sources.photos, progress)
        failures += add_videos(results, predictor, sources.videos, smooth, progress, part)
    print(f"written to {out}")
    if failures:
        count = len(sources.photos) + len(sources.videos)
        print(f"{failures} of {count} sources could not be read", file=sys.stderr)
    return int(failures > 0)


def refuse_unless_one_file(option: str, sources: Sources) -> None:
    """Refuses an option that is for one video if there is none, a camera, or another number."""
    files = [one for one in sources.videos if isinstance(one, Path)]
    if len(files) != 1 or len(sources.videos) != 1:
        cameras = len(sources.videos) - len(files)
        raise UserError(
            f"--{option} is for one video file, got {len(files)} and {cameras} cameras: give one"
        )


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
    time_range: TimeRange = WHOLE,
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
        name = f"camera {source}" if isinstance(source, int) else printable(source.name)
        until = ", until ctrl-C" if isinstance(source, int) else ""
        task = progress.add_task(escape(name) + until, total=None)
        try:
            opened = VideoPredictions(predictor, source, smooth=smooth, time_range=time_range)
            with closing(opened) as predictions:
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
        # The file may declare another number.
        done = video.timeline.first_frame + len(video.timeline.seconds)
        progress.update(task, total=done)
    return failures


def _show_frame(
    progress: Progress, task: TaskID, name: str, live: LiveMeter | None, frame: PredictedFrame
) -> None:
    progress.update(task, completed=frame.number + 1, total=frame.count or None)
    if live:
        progress.update(task, description=escape(f"{name}: {live.now}"))
