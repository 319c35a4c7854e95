"""A camera from its pictures to the files, with a model that is slower than it."""

import csv
import dataclasses
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from light_model import light

from tf_muscle.data.geometry import Geometry
from tf_muscle.errors import UserError
from tf_muscle.prediction import camera as camera_module
from tf_muscle.prediction import stream
from tf_muscle.prediction.camera import CameraFrames
from tf_muscle.prediction.frames import VideoFrames
from tf_muscle.prediction.live_meter import LiveMeter, LiveReport
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.results_folder import ResultsFolder
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions
from tf_muscle.prediction.video import predict_video

if TYPE_CHECKING:
    from tests.prediction.conftest import PluggedCamera

SIZE = 32
NAMES = ("background", "biceps")


def picture(number: int, rows: int = 8) -> np.ndarray:
    """Its number is the darkness of the lower part; the upper rows are light."""
    image = np.full((SIZE, SIZE, 3), number, np.uint8)
    image[:rows] = 255
    return image


@dataclasses.dataclass
class World:
    """A clock, and a model during which the camera takes pictures and the clock goes on.

    Attributes:
        camera: that the model's user reads.
        shown: pictures during each call, 50 ms apart.
        calls: batch sizes.
    """

    camera: "PluggedCamera"
    shown: int = 4
    now: float = 7.0
    number: int = 0
    calls: list[int] = dataclasses.field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def show(self, count: int) -> None:
        for _ in range(count):
            self.now += 0.05
            self.number += 1
            self.camera.show(picture(self.number))

    def forward(self, images: np.ndarray) -> np.ndarray:
        self.calls.append(len(images))
        self.show(self.shown)
        return light(images)


@pytest.fixture
def world(camera: "PluggedCamera", monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(camera)
    monkeypatch.setattr(camera_module, "CLOSING", 0.1)  # a test may leave it waiting for a picture
    monkeypatch.setattr(stream, "CameraFrames", partial(CameraFrames, clock=made.clock))
    camera.show_later(picture(0))
    return made


def ending(world: World, number: int, end: Callable[[], None]) -> Callable[[PredictedFrame], None]:
    """Ends it after so many frames."""

    def each(frame: PredictedFrame) -> None:
        if frame.number == number - 1:
            end()

    return each


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_slow_model_drops_frames_and_does_not_queue_them(world: World, tmp_path: Path) -> None:
    predictor = Predictor(world.forward, NAMES, Geometry("pad", SIZE), batch_size=4)
    darkness: list[int] = []

    def each(frame: PredictedFrame) -> None:
        darkness.append(int(frame.image[-1, 0, 0]))
        if len(darkness) == 5:
            raise KeyboardInterrupt

    result = predict_video(predictor, 0, tmp_path / "out.mp4", smooth=0, each=each)
    assert world.calls == [1] * 5
    assert darkness == [0, 4, 8, 12, 16]  # the newest each time
    # True times of capture, though three of four were dropped.
    np.testing.assert_allclose(result.timeline.seconds, [0, 0.2, 0.4, 0.6, 0.8])
    written = [frame.seconds for frame in VideoFrames(tmp_path / "out.mp4")]
    np.testing.assert_allclose(written, result.timeline.seconds, atol=1e-4)
    # Each is drawn when four more pictures have been taken, 200 ms after itself.
    assert result.live == LiveReport(21, 5, pytest.approx(5), *[pytest.approx(200)] * 2)
    assert result.live.dropped == 16
    assert result.live.told == (
        "21 frames seen, 5 predicted, 16 dropped; 5.0 frames a second, latency 200 ms (median), "
        "200 ms (95th percentile)"
    )
    assert result.interrupted
    world.camera.unplug()


def test_a_fast_model_drops_none(world: World, tmp_path: Path) -> None:
    world.shown = 1
    predictor = Predictor(world.forward, NAMES, Geometry("pad", SIZE))
    result = predict_video(
        predictor, 0, tmp_path / "out.mp4", each=ending(world, 6, world.camera.unplug)
    )
    assert result.live is not None
    assert (result.live.seen, result.live.dropped) == (len(result.timeline.seconds), 0)
    assert not result.interrupted


def test_the_numbers_of_latency(camera: "PluggedCamera") -> None:
    world = World(camera)
    source = CameraFrames(0, clock=world.clock)
    meter = LiveMeter(source, ["biceps"])
    assert meter.report() is None
    assert meter.now == "repetitions biceps 0"
    frames = iter(source)
    camera.show_later(picture(0))
    latencies = np.arange(1, 41) / 1000  # 1 to 40 ms
    for latency in latencies:
        frame = next(frames)
        world.now += latency
        meter.drawn(frame.seconds)
        world.now += 0.1 - latency
        camera.show(picture(1))
    report = meter.report()
    assert report is not None
    assert report.latency_median == pytest.approx(1000 * np.median(latencies))
    assert report.latency_p95 == pytest.approx(1000 * np.quantile(latencies, 0.95))
    assert report.rate == pytest.approx(10)
    assert meter.now == "10.0 frames/s, 26 ms, repetitions biceps 0"  # of the last 30
    camera.unplug()
    source.close()


def test_a_real_ctrl_c_while_no_picture_comes(world: World, tmp_path: Path) -> None:
    world.shown = 0
    predictor = Predictor(world.forward, NAMES, Geometry("pad", SIZE))
    later = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    result = predict_video(predictor, 0, tmp_path / "out.mp4", each=ending(world, 1, later.start))
    assert result.interrupted
    assert result.live == LiveReport(1, 1, None, *[pytest.approx(0)] * 2)
    assert result.live.told.endswith("0 dropped; latency 0 ms (median), 0 ms (95th percentile)")
    assert len(list(VideoFrames(tmp_path / "out.mp4"))) == 1
    world.camera.unplug()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("end", ["ctrl-C", "unplugged"])
def test_however_it_ends_the_outputs_are_complete(world: World, tmp_path: Path, end: str) -> None:
    predictor = Predictor(world.forward, NAMES, Geometry("pad", SIZE))
    stop = interrupt if end == "ctrl-C" else world.camera.unplug
    with (
        ResultsFolder(tmp_path / "out", NAMES, "both") as results,
        closing(VideoPredictions(predictor, 0)) as predictions,
    ):
        video = results.add_video(predictions, ending(world, 8, stop))
        if end == "ctrl-C":
            world.camera.unplug()
    folder = tmp_path / "out/videos/camera_0"
    count = len(video.timeline.seconds)
    assert {path.name for path in folder.iterdir()} == {
        "overlay.mp4", "timeline.csv", "timeline.png", "repetitions.csv",
    }  # fmt: skip
    assert len(list(VideoFrames(folder / "overlay.mp4"))) == count
    rows = read(folder / "timeline.csv")
    assert [float(row["seconds"]) for row in rows] == pytest.approx(0.2 * np.arange(count))
    assert {row["biceps area_share"] for row in rows} == {"0.250000"}
    assert read(tmp_path / "out/predictions.csv")[0]["area_share"] == "0.250000"
    assert video.interrupted == (end == "ctrl-C")
    assert (video.note is None) == (end == "ctrl-C")
    assert world.camera.calls == ["open 0", "release"]


def test_a_camera_without_a_picture_is_told(camera: "PluggedCamera", tmp_path: Path) -> None:
    camera.unplug()
    predictor = Predictor(light, NAMES, Geometry("pad", SIZE))
    with pytest.raises(UserError, match="camera 0 shows no picture"):
        predict_video(predictor, 0, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []
