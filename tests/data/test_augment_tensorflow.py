"""The batched recipe against albumentations: the same draws pixel by pixel, the rest as shares."""

import dataclasses
from typing import Any

import albumentations.augmentations.geometric.functional as geometric
import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_muscle.config import bundled
from tf_muscle.data.augment import Augmenter
from tf_muscle.data.augment_tensorflow import (
    TensorFlowAugmenter,
    affine_matrices,
    blur,
    warp,
)
from tf_muscle.options import AugmentConfig

OFF = AugmentConfig(horizontal_flip=0, vertical_flip=0, shear=0, grayscale=0, blur=0, noise=0)
EVERYTHING = AugmentConfig(
    rotate=20.0, zoom=0.3, shift=0.1, brightness=0.2, saturation=0.3, hue=0.1
)
COUNT = 400  # draws whose averages are compared


def only(**options: Any) -> AugmentConfig:
    return dataclasses.replace(OFF, **options)


@pytest.fixture(scope="module")
def photo() -> tuple[np.ndarray, np.ndarray]:
    """A photo of the sample with muscle in it, 64x48 so that no axis passes for the other."""
    for path in sorted((bundled("sample_gym") / "test").glob("*_mask.png")):
        image = Image.open(path.with_name(path.name.replace("_mask.png", ".jpg")))
        mask = np.array(Image.open(path).resize((64, 48), Image.Resampling.NEAREST))
        if (mask > 0).sum() > 50:
            return np.array(image.resize((64, 48))), mask
    raise AssertionError("the sample has no such photo")


def draws(
    config: AugmentConfig, photo: tuple[np.ndarray, np.ndarray], batch: int = 0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Many draws for one photo."""
    image, mask = photo
    images, masks = TensorFlowAugmenter(config, seed)(
        tf.constant(np.stack([image] * COUNT)), tf.constant(np.stack([mask] * COUNT)), batch
    )
    return images.numpy(), masks.numpy()


def test_nothing_is_left_when_all_is_off(photo: tuple[np.ndarray, np.ndarray]) -> None:
    images, masks = draws(OFF, photo)
    np.testing.assert_array_equal(images, np.stack([photo[0]] * COUNT))
    np.testing.assert_array_equal(masks, np.stack([photo[1]] * COUNT))


@pytest.mark.parametrize(
    ("shear", "rotate", "scale", "shift"),
    [
        ((0, 0), 0, 1.0, (0, 0)),
        ((15, -10), 0, 1.0, (0, 0)),
        ((0, 0), 20, 1.0, (0, 0)),
        ((0, 0), 0, 1.3, (5, -3)),
        ((-12, 7), -170, 0.7, (-4, 6)),
    ],
)
def test_geometry_is_opencvs(
    photo: tuple[np.ndarray, np.ndarray],
    shear: tuple[float, float],
    rotate: float,
    scale: float,
    shift: tuple[int, int],
) -> None:
    image, mask = photo
    height, width = mask.shape
    expected = geometric.create_affine_transformation_matrix(
        translate={"x": shift[0], "y": shift[1]},
        shear={"x": shear[0], "y": shear[1]},
        scale={"x": scale, "y": scale},
        rotate=rotate,
        shift=geometric.center((height, width)),
    )
    matrices = affine_matrices(
        tf.constant([shear], tf.float32),
        tf.constant([rotate], tf.float32),
        tf.constant([scale], tf.float32),
        tf.constant([shift], tf.float32),
        tf.constant([width, height], tf.float32),
    )
    np.testing.assert_allclose(matrices[0], expected[:2], atol=1e-4)
    images, masks = warp(tf.constant(image[None], tf.float32), mask[None], matrices)
    reference = cv2.warpAffine(image, expected[:2], (width, height), flags=cv2.INTER_LINEAR)
    difference = np.abs(images[0].numpy() - reference)
    # OpenCV interpolates with steps of 1/32 pixel.
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.99) < 12
    reference = cv2.warpAffine(mask, expected[:2], (width, height), flags=cv2.INTER_NEAREST)
    assert (masks[0].numpy() == reference).mean() > 0.99


@pytest.mark.parametrize("sigma", [0.1, 0.28, 0.3, 0.6, 1.0, 1.2])
def test_blur_is_opencvs(photo: tuple[np.ndarray, np.ndarray], sigma: float) -> None:
    image = photo[0].astype(np.float32)
    size = int(sigma * 3.5) * 2 + 1
    expected = cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REFLECT_101)
    blurred = blur(tf.constant(image[None]), tf.constant([sigma]), largest=1.2)
    np.testing.assert_allclose(blurred[0], expected, atol=0.05)


def test_blur_reaches_over_the_whole_of_a_small_photo() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    blurred = blur(tf.constant(image), tf.constant([20.0]), largest=20.0)
    assert np.ptp(blurred) < 40


@pytest.mark.parametrize(
    "config",
    [
        only(horizontal_flip=0.3),
        only(vertical_flip=0.7),
        only(shear=15.0),
        only(rotate=30.0),
        only(zoom=0.5),
        only(shift=0.2),
        only(brightness=0.3),
        only(saturation=0.5),
        only(hue=0.2),
        only(grayscale=0.25),
        only(blur=1.2),
        only(noise=0.05),
        only(rotate=30.0, geometry_probability=0.4),
        only(brightness=0.3, color_probability=0.4),
        only(hue=0.2, color_probability=0.4),
        AugmentConfig(),
        EVERYTHING,
    ],
    ids=lambda config: "-".join(
        name for name, value in vars(config).items() if value != getattr(OFF, name)
    ),
)
def test_distribution_is_that_of_albumentations(
    photo: tuple[np.ndarray, np.ndarray], config: AugmentConfig
) -> None:
    """Mean and spread of every pixel, and of every class, over many draws of either."""
    ours, our_masks = draws(config, photo)
    image, mask = photo
    theirs, their_masks = Augmenter(config, 1)(
        np.stack([image] * COUNT), np.stack([mask] * COUNT), 0
    )

    def blocks(pixels: np.ndarray) -> np.ndarray:
        """Averages of 8x8 pixels: single ones vary too much between so few draws."""
        shape = (len(pixels), 6, 8, 8, 8, *pixels.shape[3:])
        return pixels.reshape(shape).mean(axis=(2, 4))

    def assert_alike(mine: np.ndarray, its: np.ndarray, resolution: float) -> None:
        mine, its = blocks(mine.astype(float)), blocks(its.astype(float))
        error = np.sqrt((mine.var(axis=0) + its.var(axis=0)) / COUNT)
        assert np.all(np.abs(mine.mean(axis=0) - its.mean(axis=0)) <= 5 * error + resolution)
        spread = mine.std(axis=0) - its.std(axis=0)
        assert np.abs(spread).mean() <= 0.1 * its.std() + resolution

    assert_alike(ours, theirs, resolution=0.7)  # of 255; roundings between the steps
    for class_id in np.unique(mask):
        assert_alike(our_masks == class_id, their_masks == class_id, resolution=0.01)


def test_crops_hold_muscle_as_often_as_albumentations(
    photo: tuple[np.ndarray, np.ndarray],
) -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    mask = np.zeros((96, 128), np.uint8)
    mask[70:74, 110:113] = 2
    image[..., 0] = np.arange(128)
    image[..., 1] = np.arange(96)[:, None]
    images, masks = draws(only(crop=32), (image, mask))
    assert images.shape == (COUNT, 32, 32, 3)
    _, expected = Augmenter(only(crop=32), 1)(
        np.stack([image] * COUNT), np.stack([mask] * COUNT), 0
    )
    held, its = (masks > 0).any(axis=(1, 2)).mean(), (expected > 0).any(axis=(1, 2)).mean()
    assert held == pytest.approx(its, abs=0.08)
    # A crop is a window of the photo, and its mask the same window.
    left, top = images[:, 0, 0, 0], images[:, 0, 0, 1]
    for i in range(COUNT):
        rows, columns = slice(top[i], top[i] + 32), slice(left[i], left[i] + 32)
        np.testing.assert_array_equal(images[i], image[rows, columns])
        np.testing.assert_array_equal(masks[i], mask[rows, columns])
    assert left.min() < 10
    assert left.max() > 86


def test_crops_without_muscle_are_anywhere() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 0] = np.arange(64)
    images, _ = draws(only(crop=32), (image, np.zeros((48, 64), np.uint8)))
    assert set(images[:, 0, 0, 0]) == set(range(33))


def test_same_seed_and_batch_same_pixels(photo: tuple[np.ndarray, np.ndarray]) -> None:
    images, masks = draws(EVERYTHING, photo, batch=3)
    again, masks_again = draws(EVERYTHING, photo, batch=3)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(masks, masks_again)
    for other in (draws(EVERYTHING, photo, batch=4), draws(EVERYTHING, photo, batch=3, seed=1)):
        assert not np.array_equal(images, other[0])


def test_xla_compiles_it(photo: tuple[np.ndarray, np.ndarray]) -> None:
    """Keras compiles training steps for GPUs with XLA, where the draws have to be the same."""
    image, mask = photo
    batch = np.stack([image] * 2), np.stack([mask] * 2)
    augmenter = TensorFlowAugmenter(dataclasses.replace(EVERYTHING, crop=32), 0)
    compiled = tf.function(augmenter, jit_compile=True)
    images, masks = compiled(*map(tf.constant, batch), tf.constant(5))
    expected_images, expected_masks = augmenter(*map(tf.constant, batch), tf.constant(5))
    assert np.abs(images.numpy().astype(int) - expected_images.numpy()).max() <= 1
    assert (masks.numpy() == expected_masks.numpy()).mean() > 0.99
