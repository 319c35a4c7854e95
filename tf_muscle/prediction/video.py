"""The predictions of a video written as a video; memory does not grow with its length."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_muscle.atomic import replacing
from tf_muscle.prediction.frames import Frame, VideoWriter
from tf_muscle.prediction.outputs import draw_overlay
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.sources import MAX_PIXELS
from tf_muscle.prediction.stream import SMOOTH, PredictedFrame, VideoPredictions
from tf_muscle.prediction.timeline import Timeline, frame_signals


@dataclass(frozen=True)
class PredictedVideo:
    """What is known of a video after its last frame.

    Attributes:
        timeline: the numbers of the frames that were predicted.
        note: what the user should know of them, as that the file is cut off; else None.
        interrupted: by ctrl-C, before its end.
    """

    timeline: Timeline
    note: str | None
    interrupted: bool


def predict_video(
    predictor: Predictor,
    source: Path | int,
    out: Path,
    *,
    smooth: float = SMOOTH,
    each: Callable[[PredictedFrame], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> PredictedVideo:
    """Predicts a video, or what a camera sees until ctrl-C, and writes it with its overlay.

    The arguments and errors are those of `VideoPredictions` and `write_video`.
    """
    predictions = VideoPredictions(predictor, source, smooth=smooth, max_pixels=max_pixels)
    with closing(predictions):
        return write_video(predictions, out, each)


def write_video(
    predictions: VideoPredictions,
    out: Path,
    each: Callable[[PredictedFrame], None] | None = None,
) -> PredictedVideo:
    """Writes a video with its overlay.

    Args:
        predictions: the video's, from an opened source.
        out: MP4 to write, H.264 without sound; must not exist. It is finished and playable after
            ctrl-C, too.
        each: called after every frame.

    Raises:
        UserError: the video has no frame that can be decoded.
        KeyboardInterrupt: ctrl-C came before the first frame.
    """
    seconds: list[float] = []
    signals: list[np.ndarray] = []
    interrupted = False
    names = predictions.class_names
    with replacing(out) as unfinished:
        with closing(VideoWriter(unfinished, predictions.frames.rate)) as writer:
            try:
                for frame in predictions:
                    drawn = draw_overlay(frame.image, frame.class_ids, names)
                    writer.add(Frame(frame.seconds, drawn))
                    signals.append(frame_signals(frame.rows))
                    seconds.append(frame.seconds)
                    if each:
                        each(frame)
            except KeyboardInterrupt:
                interrupted = True
        if interrupted and not seconds:
            raise KeyboardInterrupt
    area, probability = np.stack(signals[: len(seconds)], axis=1)
    timeline = Timeline(names[1:], np.array(seconds), area, probability)
    return PredictedVideo(timeline, predictions.frames.note, interrupted)
