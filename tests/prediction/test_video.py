import dataclasses
import errno
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from light_model import light

from tf_muscle.data.geometry import Geometry
from tf_muscle.data.marking import likeliest
from tf_muscle.errors import UserError
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import PredictedFrame
from tf_muscle.prediction.video import predict_video
from tf_muscle.runs.calibration import Calibration, Tta

SIZE = 32


def blinking(seconds: np.ndarray) -> list[Frame]:
    """Dark, then light from second 1 on."""
    return [
        Frame(float(second), np.full((SIZE, SIZE, 3), 255 if second >= 1 else 0, np.uint8))
        for second in seconds
    ]


def write_video(path: Path, frames: list[Frame]) -> Path:
    writer = VideoWriter(path, Fraction(10))
    for frame in frames:
        writer.add(frame)
    writer.close()
    return path


def test_a_video_gives_overlay_and_timeline(predictor: Predictor, tmp_path: Path) -> None:
    frames = blinking(np.arange(0, 2, 0.1))
    source = write_video(tmp_path / "film.mp4", frames)
    seen: list[PredictedFrame] = []
    result = predict_video(predictor, source, tmp_path / "out.mp4", smooth=0, each=seen.append)
    assert [(frame.number, frame.count) for frame in seen] == [(i, 20) for i in range(20)]
    assert [int(frame.class_ids.min()) for frame in seen] == [0] * 10 + [1] * 10
    assert (result.note, result.interrupted) == (None, False)
    np.testing.assert_allclose(result.timeline.seconds, np.arange(0, 2, 0.1), atol=1e-4)
    np.testing.assert_array_equal(result.timeline.area[:, 0], [0] * 10 + [1] * 10)
    assert np.isnan(result.timeline.probability[:10]).all()
    assert (result.timeline.probability[10:] > 0.95).all()
    written = list(VideoFrames(tmp_path / "out.mp4"))
    np.testing.assert_allclose([f.seconds for f in written], result.timeline.seconds, atol=1e-4)
    assert written[0].image.shape[0] > SIZE  # the legend


@pytest.mark.parametrize("tta", ["none", "mirror", "mirror_scale"])
@pytest.mark.parametrize("thresholds", [(), (0.35, 0.45)])
def test_masks_are_those_of_enlarged_probabilities(
    tta: Tta, thresholds: tuple[float, ...], tmp_path: Path
) -> None:
    """As directly computed; between frames that have nothing in common nothing is averaged."""

    def colours(images: np.ndarray) -> np.ndarray:
        powers = np.exp(images[..., [2, 0, 1]].astype(np.float32) / 40)  # blue is background
        return powers / powers.sum(-1, keepdims=True)

    calibration = Calibration(tta=tta, thresholds=thresholds)
    names = ("background", "red", "green")
    predictor = Predictor(colours, names, Geometry("pad", SIZE), 4, calibration)
    random = np.random.default_rng(0)
    frames = [
        Frame(0.1 * i, random.integers(0, 256, (6, 8, 3), np.uint8).repeat(25, 0).repeat(25, 1))
        for i in range(10)
    ]
    source = write_video(tmp_path / "film.mp4", frames)
    seen: list[PredictedFrame] = []
    predict_video(predictor, source, tmp_path / "out.mp4", smooth=0.3, each=seen.append)
    assert len(seen) == 10
    for frame, shown in zip(seen, VideoFrames(source), strict=True):
        np.testing.assert_array_equal(frame.image, shown.image)
        (probabilities,) = predictor.stream([shown.image])
        expected = likeliest(probabilities, thresholds)
        assert (frame.class_ids != expected).mean() < 1e-3  # ties, which rounding decides
        for class_id, row in enumerate(frame.rows, start=1):
            own = probabilities[..., class_id][expected == class_id]
            assert row.area_share == pytest.approx(own.size / expected.size, abs=1e-3)
            assert row.mean_probability == pytest.approx(own.mean(), abs=1e-3)


def test_a_full_disk_ends_the_work_and_leaves_nothing(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "film.mp4", blinking(np.arange(0, 20, 0.1)))
    seen: list[PredictedFrame] = []
    add = VideoWriter.add

    def full(writer: VideoWriter, frame: Frame) -> None:
        if frame.seconds > 0.45:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(writer, frame)

    monkeypatch.setattr(VideoWriter, "add", full)
    with pytest.raises(OSError, match="No space left"):
        predict_video(predictor, source, tmp_path / "out.mp4", each=seen.append)
    assert len(seen) < 20  # of 200
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4"}
    assert [thread for thread in threading.enumerate() if "ThreadPool" in thread.name] == []


def test_an_error_of_the_model_is_raised(predictor: Predictor, tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", blinking(np.arange(0, 2, 0.1)))

    def broken(images: np.ndarray) -> np.ndarray:
        raise ValueError("out of memory")

    with pytest.raises(ValueError, match="out of memory"):
        predict_video(dataclasses.replace(predictor, forward=broken), source, tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4"}


def test_ctrl_c_leaves_a_finished_video(predictor: Predictor, tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", blinking(np.arange(0, 2, 0.1)))

    def interrupt(frame: PredictedFrame) -> None:
        if frame.number == 6:
            raise KeyboardInterrupt

    result = predict_video(predictor, source, tmp_path / "out.mp4", each=interrupt)
    assert result.interrupted
    assert len(result.timeline.seconds) == 7
    assert len(list(VideoFrames(tmp_path / "out.mp4"))) == 7


def test_a_real_ctrl_c_while_stages_overlap(predictor: Predictor, tmp_path: Path) -> None:
    """It reaches the main thread wherever that is, as the model works in another."""
    source = write_video(tmp_path / "film.mp4", blinking(np.arange(0, 20, 0.1)))
    calls = []

    def interrupting(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return light(images)

    slow = dataclasses.replace(predictor, forward=interrupting)
    result = predict_video(slow, source, tmp_path / "out.mp4")
    assert result.interrupted
    count = len(result.timeline.seconds)
    assert 1 <= count < 200
    assert result.timeline.area.shape == (count, 1)
    assert len(list(VideoFrames(tmp_path / "out.mp4"))) == count


def test_a_video_without_a_frame_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    source = write_video(tmp_path / "film.mp4", blinking(np.arange(0, 1, 0.1)))
    content = bytearray(source.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)  # the index without the pictures
    source.write_bytes(content)
    with pytest.raises(UserError, match=r"film\.mp4 has no frame that can be decoded"):
        predict_video(predictor, source, tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4"}


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from tf_muscle.data.geometry import Geometry
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.video import predict_video

def forward(images):
    light = images[..., :1] / np.float32(255)
    return np.concatenate([1 - light, light], axis=-1)

def each(frame):
    if frame.number in (100, 699):
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

source, out = map(Path, sys.argv[1:])
predictor = Predictor(forward, ("background", "biceps"), Geometry("pad", 32))
predict_video(predictor, source, out, each=each)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="the system does not tell a process's memory")
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    source = tmp_path / "film.mp4"
    writer = VideoWriter(source, Fraction(30))
    for i in range(700):
        writer.add(Frame(i / 30, np.roll(image, i, axis=1)))
    writer.close()
    process = subprocess.run(
        [sys.executable, "-c", MEMORY, str(source), str(tmp_path / "out.mp4")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    early, late = map(int, process.stdout.split())
    # 600 more frames would take 138 MB decoded, and 369 MB as probabilities.
    assert late - early < 80_000  # kB
