"""Photos and videos predicted into a results folder, with a bar for how far it is."""

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from itertools import islice

import numpy as np
from rich.markup import escape
from rich.progress import Progress, TaskID

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError, printable
from tf_muscle.prediction.addresses import File, fetched
from tf_muscle.prediction.live_meter import LiveMeter
from tf_muscle.prediction.photos import Photo, open_photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import ResultsFolder
from tf_muscle.prediction.sources import Source
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions, predict_photos
from tf_muscle.prediction.threads import ahead
from tf_muscle.prediction.time_range import WHOLE, TimeRange

ODD_SHAPE = 0.6  # of the network's square: photos that fill less are marked far worse
OPENED = 2  # photos that wait for the model; those of 12 megapixels take 36 MB each


def add_photos(
    results: ResultsFolder, predictor: Predictor, paths: Sequence[File], progress: Progress
) -> int:
    """Predicts photos, a batch after the other; returns how many could not be read."""
    if not paths:
        return 0
    task = progress.add_task("photos", total=len(paths))
    read = 0
    odd_shapes = _OddShapes(predictor.geometry, progress)
    with closing(ahead(opened_photos(paths, progress), OPENED)) as photos:
        # A photo that cannot be read leaves its place in the batch empty, so that what another one
        # is predicted with does not depend on it, nor on where a piece of the work begins.
        while batch := list(islice(photos, predictor.batch_size)):
            opened = [photo for photo in batch if photo]
            for photo in opened:
                odd_shapes.look_at(photo.image)
            for prediction in predict_photos(predictor, opened):
                results.add_photo(prediction)
                read += 1
                progress.advance(task)
            progress.advance(task, batch.count(None))
    return len(paths) - read


def opened_photos(paths: Sequence[File], progress: Progress) -> Iterator[Photo | None]:
    """Opens photos, and tells which cannot be read, None, and which hold several pictures.

    Raises:
        UserError: one cannot be fetched, see `fetched`.
    """
    for path in paths:
        with fetched(path) as file:
            try:
                photo = open_photo(file)
            except UserError as error:
                progress.console.print(f"skipped: {error}")
                photo = None
        if photo is None:
            yield None
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
        UserError: one cannot be fetched, see `fetched`.
        KeyboardInterrupt: ctrl-C stopped a video before its end, after its outputs are written; it
            is how a camera's recording ends and then stops nothing.
    """
    failures = 0
    odd_shapes = _OddShapes(predictor.geometry, progress)
    for source in videos:
        name = f"camera {source}" if isinstance(source, int) else printable(source.name)
        until = ", until ctrl-C" if isinstance(source, int) else ""
        task = progress.add_task(escape(name) + until, total=None)
        with nullcontext(source) if isinstance(source, int) else fetched(source) as place:
            try:
                with closing(
                    VideoPredictions(predictor, place, smooth=smooth, time_range=time_range)
                ) as predictions:
                    show = partial(_show_frame, progress, task, name, predictions.live, odd_shapes)
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
    progress: Progress,
    task: TaskID,
    name: str,
    live: LiveMeter | None,
    odd_shapes: "_OddShapes",
    frame: PredictedFrame,
) -> None:
    odd_shapes.look_at(frame.image)
    progress.update(task, completed=frame.number + 1, total=frame.count or None)
    if live:
        progress.update(task, description=escape(f"{name}: {live.now}"))


class _OddShapes:
    """Says, once of each kind, that a picture has another shape than those of the training.

    A model whose frame is a square was trained on shapes that nobody knows, and nothing is said.
    """

    def __init__(self, geometry: Geometry, progress: Progress) -> None:
        self._geometry = geometry
        self._progress = progress
        self._silent = geometry.aspect == 1
        self._told: set[str] = set()

    def look_at(self, image: np.ndarray) -> None:
        """Looks at a picture, RGB, uint8 [H, W, 3]."""
        height, width = image.shape[:2]
        if windows := self._geometry.windows(height, width):
            count = len(windows.columns)
            kind, outcome = "parts", f"is seen in {count} parts, which takes {count} times as long"
        elif (share := self._geometry.share(height, width)) < ODD_SHAPE:
            kind = "share"
            outcome = (
                f"fills {share:.0%} of its view and is marked worse: train on such photos, too, or "
                "with --aspect 1"
            )
        else:
            return
        if self._silent or kind in self._told:
            return
        self._told.add(kind)
        self._progress.console.print(
            f"note: the model was trained on photos {self._geometry.aspect:.2f} times as wide as "
            f"high. What is {width / height:.2f} times as wide as high {outcome}"
        )
