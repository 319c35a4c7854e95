"""What the page answers to a webcam, picture by picture; without anything of the page itself."""

import base64
import io
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.page.answers import MAX_FRAME_PIXELS, MAX_FRAMES, muscle_table
from tf_muscle.prediction.frames import Frame
from tf_muscle.prediction.live_meter import frame_rate
from tf_muscle.prediction.live_repetitions import LiveCounts
from tf_muscle.prediction.outputs import MuscleRow, draw_overlay
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.smoothing import SMOOTH, smoothed
from tf_muscle.prediction.stream import predicted_frame
from tf_muscle.prediction.tracks import Tracker
from tf_muscle.report.lettering import percent
from tf_muscle.roboflow.image_files import UnreadableImageError, open_image

PAUSE = 3.0  # seconds without a picture, after which the counting begins anew
RECENT = 20  # pictures that rate and latency are of
JPEG = "data:image/jpeg;base64,"
MAX_PICTURE = 8_000_000  # characters of such an address; browsers send 100,000 for 640x480


class LiveSession:
    """One visitor's webcam, from the first picture to a pause.

    Keeps one picture, and a few numbers of each of `MAX_FRAMES` pictures at most.

    Args:
        predictor: gives the probabilities.
        clock: seconds, increasing.
    """

    def __init__(
        self, predictor: Predictor, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._predictor = replace(predictor, batch_size=1)
        self._clock = clock
        self._start = self._last = clock()
        self._number = 0
        self._given: Frame | None = None
        self._probabilities = smoothed(self._predictor, self._taken(), SMOOTH)
        self._tracker = Tracker()
        self._counts = LiveCounts(predictor.class_names[1:])
        self._rows: tuple[MuscleRow, ...] = ()
        self._recent = deque[tuple[float, float]](maxlen=RECENT)  # when it was taken, latency

    def goes_on_with(self, image: np.ndarray) -> bool:
        """Whether a picture belongs to this session, rather than to a new one."""
        return (
            self._number < MAX_FRAMES
            and self._clock() - self._last < PAUSE
            and (self._given is None or self._given.image.shape == image.shape)
        )

    def mark(self, image: np.ndarray) -> np.ndarray:
        """Predicts a picture, RGB, uint8 [H, W, 3].

        Returns:
            It with tinted muscles and a legend, RGB, uint8 [H + legend, W, 3].
        """
        came = self._clock()
        self._given = Frame(came - self._start, image)
        frame, probabilities = next(self._probabilities)
        marked = predicted_frame(self._predictor, frame, probabilities, self._number)
        self._tracker.add(frame.seconds, marked.regions)
        self._counts.add(frame.seconds, self._tracker)
        self._rows = marked.rows
        drawn = draw_overlay(marked.image, marked.class_ids, self._predictor.class_names)
        self._number += 1
        self._last = self._clock()
        self._recent.append((came, self._last - came))
        return drawn

    @property
    def numbers(self) -> str:
        """Repetitions, rate and latency as HTML."""
        counts = self._counts.counts
        rows = [(str(counts[row.muscle]), percent(row.area_share, digits=2)) for row in self._rows]
        table = muscle_table(("repetitions so far", "area now"), list(counts), rows)
        taken = [came for came, _ in self._recent]
        latency = 1000 * float(np.median([latency for _, latency in self._recent]))
        told = f"latency {latency:.0f} ms"
        rate = frame_rate(len(taken), taken[-1] - taken[0])
        if rate is not None:
            told = f"{rate:.1f} pictures a second, {told}"
        return f"{table}<p class='live'>{told}</p>"

    def _taken(self) -> Iterator[Frame]:
        while self._given is not None:
            yield self._given


def decoded(address: str) -> np.ndarray:
    """The picture that a browser sent as an address with a JPEG in it: RGB, uint8 [H, W, 3].

    Raises:
        UserError: it is none, or too large.
    """
    refused = UserError("this is no picture of a webcam: let the browser use the camera")
    if not address.startswith(JPEG) or len(address) > MAX_PICTURE:
        raise refused
    try:
        content = base64.b64decode(address.removeprefix(JPEG), validate=True)
        with open_image(io.BytesIO(content), MAX_FRAME_PIXELS) as picture:
            if picture.format != "JPEG":
                raise refused
            return np.asarray(picture.convert("RGB"))
    except (ValueError, UnreadableImageError) as error:
        raise refused from error


def encoded(image: np.ndarray) -> str:
    """A picture, RGB, uint8 [H, W, 3], as `decoded` takes it: no file is written."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=85)
    return JPEG + base64.b64encode(content.getvalue()).decode("ascii")
