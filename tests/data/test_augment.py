import colorsys
import dataclasses
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tf_muscle.data.augment import BAKED_OPTIONS, Augmenter, without_baked
from tf_muscle.options import AugmentConfig
from tf_muscle.roboflow.readme import PHRASES

OFF = AugmentConfig(
    horizontal_flip=0, vertical_flip=0, shear=0, grayscale=0, blur=0, noise=0, rotate=0
)
EVERYTHING = AugmentConfig(
    rotate=20.0, zoom=0.3, shift=0.1, brightness=0.2, saturation=0.3, hue=0.1
)
SIZE = 64
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
MASKS = RNG.integers(0, 4, (8, SIZE, SIZE)).astype(np.uint8)


def only(**options: Any) -> AugmentConfig:
    return dataclasses.replace(OFF, **options)


def augmented(
    config: AugmentConfig, photo: np.ndarray, mask: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Many draws for one photo."""
    return Augmenter(config, seed=0)(np.stack([photo] * count), np.stack([mask] * count), 0)


def test_nothing_is_left_when_all_is_off() -> None:
    images, masks = Augmenter(OFF, 0)(PHOTOS, MASKS, 0)
    np.testing.assert_array_equal(images, PHOTOS)
    np.testing.assert_array_equal(masks, MASKS)


@pytest.mark.parametrize(
    ("option", "flipped"),
    [("horizontal_flip", np.s_[:, :, ::-1]), ("vertical_flip", np.s_[:, ::-1])],
)
def test_flips_are_numpys(option: str, flipped: tuple) -> None:
    images, masks = Augmenter(only(**{option: 1.0}), 0)(PHOTOS, MASKS, 0)
    np.testing.assert_array_equal(images, PHOTOS[flipped])
    np.testing.assert_array_equal(masks, MASKS[flipped])


def test_transforms_are_drawn_independently() -> None:
    """Every combination of flips and grey comes as often as its probabilities say."""
    count = 800
    config = only(horizontal_flip=0.5, vertical_flip=0.5, grayscale=0.25)
    images, masks = augmented(config, PHOTOS[0], MASKS[0], count)
    seen = dict.fromkeys([(h, v, g) for h in (0, 1) for v in (0, 1) for g in (0, 1)], 0)
    for image, mask in zip(images, masks, strict=True):
        ((h, v),) = (
            (h, v)
            for h in (0, 1)
            for v in (0, 1)
            if np.array_equal(mask, MASKS[0][:: 1 - 2 * v, :: 1 - 2 * h])
        )
        seen[h, v, int(np.ptp(image, axis=-1).max() == 0)] += 1
    for (_, _, grey), times in seen.items():
        probability = 0.25 * (0.25 if grey else 0.75)
        deviation = math.sqrt(count * probability * (1 - probability))
        assert abs(times - count * probability) < 4 * deviation, seen


@pytest.mark.parametrize(
    "config",
    [
        only(rotate=20.0, geometry_probability=0.3),
        only(brightness=0.3, color_probability=0.3),
        only(hue=0.2, color_probability=0.3),
    ],
)
def test_the_share_of_changed_photos_is_the_probability(config: AugmentConfig) -> None:
    count = 800
    images, _ = augmented(config, PHOTOS[0], MASKS[0], count)
    changed = int((images != PHOTOS[0]).any(axis=(1, 2, 3)).sum())
    assert abs(changed - count * 0.3) < 4 * math.sqrt(count * 0.3 * 0.7)


def test_salt_and_pepper_is_rare_and_leaves_the_mask() -> None:
    grey = np.full((100, 100, 3), 128, np.uint8)
    images, masks = augmented(only(noise=0.0022), grey, grey[..., 0], 100)
    assert set(np.unique(images)) == {0, 128, 255}
    changed = images != 128
    np.testing.assert_array_equal(changed.any(axis=-1), changed.all(axis=-1))  # whole pixels
    shares = changed[..., 0].mean(axis=(1, 2))
    assert shares.max() <= 0.0022
    assert shares.mean() == pytest.approx(0.0011, rel=0.2)
    assert (images == 0).sum() == pytest.approx((images == 255).sum(), rel=0.3)
    assert (masks == 128).all()


def test_shear_stays_within_fifteen_degrees() -> None:
    """Photos whose colours are coordinates tell where each pixel came from."""
    y, x = np.mgrid[:SIZE, :SIZE]
    coordinates = np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)
    images, _ = augmented(only(shear=15.0), coordinates, MASKS[0], 100)
    matrices = []
    for image in images.astype(float):
        inside = image[..., 2] == 255  # elsewhere the border has been mixed in
        target = np.stack([x[inside], y[inside], np.ones(inside.sum())], axis=-1)
        solution, *_ = np.linalg.lstsq(target, image[inside][:, :2], rcond=None)
        matrices.append(np.linalg.inv(solution[:2].T))  # from source to target
    matrix = np.array(matrices)
    np.testing.assert_allclose(matrix[:, [0, 1], [0, 1]], 1.0, atol=0.01)
    angles = np.degrees(np.arctan(matrix[:, [0, 1], [1, 0]]))  # horizontal, vertical
    assert np.abs(angles).max() < 15.5
    assert (angles.min(axis=0) < -12).all()
    assert (angles.max(axis=0) > 12).all()
    assert abs(np.corrcoef(angles.T)[0, 1]) < 0.3  # the two are drawn apart
    # The centre stays where it is.
    half = SIZE // 2
    np.testing.assert_allclose(images[:, half, half, :2], half, atol=1)


def test_blur_stays_below_its_sigma() -> None:
    """A bright column becomes the kernel, whose variance is sigma squared."""
    line = np.zeros((15, 31, 3), np.uint8)
    line[:, 15] = 255
    images, _ = augmented(only(blur=1.2), line, line[..., 0], 100)
    profile = images[:, 7, :, 0].astype(float)
    distance = np.arange(31) - 15
    sigmas = np.sqrt((profile * distance**2).sum(axis=1) / profile.sum(axis=1))
    assert sigmas.max() <= 1.2 + 0.02  # 8-bit rounding
    assert sigmas.max() > 1.1
    assert sigmas.min() < 0.3
    np.testing.assert_allclose(profile.sum(axis=1), 255, atol=8)


@pytest.mark.parametrize(
    "option", ["noise", "blur", "grayscale", "brightness", "saturation", "hue"]
)
def test_colours_leave_the_mask(option: str) -> None:
    images, masks = Augmenter(only(**{option: 0.5}), 0)(PHOTOS, MASKS, 0)
    np.testing.assert_array_equal(masks, MASKS)
    assert (images != PHOTOS).any()


def test_brightness_and_contrast_stay_in_range() -> None:
    """A linear map whose slope and offset can be read off two greys."""
    two = np.full((4, 4, 3), 100, np.uint8)
    two[:2] = 150
    images, _ = augmented(only(brightness=0.1), two, two[..., 0], 200)
    bright, dark = images[:, 0, 0, 0].astype(float), images[:, 3, 3, 0].astype(float)
    slopes = (bright - dark) / 50
    assert slopes.min() > 0.9 - 0.03
    assert slopes.max() < 1.1 + 0.03
    assert np.ptp(slopes) > 0.15
    offsets = dark - 100 * slopes
    assert np.abs(offsets).max() < 25.5 + 4
    assert np.ptp(offsets) > 40


def test_saturation_scales_the_distance_to_grey() -> None:
    colour = np.array([150, 90, 60], np.uint8)
    grey = float(colour @ (0.299, 0.587, 0.114))  # ITU-R BT.601
    photo = np.tile(colour, (4, 4, 1))
    images, _ = augmented(only(saturation=0.4), photo, photo[..., 0], 200)
    factors = (images[:, 0, 0] - grey) / (colour - grey)  # [200, 3]
    assert np.ptp(factors, axis=1).max() < 0.2  # one factor for all channels; 8-bit rounding
    assert 0.6 - 0.1 < factors.min() < 0.7
    assert 1.3 < factors.max() < 1.4 + 0.1


def test_hue_turns_the_colour_and_nothing_else() -> None:
    photo = np.tile(np.array([200, 80, 40], np.uint8), (4, 4, 1))
    images, _ = augmented(only(hue=0.1), photo, photo[..., 0], 200)
    hsv = np.array([colorsys.rgb_to_hsv(*pixel / 255) for pixel in images[:, 0, 0].astype(float)])
    before = colorsys.rgb_to_hsv(200 / 255, 80 / 255, 40 / 255)
    turned = (hsv[:, 0] - before[0] + 0.5) % 1 - 0.5
    assert np.abs(turned).max() < 0.1 + 0.01
    assert turned.min() < -0.08
    assert turned.max() > 0.08
    np.testing.assert_allclose(hsv[:, 1:], np.tile(before[1:], (200, 1)), atol=0.02)


def blocks() -> np.ndarray:
    """Large patches of the four classes, [SIZE, SIZE]."""
    return np.kron(RNG.integers(0, 4, (4, 4)), np.ones((SIZE // 4, SIZE // 4))).astype(np.uint8)


@pytest.mark.parametrize(
    "config",
    [
        only(horizontal_flip=0.5, vertical_flip=0.5),
        only(shear=15.0),
        only(rotate=30.0),
        only(zoom=0.3),
        only(shift=0.2),
        only(horizontal_flip=0.5, shear=15.0, rotate=20.0, zoom=0.3, shift=0.1, crop=48),
    ],
)
def test_photo_and_mask_move_together(config: AugmentConfig) -> None:
    """The photo shows the class ids as colours; away from edges they must still agree."""
    truth = np.stack([blocks() for _ in range(20)])
    photos = np.repeat(truth[..., None] * 80, 3, axis=-1)
    images, masks = Augmenter(config, 1)(photos, truth, 0)
    size = masks.shape[1]
    shifted = [
        masks[:, 1 + dy : size - 1 + dy, 1 + dx : size - 1 + dx]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]
    middle = masks[:, 1:-1, 1:-1]
    uniform = np.all([one == middle for one in shifted], axis=0)
    assert uniform.mean() > 0.5
    colours = images[:, 1:-1, 1:-1, 0].astype(int)
    agreeing = np.abs(colours - 80 * middle)[uniform] <= 2
    assert agreeing.mean() > 0.999
    assert not np.array_equal(images, photos[:, :size, :size])


def test_no_class_appears_that_was_not_there() -> None:
    """Interpolation between 1 and 3 would give 2, and borders of 255 a class beyond all."""
    masks = np.where(MASKS[:, :1] > 1, 1, 3).astype(np.uint8).repeat(SIZE, axis=1)
    for batch in range(5):
        _, changed = Augmenter(EVERYTHING, 0)(PHOTOS, masks, batch)
        assert set(np.unique(changed)) == {0, 1, 3}
    crop = dataclasses.replace(OFF, crop=32)
    assert set(np.unique(Augmenter(crop, 0)(PHOTOS, masks, 0)[1])) == {1, 3}


def test_same_seed_same_pixels_whatever_thread_and_order() -> None:
    def draw(batch: int) -> tuple[np.ndarray, np.ndarray, int]:
        return *parallel(PHOTOS, MASKS, batch), threading.get_ident()

    sequential = Augmenter(EVERYTHING, seed=5)
    expected = {batch: sequential(PHOTOS, MASKS, batch) for batch in reversed(range(12))}
    parallel = Augmenter(EVERYTHING, seed=5)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(draw, range(12)))
    for batch, (images, masks, _) in enumerate(drawn):
        np.testing.assert_array_equal(images, expected[batch][0])
        np.testing.assert_array_equal(masks, expected[batch][1])


def test_seeds_batches_and_places_in_the_batch_differ() -> None:
    same = np.stack([PHOTOS[0]] * 3)
    masks = np.stack([MASKS[0]] * 3)
    images = [
        *Augmenter(EVERYTHING, 0)(same, masks, 0)[0],
        *Augmenter(EVERYTHING, 0)(same, masks, 1)[0],
        *Augmenter(EVERYTHING, 1)(same, masks, 0)[0],
    ]
    assert len({image.tobytes() for image in images}) == 9


def test_inputs_are_left_as_they_are() -> None:
    photos, masks = PHOTOS.copy(), MASKS.copy()
    Augmenter(EVERYTHING, 0)(photos, masks, 0)
    np.testing.assert_array_equal(photos, PHOTOS)
    np.testing.assert_array_equal(masks, MASKS)


def test_what_is_baked_in_is_turned_off() -> None:
    recipe = AugmentConfig(zoom=0.2, brightness=0.1)
    changed, off = without_baked(recipe, ("horizontal_flip", "shear", "hue", "brightness"))
    assert off == ["brightness", "horizontal_flip", "shear"]  # hue was off before
    assert changed == dataclasses.replace(recipe, horizontal_flip=0, shear=0, brightness=0)
    changed, off = without_baked(recipe, ("crop",))
    assert off == ["zoom"]  # shift was off before
    assert changed == dataclasses.replace(recipe, zoom=0)


def test_nothing_is_turned_off_without_need() -> None:
    recipe = AugmentConfig()
    assert without_baked(recipe, ()) == (recipe, [])
    assert without_baked(recipe, ("mosaic", "rotate")) == (recipe, [])
    again = dataclasses.replace(recipe, augment_again=True)
    assert without_baked(again, ("horizontal_flip",)) == (again, [])


def test_baked_names_are_those_of_the_reader() -> None:
    assert set(BAKED_OPTIONS) <= set(PHRASES)
    options = {field.name for field in dataclasses.fields(AugmentConfig)}
    assert {option for names in BAKED_OPTIONS.values() for option in names} <= options
    # The report's whole recipe can be baked in.
    report = {"horizontal_flip", "vertical_flip", "shear", "grayscale", "blur", "noise"}
    assert set(without_baked(AugmentConfig(), PHRASES)[1]) == report
