"""A model of light, and a camera that shows what a test gives it, in place of OpenCV's."""

import queue

import cv2
import numpy as np
import pytest
from light_model import light

from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction.predictor import Predictor


class PluggedCamera:
    """What `cv2.VideoCapture` is replaced by, and what opens and reads it.

    `show` returns when the picture was taken by who reads the camera.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.there = True
        self._pictures = queue.Queue[np.ndarray | BaseException | None]()
        self._reading = self._unplugged = False

    def __call__(self, number: int) -> "PluggedCamera":
        self.calls.append(f"open {number}")
        return self

    def isOpened(self) -> bool:  # noqa: N802
        return self.there

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self._reading:  # the picture before is where its reader wants it
            self._pictures.task_done()
        self._reading = True
        picture = self._pictures.get()
        if isinstance(picture, BaseException):
            raise picture
        return picture is not None, picture

    def release(self) -> None:
        self.calls.append("release")

    def show(self, *pictures: np.ndarray) -> None:
        """Shows BGR pictures, uint8 [H, W, 3] each; nothing once it is unplugged."""
        if not self._unplugged:
            self.show_later(*pictures)
            self._pictures.join()

    def show_later(self, *pictures: np.ndarray | BaseException) -> None:
        """Likewise, without waiting; an error is raised by the camera."""
        for picture in pictures:
            self._pictures.put(picture)

    def unplug(self) -> None:
        self._unplugged = True
        self._pictures.put(None)


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> PluggedCamera:
    plugged = PluggedCamera()
    monkeypatch.setattr(cv2, "VideoCapture", plugged)
    return plugged


@pytest.fixture
def predictor() -> Predictor:
    """Of photos of 32 pixels, four at a time."""
    return Predictor(light, ("background", "biceps"), Geometry("pad", 32), batch_size=4)
