"""A part of a video: which frames, their times and numbers."""

from collections.abc import Iterator
from fractions import Fraction
from math import inf, nan
from pathlib import Path

import av
import numpy as np
import pytest
from light_model import light
from PIL import Image

from tf_muscle.errors import UserError
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter
from tf_muscle.prediction.predictor import Predictor
from tf_muscle.prediction.stream import PredictedFrame, VideoPredictions, open_frames
from tf_muscle.prediction.time_range import TimeRange
from tf_muscle.prediction.timeline import write_timeline
from tf_muscle.prediction.video import predict_video

SIZE = 32


def picture(number: int) -> np.ndarray:
    """A picture whose brightness tells its number."""
    return np.full((SIZE, SIZE, 3), 20 + 4 * number, np.uint8)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """50 frames of 25 a second; the first has a time stamp of its own."""
    writer = VideoWriter(tmp_path / "film.mp4", Fraction(25))
    for i in range(50):
        writer.add(Frame(3 + i / 25, picture(i)))
    writer.close()
    return tmp_path / "film.mp4"


def told(frames: VideoFrames) -> Iterator[tuple[float, int]]:
    """Times of frames, and the numbers that the pictures show."""
    for frame in frames:
        yield round(frame.seconds, 3), round((float(frame.image.mean()) - 20) / 4)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(0, inf, 0, 49), (0.4, 0.8, 10, 19), (1.0, inf, 25, 49), (0, 0.04, 0, 0), (0.41, 0.5, 11, 12)],
)
def test_frames_from_start_on_and_before_end(
    start: float, end: float, first: int, last: int, film: Path
) -> None:
    frames = VideoFrames(film, time_range=TimeRange(start, end))
    expected = [(round(i / 25, 3), i) for i in range(first, last + 1)]
    assert list(told(frames)) == expected
    assert (frames.passed, frames.note) == (first, None)
    frames.close()


def test_two_parts_make_the_whole(film: Path) -> None:
    parts = [list(told(VideoFrames(film, time_range=TimeRange(*p)))) for p in ((0, 1), (1, inf))]
    assert parts[0] + parts[1] == list(told(VideoFrames(film)))


def test_what_comes_after_is_not_decoded(film: Path) -> None:
    """What is damaged there does no harm."""
    content = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos]
    content[places[30] :] = bytes(len(content) - places[30])
    film.write_bytes(content)
    assert [number for _, number in told(VideoFrames(film, time_range=TimeRange(0, 0.4)))] == list(
        range(10)
    )


def test_animations_have_parts_too(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture(4 * i)) for i in range(10)]
    path = tmp_path / "a.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200, lossless=True)
    opened = open_frames(path, time_range=TimeRange(0.6, 1.2))
    assert [round(frame.seconds, 3) for frame in opened] == [0.6, 0.8, 1.0]
    assert (opened.passed, opened.note) == (3, None)
    opened.close()


def test_times_and_numbers_stay_those_of_the_file(
    film: Path, predictor: Predictor, tmp_path: Path
) -> None:
    seen: list[PredictedFrame] = []
    out = tmp_path / "out.mp4"
    video = predict_video(predictor, film, out, time_range=(0.4, 1.0), smooth=0, each=seen.append)
    assert [frame.number for frame in seen] == list(range(10, 25))
    np.testing.assert_allclose(video.timeline.seconds, np.arange(10, 25) / 25, atol=1e-4)
    assert video.timeline.first_frame == 10
    write_timeline(video.timeline, tmp_path / "timeline.csv")
    rows = (tmp_path / "timeline.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:2] for row in (rows[0], rows[-1])] == [
        ["10", "0.4000"],
        ["24", "0.9600"],
    ]
    with av.open(str(out)) as container:  # the overlay begins at once
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(15) / 25, atol=1e-4)


def test_only_the_part_is_predicted(film: Path, predictor: Predictor, tmp_path: Path) -> None:
    counts = []

    def counting(images: np.ndarray) -> np.ndarray:
        counts.append(len(images))
        return light(images)

    watching = Predictor(counting, predictor.class_names, predictor.geometry, batch_size=1)
    predict_video(watching, film, tmp_path / "out.mp4", time_range=(0.4, 0.8))
    assert sum(counts) == 10


@pytest.mark.parametrize("part", [(-1, 2), (2, 2), (3, 2), (nan, 2), (0, nan), (inf, inf)])
def test_a_part_that_is_none_is_refused(part: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="--time_range must be START END in seconds"):
        TimeRange(*part)


def test_a_part_after_the_end_is_refused(film: Path, predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no frame from 5 s on, the last one is at 1\.960 s"):
        predict_video(predictor, film, tmp_path / "out.mp4", time_range=(5, 6))
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4"}


def test_a_part_between_two_frames_is_refused(
    film: Path, predictor: Predictor, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no frame from 0\.41 to 0\.43 s"):
        predict_video(predictor, film, tmp_path / "out.mp4", time_range=(0.41, 0.43))


def test_a_camera_has_no_parts(predictor: Predictor) -> None:
    with pytest.raises(UserError, match="not for camera 0"):
        VideoPredictions(predictor, 0, time_range=TimeRange(1, 2))
