"""Opening image files of unknown origin: formats, how large they may be, how they are turned."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from tf_muscle.errors import one_line
from tf_muscle.roboflow.photo_pixels import (
    add_low_bytes,
    check_tiff,
    deep_to_rgb,
    high_bytes,
    low_byte_tiles,
    to_rgb,
    white_is_zero,
)

# Pillow knows 40 more; one of them starts Ghostscript, and none is met among photos.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# Read where Pillow was built with libavif, and where pillow-heif is installed.
AVIF, HEIF = "AVIF", "HEIF"
# Formats in which several pictures are frames; in TIFF they are pages, in others previews.
ANIMATED = ("GIF", "WEBP", "PNG", AVIF)
# Phones take 50 million at most but for special modes. Decoding takes 18 bytes for each of a photo
# with alpha, 0.9 GB in all.
MAX_PIXELS = 51_000_000
MAX_SCANS = 50  # of a progressive JPEG; usual are 10, and each can be 40 bytes that take 40 ms
EXIF_ORIENTATION = 0x0112  # CIPA DC-008, 4.6.4
UPRIGHT = {  # by EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow remarks on a file, one sentence tells here, or nobody needs to know.
warnings.filterwarnings("ignore", module=r"PIL\b")
logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def readable_formats() -> tuple[str, ...]:
    """Pillow's names of what this installation reads: `FORMATS`, and AVIF and HEIF if it can."""
    formats = (*FORMATS, AVIF) if features.check("avif") else FORMATS
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return formats
    register_heif_opener()
    return (*formats, HEIF)


class UnreadableImageError(Exception):
    """A file is no image of the known formats, or it is damaged; the message is Pillow's."""


class LargeImageError(UnreadableImageError):
    """A file has more pixels than are decoded; the message is how many, as "20000x9000 pixels"."""


@contextmanager
def open_image(
    file: os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS
) -> Iterator[ImageFile]:
    """Opens an image for the time of a block; nothing is decoded before its size is known.

    Args:
        file: path or opened file; an opened one stays open.
        max_pixels: height times width that may be decoded.

    Raises:
        LargeImageError: it has more pixels.
        UnreadableImageError: it cannot be opened, or the block failed to decode it.
    """
    try:
        with Image.open(file, formats=readable_formats()) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise LargeImageError(f"{width}x{height} pixels")
            _check_scans(image)
            yield image
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise LargeImageError("far too many pixels") from error
    except UnidentifiedImageError as error:  # names an opened file by its address
        raise UnreadableImageError("cannot identify image file") from error
    # Pillow's readers check little, so that a damaged file raises what its bytes happen to lead to.
    except Exception as error:
        raise UnreadableImageError(one_line(error)) from error


def orientation(image: Image.Image) -> int:
    """How a viewer turns an opened image, 1 to 8 as in EXIF; 1, which is not at all, if unknown."""
    try:
        turned = image.getexif().get(EXIF_ORIENTATION)
    except Exception:  # EXIF is read by Pillow, too; a photo is a photo without it
        return 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo as viewers show it, and how it lies in its file.

    Attributes:
        pixels: RGB, uint8 [H, W, 3].
        format: Pillow's name.
        upright: the file's own pixels lie as they are shown.
        has_more: there are further pictures behind this one, frames or pages.
    """

    pixels: np.ndarray
    format: str
    upright: bool
    has_more: bool


def decode_photo(file: os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of `decode`: RGB, uint8 [H, W, 3]."""
    return decode(file, max_pixels).pixels


def decode(file: os.PathLike[str] | BinaryIO, max_pixels: int = MAX_PIXELS) -> DecodedPhoto:
    """Decodes a photo as viewers show it: turned as its EXIF orientation says, on white.

    Training, evaluation and prediction all see photos through this one function. Samples of more
    than 8 bits are brought to 8 by their range, see `photo_pixels.scaled`.

    Args:
        file: path or opened file of one of `readable_formats`; of several pictures in it, the first
            is taken.
        max_pixels: height times width that may be decoded.

    Raises:
        LargeImageError: it has more pixels.
        UnreadableImageError: it is no image, it is damaged, or what its values mean is not known.
    """
    with open_image(file, max_pixels) as opened:
        check_tiff(opened)
        low_bytes = low_byte_tiles(opened.tile)
        negative = white_is_zero(opened)
        opened.load()
        image = _upright(opened)
        if low_bytes:
            transparency = opened.info.get("transparency")
            samples = high_bytes(image)
        else:
            pixels = to_rgb(image, negative=negative)
        about = opened.format or "", image is opened, has_more(opened)
    del opened, image  # for the memory
    if low_bytes:
        with open_image(file, max_pixels) as again:
            again.tile = low_bytes
            again.load()
            add_low_bytes(samples, _upright(again))
        del again
        pixels = deep_to_rgb(samples, transparency)
    return DecodedPhoto(pixels, *about)


def has_more(opened: ImageFile) -> bool:
    """Whether there are frames or pages behind the first; a GIF then has to be loaded anew."""
    try:
        several = opened.format in (*ANIMATED, "TIFF") and bool(getattr(opened, "is_animated", 0))
        # An APNG may have a picture before its frames, for programs that show only one.
        return several and not (
            opened.info.get("default_image") and getattr(opened, "n_frames", 0) == 2
        )
    except Exception:  # what damage behind the first happens to lead Pillow to
        return False


def _upright(loaded: Image.Image) -> Image.Image:
    # Pillow turns TIFFs itself as it loads them, and then says so. Its exif_transpose would write
    # the other tags anew, which fails where one of them is damaged.
    turn = UPRIGHT.get(orientation(loaded))
    return loaded if turn is None else loaded.transpose(turn)


def _check_scans(image: Image.Image) -> None:
    if isinstance(image, JpegImageFile) and image.fp:
        place = image.fp.tell()
        image.fp.seek(0)
        scans = image.fp.read().count(b"\xff\xda")  # inside a scan, 0 follows 255
        image.fp.seek(place)
        if scans > MAX_SCANS:
            raise OSError(f"a JPEG of {scans} scans")
