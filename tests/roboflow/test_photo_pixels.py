"""Photos of more than 8 bits, negatives and other modes, against numpy."""

import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from tf_muscle.roboflow.image_files import UnreadableImageError, decode_photo

FLOAT, INTEGER, SIGNED = 3, 1, 2  # of TIFF's SampleFormat


def tiff(samples: np.ndarray, tags: dict[int, int | tuple[int, ...]], order: str = "<") -> bytes:
    """An uncompressed TIFF 6.0 of one strip; [H, W] or [H, W, C]."""
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    kind = {"u": INTEGER, "i": SIGNED, "f": FLOAT}[samples.dtype.kind]
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    entries: dict[int, int | tuple[int, ...]] = {
        256: width, 257: height, 258: (samples.dtype.itemsize * 8,) * channels, 259: 1,
        262: 2 if channels > 1 else 1, 273: 8, 277: channels, 278: height, 279: len(data),
        339: (kind,) * channels, **tags,
    }  # fmt: skip
    start = 8 + len(data)
    behind = start + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        if isinstance(value, int):
            field = struct.pack(order + "I", value)
            directory += struct.pack(order + "HHI", tag, 4, 1) + field
            continue
        field = struct.pack(f"{order}{len(numbers)}H", *numbers)
        if len(field) > 4:
            place, values = behind + len(values), values + field
            field = struct.pack(order + "I", place)
        directory += struct.pack(order + "HHI", tag, 3, len(numbers)) + field.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", start) + data + directory + bytes(4) + values


def read(content: bytes) -> np.ndarray:
    return decode_photo(io.BytesIO(content))


def on_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.rint(255 - (255 - rgb) * alpha[..., None] / 65_535)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("top", "white"),
    [(255, 255), (256, 1023), (1000, 1023), (4095, 4095), (16_000, 16_383), (65_535, 65_535)],
)
def test_integers_have_the_smallest_depth_that_holds_them(top: int, white: int, order: str) -> None:
    rgba = np.random.default_rng(0).integers(0, top + 1, (5, 7, 4)).astype(np.uint16)
    rgba[0, 0, 0] = top
    expected = np.rint(rgba[..., :3] * (255 / white))
    grey = read(tiff(rgba[..., 0], {}, order))
    np.testing.assert_array_equal(grey, expected[..., :1].repeat(3, axis=2))
    np.testing.assert_array_equal(read(tiff(rgba[..., :3], {}, order)), expected)
    with_alpha = read(tiff(rgba, {338: (2,)}, order))
    np.testing.assert_array_equal(with_alpha, on_white(expected, rgba[..., 3]))
    with_more = read(tiff(rgba, {338: (0,)}, order))  # the fourth sample is no alpha
    np.testing.assert_array_equal(with_more, expected)
    png = cv2.imencode(".png", rgba[..., 2::-1])[1].tobytes()
    np.testing.assert_array_equal(read(png), expected)
    png = cv2.imencode(".png", rgba[..., [2, 1, 0, 3]])[1].tobytes()
    np.testing.assert_array_equal(read(png), on_white(expected, rgba[..., 3]))
    png = cv2.imencode(".png", rgba[..., 0])[1].tobytes()
    np.testing.assert_array_equal(read(png), expected[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(("top", "white"), [(1.0, 1), (0.7, 1), (200.5, 255), (4095.0, 4095)])
def test_floats_are_shares_levels_or_have_a_depth(top: float, white: int) -> None:
    values = np.linspace(0, top, 35, dtype=np.float32).reshape(5, 7)
    np.testing.assert_allclose(read(tiff(values, {}))[..., 1], values * (255 / white), atol=0.501)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([[-0.5, 1]], np.float32), "values from -0.5 to 1"),
        (np.array([[np.nan, 1]], np.float32), "no numbers or infinite"),
        (np.array([[np.inf, 1]], np.float32), "no numbers or infinite"),
        (np.array([[0, 1.5]], np.float32), "values up to 1.5, neither"),
        (np.array([[0, 1e6]], np.float32), "values from 0 to 1e\\+06"),
        (np.array([[-3, 9]], np.int16), "values from -3 to 9"),
        (np.array([[0, 70_000]], np.uint32), "values from 0 to 70000"),
        (np.array([[0, 0.5]], np.float64), "cannot identify"),  # Pillow does not know them
    ],
)
def test_values_without_a_meaning_are_refused(values: np.ndarray, told: str) -> None:
    with pytest.raises(UnreadableImageError, match=told):
        read(tiff(values, {}))


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 100, 255]], np.uint8),
        np.array([[0, 1606, 4095]], np.uint16),
        np.array([[0, 100 / 255, 1]], np.float32),
    ],
)
def test_negatives_are_turned(values: np.ndarray) -> None:
    np.testing.assert_array_equal(read(tiff(values, {262: 0}))[..., 0], [[255, 155, 0]])


def test_what_pillow_misreads_is_refused() -> None:
    rgb = np.zeros((4, 6, 3), np.uint16)
    with pytest.raises(UnreadableImageError, match="16 bits in separate planes"):
        read(tiff(rgb, {284: 2, 273: (8, 56, 104), 279: (48, 48, 48)}))
    for tags in ({262: 6}, {262: 6, 530: (1, 1)}):  # colours of lower resolution, and not
        with pytest.raises(UnreadableImageError, match="uncompressed YCbCr"):
            read(tiff(rgb.astype(np.uint8), tags))
    with pytest.raises(UnreadableImageError, match="raw file"):
        read(tiff(rgb.astype(np.uint8), {50706: 1}))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_photos_are_turned_as_others(orientation: int) -> None:
    deep = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint16) * 257
    deep[0, 0] = 65_535
    shallow = read(tiff((deep // 257).astype(np.uint8), {274: (orientation,)}))
    np.testing.assert_array_equal(read(tiff(deep, {274: (orientation,)})), shallow)


def saved(mode: str, **options: object) -> Callable[[Image.Image], bytes]:
    def save(image: Image.Image) -> bytes:
        file = io.BytesIO()
        image.convert(mode).save(file, **options)
        return file.getvalue()

    return save


@pytest.mark.parametrize(
    "encode",
    [
        saved("CMYK", format="TIFF"),
        saved("CMYK", format="JPEG", quality=100),  # with Adobe's inverted values
        saved("RGB", format="TIFF", compression="jpeg", quality=100),
        saved("YCbCr", format="TIFF", compression="jpeg", quality=100),
        saved("LAB", format="TIFF"),
    ],
)
def test_other_colours_come_as_rgb(encode: Callable[[Image.Image], bytes]) -> None:
    ramp = np.linspace(0, 255, 48).astype(np.uint8)[None].repeat(16, axis=0)
    rgb = np.dstack([ramp, ramp[:, ::-1], 255 - ramp // 2])
    assert np.abs(read(encode(Image.fromarray(rgb))).astype(int) - rgb).mean() < 3
