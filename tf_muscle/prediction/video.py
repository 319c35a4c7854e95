"""Masks on a video or a camera's picture, frame by frame: memory does not grow with its length."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.config import at_least
from tf_muscle.errors import UserError
from tf_muscle.prediction.animations import AnimationFrames
from tf_muscle.prediction.file_kinds import is_animation
from tf_muscle.prediction.frames import CameraFrames, Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.outputs import draw_overlay, muscle_rows
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.sources import MAX_PIXELS
from tf_muscle.prediction.timeline import Timeline, frame_signals

# Seconds. A moving average lags: on a rendered curl with known masks the IoU of the biceps was
# 0.534 without it, 0.530 with 0.1 s and 0.505 with 0.2 s.
SMOOTH = 0.1


@dataclass(frozen=True)
class PredictedFrame:
    """A frame and its mask.

    Attributes:
        number: 0, 1, 2, ...
        count: frames that the file declares; 0 if it does not, or for a camera.
        image: RGB, uint8 [H, W, 3].
        class_ids: uint8 [H, W], after smoothing.
    """

    number: int
    count: int
    image: np.ndarray
    class_ids: np.ndarray


@dataclass(frozen=True)
class PredictedVideo:
    """What is known of a video after its last frame.

    Attributes:
        timeline: of the frames that were predicted.
        note: what the user should know of them, as that the file is cut off; else None.
        interrupted: by ctrl-C, before its end.
    """

    timeline: Timeline
    note: str | None
    interrupted: bool


def smoothed(
    predictor: Predictor, frames: Iterable[Frame], smooth: float, batch_size: int
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Predicts frames and takes the exponential moving average of their probabilities.

    After a change, the average has gone 1 - 1/e = 63 percent of the way in `smooth` seconds,
    whatever the frame rate: a frame dt seconds after the one before weighs 1 - exp(-dt / smooth).

    Args:
        predictor: of the probabilities.
        frames: with increasing seconds.
        smooth: time constant in seconds, 0 for none.
        batch_size: frames at a time.

    Yields:
        Each frame with its probabilities, float32 [H, W, K].
    """
    average: np.ndarray | None = None
    before = 0.0
    for batch in batches(frames, batch_size):
        predictions = predictor.stream([frame.image for frame in batch])
        for frame, probabilities in zip(batch, predictions, strict=True):
            if average is None or smooth == 0:
                average = probabilities
            else:
                weight = np.float32(-math.expm1((before - frame.seconds) / smooth))
                average = average + weight * (probabilities - average)
            before = frame.seconds
            yield frame, average


def predict_video(
    predictor: Predictor,
    source: str | os.PathLike[str] | int,
    out: str | os.PathLike[str],
    *,
    smooth: float = SMOOTH,
    each: Callable[[PredictedFrame], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> PredictedVideo:
    """Predicts a video, or what a camera sees until ctrl-C, and writes it with its overlay.

    Args:
        predictor: of `load_predictor`; takes its batch size of frames at a time, of a camera one.
        source: path of a video or an animated picture, or the number of a camera, int from 0.
        out: path of the MP4 to write, H.264 without sound. It is finished and playable after
            ctrl-C, too.
        smooth: float from 0, time constant of the moving average in seconds, see `smoothed`.
        each: called after every frame.
        max_pixels: int, height times width of a video's frame that is still decoded.

    Returns:
        `PredictedVideo`: its `timeline` has the area of each muscle over time, and its repetitions.

    Raises:
        UserError: the video has no frame that can be decoded, its frames are too large, there is
            no such camera, or `out` exists.

    Example:
        >>> import tf_muscle
        >>> predictor = tf_muscle.load_predictor("runs/mine")
        >>> video = tf_muscle.predict_video(predictor, "curl.mp4", "overlay.mp4")
        >>> video.timeline.seconds
        array([0. , 0.1, 0.2, 0.3])
        >>> video.timeline.area.shape  # frames, muscles
        (4, 3)
        >>> list(video.timeline.repetitions)
        ['biceps', 'triceps', 'calf']
    """
    at_least("smooth", smooth, 0)
    source = source if isinstance(source, int) else Path(source)
    out = Path(out)
    if out.exists():
        raise UserError(f"{out} exists and is never overwritten: choose another name")
    seconds: list[float] = []
    signals: list[np.ndarray] = []
    interrupted = False
    batch_size = 1 if isinstance(source, int) else predictor.batch_size
    frames = open_frames(source, max_pixels)
    with closing(frames), replacing(out) as unfinished:
        with closing(VideoWriter(unfinished, frames.rate)) as writer:
            try:
                for frame, probabilities in smoothed(predictor, frames, smooth, batch_size):
                    class_ids = predictor.class_ids(probabilities)
                    drawn = draw_overlay(frame.image, class_ids, predictor.class_names)
                    writer.add(Frame(frame.seconds, drawn))
                    rows = muscle_rows(probabilities, class_ids, predictor.class_names)
                    signals.append(frame_signals(rows))
                    seconds.append(frame.seconds)
                    if each:
                        number = len(seconds) - 1
                        each(PredictedFrame(number, frames.count, frame.image, class_ids))
            except KeyboardInterrupt:
                interrupted = True
        if interrupted and not seconds:
            raise KeyboardInterrupt
        if not seconds:
            if isinstance(source, int):
                raise UserError(f"camera {source} shows no picture: unplug it and plug it in again")
            raise UserError(f"{source} has no frame that can be decoded: convert it to MP4 (H.264)")
    area, probability = np.stack(signals[: len(seconds)], axis=1)
    timeline = Timeline(predictor.class_names[1:], np.array(seconds), area, probability)
    return PredictedVideo(timeline, frames.note, interrupted)


def open_frames(
    source: Path | int, max_pixels: int
) -> CameraFrames | AnimationFrames | VideoFrames:
    """Opens a camera, an animated picture or a video file, whatever its name.

    Raises:
        UserError: it cannot be opened, or its frames are too large.
    """
    if isinstance(source, int):
        return CameraFrames(source)
    if is_animation(source):
        return AnimationFrames(source, max_pixels=max_pixels)
    return VideoFrames(source, max_pixels=max_pixels)


def batches(items: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Groups of `size` items, the last one smaller (itertools.batched comes with Python 3.12)."""
    batch: list[Frame] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
