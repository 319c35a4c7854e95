import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.prediction.camera import CameraFrames

if TYPE_CHECKING:
    from tests.prediction.conftest import PluggedCamera


def grey(level: int) -> np.ndarray:
    return np.full((4, 6, 3), level, np.uint8)


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_camera_gives_rgb_at_the_times_of_the_clock(camera: "PluggedCamera") -> None:
    clock = Clock()
    source = CameraFrames(2, clock=clock)
    frames = iter(source)
    camera.show_later(np.full((4, 6, 3), (255, 0, 10), np.uint8))
    first = next(frames)
    clock.now += 0.25
    camera.show(grey(1))
    second = next(frames)
    clock.now += 0.5
    assert source.elapsed == 0.75
    camera.unplug()
    assert list(frames) == []
    source.close()
    assert camera.calls == ["open 2", "release"]
    assert (first.image == (10, 0, 255)).all()
    assert first.image.flags.c_contiguous
    assert (first.seconds, second.seconds) == (0.0, 0.25)


def test_only_the_newest_frame_waits(camera: "PluggedCamera") -> None:
    source = CameraFrames(0)
    frames = iter(source)
    camera.show_later(grey(1))
    taken = [next(frames)]
    camera.show(*map(grey, range(2, 10)))
    taken.append(next(frames))
    camera.show(grey(10))
    taken.append(next(frames))
    assert [int(frame.image[0, 0, 0]) for frame in taken] == [1, 9, 10]
    assert source.seen == 10
    camera.unplug()
    assert list(frames) == []
    source.close()


def test_what_waits_when_a_camera_is_unplugged_is_still_given(camera: "PluggedCamera") -> None:
    source = CameraFrames(1)
    camera.show_later(grey(1), grey(2))
    camera.unplug()
    assert [int(frame.image[0, 0, 0]) for frame in source][-1] == 2
    assert source.note == (
        "camera 1 gave no more pictures after frame 2: it was unplugged, or another program took it"
    )
    source.close()


def test_an_error_of_the_camera_is_raised_where_frames_are_taken(camera: "PluggedCamera") -> None:
    source = CameraFrames(0)
    camera.show_later(grey(1), OSError("the bus is gone"))
    with pytest.raises(OSError, match="the bus is gone"):
        list(source)
    source.close()
    assert camera.calls == ["open 0", "release"]


def test_a_camera_is_freed_whenever_it_is_closed(camera: "PluggedCamera") -> None:
    CameraFrames(0).close()  # before its first frame
    assert camera.calls == ["open 0", "release"]
    source = CameraFrames(0)
    frames = iter(source)
    camera.show_later(grey(1), grey(2))
    next(frames)
    camera.unplug()
    source.close()  # with a frame that nobody took
    assert camera.calls == ["open 0", "release"] * 2
    assert [one for one in threading.enumerate() if one.name == "camera"] == []


def test_a_camera_that_is_not_there_is_refused(camera: "PluggedCamera") -> None:
    camera.there = False
    with pytest.raises(UserError, match="camera 3 cannot be opened"):
        CameraFrames(3)
