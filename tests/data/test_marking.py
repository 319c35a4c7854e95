import numpy as np
import pytest
from PIL import Image

from tf_muscle.data.marking import (
    likeliest,
    likeliest_enlarged,
    mark,
    mark_enlarged,
    tempered,
    without_specks,
)
from tf_muscle.runs.calibration import Calibration


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_temperature_divides_the_logits(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 6, (7, 9, 4))
    found = tempered(softmax(logits).astype(np.float32), temperature)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, softmax(logits / temperature), atol=1e-6)
    np.testing.assert_array_equal(found.argmax(-1), logits.argmax(-1))


def test_a_probability_of_zero_stays_zero() -> None:
    found = tempered(np.array([[1.0, 0.0, 0.0]], np.float32), 3.0)
    np.testing.assert_array_equal(found, [[1, 0, 0]])


def test_the_likeliest_muscle_has_to_reach_its_threshold() -> None:
    probabilities = np.array(
        [[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.56, 0.2, 0.24], [0.1, 0.45, 0.45]]]
    )
    np.testing.assert_array_equal(likeliest(probabilities), [[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(likeliest(probabilities, (0.5, 0.5)), [[0, 1, 0, 0, 0]])
    # Lower ones mark where the background is likelier, too.
    np.testing.assert_array_equal(likeliest(probabilities, (0.3, 0.5)), [[1, 1, 0, 0, 1]])
    np.testing.assert_array_equal(likeliest(probabilities, (0.9, 0.2)), [[0, 0, 2, 2, 0]])
    assert likeliest(probabilities, (0.3, 0.5)).dtype == np.uint8


def blurred(shape: tuple[int, int, int]) -> np.ndarray:
    """Probabilities with regions of some pixels."""
    logits = np.random.default_rng(0).normal(0, 4, (shape[0] // 4 + 1, shape[1] // 4 + 1, shape[2]))
    logits = logits.repeat(4, axis=0).repeat(4, axis=1)[: shape[0], : shape[1]]
    return softmax(logits).astype(np.float32)


def by_pillow(probabilities: np.ndarray, height: int, width: int) -> np.ndarray:
    """All classes at the photo's size, float32 [height, width, K]."""
    channels = [
        Image.fromarray(np.ascontiguousarray(channel)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for channel in np.moveaxis(probabilities, -1, 0)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


@pytest.mark.parametrize("size", [(203, 361), (24, 32), (90, 20), (7, 9)])
@pytest.mark.parametrize("thresholds", [(), (0.4, 0.6, 0.2)])
def test_enlarging_class_by_class_gives_the_mask_of_all_enlarged(
    size: tuple[int, int], thresholds: tuple[float, ...]
) -> None:
    probabilities = blurred((24, 32, 4))
    enlarged = by_pillow(probabilities, *size)
    expected = likeliest(enlarged, thresholds)
    class_ids, highest = likeliest_enlarged(probabilities, *size, thresholds)
    assert (class_ids.dtype, class_ids.shape) == (np.uint8, size)
    assert (highest.dtype, highest.shape) == (np.float32, size)
    # Where two classes are equally likely, or one just reaches its threshold, rounding decides.
    two = np.sort(enlarged, axis=-1)
    clear = two[..., -1] - two[..., -2] > 1e-5
    for threshold in thresholds:
        clear &= (np.abs(enlarged - threshold) > 1e-5).all(axis=-1)
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(class_ids[clear], expected[clear])
    own = np.take_along_axis(enlarged, class_ids[..., None], axis=-1)[..., 0]
    marked = class_ids > 0 if thresholds else np.ones(size, bool)
    np.testing.assert_allclose(highest[marked], own[marked], atol=1e-5)


def test_specks_are_taken_out_at_the_photos_size() -> None:
    probabilities = np.zeros((8, 8, 2), np.float32)
    probabilities[1, 1, 1] = probabilities[4:7, 4:7, 1] = 1
    probabilities[..., 0] = 1 - probabilities[..., 1]
    enlarged = by_pillow(probabilities, 80, 80)
    calibration = Calibration(smallest_area=0.05)
    class_ids, _ = mark_enlarged(probabilities, 80, 80, calibration)
    assert class_ids[15, 15] == 0
    assert class_ids[55, 55] == 1
    # Halfway between two pixels both are equally likely.
    unclear = np.abs(enlarged[..., 1] - 0.5) < 1e-5
    np.testing.assert_array_equal(class_ids[~unclear], mark(enlarged, calibration)[~unclear])


def test_small_regions_become_background() -> None:
    mask = np.array(
        [
            [1, 1, 0, 2, 0],
            [1, 0, 0, 0, 2],
            [0, 2, 2, 0, 0],
            [0, 2, 2, 0, 1],
        ],
        np.uint8,
    )
    kept = mask.copy()
    assert without_specks(mask, 0.0) is mask
    # Pixels that touch by a corner are two regions. Of 20 pixels, 0.1 are 2 and 0.2 are 4.
    kept[0, 3] = kept[1, 4] = kept[3, 4] = 0
    np.testing.assert_array_equal(without_specks(mask, 0.1), kept)
    kept[:2, :2] = 0
    np.testing.assert_array_equal(without_specks(mask, 0.2), kept)
    np.testing.assert_array_equal(without_specks(mask, 0.21), np.zeros_like(mask))
    assert mask[0, 3] == 2  # the mask itself is left as it was


def test_thresholds_come_before_the_area() -> None:
    probabilities = np.full((4, 4, 2), 0.5)
    probabilities[..., 1] = [[0.9, 0.4, 0, 0], [0.4, 0.4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0.9]]
    expected = np.zeros((4, 4))
    expected[:2, :2] = 1
    calibration = Calibration(thresholds=(0.3,), smallest_area=0.2)
    np.testing.assert_array_equal(mark(probabilities, calibration), expected)
