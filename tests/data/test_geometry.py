"""Where photos lie in the network's square, by numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.geometry import Box, Geometry, resized, resolve
from tf_muscle.data.marking import likeliest
from tf_muscle.options import DataConfig
from tf_muscle.roboflow.records import DataInfo

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


@pytest.mark.parametrize(
    ("shape", "aspect", "box"),
    [
        ((416, 276), 0.6635, Box(0, 0, 96, 96)),  # its own shape: nothing is lost
        ((1080, 1920), 1.7778, Box(0, 0, 96, 96)),
        ((276, 416), 0.6635, Box(27, 0, 42, 96)),  # 276 / (416 / .6635) = .440 of the height
        ((100, 100), 2.0, Box(0, 24, 96, 48)),  # half of a frame of 200x100
        ((100, 100), 0.5, Box(24, 0, 48, 96)),
        ((1, 300), 0.5, Box(47, 0, 1, 96)),
    ],
)
def test_a_frame_of_another_shape(shape: tuple[int, int], aspect: float, box: Box) -> None:
    assert Geometry("pad", 96, aspect).box(*shape) == box


WAYS = [Geometry("pad", 64), Geometry("stretch", 64), Geometry("pad", 64, 0.6635)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("geometry", WAYS, ids=str)
def test_photo_and_mask_lie_on_one_another(shape: tuple[int, int], geometry: Geometry) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    mask = np.where((rows >= shape[0] // 2) & (columns >= shape[1] // 2), 2, 1).astype(np.uint8)
    image = np.where(mask[..., None] == 2, 255, 0).astype(np.uint8).repeat(3, axis=-1)
    square, labels = geometry.fit(image), geometry.fit_mask(mask)
    assert (square.shape, square.dtype) == ((64, 64, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((64, 64), np.uint8)
    assert (square[labels == 255] == (124, 116, 104)).all()
    clear = (square[..., 0] < 10) | (square[..., 0] > 245)  # no mixture of both at the edge
    counted = (labels != 255) & clear
    np.testing.assert_array_equal(labels[counted] == 2, square[counted][:, 0] > 127)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("geometry", WAYS, ids=str)
def test_what_was_fitted_comes_back(shape: tuple[int, int], geometry: Geometry) -> None:
    """A mask sent through the square comes back up to the pixels at its edge."""
    truth = np.zeros(shape, np.uint8)
    truth[shape[0] // 3 :, : shape[1] // 2] = 1
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


def info(stretched: bool) -> DataInfo:
    return DataInfo("0" * 16, stretched=stretched, aspect=1.5)


def test_auto_follows_the_export() -> None:
    def found(stretched: bool, **options: object) -> Geometry:
        return resolve(DataConfig(image_size=64, **options), info(stretched))

    assert found(True) == found(True, resize="stretch") == Geometry("stretch", 64)
    assert found(False, resize="stretch", aspect=0.7) == Geometry("stretch", 64)
    assert found(False) == found(True, resize="pad") == Geometry("pad", 64, 1.0)
    assert found(False, aspect=0) == Geometry("pad", 64, 1.5)
    assert found(False, aspect=0.7) == Geometry("pad", 64, 0.7)


@pytest.mark.parametrize("geometry", WAYS, ids=str)
def test_the_options_of_a_run_give_its_geometry_again(geometry: Geometry) -> None:
    options = geometry.resolved(DataConfig(image_size=64))
    for stretched in (True, False):  # whatever the export
        assert resolve(options, info(stretched)) == geometry
    assert Geometry.from_record(dataclasses.asdict(options)) == geometry
    assert Geometry.from_record(dataclasses.asdict(options), 96) == dataclasses.replace(
        geometry, size=96
    )


def test_records_from_before_have_a_square_frame() -> None:
    assert Geometry.from_record({"resize": "pad", "image_size": 64}) == Geometry("pad", 64, 1.0)
