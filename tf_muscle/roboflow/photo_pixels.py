"""Decoded photos of every mode as 8-bit RGB on white."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

BIT_DEPTHS = (8, 10, 12, 14, 16)  # of cameras and medical pictures, stored in 16 bits
LOWEST_TOP = 16.0  # floats above 1 and below this are neither 0 to 1 nor 0 to 255
BAND = 64  # rows at a time, for the memory
# Of 16 bits for each colour, Pillow keeps the first byte; in the other byte order that is the low
# one.
SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
TWO_BYTES = {f"{mode};16{end}" for mode in ("RGB", "RGBX", "RGBA") for end in SWAPPED}

# Tags of TIFF 6.0 and of DNG 1.7.
NEW_SUBFILE_TYPE, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 254, 258, 259, 262
PLANAR, DNG_VERSION = 284, 50706
WHITE_IS_ZERO, YCBCR, CFA, LINEAR_RAW = 0, 6, 32803, 34892


def check_tiff(image: Image.Image) -> None:
    """Refuses a TIFF that Pillow would decode to something else than the photo.

    Raises:
        OSError: it is a camera's raw file, of which only the preview is there, or its samples lie
            in a way that Pillow misreads.
    """
    if not isinstance(image, TiffImageFile):
        return
    tags = image.tag_v2
    reduced = isinstance(kind := tags.get(NEW_SUBFILE_TYPE, 0), int) and kind & 1
    if reduced or DNG_VERSION in tags or tags.get(PHOTOMETRIC) in (CFA, LINEAR_RAW):
        raise OSError("a camera's raw file: export it as JPEG")
    if tags.get(PLANAR) == 2 and max(tags.get(BITS_PER_SAMPLE, (1,))) > 8:
        raise OSError("16 bits in separate planes")
    if tags.get(COMPRESSION, 1) == 1 and tags.get(PHOTOMETRIC) == YCBCR:
        raise OSError("uncompressed YCbCr")


def white_is_zero(image: Image.Image) -> bool:
    """Whether an opened image is a negative that Pillow leaves as it is."""
    return (
        isinstance(image, TiffImageFile)
        and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO
        and image.mode in ("I;16", "I;16B", "F")
    )


def low_byte_tiles(tiles: Sequence[Any]) -> list[Any]:
    """How to decode the low bytes of an image with 16 bits for each colour.

    Args:
        tiles: an opened image's `tile`, before it is loaded.

    Returns:
        What to set its `tile` to; empty if it has other pixels.
    """
    found = []
    for tile in tiles:
        raw = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
        if raw not in TWO_BYTES:
            return []
        raw = raw[:-1] + SWAPPED[raw[-1]]
        args = raw if isinstance(tile.args, str) else (raw, *(tile.args or ())[1:])
        found.append(tile._replace(args=args))
    return found


def high_bytes(image: Image.Image) -> np.ndarray:
    """Samples that miss their low bytes: uint16 [H, W, C]."""
    # RGBX has a fourth sample that means nothing.
    image = image.convert("RGB") if image.mode == "RGBX" else image
    return np.left_shift(np.asarray(image), 8, dtype=np.uint16)


def add_low_bytes(samples: np.ndarray, low: Image.Image) -> None:
    """Adds to samples of `high_bytes` what the tiles of `low_byte_tiles` decode to."""
    for channel in range(samples.shape[2]):  # one at a time, for the memory
        samples[..., channel] |= np.asarray(low.getchannel(channel))


def scaled(samples: np.ndarray) -> np.ndarray:
    """Brings samples to 8 bits by their range, the same factor for a whole photo.

    Integers have the smallest of `BIT_DEPTHS` that holds the largest of them, so that 12 bits
    stored in 16 are a normal photo. Floats up to 1 are shares of white; up to 255, levels as they
    are; above that they have a bit depth, too.

    Args:
        samples: integers or floats, any shape.

    Returns:
        uint8 of the same shape.

    Raises:
        ValueError: there are negative values, NaN or infinity, more than 16 bits, or floats with a
            largest value between 1 and `LOWEST_TOP`, which says nothing.
    """
    lowest, top = samples.min(), samples.max()
    if not (np.isfinite(lowest) and np.isfinite(top)):
        raise ValueError("values that are no numbers or infinite")
    if lowest < 0 or top >= 1 << BIT_DEPTHS[-1]:
        raise ValueError(f"values from {lowest:g} to {top:g}, not 0 to 1, to 255 or to 65,535")
    floats = samples.dtype.kind == "f"
    if floats and 1 < top < LOWEST_TOP:
        raise ValueError(f"values up to {top:g}, neither 0 to 1 nor 0 to 255")
    if not floats:
        return _table(int(top))[samples]
    levels = samples * np.float32(255 / (1 if top <= 1 else _white(top)))
    return np.rint(levels, out=levels).astype(np.uint8)


def deep_to_rgb(samples: np.ndarray, transparency: object) -> np.ndarray:
    """Colours of 16 bits on white.

    Args:
        samples: uint16 [H, W, C], red, green, blue and perhaps alpha.
        transparency: the colour that is transparent, as a PNG names it.

    Returns:
        RGB, uint8 [H, W, 3].
    """
    table = _table(int(samples[..., :3].max()))
    rgb = np.empty((*samples.shape[:2], 3), np.uint8)
    for start in range(0, len(samples), BAND):
        band = samples[start : start + BAND]
        levels = table[band[..., :3]]
        if band.shape[2] == 4:
            levels = np.rint(255 - (255 - levels) * (band[..., 3:] / np.float32(65_535)))
        elif isinstance(transparency, tuple):
            levels[(band == np.array(transparency)).all(axis=-1)] = 255
        rgb[start : start + BAND] = levels
    return rgb


def to_rgb(image: Image.Image, *, negative: bool = False) -> np.ndarray:
    """A loaded image of any mode on white.

    Args:
        image: the image.
        negative: 0 is white, see `white_is_zero`.

    Returns:
        RGB, uint8 [H, W, 3].

    Raises:
        ValueError: Pillow has no way to RGB from its mode, or see `scaled`.
    """
    if image.mode.startswith(("I", "F")):
        samples = np.asarray(image)
        grey = scaled(samples)
        if negative:
            grey = 255 - grey
        transparency = image.info.get("transparency")
        if isinstance(transparency, int):
            grey[samples == transparency] = 255
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        image = white
    return np.array(image.convert("RGB"))


def _white(top: float) -> int:
    """The largest value of the smallest bit depth that holds a value."""
    return next((1 << bits) - 1 for bits in BIT_DEPTHS if top < 1 << bits)


def _table(top: int) -> np.ndarray:
    """The level of each value, uint8, if the largest is `top`."""
    white = _white(top)
    return np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8)
