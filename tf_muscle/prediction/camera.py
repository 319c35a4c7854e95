"""What a camera sees: a thread takes every picture, and only the newest one waits.

A model that is slower than the camera predicts the newest picture each time, and those between are
dropped. Nothing queues up, neither here nor in the camera's own buffer, which the thread keeps
empty.
"""

import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from tf_muscle.errors import UserError
from tf_muscle.prediction.frames import FALLBACK_RATE, SHORTEST_PAUSE, Frame

LISTENING = 0.2  # seconds between two looks at ctrl-C, which wakes no waiting thread on Windows
CLOSING = 2.0  # seconds that a picture may take to come; then its thread frees the camera later


class CameraFrames:
    """What a camera sees, always the newest frame, until it is unplugged; iterated once.

    Args:
        number: of the camera, from 0.
        clock: seconds, increasing.

    Attributes:
        seen: frames that the camera has taken so far.
        note: a sentence if it was unplugged; else None.

    Raises:
        UserError: there is no such camera.
    """

    rate = FALLBACK_RATE
    count = 0  # nobody knows how many there will be
    frame_bytes = 1  # one waits, whatever its size
    passed, last = 0, 0.0  # nothing is left out before the first frame, as of a file

    def __init__(self, number: int, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seen = 0
        self.note: str | None = None
        self._number = number
        self._clock = clock
        self._camera = cv2.VideoCapture(number)
        if not self._camera.isOpened():
            raise UserError(
                f"camera {number} cannot be opened: plug one in, close other programs that use it, "
                "or give another number (the first is 0)"
            )
        self._start = 0.0
        self._newest: tuple[float, np.ndarray] | None = None  # BGR
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self._closing = False
        self._thread = threading.Thread(target=self._capture, name="camera", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while True:
            with self._changed:
                while self._newest is None and not self._ended:
                    self._changed.wait(LISTENING)
                newest, self._newest = self._newest, None
            if newest is None:
                break
            seconds, image = newest
            yield Frame(seconds, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        if self._error:
            raise self._error

    @property
    def elapsed(self) -> float:
        """Seconds since the first frame was taken."""
        return self._clock() - self._start

    def close(self) -> None:
        """Ends the thread, which frees the camera."""
        self._closing = True
        if self._thread.ident is None:
            self._camera.release()
        else:
            self._thread.join(CLOSING)

    def _capture(self) -> None:
        seconds = -SHORTEST_PAUSE
        try:
            while not self._closing:
                there, image = self._camera.read()
                now = self._clock()
                if not there:
                    if self.seen:
                        self.note = (
                            f"camera {self._number} gave no more pictures after frame {self.seen}: "
                            "it was unplugged, or another program took it"
                        )
                    break
                with self._changed:
                    self._start = self._start if self.seen else now
                    seconds = max(now - self._start, seconds + SHORTEST_PAUSE)
                    self.seen += 1
                    self._newest = seconds, image
                    self._changed.notify()
        except BaseException as error:  # raised where the frames are taken
            self._error = error
        finally:
            self._camera.release()
            with self._changed:
                self._ended = True
                self._changed.notify()
