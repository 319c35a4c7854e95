import math

import numpy as np

from tf_muscle.data.augment import Augmenter
from tf_muscle.options import AugmentConfig

OFF = dict.fromkeys(("horizontal_flip", "vertical_flip", "shear", "grayscale", "blur", "noise"), 0)
SIZE = 64
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
MASKS = RNG.integers(0, 4, (8, SIZE, SIZE)).astype(np.uint8)


def test_two_thirds_of_the_crops_are_taken_around_muscle() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[3:5, 3:5] = 2
    photo = np.repeat(mask[..., None] * 100, 3, axis=-1)
    images, masks = Augmenter(AugmentConfig(**OFF, crop=32), 0)(
        np.stack([photo] * 600), np.stack([mask] * 600), 0
    )
    assert images.shape == (600, 32, 32, 3)
    np.testing.assert_array_equal(images[..., 0], masks * 100)
    # A random crop has one of 33 places in each direction, the first 5 of which see the muscle.
    expected = 2 / 3 + (5 / 33) ** 2 / 3
    found = masks.any(axis=(1, 2)).mean()
    assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / 600)


def test_crops_of_a_photo_at_rest_and_of_its_own_size() -> None:
    images, masks = Augmenter(AugmentConfig(**OFF, crop=32), 0)(PHOTOS, MASKS * 0, 0)
    assert images.shape == (8, 32, 32, 3)
    assert not masks.any()
    images, masks = Augmenter(AugmentConfig(**OFF, crop=SIZE), 0)(PHOTOS, MASKS, 0)
    np.testing.assert_array_equal(images, PHOTOS)
    np.testing.assert_array_equal(masks, MASKS)
