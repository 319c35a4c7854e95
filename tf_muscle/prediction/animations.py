"""Frames out of animated GIF, WebP, PNG and AVIF files, one at a time."""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction

from tf_muscle.errors import UserError, one_line, printable
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.frames import MAX_SIDE, Frame
from tf_muscle.prediction.time_range import WHOLE, TimeRange
from tf_muscle.roboflow.image_files import (
    MAX_PIXELS,
    UPRIGHT,
    LargeImageError,
    open_image,
    orientation,
)
from tf_muscle.roboflow.photo_pixels import to_rgb

# Milliseconds. Browsers show a frame that shall last 10 or less for 100: old programs wrote 0.
SHORTEST, USUAL = 10, 100
LONGEST = 60_000  # more is damage


class AnimationFrames:
    """The frames of an animation as browsers show them once, on white, with increasing times.

    Args:
        path: GIF, WebP, PNG or AVIF, whatever its name.
        max_pixels: height times width of a frame that is still decoded.
        time_range: the frames that are given.

    Attributes:
        rate: frames a second, by the first one.
        count: frames that the file declares; 0 for a GIF, which does not.
        passed: frames before the range; known with the first frame.
        last: seconds of the last frame that was decoded.
        note: after the last frame, a sentence if the file is damaged.

    Raises:
        UserError: the file cannot be opened, or its frames are too large.
    """

    def __init__(
        self, path: File, *, max_pixels: int = MAX_PIXELS, time_range: TimeRange = WHOLE
    ) -> None:
        self.path = path
        self.note: str | None = None
        self.passed, self.last = 0, 0.0
        self._range = time_range
        self._max_pixels = max_pixels
        self._open = ExitStack()
        try:
            self._image = self._open.enter_context(open_image(path, max_pixels))
            if max(self._image.size) > MAX_SIDE:
                raise LargeImageError("{}x{} pixels".format(*self._image.size))
            self.frame_bytes = 3 * self._image.width * self._image.height
            # An APNG may begin with a picture that is not among its frames.
            self._first = int(bool(self._image.info.get("default_image")))
            frames = 0 if self._image.format == "GIF" else getattr(self._image, "n_frames", 1)
            self.count = max(frames - self._first, 0)
            self._image.seek(self._first)
            self._image.load()
            self.rate = Fraction(1000, self._milliseconds())
        except LargeImageError as error:
            self.close()
            raise UserError(
                f"{path} has frames of {error}, more than {max_pixels:,} or more than "
                f"{MAX_SIDE:,} on a side: make them smaller"
            ) from error
        except Exception as error:  # what a damaged file happens to lead Pillow to
            self.close()
            raise UserError(
                f"{path} cannot be read as a video ({one_line(error)}): replace it or "
                "convert it to MP4 (H.264)"
            ) from error

    def __iter__(self) -> Iterator[Frame]:
        size = self._image.size
        milliseconds = 0
        decoded = 0
        turn = UPRIGHT.get(orientation(self._image))
        while True:
            try:
                self._image.seek(self._first + decoded)
                if self._image.width * self._image.height > self._max_pixels:
                    raise OSError("a frame is larger than the first one")
                self._image.load()
                image = self._image if turn is None else self._image.transpose(turn)
                if self._image.size != size:  # a GIF's frame may lie beyond its canvas
                    image = self._image.crop((0, 0, *size))
                rgb = to_rgb(image)
                lasts = self._milliseconds()
            except EOFError:
                break
            except Exception as error:  # what a damaged file happens to lead Pillow to
                file = printable(str(self.path))
                self.note = f"{file} is damaged after frame {decoded} ({one_line(error)})"
                break
            self.last = milliseconds / 1000
            if self._range.is_after(self.last):
                break
            if self._range.is_before(self.last):
                self.passed += 1
            else:
                yield Frame(self.last, rgb)
            milliseconds += lasts
            decoded += 1

    def close(self) -> None:
        """Closes the file."""
        self._open.close()

    def _milliseconds(self) -> int:
        lasts = round(self._image.info.get("duration") or 0)
        return lasts if SHORTEST < lasts <= LONGEST else USUAL
