"""The predictions of a video written as a video; memory does not grow with its length.

Frames are encoded in a thread of their own.
"""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.errors import UserError, at_least
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.live_meter import LiveReport
from tf_muscle.prediction.outputs import draw_overlay
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.smoothing import SMOOTH
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions
from tf_muscle.prediction.threads import Behind, room_for
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.prediction.timeline import Timeline, frame_signals
from tf_muscle.prediction.tracks import Tracker
from tf_muscle.roboflow.image_files import MAX_PIXELS

WAITING = 4  # drawn frames before the encoder: enough for it never to wait


@dataclass(frozen=True)
class PredictedVideo:
    """What is known of a video after its last frame.

    Attributes:
        timeline: the numbers of the frames that were predicted.
        note: what the user should know of them, as that the file is cut off; else None.
        interrupted: by ctrl-C, before its end.
        live: how a camera was kept up with; None for a file.
    """

    timeline: Timeline
    note: str | None
    interrupted: bool
    live: LiveReport | None = None


def predict_video(
    predictor: Predictor,
    source: str | os.PathLike[str] | int,
    out: str | os.PathLike[str],
    *,
    smooth: float = SMOOTH,
    person: int | None = None,
    time_range: tuple[float, float] | None = None,
    each: Callable[[PredictedFrame], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> PredictedVideo:
    """Predicts a video, or what a camera sees until ctrl-C, and writes it with its overlay.

    Of a camera the newest frame is predicted each time, and those that come meanwhile are dropped.

    Args:
        predictor: of `load_predictor`; takes its batch size of frames at a time, of a camera one.
        source: path of a video or an animated picture, or the number of a camera, int from 0.
        out: path of the MP4 to write, H.264 without sound. It is finished and playable after
            ctrl-C, too.
        smooth: float from 0, time constant in seconds of the moving average of the probabilities.
        person: int from 1, whose repetitions are counted if several people are seen; by default the
            largest's.
        time_range: START and END in seconds since the first frame of the file; only the frames from
            START on and before END are predicted and written. All times stay those of the file,
            but for those of `out`, which begins at START. None for the whole video.
        each: called with every `PredictedFrame`.
        max_pixels: int, height times width of a frame that is still decoded.

    Returns:
        `PredictedVideo`: its `timeline` has the area of each muscle over time, and its repetitions;
            its `live` tells how a camera was kept up with.

    Raises:
        UserError: the video has no frame that can be decoded or that lies in `time_range`, its
            frames are too large, there is no such camera, or `out` exists.

    Examples:
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
    if person is not None:
        at_least("person", person, 1)
    out = Path(out)
    if out.exists():
        raise UserError(f"{out} exists and is never overwritten: choose another name")
    place = source if isinstance(source, int) else Path(source)
    part = TimeRange(*time_range) if time_range else WHOLE
    predictions = VideoPredictions(
        predictor, place, smooth=smooth, max_pixels=max_pixels, time_range=part
    )
    with closing(predictions):
        return write_video(predictions, out, each, person=person)


def write_video(
    predictions: VideoPredictions,
    out: Path,
    each: Callable[[PredictedFrame], None] | None = None,
    *,
    person: int | None = None,
) -> PredictedVideo:
    """Writes a video with its overlay.

    Args:
        predictions: the video's, from an opened source.
        out: MP4 to write, H.264 without sound; must not exist. It is finished and playable after
            ctrl-C, too.
        each: called after every frame.
        person: see `Timeline`.

    Raises:
        UserError: the video has no frame that can be decoded.
        KeyboardInterrupt: ctrl-C came before the first frame.
    """
    seconds: list[float] = []
    signals: list[np.ndarray] = []
    tracker = Tracker()
    interrupted = False
    names, live = predictions.class_names, predictions.live
    with replacing(out) as unfinished:
        with (
            closing(VideoWriter(unfinished, predictions.frames.rate)) as writer,
            Behind(room_for(predictions.frames.frame_bytes, WAITING)) as encoding,
        ):

            def add(frame: PredictedFrame, drawn: np.ndarray) -> None:
                seconds.append(frame.seconds)
                writer.add(Frame(frame.seconds - seconds[0], drawn))
                tracker.add(frame.seconds, frame.regions)
                if live:
                    live.repetitions.add(frame.seconds, tracker, person)
                signals.append(frame_signals(frame.rows))

            try:
                for frame in predictions:
                    drawn = draw_overlay(frame.image, frame.class_ids, names)
                    if live:
                        live.drawn(frame.seconds)
                    encoding.do(add, frame, drawn)
                    if each:
                        each(frame)
            except KeyboardInterrupt:
                interrupted = True
            report = live.report() if live else None
        if interrupted and not seconds:
            raise KeyboardInterrupt
    area, probability = np.stack(signals, axis=1)
    tracks = tracker.tracks(len(seconds))
    first = predictions.frames.passed
    timeline = Timeline(names[1:], np.array(seconds), area, probability, tracks, person, first)
    return PredictedVideo(timeline, predictions.frames.note, interrupted, report)
