"""Photo files of an export: how they are turned, and which of them every decoder sees alike."""

from pathlib import Path

import numpy as np
from PIL import Image

from tf_muscle.roboflow.image_files import decode_photo, open_image, orientation

# What a PNG calls its EXIF and XMP. They may stand behind the pixels, where Pillow finds them only
# by decoding these.
PNG_METADATA = (b"eXIf", b"exif", b"xmp")
PNG_PLAIN = (b"\x08\x00", b"\x08\x02")  # 8 bits of grey or RGB


def photo_orientation(image: Image.Image, path: Path) -> int:
    """As `image_files.orientation`, without decoding a PNG that says nothing of it.

    Args:
        image: an opened photo.
        path: the file it was opened from.
    """
    if image.format == "PNG":
        data = path.read_bytes()
        if not any(name in data for name in PNG_METADATA):
            return 1
    return orientation(image)


def bytes_or_pixels(path: Path) -> Path | np.ndarray:
    """The file itself where TensorFlow decodes what `decode_photo` does, else its pixels.

    TensorFlow knows no EXIF orientation, drops an alpha channel without looking at it, and reads
    CMYK and 16 bits by rules of its own.

    Args:
        path: a JPEG or PNG that `check_pixels` has decoded.

    Returns:
        The path, or RGB, uint8 [H, W, 3].
    """
    with path.open("rb") as file:
        depth_and_colour = file.read(26)[24:]  # of a PNG
    with open_image(path) as image:
        plain = (
            depth_and_colour in PNG_PLAIN if image.format == "PNG" else image.mode in ("L", "RGB")
        )
        as_shown = "transparency" not in image.info and photo_orientation(image, path) == 1
    return path if plain and as_shown else decode_photo(path)
