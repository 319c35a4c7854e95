import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tf_muscle.errors import UserError
from tf_muscle.prediction.file_kinds import content_of
from tf_muscle.prediction.frames import Frame, VideoFrames, VideoWriter

SECONDS = [0.0, 0.1, 0.25, 0.3, 0.9]


def picture(height: int = 48, width: int = 80) -> np.ndarray:
    """Red top left, blue bottom right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[height // 2 :, width // 2 :, 2] = 255
    return image


def write(path: Path, image: np.ndarray, seconds: list[float] = SECONDS) -> Path:
    writer = VideoWriter(path, Fraction(10))
    for second in seconds:
        writer.add(Frame(second, image))
    writer.close()
    return path


def turned(path: Path, matrix: tuple[int, ...]) -> Path:
    """Puts a matrix into the track header (ISO 14496-12, 8.3.2) as phones do."""
    content = path.read_bytes()
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = content.index(identity, content.index(b"tkhd"))
    other = path.with_name(f"turned_{path.name}")
    other.write_bytes(content[:start] + struct.pack(">9i", *matrix) + content[start + 36 :])
    return other


@pytest.mark.parametrize("size", [(48, 80), (47, 81), (1, 3)])
def test_videos_keep_pictures_and_times_at_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    height, width = size
    image = picture(height, width)
    video = VideoFrames(write(tmp_path / "film.mp4", image))
    read = list(video)
    assert [frame.seconds for frame in read] == pytest.approx(SECONDS, abs=1e-4)
    assert (video.note, video.count) == (None, len(SECONDS))
    for frame in read:
        assert frame.image.shape == (height + height % 2, width + width % 2, 3)
        if height > 40:
            difference = np.abs(frame.image[:height, :width].astype(int) - image)
            assert np.median(difference) < 8


def test_a_folder_may_be_named_by_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is before a colon is a protocol to FFmpeg."""
    monkeypatch.chdir(tmp_path)
    folder = Path("2026-05-01T10:30")
    folder.mkdir()
    assert len(list(VideoFrames(write(folder / "film.mp4", picture())))) == len(SECONDS)


def test_browsers_play_it(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", picture(47, 81))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # plays before it is loaded
    with av.open(str(path)) as container:
        (stream,) = container.streams  # no sound
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_a_turned_video_comes_as_players_show_it(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", picture())
    one = 1 << 16
    # (x, y) is shown at (48 - y, x): what was top left is top right.
    clockwise = turned(path, (0, one, 0, -one, 0, 0, 48 << 16, 0, 1 << 30))
    first = next(iter(VideoFrames(clockwise)))
    assert first.image.shape == (80, 48, 3)
    assert first.image[5, -5, 0] > 200
    assert first.image[-5, 5, 2] > 200
    half = turned(path, (-one, 0, 0, 0, -one, 0, 80 << 16, 48 << 16, 1 << 30))
    first = next(iter(VideoFrames(half)))
    assert first.image.shape == (48, 80, 3)
    assert first.image[-5, -5, 0] > 200
    mirrored = turned(path, (-one, 0, 0, 0, one, 0, 80 << 16, 0, 1 << 30))
    first = next(iter(VideoFrames(mirrored)))
    assert first.image[5, -5, 0] > 200
    assert first.image[-5, 5, 2] > 200
    turned_and_mirrored = turned(path, (0, one, 0, one, 0, 0, 0, 0, 1 << 30))  # (y, x)
    first = next(iter(VideoFrames(turned_and_mirrored)))
    assert first.image.shape == (80, 48, 3)
    assert first.image[5, 5, 0] > 200
    assert first.image[-5, -5, 2] > 200


def test_a_cut_off_video_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    writer = VideoWriter(path, Fraction(10))
    for i, image in enumerate(noise):
        writer.add(Frame(i / 10, image))
    writer.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    video = VideoFrames(path)
    read = list(video)
    assert 5 < len(read) < 30
    assert video.note is not None
    assert "film.mp4 is" in video.note


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    whole = write(tmp_path / "whole.mp4", picture()).read_bytes()
    for content in (b"", b"hello\nthere\n", b"\x1b[31m colours of a terminal", whole[:200]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"film\.mp4 (cannot be read as a|holds no) video"):
            VideoFrames(path)
    with pytest.raises(UserError, match=r"absent\.mp4 cannot be read"):
        VideoFrames(tmp_path / "absent.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match="holds no video"):
        VideoFrames(tmp_path / "sound.mp4")


def test_frames_that_are_too_large_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", picture())
    with pytest.raises(UserError, match="frames of 80x48, more than 3,839 pixels"):
        VideoFrames(path, max_pixels=48 * 80 - 1)


def test_no_frame_leaves_no_file(tmp_path: Path) -> None:
    VideoWriter(tmp_path / "film.mp4", Fraction(10)).close()
    assert not list(tmp_path.iterdir())


def test_time_stamps_that_leap_or_stand_still_are_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", picture(), [0.0, 0.1, 0.2, 5000.0, 5000.1])
    seconds = [frame.seconds for frame in VideoFrames(path)]
    steps = np.diff(seconds)
    assert (steps > 0).all()
    assert steps.max() < 60


def stretched(path: Path, ratio: Fraction, container: str) -> Path:
    """A film of 80x48 stored pixels that are `ratio` times as wide as high."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("mpeg2video" if container == "mpegts" else "libx264", 10)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = ratio
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        (Fraction(2), (48, 160)),
        (Fraction(16, 15), (48, 85)),
        (Fraction(1, 2), (96, 80)),
        (Fraction(1), (48, 80)),
    ],
)
def test_pixels_that_are_not_square(ratio: Fraction, size: tuple[int, int], tmp_path: Path) -> None:
    path = stretched(tmp_path / "film.mp4", ratio, "mp4")
    image = next(iter(VideoFrames(path))).image
    assert image.shape[:2] == size
    assert image[5, 5, 0] > 200
    assert image[-5, -5, 2] > 200
    assert image[5, -5].max() < 60
    with pytest.raises(UserError, match=f"frames of {size[1]}x{size[0]}"):
        VideoFrames(path, max_pixels=size[0] * size[1] - 1)


def test_the_container_decides_how_wide_pixels_are(tmp_path: Path) -> None:
    path = stretched(tmp_path / "film.mp4", Fraction(2), "mp4")
    content = path.read_bytes()
    place = content.index(b"pasp") + 4  # ISO 14496-12, 12.1.4.2
    path.write_bytes(content[:place] + struct.pack(">2I", 3, 1) + content[place + 8 :])
    assert next(iter(VideoFrames(path))).image.shape == (48, 240, 3)


def test_transport_streams_and_flash_are_read(tmp_path: Path) -> None:
    # 2.21 : 1, one of the few shapes that MPEG-2 knows, is 106 pixels at 48.
    film = stretched(tmp_path / "film.mts", Fraction(221 * 48, 100 * 80), "mpegts")
    packets = film.read_bytes()
    with_times = b"".join(
        bytes(4) + packets[i : i + 188] for i in range(0, len(packets), 188)
    )  # as cameras write them
    (tmp_path / "film.m2ts").write_bytes(with_times)
    stretched(tmp_path / "film.flv", Fraction(1), "flv")
    for name, shape in (("film.mts", (48, 106)), ("film.m2ts", (48, 106)), ("film.flv", (48, 80))):
        path = tmp_path / name
        assert content_of(path) == "video", name
        read = list(VideoFrames(path))
        assert [frame.image.shape[:2] for frame in read] == [shape] * 3
