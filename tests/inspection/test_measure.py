from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_muscle.inspection.measure import SIZE_EDGES, border_class, count_specks
from tf_muscle.roboflow.reader import check_pixels

Surveyed = Callable[[Path], Any]


def test_pixels_are_those_that_training_counts(drawn: Any, surveyed: Surveyed) -> None:
    drawn.set_masks(np.zeros_like(drawn.mask()), "valid")
    survey = surveyed(drawn.root)
    for split, counts in check_pixels(survey.export).items():
        np.testing.assert_array_equal(survey.class_pixels(split), counts)
    assert [image.split for image in survey.images] == ["train"] * 8 + ["valid"] * 3 + ["test"] * 3
    assert {image.size for image in survey.images} == {(256, 256)}


def test_heat_is_the_mean_share_of_each_cell(drawn: Any, surveyed: Surveyed) -> None:
    """Cells of 8x8 pixels: the mean of the masks' blocks, over the images that hold the class."""
    moved = np.roll(drawn.mask(), 13, axis=1)
    moved[moved == 2] = 0
    drawn.set_masks(moved, "test")
    heat = surveyed(drawn.root).heat
    masks = [drawn.mask()] * 11 + [moved] * 3
    for class_id in (1, 2):
        blocks = [(mask == class_id).reshape(32, 8, 32, 8).mean(axis=(1, 3)) for mask in masks]
        holders = [block for block in blocks if block.any()]
        np.testing.assert_allclose(heat[class_id], np.mean(holders, axis=0))


def test_histogram_of_sizes(drawn: Any, surveyed: Surveyed) -> None:
    whole = np.ones_like(drawn.mask())
    drawn.add("train/person0_jpg.rf.00.jpg", drawn.photo(0), whole)
    survey = surveyed(drawn.root)
    shares = [1.0] + [60 * 40 / 256**2] * 13
    np.testing.assert_array_equal(survey.size_counts[1], np.histogram(shares, SIZE_EDGES)[0])
    assert survey.size_counts.sum() == 13 + 14 + 13  # background, biceps, calf


@pytest.mark.parametrize(
    ("shape", "region", "expected"),
    [
        ((256, 256), np.s_[5, 5:8], 1),  # 3 pixels
        ((256, 256), np.s_[5:7, 5:7], 0),  # 4
        ((512, 512), np.s_[5:8, 5:10], 1),  # 15 of the 16 that pass
        ((512, 512), np.s_[5:9, 5:9], 0),
        ((64, 64), np.s_[5, 5], 0),  # a photo so small that a pixel covers 16
        ((512, 512), np.s_[:0], 0),
    ],
)
def test_specks(shape: tuple[int, int], region: Any, expected: int) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[region] = 3
    assert count_specks(mask) == expected


def test_specks_of_touching_classes_are_two() -> None:
    mask = np.zeros((256, 256), np.uint8)
    mask[100, 100:103] = 1
    mask[101, 100:103] = 2
    assert count_specks(mask) == 2


@pytest.mark.parametrize(
    ("border", "expected"), [((1, 1, 1, 1), 1), ((1, 1, 1, 0), 0), ((1, 2, 1, 1), 0), ((0,) * 4, 0)]
)
def test_border_class(border: tuple[int, int, int, int], expected: int) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:20] = 5
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = border
    assert border_class(mask) == expected


def test_unlabelled_pixels_are_neither_specks_nor_a_border() -> None:
    mask = np.zeros((256, 256), np.uint8)
    mask[[0, -1]] = mask[:, [0, -1]] = 255
    mask[100, 100] = 255
    assert count_specks(mask) == 0
    assert border_class(mask) == 0


def test_border_of_one_pixel() -> None:
    assert border_class(np.array([[2]], np.uint8)) == 2
