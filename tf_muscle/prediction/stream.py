"""The stream of predictions that all outputs are made from, of photos and of frames alike.

Memory holds a few batches of pictures, however many there are. The frames of a file are decoded in
one thread and predicted in another; who takes the predictions is a third. Those of a camera are
predicted by who takes the predictions, and those that come meanwhile are dropped.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import tee

import numpy as np

from tf_muscle.errors import UserError
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.animations import AnimationFrames
from tf_muscle.prediction.camera import CameraFrames
from tf_muscle.prediction.file_kinds import is_animation
from tf_muscle.prediction.frames import Frame, VideoFrames
from tf_muscle.prediction.live_meter import LiveMeter
from tf_muscle.prediction.outputs import MuscleRow, muscle_rows
from tf_muscle.prediction.photos import Photo
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.smoothing import LOOK_AHEAD, SMOOTH, smoothed
from tf_muscle.prediction.sources import Source
from tf_muscle.prediction.threads import Item, ahead, room_for
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.prediction.tracks import Region, frame_regions
from tf_muscle.roboflow.image_files import MAX_PIXELS


@dataclass(frozen=True)
class Prediction:
    """A picture and what the model says of it.

    Attributes:
        image: RGB, uint8 [H, W, 3].
        class_ids: uint8 [H, W]; a frame's are taken after smoothing.
        rows: `MuscleRow` of each class but the background.
    """

    image: np.ndarray
    class_ids: np.ndarray
    rows: tuple[MuscleRow, ...]


@dataclass(frozen=True)
class PredictedPhoto(Prediction):
    """The prediction of a photo."""

    photo: Photo


@dataclass(frozen=True)
class PredictedFrame(Prediction):
    """The prediction of a frame.

    Attributes:
        number: 0, 1, 2, ... in the file.
        count: frames that the file declares; 0 if it does not, or for a camera.
        seconds: since the first frame of the file.
        regions: the connected regions of each muscle.
    """

    number: int
    count: int
    seconds: float
    regions: tuple[Region, ...]


def predict_photos(predictor: Predictor, photos: Iterable[Photo]) -> Iterator[PredictedPhoto]:
    """Predicts photos, which are taken from `photos` a batch at a time."""
    photos, seen = tee(photos)
    predicted = predictor.stream_as_seen(photo.image for photo in seen)
    for photo, probabilities in zip(photos, predicted, strict=True):
        class_ids, highest = predictor.marked(probabilities, *photo.image.shape[:2])
        rows = muscle_rows(highest, class_ids, predictor.class_names)
        yield PredictedPhoto(photo.image, class_ids, rows, photo)


def predicted_frame(
    predictor: Predictor, frame: Frame, probabilities: np.ndarray, number: int, count: int = 0
) -> PredictedFrame:
    """Marks the muscles in a frame by its probabilities, float32 [h, w, K], of `smoothed`."""
    class_ids, highest = predictor.marked(probabilities, *frame.image.shape[:2])
    rows = muscle_rows(highest, class_ids, predictor.class_names)
    regions = frame_regions(highest, class_ids)
    return PredictedFrame(frame.image, class_ids, rows, number, count, frame.seconds, regions)


def open_frames(
    path: File, max_pixels: int = MAX_PIXELS, time_range: TimeRange = WHOLE
) -> AnimationFrames | VideoFrames:
    """Opens a video or an animated picture; to be closed.

    Args:
        path: its file, on this machine.
        max_pixels: height times width of a frame that is still decoded.
        time_range: the frames that are given.

    Raises:
        UserError: the file cannot be opened, or its frames are too large.
    """
    kind = AnimationFrames if is_animation(path) else VideoFrames
    return kind(path, max_pixels=max_pixels, time_range=time_range)


class VideoPredictions:
    """The predictions of a video, an animation, or what a camera sees; to be closed.

    Args:
        predictor: takes its batch size of frames at a time, of a camera one.
        source: video file or animated picture, or number of a camera.
        smooth: time constant in seconds of the average along the motion, see `smoothed`.
        max_pixels: height times width of a frame that is still decoded.
        time_range: the frames of a file that are predicted.

    Attributes:
        frames: with their `rate`, and after the last one perhaps a `note` that tells of damage.
        live: how a camera is kept up with; None for a file.

    Raises:
        UserError: the file cannot be opened, its frames are too large, there is no such camera, or,
            in iterating, there is not one frame, or none within the range.
    """

    def __init__(
        self,
        predictor: Predictor,
        source: Source,
        *,
        smooth: float = SMOOTH,
        max_pixels: int = MAX_PIXELS,
        time_range: TimeRange = WHOLE,
    ) -> None:
        if isinstance(source, int) and time_range != WHOLE:
            raise UserError(f"--time_range is for files, not for camera {source}: leave it out")
        self.source = source
        self._range = time_range
        self.class_names = predictor.class_names
        self._predictor = replace(predictor, batch_size=1) if isinstance(source, int) else predictor
        self._smooth = smooth
        self.frames: AnimationFrames | CameraFrames | VideoFrames
        self.live: LiveMeter | None = None
        if isinstance(source, int):
            self.frames = CameraFrames(source)
            self.live = LiveMeter(self.frames, self.class_names[1:])
        else:
            self.frames = open_frames(source, max_pixels, time_range)
        self._open = ExitStack()
        self._open.callback(self.frames.close)

    def __iter__(self) -> Iterator[PredictedFrame]:
        number = -1
        look_ahead = 0
        if not isinstance(self.source, int):
            look_ahead = room_for(self.frames.frame_bytes, LOOK_AHEAD)
        taken = self._ahead(self.frames)
        frames = self._ahead(smoothed(self._predictor, taken, self._smooth, look_ahead=look_ahead))
        for number, (frame, probabilities) in enumerate(frames):
            place = self.frames.passed + number
            yield predicted_frame(self._predictor, frame, probabilities, place, self.frames.count)
        if number < 0 and isinstance(self.source, int):
            raise UserError(
                f"camera {self.source} shows no picture: unplug it and plug it in again"
            )
        if number < 0 and self.frames.passed:
            start, end, last = self._range.start, self._range.end, self.frames.last
            rest = f"to {end:g} s"
            if start > last:
                rest = f"s on, the last one is at {last:.3f} s"
            raise UserError(
                f"{self.source} has no frame from {start:g} {rest}: choose another --time_range"
            )
        if number < 0:
            raise UserError(
                f"{self.source} has no frame that can be decoded: convert it to MP4 (H.264)"
            )

    def close(self) -> None:
        """Ends the threads, then closes the file or frees the camera."""
        self._open.close()

    def _ahead(self, items: Iterable[Item]) -> Iterable[Item]:
        if isinstance(self.source, int):
            return items  # ctrl-C would lose what was taken ahead
        most = room_for(self.frames.frame_bytes, self._predictor.batch_size)
        taken = ahead(items, most)
        return self._open.enter_context(closing(taken))
