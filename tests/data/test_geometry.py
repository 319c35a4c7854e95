"""Where photos lie in the network's square, by numbers worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.geometry import Box, Geometry, resized, resolve
from tf_muscle.data.marking import likeliest

SHAPES = [(416, 276), (276, 416), (96, 96), (40, 41), (1, 300), (1080, 1920)]


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ((416, 276), 256, Box(0, 43, 256, 170)),  # 276 * 256 / 416 = 169.8
        ((276, 416), 256, Box(43, 0, 170, 256)),
        ((100, 100), 64, Box(0, 0, 64, 64)),
        ((1, 300), 96, Box(47, 0, 1, 96)),  # never without a row
    ],
)
def test_a_photo_lies_in_the_middle(shape: tuple[int, int], size: int, box: Box) -> None:
    assert Geometry("pad", size).box(*shape) == box
    assert Geometry("stretch", size).box(*shape) == Box(0, 0, size, size)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("resize", ["pad", "stretch"])
def test_photo_and_mask_lie_on_one_another(shape: tuple[int, int], resize: str) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.where((rows >= shape[0] // 2) & (columns >= shape[1] // 2), 2, 1).astype(np.uint8)
    image = np.where(mask[..., None] == 2, 255, 0).astype(np.uint8).repeat(3, axis=-1)
    geometry = Geometry(resize, 64)
    square, labels = geometry.fit(image), geometry.fit_mask(mask)
    assert (square.shape, square.dtype) == ((64, 64, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((64, 64), np.uint8)
    assert (square[labels == 255] == (124, 116, 104)).all()
    clear = (square[..., 0] < 10) | (square[..., 0] > 245)  # no mixture of both at the edge
    counted = (labels != 255) & clear
    np.testing.assert_array_equal(labels[counted] == 2, square[counted][:, 0] > 127)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("resize", ["pad", "stretch"])
def test_what_was_fitted_comes_back(shape: tuple[int, int], resize: str) -> None:
    """A mask sent through the square comes back up to the pixels at its edge."""
    truth = np.zeros(shape, np.uint8)
    truth[shape[0] // 3 :, : shape[1] // 2] = 1
    geometry = Geometry(resize, 64)
    square = geometry.fit_mask(truth)
    probabilities = np.stack([square != 1, square == 1], axis=-1).astype(np.float32)
    restored = geometry.restore(probabilities, *shape)
    assert (restored.shape, restored.dtype) == ((*shape, 2), np.float32)
    edge = max(1, 2 * max(shape) // 64) * sum(shape)
    assert (likeliest(restored) != truth).sum() <= edge


@pytest.mark.parametrize("shape", [*SHAPES, (60, 30), (30, 200), (3, 3)])
def test_channels_are_resized_as_pillow_does(shape: tuple[int, int]) -> None:
    channel = np.random.default_rng(0).random((54, 96), np.float32)
    expected = Image.fromarray(channel).resize(shape[::-1], Image.Resampling.BILINEAR)
    found = resized(channel, *shape)
    assert (found.shape, found.dtype) == (shape, np.float32)
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)


def test_a_photo_of_the_networks_size_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    for resize in ("pad", "stretch"):
        np.testing.assert_array_equal(Geometry(resize, 48).fit(image), image)


def test_stretching_is_pillows() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    expected = Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(Geometry("stretch", 32).fit(image), np.asarray(expected))


def test_auto_follows_the_export() -> None:
    assert resolve("auto", stretched=True) == "stretch"
    assert resolve("auto", stretched=False) == "pad"
    assert resolve("pad", stretched=True) == "pad"
    assert resolve("stretch", stretched=False) == "stretch"
