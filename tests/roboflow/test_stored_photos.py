"""Which photos the records take byte by byte."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tf_muscle.roboflow.image_files import decode_photo
from tf_muscle.roboflow.stored_photos import bytes_or_pixels

COLOURS = np.random.default_rng(0).integers(0, 256, (8, 12, 4), np.uint8)


def write(path: Path, mode: str, **options: Any) -> Path:
    if mode == "I;16":
        Image.fromarray(COLOURS[..., 0].astype(np.uint16) * 257).save(path, **options)
    else:
        Image.fromarray(COLOURS).convert("RGB").convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode"), [("p.jpg", "L"), ("p.jpg", "RGB"), ("p.png", "L"), ("p.png", "RGB")]
)
def test_plain_photo_is_taken_as_it_is(name: str, mode: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, mode)
    assert bytes_or_pixels(path) == path


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("p.jpg", "CMYK", {}),
        ("p.png", "1", {}),
        ("p.png", "LA", {}),
        ("p.png", "P", {}),
        ("p.png", "P", {"bits": 2}),
        ("p.png", "P", {"transparency": 3}),
        ("p.png", "P", {"transparency": bytes(range(256))}),
        ("p.png", "L", {"transparency": 3}),
        ("p.png", "RGB", {"transparency": (1, 2, 3)}),
        ("p.png", "RGBA", {}),
        ("p.png", "I;16", {}),
    ],
)
def test_photo_that_decoders_see_otherwise(
    name: str, mode: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / name, mode, **options)
    np.testing.assert_array_equal(bytes_or_pixels(path), decode_photo(path))


@pytest.mark.parametrize("name", ["p.jpg", "p.png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photo(name: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / name, "RGB", exif=exif)
    stored = bytes_or_pixels(path)
    if orientation == 1:
        assert stored == path
    else:
        assert isinstance(stored, np.ndarray)
        assert stored.shape == ((12, 8, 3) if orientation > 4 else (8, 12, 3))
