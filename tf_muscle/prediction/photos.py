"""Photos as the predictor takes them: decoded from a file once, or given as picture or array."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tf_muscle.errors import UserError
from tf_muscle.prediction.addresses import File
from tf_muscle.prediction.file_kinds import WAYS_OUT, content_of, is_readable
from tf_muscle.roboflow.image_files import (
    MAX_PIXELS,
    LargeImageError,
    UnreadableImageError,
    decode,
)
from tf_muscle.roboflow.photo_pixels import to_rgb

MAX_SIDE = 60_000  # pixels; a JPEG takes 65,535, and the legend stands below the photo

PhotoLike = str | os.PathLike[str] | Image.Image | np.ndarray


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        path: its file.
        image: RGB, uint8 [H, W, 3], as viewers show it: turned as its EXIF orientation says, on
            white.
        has_more: the file holds further pictures behind this one.
        original: the file's bytes if it is a JPEG or PNG that lies as it is shown; else None.
    """

    path: File
    image: np.ndarray
    has_more: bool
    original: bytes | None


def read_photo(path: Path, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The picture of `open_photo`: RGB, uint8 [H, W, 3]."""
    return open_photo(path, max_pixels=max_pixels).image


def open_photo(path: File, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads and decodes a photo; its file is opened once.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIC, whatever its name, on this machine; of
            several pictures in it, the first is taken.
        max_pixels: height times width that is still decoded.

    Raises:
        UserError: the file is no photo, is damaged, or has too many pixels, also on one side.
    """
    try:
        with Path(path).open("rb") as file:
            decoded = decode(file, max_pixels)
            height, width = decoded.pixels.shape[:2]
            if max(height, width) > MAX_SIDE:
                raise LargeImageError(f"{width}x{height} pixels")
            original = None
            if decoded.upright and decoded.format in ("JPEG", "PNG"):
                file.seek(0)
                original = file.read()
        return Photo(path, decoded.pixels, decoded.has_more, original)
    except LargeImageError as error:
        raise UserError(
            f"{path} has {error}, more than {max_pixels:,} or more than {MAX_SIDE:,} on a side: "
            "make it smaller"
        ) from error
    except (OSError, UnreadableImageError) as error:
        content = content_of(path)
        if content and not is_readable(content):
            raise UserError(
                f"{path} is a photo in {content} format, which this installation cannot read: "
                f"{WAYS_OUT[content]}"
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{path} cannot be read as a photo ({reason}): replace it or convert it to JPEG"
        ) from error


def photo_pixels(photo: PhotoLike) -> np.ndarray:
    """The pixels of a photo as viewers show it, from a file, a Pillow picture or an array.

    Args:
        photo: a path, see `read_photo`; a Pillow picture of any mode; or RGB, uint8 [H, W, 3].

    Returns:
        RGB, uint8 [H, W, 3].

    Raises:
        UserError: it cannot be read, or the array has another type or shape.
    """
    if isinstance(photo, str | os.PathLike):
        return read_photo(Path(photo))
    if isinstance(photo, Image.Image):
        try:
            return to_rgb(ImageOps.exif_transpose(photo))
        except (OSError, ValueError) as error:
            raise UserError(
                f"a picture of mode {photo.mode} cannot be read ({error}): convert it to RGB"
            ) from error
    if not isinstance(photo, np.ndarray):
        raise UserError(
            f"a photo was given as {type(photo).__name__}: give a path, a Pillow picture or an "
            "array, RGB, uint8 [height, width, 3]"
        )
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise UserError(
            f"a photo was given as {photo.dtype} {list(photo.shape)}: give RGB, uint8 [height, "
            "width, 3]"
        )
    return photo
