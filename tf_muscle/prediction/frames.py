"""Frames out of video files and into MP4 files, one at a time."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tf_muscle.errors import UserError, printable
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.roboflow.image_files import MAX_PIXELS

TIME_BASE = Fraction(1, 90_000)  # of MPEG: whole numbers for 24, 25, 30 and 60 frames a second
FALLBACK_RATE = Fraction(30)  # frames a second, where a file or camera does not tell
SHORTEST_PAUSE = 0.0001  # seconds between two frames; an MP4 cannot tell shorter ones apart
LONGEST_PAUSE = 60.0  # seconds between two frames; more is a damaged time stamp
# FFmpeg's readers of films (its names). Others fetch what a playlist names, local files and URLs.
FORMATS = "mov,matroska,avi,asf,mpeg,mpegts,mpegvideo,flv,ogg"
MAX_SIDE = 16_000  # pixels; x264 takes 16,384, and the legend stands below the frame
# x264's scale of quality: 18 is called visually lossless, 23 is its default.
QUALITY = {"crf": "20", "preset": "veryfast"}


@dataclass(frozen=True)
class Frame:
    """A frame: seconds since the first one, and RGB, uint8 [H, W, 3]."""

    seconds: float
    image: np.ndarray


class VideoFrames:
    """The frames of a video file as players show them, with increasing times.

    They are turned and mirrored as the metadata say, and where pixels are not square, the shorter
    side of these is enlarged.

    Args:
        path: MP4, MOV, Matroska, WebM, AVI, WMV, MPEG, FLV or Ogg, whatever its name.
        max_pixels: height times width of a frame that is still decoded.
        time_range: the frames that are given; those before are decoded for their exact times only.

    Attributes:
        rate: frames a second on average.
        count: frames that the file declares; 0 if it does not.
        passed: frames before the range; known with the first frame.
        last: seconds of the last frame that was decoded.
        note: after the last frame, a sentence if the file is cut off or damaged.

    Raises:
        UserError: the file is no video, or its frames are too large.
    """

    def __init__(
        self, path: File, *, max_pixels: int = MAX_PIXELS, time_range: TimeRange = WHOLE
    ) -> None:
        self.path = path
        self.note: str | None = None
        self.passed, self.last = 0, 0.0
        self._range = time_range
        try:
            self._container = av.open(
                # A name like concat:a|b would be taken for another protocol than a file.
                f"file:{os.fspath(path)}",
                options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            )
        except (OSError, av.error.FFmpegError) as error:
            raise UserError(
                f"{path} cannot be read as a video ({_reason(error)}): replace it or convert it to "
                "MP4 (H.264)"
            ) from error
        if not self._container.streams.video:
            self.close()
            raise UserError(f"{path} holds no video track: give a video file")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        # Frames may be larger than the header says.
        self._stream.codec_context.options = {"max_pixels": str(max_pixels)}
        rate = self._stream.average_rate or FALLBACK_RATE
        self.rate = rate if SHORTEST_PAUSE < 1 / rate < LONGEST_PAUSE else FALLBACK_RATE
        self.count = self._stream.frames
        width, height = self._size = _display_size(self._stream)
        self.frame_bytes = 3 * width * height
        if width * height > max_pixels or max(width, height) > MAX_SIDE:
            self.close()
            raise UserError(
                f"{path} has frames of {width}x{height}, more than {max_pixels:,} pixels or more "
                f"than {MAX_SIDE:,} on a side: make them smaller"
            )

    def __iter__(self) -> Iterator[Frame]:
        decoded = 0
        start = before = 0.0
        step = float(1 / self.rate)
        try:
            for frame in self._container.decode(self._stream):
                if decoded == 0:
                    start = frame.time or 0.0
                    seconds = 0.0
                else:
                    seconds = -1.0 if frame.time is None else frame.time - start
                    # Time stamps that are missing, go back or leap are met in real files.
                    if not SHORTEST_PAUSE < seconds - before < LONGEST_PAUSE:
                        seconds = before + step
                self.last = before = seconds
                if self._range.is_after(seconds):
                    return
                decoded += 1
                if self._range.is_before(seconds):
                    self.passed += 1
                    continue
                # A film may change its size; then all frames get that of the beginning.
                width, height = self._size
                image = frame.to_ndarray(format="rgb24", width=width, height=height)
                yield Frame(seconds, _upright(image, frame))
        except av.error.FFmpegError as error:
            self.note = (
                f"{printable(str(self.path))} is damaged after frame {decoded} ({_reason(error)})"
            )
        if self.note is None and decoded < self.count:
            self.note = (
                f"{printable(str(self.path))} is cut off: {decoded} of its {self.count} frames are "
                "there"
            )

    def close(self) -> None:
        """Closes the file."""
        self._container.close()


class VideoWriter:
    """An MP4 that browsers play: H.264, yuv420p, no sound, its index at the start.

    Without a frame there is no file.

    Args:
        path: to write.
        rate: frames a second on average; each frame keeps its own time.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.path = path
        self._rate = rate
        self._container: av.container.OutputContainer | None = None

    def add(self, frame: Frame) -> None:
        """Adds a frame; all have the size of the first, and increasing times."""
        height, width = frame.image.shape[:2]
        if self._container is None:
            self._container = av.open(
                # A relative path like 10:30/overlay.mp4 would be taken for a protocol.
                f"file:{self.path}",
                "w",
                format="mp4",
                options={"movflags": "+faststart"},
            )
            self._stream = self._container.add_stream("libx264", self._rate, options=QUALITY)
            # Colours are stored for each 2x2 pixels, so an odd size gets another row or column.
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = TIME_BASE
        image = frame.image
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.pts = round(frame.seconds / TIME_BASE)
        picture.time_base = TIME_BASE
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Writes what the encoder still holds, and gives the file its name."""
        if self._container is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _display_size(stream: av.VideoStream) -> tuple[int, int]:
    """Width and height in square pixels, before turning."""
    width, height = stream.width, stream.height
    ratio = stream.sample_aspect_ratio or Fraction(1)  # width of a pixel to its height
    if ratio > 1:
        return round(width * ratio), height
    return width, round(height / ratio) if ratio > 0 else height


def _upright(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turns and mirrors pixels by the frame's display matrix (ISO 14496-12, 6.2.2), if it has one.

    PyAV's `rotation` takes a mirror image, as of front cameras, for a turned one.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    # A pixel at (x, y) is shown at (a x + c y, b x + d y).
    content = bytes(matrix)  # type: ignore[call-overload]  # an object to PyAV's stubs
    a, b, _, c, d, *_ = np.frombuffer(content, np.int32).tolist()
    across, down = a, d
    if abs(b) > abs(a):
        image = image.swapaxes(0, 1)
        across, down = c, b
    return image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
